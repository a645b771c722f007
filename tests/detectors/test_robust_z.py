"""What is particular to the robust z-score; the rest is in `test_scorer_contract.py`."""

import math

import msgspec
import numpy as np
import pytest
from scorer_contract import Case, calibrated, run

from engine.detectors.robust_z import (
    BYTES_PER_SERIES,
    MOST_DEVIATIONS,
    RobustZParams,
    RobustZScorer,
)

CASE = Case(lambda: RobustZScorer(RobustZParams()), RobustZParams().warm_up_rows)


def test_a_series_takes_a_cache_line():
    assert BYTES_PER_SERIES == 64


def test_onset_is_the_surprise_of_a_student_law():
    values = np.random.default_rng(1).normal(20.0, 2.0, 3000)
    values[2500] = 20.0 + 2.0 * 10.0
    scores = run(CASE, values)
    assert scores[0, 2500] == pytest.approx(0.2 * math.log(1 + 100 / 3), rel=0.1)
    assert scores[2, 2500] == pytest.approx(20.0, abs=0.3)
    assert scores[4, 2500] - scores[3, 2500] == pytest.approx(2 * 4 * 2.0, rel=0.1)


def test_a_constant_series_first_change_is_as_far_as_can_be():
    scores = run(CASE, np.append(np.full(1000, 3.0), 3.0000001))
    assert scores[0, -1] == pytest.approx(0.2 * math.log(MOST_DEVIATIONS**2 / 3))


def test_outliers_do_not_hide_each_other():
    rng = np.random.default_rng(2)
    values = rng.normal(size=6000)
    values[500::100] = 15.0
    scores = run(CASE, values)
    assert (scores[0, 500::100] > 0.5).all()
    assert np.median(scores[4, 3000:] - scores[3, 3000:]) < 12.0


def test_slow_drift_is_followed():
    values = np.random.default_rng(3).normal(size=8000) + np.arange(8000) / 1000
    onset, state = calibrated(CASE, values)
    assert (onset > 1.0).sum() <= 8
    assert (state < 1.0).all()


def test_recovery_from_an_incident_is_no_second_onset():
    values = np.random.default_rng(4).normal(size=3000)
    values[2000:2100] += 12.0
    onset, state = calibrated(CASE, values)
    assert np.flatnonzero(onset[1950:2300] > 1.0).tolist() == [50]
    assert (state[2010:2100] > 1.0).all()
    assert (state[2150:2400] < 1.0).all()


@pytest.mark.parametrize(
    "params",
    [
        {"memory_rows": 100, "warm_up_rows": 200},
        {"memory_rows": 1},
        {"warm_up_rows": 0},
        {"weight": 0.1},
    ],
)
def test_wrong_parameters_are_refused(params):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(params, RobustZParams)
