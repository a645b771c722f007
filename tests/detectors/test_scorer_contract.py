"""Every scorer is causal, needs no unit, learns no garbage, and finds what it is for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scorer_contract import (
    CASES,
    MINUTE_NS,
    START_NS,
    by_slot,
    calibrated,
    feed,
    fleet,
    run,
    score_block,
)

from engine.detectors.calibrated import CalibratedDetector
from engine.detectors.protocol import UNTOLD
from engine.detectors.signals import SIGNALS

ROWS = 1500


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


def noise(rows=ROWS, seed=1):
    return np.random.default_rng(seed).normal(size=rows)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.twin])
def test_equals_its_slow_twin(name):
    case = CASES[name]
    values = fleet(900)
    fast = feed(case.make(), values, 0, 900)
    slot = np.repeat(np.arange(len(values)), 900)
    slow = np.array(case.twin().score(slot, values.ravel())).T.reshape(fast.shape)
    assert (fast[0] > 0.5).any()
    np.testing.assert_array_equal(fast[0] < 0, slow[0] < 0)
    np.testing.assert_allclose(fast, slow, rtol=1e-9, atol=1e-12)


def test_cuts_between_blocks_change_nothing(case):
    values = fleet(ROWS)[0]
    whole = run(case, values)
    for seed in range(5):
        cuts = np.random.default_rng(seed).integers(1, ROWS, 4**seed)
        np.testing.assert_array_equal(run(case, values, cuts=cuts), whole)


def test_neighbours_change_nothing(case):
    values = fleet(ROWS)
    together = feed(case.make(), values, 0, ROWS)
    for series in (0, 3, 8):
        np.testing.assert_array_equal(together[:, series], run(case, values[series]))


@pytest.mark.parametrize("garbage", [0.0, -1e300, 1e300, np.nan])
def test_scores_do_not_depend_on_the_future(case, garbage):
    values = noise()
    other = values.copy()
    other[700:] = garbage
    np.testing.assert_array_equal(run(case, other)[:, :700], run(case, values)[:, :700])


@pytest.mark.parametrize("factor", [2.0**-40, 2.0**60])
def test_power_of_two_changes_no_bit(case, factor):
    values = fleet(ROWS)[[0, 1, 2, 4]]
    plain = feed(case.make(), values, 0, ROWS)
    scaled = feed(case.make(), values * factor, 0, ROWS)
    np.testing.assert_array_equal(scaled[:2], plain[:2])
    np.testing.assert_array_equal(scaled[2:5], plain[2:5] * factor)
    np.testing.assert_array_equal(scaled[5:], plain[5:])


@pytest.mark.parametrize(("factor", "shift"), [(3.7, 0.0), (0.001, 0.7), (1.0, -1000.0)])
def test_affine_maps_change_no_score(case, factor, shift):
    values = fleet(ROWS)[[0, 1, 2]]
    plain = feed(case.make(), values, 0, ROWS)
    mapped = feed(case.make(), values * factor + shift, 0, ROWS)
    np.testing.assert_allclose(mapped[:2], plain[:2], rtol=1e-6, atol=case.tolerance)


def test_warming_up_has_no_verdict_and_then_there_is_one(case):
    scores = run(case, noise())
    assert (scores[0, : case.warm_up] == -1.0).all()
    assert not scores[1, : case.warm_up].any()
    assert np.isnan(scores[2:, : case.warm_up]).all()
    judged = scores[:2, case.warm_up :]
    judged[0] = np.where(judged[0] > UNTOLD, judged[0], UNTOLD - judged[0])
    assert (judged >= 0.0).all()
    assert judged[0].any()
    assert scores[1, case.warm_up :].any()


def test_band_holds_most_of_what_was_expected(case):
    values = 1000.0 + noise()
    _, _, expected, lower, upper, deviation = run(case, values)[:, case.warm_up :]
    if np.isnan(expected).all():
        assert np.isnan([lower, upper, deviation]).all()
        return
    np.testing.assert_allclose(expected, 1000.0, atol=3.0)
    inside = (lower <= values[case.warm_up :]) & (values[case.warm_up :] <= upper)
    assert inside.mean() > 0.97
    side = np.sign(values[case.warm_up :] - expected)
    np.testing.assert_array_equal(np.sign(deviation), side)


def test_constant_series_is_silent_and_its_first_change_is_loud(case):
    values = np.full(ROWS, 5.0)
    assert not (run(case, values)[0] > 0.1).any()
    assert (calibrated(case, values) < 0.5).all()
    values[1000:1003] = 5.001
    onset = calibrated(case, values)[0]
    assert onset[1000] > 1.5
    assert not (onset[:1000] > 0.5).any()


def test_values_that_are_no_numbers_teach_nothing(case):
    values = noise()
    bad = np.arange(300, ROWS, 7)
    dirty = values.copy()
    dirty[bad] = np.resize([np.nan, np.inf, -np.inf, 1.7e308], len(bad))
    clean = np.delete(np.arange(ROWS), bad)
    ts = START_NS + np.arange(ROWS) * MINUTE_NS
    scores = run(case, dirty, ts=ts)
    assert (scores[0, bad] == -1.0).all()
    assert not scores[1, bad].any()
    assert np.isnan(scores[2:, bad]).all()
    np.testing.assert_array_equal(scores[:, clean], run(case, values[clean], ts=ts[clean]))


@pytest.mark.parametrize("wild", [1e300, -1e300, 5e-324])
def test_wild_value_poisons_nothing(case, wild):
    dirty = noise(9000)
    dirty[700] = wild
    dirty[8500:8600] += 40.0
    scores = run(case, dirty)
    assert np.isfinite(scores[:2]).all()
    onset, state = calibrated(case, dirty)
    assert (onset[3000:8500] > 1.0).sum() <= 12  # one is allowed for 1440 rows
    assert (onset[8500:8510] > 1.0).any()
    assert (state[8505:8600] > 1.0).any()


@settings(max_examples=30, deadline=None)
@given(
    name=st.sampled_from(sorted(CASES)),
    values=st.lists(
        st.floats() | st.sampled_from([0.0, 1e300, -1e300, 5e-324]), min_size=50, max_size=200
    ),
)
def test_any_floats_give_finite_scores(name, values):
    scores = run(CASES[name], np.tile(values, 6))
    assert np.isfinite(scores[:2]).all()
    assert ((scores[0] >= 0.0) | (scores[0] == -1.0) | (scores[0] <= UNTOLD)).all()
    assert (scores[1] >= 0.0).all()


def test_gap_in_time_is_no_onset(case):
    values = noise()
    ts = START_NS + np.arange(ROWS) * MINUTE_NS
    ts[1000:] += 3 * 1440 * MINUTE_NS
    scores = run(case, values, ts=ts)
    assert scores[0, 1000] < case.make().default_boundary[0]


def test_lasting_shift_is_one_onset_and_a_state_that_ends(case):
    values = noise(6000, seed=3)
    values[2000:] += 12.0
    onset, state = calibrated(case, values)
    told = np.flatnonzero(onset[1990:2100] > 1.0) + 1990
    assert 2000 <= told[0] < 2010
    # Trees look at two values at a time: the second one of a new level is stranger than the first.
    assert told[-1] <= told[0] + 1
    assert (state[1500:2000] < 1.0).mean() > 0.98
    assert (state[told[0] + 3 : told[0] + 20] > 1.0).all()
    assert (state[5500:] < 1.0).mean() > 0.98


def test_snapshot_in_the_middle_changes_nothing(case):
    values = fleet(ROWS)
    expected = feed(case.make(), values, 0, ROWS)[:, :, 800:]
    first = case.make()
    feed(first, values, 0, 800)
    second = case.make()
    second.restore(by_slot(first) | first.pooled())
    for array in (by_slot(first) | first.pooled()).values():
        array.fill(0)
    np.testing.assert_array_equal(feed(second, values, 800, ROWS), expected)


def test_snapshot_of_the_calibrated_detector_changes_nothing(case):
    def scored(detector, begin, end):
        ts = START_NS + np.arange(begin, end) * MINUTE_NS
        scores = detector.score(np.zeros(end - begin, np.int32), ts, values[begin:end], 1.0)
        return np.array([scores.onset, scores.state])

    values = fleet(ROWS)[0]
    whole, first, second = (
        CalibratedDetector(case.make(), false_alarms_per_day=100.0, slots=1) for _ in range(3)
    )
    expected = scored(whole, 0, ROWS)[:, 720:]
    scored(first, 0, 720)
    second.restore(by_slot(first) | first.pooled())
    np.testing.assert_array_equal(scored(second, 720, ROWS), expected)
    assert (expected[0] > 1.0).any()


def test_snapshot_of_another_layout_is_refused(case):
    with pytest.raises(ValueError, match="rows"):
        case.make().restore({"rows": np.zeros((3, 1))})


def test_only_rows_of_the_block_change(case):
    values = fleet(ROWS)
    scorer = case.make()
    feed(scorer, values, 0, 800)
    before = {name: array.copy() for name, array in by_slot(scorer).items()}
    slot = np.array([2, 2, 6], np.int32)
    ts = START_NS + np.array([800, 801, 800]) * MINUTE_NS
    score_block(scorer, slot, ts, np.array([1.0, 2.0, 3.0]))
    rest = [series for series in range(len(values)) if series not in {2, 6}]
    after = by_slot(scorer)
    for name, array in before.items():
        np.testing.assert_array_equal(after[name][rest], array[rest])
    assert any((after[name][[2, 6]] != array[[2, 6]]).any() for name, array in before.items())


def test_growing_keeps_what_was_learned(case):
    values = noise()
    scorer = case.make()
    before = run(case, values[:700], scorer=scorer)
    scorer.grow(5000, 100_000)
    ts = START_NS + np.arange(700, ROWS) * MINUTE_NS
    after = run(case, values[700:], ts=ts, scorer=scorer)
    np.testing.assert_array_equal(np.concatenate([before, after], axis=1), run(case, values))


def test_signals_have_names_and_accompany_onsets(case):
    scorer = case.make()
    assert set(scorer.signals) <= set(SIGNALS)
    scorer.grow(1)
    slot, ts = np.zeros(ROWS, np.int32), START_NS + np.arange(ROWS) * MINUTE_NS
    values = noise()
    values[1000:] += 12.0
    scores, signals = score_block(scorer, slot, ts, values)
    assert (signals >= 0.0).all()
    assert signals[:, scores[0] > 0.0].any(axis=0).all()


def test_a_detector_says_how_many_series_are_warming_up(case):
    detector = CalibratedDetector(case.make(), false_alarms_per_day=1.0, slots=3)
    assert detector.warming_up() == 3
    values = noise()
    ts = START_NS + np.arange(ROWS) * MINUTE_NS
    early = case.warm_up // 2
    detector.score(np.zeros(early, np.int32), ts[:early], values[:early])
    assert detector.warming_up() == 3
    detector.score(np.zeros(ROWS - early, np.int32), ts[early:], values[early:])
    assert detector.warming_up() == 2
