"""The alarm rate is what the user asked for."""

import math

import naive_calibration
import numpy as np
import pytest
import raw_scores
from hypothesis import given, settings
from hypothesis import strategies as st
from raw_scores import START_NS, PassedOn, onsets, passed_on

from engine.detectors.calibrated import CalibratedDetector
from engine.detectors.calibration_kernels import (
    BUCKETS_PER_DAY,
    BUCKETS_PER_HOUR,
    CALIBRATION_BUCKET_NS,
)
from engine.detectors.default import DefaultScorer, default_detector

SERIES = 200
DAYS = 6
ALARMS = 25.0


def rate(law, shards, *, alarms=ALARMS, days=DAYS, interval_s=60, make=passed_on, seed=11):
    """Realised onsets as a part of the asked ones; expected: 100 and more."""
    assert alarms * days >= 100
    rows = days * raw_scores.DAY_S // interval_s
    values = law(np.random.default_rng(seed), (SERIES, rows))
    found, high = onsets(make, values, alarms, interval_s=interval_s, shards=shards)
    assert high < 0.02
    return found.sum() / (alarms * days)


@pytest.mark.parametrize("shards", [1, 8, 64])
@pytest.mark.parametrize(
    "law",
    [
        raw_scores.exponential,
        raw_scores.tiny,
        raw_scores.normal,
        raw_scores.student,
        raw_scores.pareto,
        raw_scores.autocorrelated,
        raw_scores.mostly_zero,
        raw_scores.of_many_scales,
        raw_scores.mixed,
    ],
)
def test_onsets_on_clean_series_are_as_many_as_asked(law, shards):
    assert 0.5 <= rate(law, shards) <= 1.5


@pytest.mark.parametrize("shards", [1, 8, 64])
@pytest.mark.parametrize(
    "law",
    [raw_scores.halves, raw_scores.three_values, raw_scores.saturating, raw_scores.bounded],
)
def test_repeated_and_bounded_scores_do_not_give_more_onsets(law, shards):
    assert rate(law, shards) <= 1.5


@pytest.mark.parametrize(
    ("interval_s", "alarms", "days", "shards"),
    [(10, 100.0, 1, 8), (300, 8.0, 20, 8), (300, 8.0, 20, 64), (600, 1.0, 110, 64)],
)
def test_neither_interval_nor_rate_matter(interval_s, alarms, days, shards):
    given_rate = {"interval_s": interval_s, "alarms": alarms, "days": days}
    assert 0.5 <= rate(raw_scores.exponential, shards, **given_rate) <= 1.5


def test_many_series_raise_no_more_alarms_than_few():
    values = np.random.default_rng(21).exponential(size=(10_000, 3 * 144))
    found, _ = onsets(passed_on, values, 1.0, interval_s=600)
    assert found.sum() <= 9


def white(rng, shape):
    return rng.normal(size=shape)


def heavy(rng, shape):
    return rng.standard_t(3, size=shape)


def autoregressive(rng, shape):
    values = rng.normal(size=shape)
    for row in range(1, shape[1]):
        values[:, row] += 0.9 * values[:, row - 1]
    return values


def daily(rng, shape):
    minutes = np.arange(shape[1])
    return 5.0 * np.sin(minutes * 2 * np.pi / BUCKETS_PER_DAY) + rng.normal(size=shape)


def counts(rng, shape):
    return rng.poisson(3.0, size=shape).astype(np.float64)


def fleet(rng, shape):
    kinds = (white, heavy, autoregressive, daily, counts)
    values = np.empty(shape)
    for number, kind in enumerate(kinds):
        values[number :: len(kinds)] = kind(rng, values[number :: len(kinds)].shape)
    return values


@pytest.mark.parametrize("shards", [1, 8])
@pytest.mark.parametrize("make", [white, heavy, autoregressive, daily, counts, fleet])
def test_onsets_of_the_default_detector_are_as_many_as_asked(make, shards):
    lowest = 0.0 if make is counts else 0.5
    assert lowest <= rate(make, shards, make=default_detector) <= 1.5


def test_series_that_begin_later_do_not_spoil_it():
    rng = np.random.default_rng(17)
    rows = 8 * BUCKETS_PER_DAY
    values = rng.exponential(size=(SERIES, rows))
    begin = rng.integers(0, rows // 2, SERIES)
    # New series are louder for an hour.
    age = np.arange(rows) - begin[:, np.newaxis]
    values *= np.where(age < 60, 1.5, 1.0)
    values[age < 0] = np.nan
    found, _ = onsets(passed_on, values, ALARMS, shards=8)
    assert 0.5 <= found.sum() / (8 * ALARMS) <= 1.5
    assert found[:, rows // 2 :].sum() / (4 * ALARMS) >= 0.5


def test_a_shard_raises_its_share_of_the_alarms():
    values = np.random.default_rng(12).exponential(size=(SERIES, 5 * BUCKETS_PER_DAY))
    ts = START_NS + np.arange(values.shape[1]) * CALIBRATION_BUCKET_NS
    slot = np.repeat(np.arange(SERIES, dtype=np.int32), values.shape[1])
    whole, part = (
        passed_on(false_alarms_per_day=alarms, slots=SERIES).score(
            slot, np.tile(ts, SERIES), values.ravel(), share
        )
        for alarms, share in ((25.0, 1.0), (250.0, 0.1))
    )
    np.testing.assert_array_equal(whole.onset, part.onset)


@pytest.mark.parametrize("shards", [1, 8])
def test_an_incident_deafens_no_shard_and_the_rate_returns(shards):
    rng = np.random.default_rng(13)
    values = rng.exponential(size=(SERIES, 8 * BUCKETS_PER_DAY))
    quiet, _ = onsets(passed_on, values, ALARMS, shards=shards)
    begin, end = 3 * BUCKETS_PER_DAY, 3 * BUCKETS_PER_DAY + 5 * BUCKETS_PER_HOUR
    values[::10, begin:end] *= 5.0
    again = slice(end + BUCKETS_PER_DAY, end + BUCKETS_PER_DAY + BUCKETS_PER_HOUR)
    values[5::10, again] *= 5.0
    loud, _ = onsets(passed_on, values, ALARMS, shards=shards)
    assert loud[::10, begin:end].any(axis=1).mean() >= 0.9
    assert loud[5::10, again].any(axis=1).mean() >= 0.75
    after = slice(again.stop, None)
    assert loud[:, after].sum() >= 0.4 * quiet[:, after].sum()


def test_what_lasts_becomes_usual():
    values = np.random.default_rng(18).exponential(size=(SERIES, 7 * BUCKETS_PER_DAY))
    values[:, 2 * BUCKETS_PER_DAY :] *= 10.0
    found, _ = onsets(passed_on, values, ALARMS)
    assert found[:, 4 * BUCKETS_PER_DAY :].sum() <= 1.5 * 3 * ALARMS


def test_what_looks_like_an_incident_every_night_becomes_usual():
    values = np.random.default_rng(24).exponential(size=(SERIES, 12 * BUCKETS_PER_DAY))
    day, minute = np.divmod(np.arange(values.shape[1]), BUCKETS_PER_DAY)
    values[:, (day >= 3) & (minute < 10)] *= 5.0
    found, _ = onsets(passed_on, values, ALARMS)
    assert found[:, day == 3].sum() > 4.0 * ALARMS
    assert found[:, day >= 7].sum() <= 1.5 * 5 * ALARMS


def test_a_wrong_default_costs_no_more_than_an_hour():
    values = 100.0 * np.random.default_rng(19).exponential(size=(SERIES, 2 * BUCKETS_PER_DAY))

    def half(*, false_alarms_per_day, slots):
        scorer = PassedOn((0.5, 3.0))
        return CalibratedDetector(scorer, false_alarms_per_day=false_alarms_per_day, slots=slots)

    found, _ = onsets(half, values, ALARMS)
    assert found[:, BUCKETS_PER_HOUR:].sum() <= 3.0 * ALARMS


@pytest.mark.parametrize("scale", [1e-6, 1e12])
def test_scores_of_unknown_scale_raise_no_alarm_at_first_and_as_many_as_asked_then(scale):
    values = scale * np.random.default_rng(23).exponential(size=(SERIES, 6 * BUCKETS_PER_DAY))
    found, high = onsets(passed_on, values, ALARMS)
    assert not found[:, :2].any()
    assert 0.5 <= found.sum() / (6 * ALARMS) <= 1.5
    assert 0.0 < high < 0.01


def test_known_scales_begin_with_their_default():
    detector = default_detector(false_alarms_per_day=1.0)
    assert tuple(detector.pooled()["boundary"]) == DefaultScorer.default_boundary


def stretches(rng, rows):
    """Raw scores of six series that meet all cases: gaps, incidents, repeats, silence, days."""
    minutes = np.cumsum(rng.choice([1, 1, 1, 7, 45], size=rows))
    minutes[rows // 3 :] += 3 * BUCKETS_PER_DAY
    raw = rng.exponential(size=(6, rows)) ** 1.5
    raw[1] = np.floor(raw[1])
    raw[2] *= rng.random(rows) < 0.05
    raw[3] = np.minimum(raw[3], 0.9)
    raw[4:, rows // 2 : rows // 2 + 100] *= 30.0
    raw[5, : rows // 4] = np.nan
    return START_NS + minutes * CALIBRATION_BUCKET_NS, raw


@pytest.mark.parametrize("default", [(math.inf, math.inf), (0.5, 3.0), (20.0, 3.0)])
@pytest.mark.parametrize("alarms", [0.05, 3.0, 2000.0])
def test_equals_its_slow_twin(default, alarms):
    ts, raw = stretches(np.random.default_rng(20), 3000)
    detector = CalibratedDetector(PassedOn(default), false_alarms_per_day=alarms, slots=6)
    slot = np.repeat(np.arange(6, dtype=np.int32), len(ts))
    scores = detector.score(slot, np.tile(ts, 6), raw.ravel())
    pool = naive_calibration.NaivePool(alarms / BUCKETS_PER_DAY, default)
    hushes = [naive_calibration.NaiveHush() for _ in raw]
    slow = np.empty((2, *raw.shape))
    for row, now in enumerate(ts.tolist()):
        for series, hush in enumerate(hushes):
            value = float(raw[series, row])
            judged = (-1.0, 0.0) if math.isnan(value) else (hush.let(value), value / 10.0)
            slow[:, series, row] = pool.score(now, judged)
    assert (scores.onset > 1.0).any()
    np.testing.assert_allclose(scores.onset, slow[0].ravel(), rtol=1e-9)
    np.testing.assert_allclose(scores.state, slow[1].ravel(), rtol=1e-9)


@settings(max_examples=15, deadline=None)
@given(
    cuts=st.lists(st.integers(1, 999), max_size=20, unique=True),
    order=st.permutations(range(6)),
)
def test_neither_cuts_nor_the_order_of_series_change_anything(cuts, order):
    ts, raw = stretches(np.random.default_rng(22), 1000)

    def scored(rows, edges):
        detector = passed_on(false_alarms_per_day=5.0, slots=6)
        parts = []
        for begin, end in zip([0, *edges], [*edges, len(ts)], strict=True):
            slot = np.repeat(np.arange(6, dtype=np.int32), end - begin)
            scores = detector.score(slot, np.tile(ts[begin:end], 6), rows[:, begin:end].ravel())
            parts.append(np.stack([scores.onset, scores.state]).reshape(2, 6, -1))
        return np.concatenate(parts, axis=2)

    whole = scored(raw, [])
    np.testing.assert_array_equal(scored(raw[list(order)], sorted(cuts)), whole[:, list(order)])
