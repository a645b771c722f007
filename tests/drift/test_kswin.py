"""The Kolmogorov-Smirnov window: against its definition and River's KSWIN."""

import numpy as np
import pytest
from river.drift import KSWIN
from sequential_contract import check_contract, watch

from engine.drift.kswin import KsWindow, critical_gap
from engine.drift.smirnov import smirnov_p_value


def naive_alarms(values, newest, window, least):
    """The statistic by its definition, at every value."""
    rows, begin = [], 0
    for row in range(len(values)):
        if row + 1 - begin < window:
            continue
        begin = max(begin, row + 1 - window)
        old, new = values[begin : row + 1 - newest], values[row + 1 - newest : row + 1]
        at = values[begin : row + 1, None]
        shares = (old <= at).sum(1) * newest - (new <= at).sum(1) * len(old)
        if np.abs(shares).max() >= least:
            rows.append(row)
            begin = row + 1 - newest
    return rows


@pytest.mark.parametrize("decimals", [0, 1, 8])
@pytest.mark.parametrize(("window", "newest"), [(100, 30), (40, 20), (25, 5)])
def test_alarms_are_those_of_the_definition(window, newest, decimals):
    rng = np.random.default_rng(window + decimals)
    level = np.repeat(rng.normal(0, 2, 6), 150)
    values = np.round(rng.normal(level, 1.0), decimals)
    detector = KsWindow(0.01, window, newest)
    expected = naive_alarms(values, newest, window, detector._least)
    assert watch(detector, values, [7, 333])[0] == expected
    assert expected


def test_the_critical_gap_is_the_smallest():
    least = critical_gap(30, 70, 0.005)
    # 210 whole steps of the statistic: 30 and 70 have a common divisor of 10.
    assert smirnov_p_value(least, 30, 70) <= 0.005 < smirnov_p_value(least - 10, 30, 70)


def test_the_contract_is_kept():
    rng = np.random.default_rng(3)
    values = rng.normal(np.repeat([0.0, 2.0, -1.0], 400))
    assert check_contract(KsWindow, values, rng)[0]


def test_it_finds_what_kswin_finds_as_soon():
    delays = {"ours": [], "river": []}
    for seed in range(12):
        values = np.random.default_rng(seed).normal(np.repeat([0.0, 1.5], 120))
        river = KSWIN(alpha=1e-4, seed=seed)
        for row, value in enumerate(values.tolist()):
            river.update(value)
            if river.drift_detected:
                delays["river"].append(row - 120)
                break
        delays["ours"].append(watch(KsWindow(1e-4), values)[0][0] - 120)
    assert min(delays["ours"]) > 0
    assert len(delays["ours"]) == len(delays["river"]) == 12
    assert np.median(delays["ours"]) <= np.median(delays["river"]) + 2


def test_a_window_without_room_is_refused():
    with pytest.raises(ValueError, match="twice"):
        KsWindow(0.01, 50, 30)
