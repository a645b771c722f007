"""The default detector: equal to its twin, causal, needs no unit, and keeps its state."""

import math

import naive_default
import numpy as np
import pytest
from default_runs import (
    HOUR_NS,
    MINUTE_NS,
    START_NS,
    feed,
    fleet,
    noise,
    raw,
    score_block,
    wave,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.detectors.default import (
    BYTES_PER_SERIES,
    WEEKLY_BYTES,
    DefaultParams,
    DefaultScorer,
    default_detector,
)
from engine.detectors.protocol import SCORE_ROWS

DAILY = DefaultParams(rhythm="daily")


def state_of(scorer):
    """All arrays of the tables, by name."""
    return {name: array for table in scorer.tables() for name, array in table.arrays.items()}


@pytest.mark.parametrize(("minutes", "rows"), [(60, 900), (30, 900), (5, 700)])
@pytest.mark.parametrize(("params", "older_weeks"), [(DefaultParams(), 3), (DAILY, 0)])
def test_equals_its_slow_twin(minutes, rows, params, older_weeks):
    values, ts = fleet(rows, minutes * MINUTE_NS)
    slot = np.repeat(np.arange(len(values)), rows)
    scorer = DefaultScorer(params)
    scorer.grow(len(values))
    fast, fast_signals = score_block(scorer, slot, ts.ravel(), values.ravel())
    twin = naive_default.NaiveScorer(older_weeks)
    slow, slow_signals = twin.score(slot, ts.ravel(), values.ravel())
    assert (fast[0] > scorer.default_boundary[0]).sum() > 10
    np.testing.assert_allclose(fast, slow, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(fast_signals, slow_signals, atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(cuts=st.lists(st.integers(1, 1499), max_size=30, unique=True))
def test_cuts_between_blocks_change_nothing(cuts):
    values = wave(1500, interval_s=1800)
    kwargs = {"interval_ns": 30 * MINUTE_NS}
    np.testing.assert_array_equal(raw(values, cuts=cuts, **kwargs), raw(values, **kwargs))


def test_neither_cuts_of_a_fleet_nor_its_order_change_anything():
    values, ts = fleet(1500, 30 * MINUTE_NS)
    whole = feed(DefaultScorer(), values, ts)
    edges = [0, *range(START_NS, START_NS + 1600 * 30 * MINUTE_NS, 7 * HOUR_NS), 2**62]
    np.testing.assert_array_equal(feed(DefaultScorer(), values, ts, edges), whole)
    turned = feed(DefaultScorer(), values[::-1], ts[::-1], edges)
    np.testing.assert_array_equal(turned[:, ::-1], whole)


@settings(max_examples=20, deadline=None)
@given(known=st.integers(0, 1500), garbage=st.sampled_from([0.0, -1e300, 1e300, math.nan]))
def test_scores_do_not_depend_on_the_future(known, garbage):
    values = wave(1500, interval_s=1800)
    other = values.copy()
    other[known:] = garbage
    scores = [raw(v, interval_ns=30 * MINUTE_NS)[:, :known] for v in (other, values)]
    np.testing.assert_array_equal(*scores)


@pytest.mark.parametrize("factor", [2.0**-40, 2.0**60])
def test_power_of_two_changes_no_bit_of_the_scores(factor):
    values = wave(3000)
    plain, scaled = raw(values), raw(values * factor)
    np.testing.assert_array_equal(scaled[:2], plain[:2])
    np.testing.assert_array_equal(scaled[2:5], plain[2:5] * factor)
    np.testing.assert_array_equal(scaled[5], plain[5])


@pytest.mark.parametrize(
    ("factor", "shift"), [(3.7, 0.0), (0.001, 1.0), (1.0, -1000.0), (7.0, 7e3)]
)
def test_affine_maps_change_no_score(factor, shift):
    values = wave(3000)
    mapped = raw(values * factor + shift)
    np.testing.assert_allclose(mapped[:2], raw(values)[:2], rtol=1e-6, atol=1e-6)


def test_sign_does_not_matter():
    values = wave(3000)
    plain, turned = raw(values), raw(-values)
    np.testing.assert_array_equal(turned[:2], plain[:2])
    np.testing.assert_array_equal(turned[5], -plain[5])


@pytest.mark.parametrize("hours", [7 * 24, -52 * 7 * 24, 5])
def test_whole_hours_do_not_matter(hours):
    values = wave(3000, interval_s=600)
    ts = START_NS + np.arange(3000) * 10 * MINUTE_NS
    np.testing.assert_array_equal(raw(values, ts=ts + hours * HOUR_NS), raw(values, ts=ts))


@pytest.mark.parametrize("at", [300, 700])
def test_snapshot_in_the_middle_changes_nothing(at):
    values, ts = fleet(1000, 30 * MINUTE_NS)
    middle = START_NS + at * 30 * MINUTE_NS
    expected = feed(DefaultScorer(), values, ts, [0, middle, 2**62])
    first, second = DefaultScorer(), DefaultScorer()
    before = feed(first, values, ts, [0, middle])
    assert ("older" in state_of(first)) == (at == 700)
    second.restore(state_of(first))
    for array in state_of(first).values():
        array.fill(0)
    after = feed(second, values, ts, [middle, 2**62])
    np.testing.assert_array_equal(np.where(np.isnan(before), after, before), expected)


def test_growing_keeps_what_was_learned():
    values = wave(1000, interval_s=3600)
    ts = START_NS + np.arange(1000) * HOUR_NS
    scorer = DefaultScorer()
    first = raw(values[:500], ts=ts[:500], scorer=scorer)
    scorer.grow(1000, 2000)
    rest = raw(values[500:], ts=ts[500:], scorer=scorer)
    np.testing.assert_array_equal(np.concatenate([first, rest], axis=1), raw(values, ts=ts))


def test_snapshots_of_another_layout_are_refused():
    scorer = DefaultScorer()
    feed(scorer, *fleet(400, HOUR_NS))
    good = state_of(scorer)
    for bad in (
        {"rows": good["rows"]},
        {name: array for name, array in good.items() if name != "older"},
        good | {"rows": good["rows"][:, 1:]},
        good | {"rows": good["rows"][1:]},
        good | {"older": good["older"][1:]},
        good | {"older": good["older"].astype(float)},
    ):
        with pytest.raises(ValueError, match=r"rows|older|tail"):
            DefaultScorer().restore(bad)
    DefaultScorer().restore(good)


def test_a_series_takes_less_than_1200_bytes_and_with_older_weeks_8_kilobytes():
    assert BYTES_PER_SERIES <= 1200
    assert BYTES_PER_SERIES + WEEKLY_BYTES <= 8192
    detector = default_detector(false_alarms_per_day=1.0, slots=100)
    held = sum(a.nbytes for table in detector.tables() for a in table.arrays.values())
    assert held == 100 * BYTES_PER_SERIES


def test_older_weeks_are_kept_from_the_second_week_on_and_within_the_budget():
    rows = 20 * 24
    values = noise(5 * rows, 13).reshape(5, rows)
    ts = np.tile(START_NS + np.arange(rows) * HOUR_NS, (5, 1))
    scorer = DefaultScorer(DefaultParams(weekly_series=3))
    edges = [START_NS + week * 7 * 24 * HOUR_NS for week in range(4)]
    feed(scorer, values, ts, edges[:2])
    assert "older" not in state_of(scorer)
    feed(scorer, values, ts, [edges[1], edges[1] + 2 * HOUR_NS])
    assert state_of(scorer)["older"].shape[0] == 3
    feed(scorer, values, ts, [edges[1] + 2 * HOUR_NS, 2**62])
    state = state_of(scorer)
    assert state["older"].nbytes == 3 * WEEKLY_BYTES
    assert sorted(state["older_row"].tolist()) == [-1, -1, 0, 1, 2]
    assert state["older"].any(axis=(1, 2)).all()
    daily = DefaultScorer(DAILY)
    feed(daily, values, ts)
    assert "older" not in state_of(daily)


def test_only_the_rows_of_the_samples_slots_change():
    """What checkpoints count on."""
    scorer = DefaultScorer()
    values, ts = fleet(400, HOUR_NS)
    feed(scorer, values, ts)
    before = {name: array.copy() for name, array in state_of(scorer).items()}
    later = ts.max() + HOUR_NS * np.array([1, 2, 1])
    score_block(scorer, np.array([0, 0, 4]), later, np.array([1.0, 9.0, 5.0]))
    after = state_of(scorer)
    own_older = before["older_row"][[0, 4]]
    for name, array in before.items():
        changed = np.flatnonzero((after[name] != array).reshape(len(array), -1).any(axis=1))
        assert set(changed) <= set(own_older if name == "older" else [0, 4])
    assert (after["rows"] != before["rows"]).any()


def test_signals_say_what_the_onset_is_made_of():
    scorer = DefaultScorer()
    scorer.grow(1)
    values = wave(3000)
    values[2500:2600] += 30.0
    ts = START_NS + np.arange(3000) * 5 * MINUTE_NS
    scores, signals = score_block(scorer, np.zeros(3000), ts, values)
    judged = scores[0] >= 0.0
    assert judged.sum() > 2500
    assert ((scores[0] > 0) == (signals.sum(axis=0) > 0))[judged].all()
    assert (scores[0][judged] <= signals.sum(axis=0)[judged] + 1e-6).all()
    assert (signals[:, 2500] > 0.0).sum() >= 4
    assert ((signals >= 0.0) & (signals <= 1.0)).all()


def test_empty_block_is_fine():
    assert raw([]).shape == (SCORE_ROWS, 0)
