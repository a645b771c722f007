"""HDDM: equal to River's, row by row."""

import numpy as np
import pytest
from river.drift import binary
from sequential_contract import check_contract, streams, watch

from engine.drift.hddm import HddmA, HddmW

PAIRS = [(HddmA, binary.HDDMA), (HddmW, binary.HDDMW)]


def river_rows(detector, values):
    drifts, warnings = [], []
    for row, value in enumerate(values.tolist()):
        detector.update(value)
        if detector.drift_detected:
            drifts.append(row)
        if detector.warning_detected:
            warnings.append(row)
    return drifts, warnings


@pytest.mark.parametrize("two_sided_test", [False, True])
@pytest.mark.parametrize(("ours", "rivers"), PAIRS)
def test_alarms_and_warnings_are_rivers(ours, rivers, two_sided_test):
    rng, alarms = np.random.default_rng(1), 0
    for values in streams(rng, 14):
        own = watch(ours(two_sided_test=two_sided_test), values)
        drifts, warnings = river_rows(rivers(two_sided_test=two_sided_test), values)
        assert own[0] == drifts
        # River's two-sided tests leave an old warning standing beside an alarm.
        assert own[2] == warnings
        alarms += len(drifts)
    assert alarms > 20


@pytest.mark.parametrize(("ours", "rivers"), PAIRS)
def test_values_between_and_other_confidences(ours, rivers):
    rng = np.random.default_rng(2)
    given = {"drift_confidence": 0.01, "warning_confidence": 0.1}
    alarms = 0
    for bits in streams(rng, 6):
        values = np.clip(0.6 * bits + rng.normal(0.2, 0.1, len(bits)), 0.0, 1.0)
        own = watch(ours(**given), values)
        assert own[::2] == river_rows(rivers(**given), values)
        alarms += len(own[0])
    assert alarms > 5


@pytest.mark.parametrize("ours", [HddmA, HddmW])
def test_the_contract_is_kept(ours):
    rng = np.random.default_rng(3)
    for values in streams(rng, 4):
        assert check_contract(lambda: ours(two_sided_test=True), values, rng)[0]


def test_the_onset_is_near_the_change():
    rng = np.random.default_rng(4)
    values = (rng.random(4_000) < np.repeat([0.1, 0.6], 2_000)).astype(float)
    rows, onsets, _ = watch(HddmA(), values, [2_005])
    assert 2_000 < rows[0] < 2_100
    assert 1_950 <= onsets[0] <= 2_040
