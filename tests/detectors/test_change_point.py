"""What is particular to change points; the rest is in `test_scorer_contract.py`."""

import msgspec
import numpy as np
import pytest
from scorer_contract import Case, calibrated, feed, run

from engine.detectors.change_point import BYTES_PER_SERIES, ChangePointParams, ChangePointScorer

PARAMS = ChangePointParams()
CASE = Case(lambda: ChangePointScorer(PARAMS), PARAMS.warm_up_rows)
LIMIT_ONSET = PARAMS.limit / 16
"""Raw onset of an excursion that just reaches the limit, for an allowance of one half."""


def autoregressive(noise, correlation):
    values = noise.copy()
    for row in range(1, noise.shape[-1]):
        values[..., row] += correlation * values[..., row - 1]
    return values


def test_a_series_takes_two_cache_lines():
    assert BYTES_PER_SERIES == 128


def test_average_run_length_is_that_of_the_textbook():
    """465 rows to a false alarm for an allowance of 0.5 and a limit of 5 (Montgomery, ch. 9).

    Winsorising makes it 490; chance correlations hold some series to a little more.
    """
    params = ChangePointParams(limit=5.0, memory_rows=4000, warm_up_rows=4000)
    values = np.random.default_rng(1).normal(size=(300, 8000))
    expected = feed(ChangePointScorer(params), values, 0, 8000)[2]
    # The new level begins with the row that gave it away.
    changed = np.isclose(expected[:, 1:], values[:, :-1], rtol=1e-12, atol=1e-12)
    assert changed.any(axis=1).all()
    lengths = np.argmax(changed, axis=1) + 1 - 4000
    assert lengths.mean() == pytest.approx(490, rel=0.2)


def test_a_shift_is_found_within_the_rows_it_takes():
    """A shift of d deviations takes about limit / (d - allowance) rows."""
    for shift, rows in ((1.5, 30), (3.0, 12), (30.0, 7)):
        values = np.random.default_rng(2).normal(size=4000)
        values[3000:] += shift
        onset, _, expected = run(CASE, values)[:3]
        assert onset[3000 : 3000 + rows].max() >= LIMIT_ONSET
        assert expected[3200] == pytest.approx(shift, abs=0.5)


def test_faster_rises_are_higher_onsets():
    onsets = []
    for shift in (1.0, 2.0, 5.0):
        values = np.random.default_rng(3).normal(size=3200)
        values[3000:] += shift
        onsets.append(run(CASE, values)[0, 3000:].max())
    assert LIMIT_ONSET <= onsets[0] < onsets[1] < onsets[2]


def test_one_outlier_is_no_change():
    values = np.random.default_rng(4).normal(size=4000)
    values[3000::200] += 100.0
    assert (run(CASE, values)[0, 3000:] < LIMIT_ONSET).all()


def test_an_excursion_that_comes_to_nothing_is_told_when_it_is_over():
    rng = np.random.default_rng(5)
    values = rng.normal(size=3100)
    values[3000:3020] = np.tile([0.9, 1.3], 10)
    values[3020:] = np.tile([-0.6, 0.6], 40)
    onset, state = run(CASE, values)[:2]
    told = np.flatnonzero(onset[3001:] > 0.3) + 3001
    assert len(told) == 1
    assert told[0] > 3020
    assert onset[told[0]] < LIMIT_ONSET
    assert np.argmax(state[3000:]) == pytest.approx(19, abs=2)


def test_autocorrelation_is_no_change():
    """As many changes of level as in independent samples, give or take."""
    noise = np.random.default_rng(6).normal(size=(40, 8000))
    counts = [
        (feed(ChangePointScorer(PARAMS), values, 0, 8000)[0] >= LIMIT_ONSET).sum()
        for values in (noise, autoregressive(noise, 0.9))
    ]
    assert counts[0] <= 40
    assert counts[1] <= 40
    plain = ChangePointParams(limit=PARAMS.limit / 19)  # what the long-run variance makes of it
    assert (feed(ChangePointScorer(plain), noise, 0, 8000)[0] >= LIMIT_ONSET / 19).sum() > 1000


def test_there_and_back_are_two_changes():
    values = np.random.default_rng(7).normal(size=4000)
    values[2000:2500] += 6.0
    onset, state = calibrated(CASE, values)
    told = np.flatnonzero(onset[1900:2700] > 1.0) + 1900
    assert len(told) == 2
    assert 2000 <= told[0] < 2010
    assert 2500 <= told[1] < 2510
    assert (state[2150:2500] < 1.0).mean() > 0.95


@pytest.mark.parametrize(
    "params",
    [
        {"memory_rows": 100, "warm_up_rows": 200},
        {"limit": 0},
        {"allowance": 0},
        {"head_start": 0.5},
    ],
)
def test_wrong_parameters_are_refused(params):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(params, ChangePointParams)
