"""The default detector: equal to its twin, causal, and well-behaved on odd series."""

import itertools
import math

import naive_default
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.detectors.calibration_kernels import CALIBRATION_BUCKET_NS
from engine.detectors.channel_kernels import WARM_UP_ROWS
from engine.detectors.default import BYTES_PER_SERIES, default_detector
from engine.errors import StateError

MINUTE_NS = 60_000_000_000
START_NS = 1_700_000_000_000_000_000
FIELDS = ("onset", "state", "expected", "lower", "upper")


def run(values, *, interval_ns=5 * MINUTE_NS, ts=None, cuts=(), detector=None, alarms=1.0):
    """Scores float64[5, n] of one series, fed in blocks that end at `cuts`."""
    values = np.asarray(values, float)
    ts = START_NS + np.arange(len(values)) * interval_ns if ts is None else ts
    detector = detector or default_detector(false_alarms_per_day=alarms, slots=1)
    edges = [0, *sorted(cuts), len(values)]
    blocks = []
    for begin, end in itertools.pairwise(edges):
        slot = np.zeros(end - begin, np.int32)
        scores = detector.score(slot, ts[begin:end], values[begin:end], 1.0)
        blocks.append([getattr(scores, field) for field in FIELDS])
    return np.concatenate(blocks, axis=1)


def wave(rows, seed=1, interval=5 * 60):
    """A daily rhythm with noise and a few spikes."""
    rng = np.random.default_rng(seed)
    values = 3.0 * np.sin(np.arange(rows) * 2 * np.pi * interval / 86_400)
    values += rng.normal(size=rows)
    values[rng.integers(200, rows, 4)] += 25.0
    return values


def fleet(series, rows, seed=2):
    """Some series of different kinds, in blocks of event time: slot, ts, value, float64 rows."""
    rng = np.random.default_rng(seed)
    values = np.stack([wave(rows, seed + s) for s in range(series)])
    values[1] = np.cumsum(rng.random(rows))
    values[1, rows // 2 :] -= values[1, rows // 2]
    values[2] = 7.0
    values[2, rows // 2] = 8.0
    values[3, ::50] = np.nan
    values[4] = rng.standard_t(2, rows) * 1e6
    ts = START_NS + np.arange(rows) * 5 * MINUTE_NS + rng.integers(0, MINUTE_NS, (series, rows))
    ts[5, rows // 2 :] += 3 * 3600 * 10**9
    return values, ts


def feed(detector, values, ts, edges_ns):
    """Score a fleet block by block, rows of a block by (slot, ts); float64[5, series, rows]."""
    scores = np.full((5, *values.shape), np.nan)
    for begin, end in itertools.pairwise(edges_ns):
        slot, row = np.nonzero((ts >= begin) & (ts < end))
        block = detector.score(slot.astype(np.int32), ts[slot, row], values[slot, row], 1.0)
        for field, name in enumerate(FIELDS):
            scores[field, slot, row] = getattr(block, name)
    return scores


def by_slot(detector):
    """All arrays of the slots, by name."""
    return {name: array for table in detector.tables() for name, array in table.arrays.items()}


class Adapter:
    """Gives the twin the detector's face."""

    def __init__(self, alarms):
        self.twin = naive_default.NaiveDetector(alarms)

    def score(self, slot, ts, value, share):
        return type("Block", (), dict(zip(FIELDS, self.twin.score(slot, ts, value), strict=True)))


def test_equals_its_slow_twin():
    values, ts = fleet(8, 3000)
    edges = [0, START_NS + 9 * 10**13, START_NS + 10**14, 2**62]
    fast = feed(default_detector(false_alarms_per_day=50.0, slots=8), values, ts, edges)
    slow = feed(Adapter(50.0), values, ts, edges)
    assert (fast[0] > 1.0).any()
    np.testing.assert_allclose(fast, slow, rtol=1e-9, atol=1e-12)


@settings(max_examples=20, deadline=None)
@given(cuts=st.lists(st.integers(1, 1499), max_size=30, unique=True))
def test_cuts_between_blocks_change_nothing(cuts):
    values = wave(1500)
    np.testing.assert_array_equal(run(values, cuts=cuts), run(values))


def test_cuts_of_a_fleet_change_nothing():
    values, ts = fleet(8, 1500)
    whole = feed(default_detector(false_alarms_per_day=50.0, slots=8), values, ts, [0, 2**62])
    edges = [0, *range(START_NS, START_NS + 1600 * 5 * MINUTE_NS, 7 * MINUTE_NS), 2**62]
    parts = feed(default_detector(false_alarms_per_day=50.0, slots=8), values, ts, edges)
    np.testing.assert_array_equal(parts, whole)


@settings(max_examples=20, deadline=None)
@given(known=st.integers(0, 1500), garbage=st.sampled_from([0.0, -1e300, 1e300, math.nan]))
def test_scores_do_not_depend_on_the_future(known, garbage):
    values = wave(1500)
    other = values.copy()
    other[known:] = garbage
    np.testing.assert_array_equal(run(other)[:, :known], run(values)[:, :known])


def test_power_of_two_changes_no_bit_of_the_scores():
    values = wave(3000)
    for factor in (2.0**-40, 2.0**60):
        scaled = run(values * factor)
        np.testing.assert_array_equal(scaled[:2], run(values)[:2])
        np.testing.assert_array_equal(scaled[2:], run(values)[2:] * factor)


@pytest.mark.parametrize(("factor", "shift"), [(3.7, 0.0), (0.001, 12.0), (1.0, -4000.0)])
def test_affine_maps_change_no_score(factor, shift):
    """Up to the rounding of the rhythm's float32, unless the factor is a power of two."""
    values = wave(3000)
    np.testing.assert_allclose(run(values * factor + shift)[:2], run(values)[:2], atol=2e-6)


def test_sign_does_not_matter():
    values = wave(3000)
    np.testing.assert_array_equal(run(-values)[:2], run(values)[:2])


def test_whole_days_do_not_matter():
    values = wave(3000)
    ts = START_NS + np.arange(3000) * 5 * MINUTE_NS
    np.testing.assert_array_equal(run(values, ts=ts + 3 * 86_400 * 10**9), run(values, ts=ts))


def test_no_onset_while_warming_up():
    values = np.random.default_rng(3).standard_t(2, WARM_UP_ROWS)
    scores = run(values)
    assert not scores[:2].any()
    assert np.isnan(scores[2:]).all()


def test_constant_series_is_silent_and_its_first_change_is_loudest():
    values = np.full(2000, 5.0)
    assert not run(values)[:2].any()
    values[1000:1003] = 5.001
    onset = run(values)[0]
    assert np.argmax(onset) == 1000
    assert onset[1000] > 2.0
    assert not onset[:1000].any()
    assert (onset[1300:] < 1.0).all()


def test_square_wave_is_no_alarm():
    values = np.tile(np.repeat([1.0, 9.0], 20), 100)
    assert (run(values)[0, 400:] < 1.0).all()


def test_numbers_that_are_none_score_0_and_teach_nothing():
    values = wave(2000)
    bad = np.arange(300, 2000, 7)
    dirty = values.copy()
    dirty[bad] = np.resize([np.nan, np.inf, -np.inf], len(bad))
    clean = np.delete(np.arange(2000), bad)
    ts = START_NS + np.arange(2000) * 5 * MINUTE_NS
    scores = run(dirty, ts=ts)
    assert not scores[:2, bad].any()
    np.testing.assert_array_equal(scores[:, clean], run(values[clean], ts=ts[clean]))


@pytest.mark.parametrize("wild", [1e300, -1e300, 5e-324, 1.7e308])
def test_wild_values_poison_nothing(wild):
    rng = np.random.default_rng(4)
    values = rng.normal(size=9000)
    dirty = values.copy()
    dirty[500] = wild
    scores = run(dirty)
    assert np.isfinite(scores[:2]).all()
    np.testing.assert_allclose(scores[1, 7000:], run(values)[1, 7000:], atol=0.1)
    dirty[8000:8020] += 40.0
    again = run(dirty)
    assert again[0, 8000] > 1.0
    assert again[1, 8019] > 1.0


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.floats() | st.sampled_from([0.0, 1e300, -1e300, 5e-324]), min_size=150, max_size=400
    ),
    st.sampled_from([1, 10**6, 10**9, 3600 * 10**9]),
)
def test_any_floats_give_finite_scores(values, interval_ns):
    scores = run(np.tile(values, 3), interval_ns=interval_ns)
    assert np.isfinite(scores[:2]).all()
    assert (scores[:2] >= 0.0).all()


def test_gap_is_no_onset():
    rng = np.random.default_rng(5)
    values = np.concatenate([rng.normal(size=1000), rng.normal(size=1000)])
    ts = START_NS + np.arange(2000) * 5 * MINUTE_NS
    ts[1000:] += 86_400 * 10**9 * 3
    assert (run(values, ts=ts)[0] < 1.0).all()


def test_level_shift_is_one_onset_and_a_state_that_ends():
    values = np.random.default_rng(6).normal(size=3000)
    values[2000:2200] += 12.0
    onset, state = run(values)[:2]
    assert onset[2000] > 1.0
    assert (onset[2010:2200] < 1.0).all()
    assert (state[2015:2200] > 1.0).all()
    assert (state[2240:] < 0.5).all()
    assert (state[500:2000] < 1.0).all()


def test_lasting_level_is_accepted_in_the_end():
    values = np.random.default_rng(7).normal(size=6000)
    values[1500:] += 12.0
    state = run(values)[1]
    assert (state[1520:2400] > 1.0).all()
    assert (state[5000:] < 0.5).all()


def test_rhythm_finds_what_the_range_hides():
    """A value usual at noon is an onset at midnight, once the days are known."""
    rows = 288 * 8
    hours = np.arange(rows) / 12
    rng = np.random.default_rng(8)
    values = -10.0 * np.cos(hours * 2 * np.pi / 24) + 0.3 * rng.normal(size=rows)
    ts = 1_700_006_400 * 10**9 + np.arange(rows) * 5 * MINUTE_NS
    values[288 * 7 : 288 * 7 + 12] += 9.0
    scores = run(values, ts=ts)
    assert scores[0, 288 * 7] > 1.0
    assert scores[2, 288 * 7 - 1] == pytest.approx(-10.0, abs=0.7)
    assert scores[2, 288 * 6 + 144] == pytest.approx(10.0, abs=0.7)
    assert (scores[3, 700:] <= scores[2, 700:]).all()
    assert (scores[2, 700:] <= scores[4, 700:]).all()


def test_counter_with_resets_is_silent_and_its_stall_is_seen():
    rng = np.random.default_rng(9)
    rate = rng.uniform(90.0, 110.0, 4000)
    rate[3500:3560] = 0.0
    counter = np.cumsum(rate)
    for reset in (1000, 2000, 2010):
        counter[reset:] -= counter[reset] - 1.0
    scores = run(counter)
    assert (scores[0, :3500] < 1.0).all()
    assert scores[0, 3500:3560].max() > 1.0
    assert scores[1, 3559] > 1.0
    assert scores[2, 3000] == pytest.approx(counter[3000], abs=15.0)


def test_gauge_that_began_like_a_counter_is_watched_as_a_gauge():
    rng = np.random.default_rng(10)
    values = np.concatenate([np.arange(100.0), 100.0 + rng.normal(size=900)])
    values[900:905] += 30.0
    onset = run(values)[0]
    assert onset[900] > 1.0
    assert (onset[300:900] < 1.0).all()


def test_snapshot_in_the_middle_changes_nothing():
    values, ts = fleet(8, 1500)
    middle = START_NS + 700 * 5 * MINUTE_NS
    whole = default_detector(false_alarms_per_day=50.0, slots=8)
    expected = feed(whole, values, ts, [0, middle, 2**62])
    first = default_detector(false_alarms_per_day=50.0, slots=8)
    before = feed(first, values, ts, [0, middle])
    second = default_detector(false_alarms_per_day=50.0)
    second.restore(by_slot(first) | first.pooled())
    for array in (by_slot(first) | first.pooled()).values():
        array.fill(0)
    after = feed(second, values, ts, [middle, 2**62])
    np.testing.assert_array_equal(np.where(np.isnan(before), after, before), expected)


def test_growing_keeps_what_was_learned():
    values = wave(1000)
    detector = default_detector(false_alarms_per_day=1.0, slots=1)
    ts = START_NS + np.arange(1000) * 5 * MINUTE_NS
    first = run(values[:500], ts=ts[:500], detector=detector)
    detector.grow(5)
    detector.grow(2)
    assert {len(array) for array in by_slot(detector).values()} == {5}
    detector.grow(1000, 2000)
    assert {len(array) for array in by_slot(detector).values()} == {1000}
    rest = run(values[500:], ts=ts[500:], detector=detector)
    np.testing.assert_array_equal(np.concatenate([first, rest], axis=1), run(values, ts=ts))


def test_snapshots_of_another_layout_are_refused():
    detector = default_detector(false_alarms_per_day=1.0, slots=2)
    good = by_slot(detector) | detector.pooled()
    for bad in (
        {"rows": good["rows"]},
        by_slot(detector),
        good | {"boundary": good["boundary"][1:]},
        good | {"rows": good["rows"][:, 1:]},
        good | {"rows": good["rows"][1:]},
        good | {"rhythm": good["rhythm"].astype(float)},
    ):
        with pytest.raises(StateError):
            detector.restore(bad)


def test_a_series_takes_less_than_900_bytes_for_ever():
    assert BYTES_PER_SERIES <= 900
    detector = default_detector(false_alarms_per_day=1.0, slots=100)
    assert sum(a.nbytes for a in by_slot(detector).values()) == 100 * BYTES_PER_SERIES
    before = {name: a.nbytes for name, a in by_slot(detector).items()}
    run(wave(20_000), detector=detector)
    assert {name: a.nbytes for name, a in by_slot(detector).items()} == before


def test_only_the_slots_of_the_samples_change():
    """What checkpoints count on."""
    detector = default_detector(false_alarms_per_day=1.0, slots=6)
    values, ts = fleet(6, 400)
    feed(detector, values, ts, [0, 2**62])
    before = {name: array.copy() for name, array in by_slot(detector).items()}
    slot = np.array([1, 1, 4], np.int32)
    later = ts.max() + MINUTE_NS * np.array([1, 2, 1])
    detector.score(slot, later, np.array([1.0, 9.0, 5.0]), 1.0)
    changed = np.zeros(6, bool)
    for name, array in by_slot(detector).items():
        changed |= (array != before[name]).reshape(6, -1).any(axis=1)
    assert changed.tolist() == [False, True, False, False, True, False]


def test_empty_block_is_fine():
    scores = run([])
    assert scores.shape == (5, 0)


def test_buckets_are_whole_minutes():
    assert CALIBRATION_BUCKET_NS == MINUTE_NS
