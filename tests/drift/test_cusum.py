"""Page-Hinkley: equal to River's, row by row."""

import numpy as np
import pytest
from river.drift import PageHinkley as RiverPageHinkley
from sequential_contract import check_contract, watch

from engine.drift.cusum import PageHinkley


def values_of(seed):
    rng = np.random.default_rng(seed)
    return rng.normal(np.repeat(rng.normal(0, 2, 8), 300), 1.0)


@pytest.mark.parametrize("mode", ["up", "down", "both"])
@pytest.mark.parametrize("threshold", [10.0, 50.0])
def test_alarms_are_rivers(mode, threshold):
    alarms = 0
    for seed in range(6):
        values, detector, rows = values_of(seed), RiverPageHinkley(), []
        detector = RiverPageHinkley(threshold=threshold, mode=mode)
        for row, value in enumerate(values.tolist()):
            detector.update(value)
            if detector.drift_detected:
                rows.append(row)
        assert watch(PageHinkley(threshold=threshold, mode=mode), values)[0] == rows
        alarms += len(rows)
    assert alarms > 5


def test_the_contract_is_kept():
    rng = np.random.default_rng(3)
    assert check_contract(PageHinkley, values_of(9), rng)[0]


def test_the_onset_is_near_the_change():
    values = np.random.default_rng(4).normal(np.repeat([0.0, 3.0], 500))
    rows, onsets, _ = watch(PageHinkley(), values, [501])
    assert 500 < rows[0] < 540
    assert 440 <= onsets[0] <= 505
