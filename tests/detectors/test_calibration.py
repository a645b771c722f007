"""The alarm rate is what the user asked for."""

import math

import numpy as np
import pytest

from engine.detectors.calibration_kernels import (
    BUCKETS_PER_DAY,
    CALIBRATION_BUCKET_NS,
    DEFAULT_BOUNDARY,
    HISTOGRAM_BINS,
    ONE,
    TAIL_SCORES,
    histogram_bin,
    lower_edge,
    tail_boundary,
)
from engine.detectors.channel_kernels import WARM_UP_ROWS
from engine.detectors.default import default_detector

START_NS = 1_700_006_400 * 10**9
SERIES = 200


def white(rng, rows):
    return rng.normal(size=(SERIES, rows))


def heavy(rng, rows):
    return rng.standard_t(3, size=(SERIES, rows))


def autoregressive(rng, rows):
    noise = rng.normal(size=(SERIES, rows))
    values = np.empty_like(noise)
    values[:, 0] = noise[:, 0] / math.sqrt(1.0 - 0.9**2)
    for row in range(1, rows):
        values[:, row] = 0.9 * values[:, row - 1] + noise[:, row]
    return values


def daily(rng, rows):
    minutes = np.arange(rows)
    return 5.0 * np.sin(minutes * 2 * np.pi / 1440) + rng.normal(size=(SERIES, rows))


def onsets(values, alarms, share=1.0):
    """Number of onsets and part of rows with a high state, one sample a minute."""
    detector = default_detector(false_alarms_per_day=alarms, slots=len(values))
    count, high = 0, 0.0
    step = 240
    for begin in range(0, values.shape[1], step):
        block = np.ascontiguousarray(values[:, begin : begin + step])
        slot = np.repeat(np.arange(len(values), dtype=np.int32), block.shape[1])
        ts = START_NS + (begin + np.arange(block.shape[1])) * CALIBRATION_BUCKET_NS
        scores = detector.score(slot, np.tile(ts, len(values)), block.ravel(), share)
        count += int((scores.onset > 1.0).sum())
        high += float((scores.state > 1.0).sum())
    return count, high / values.size


@pytest.mark.parametrize("make", [white, heavy, autoregressive, daily])
def test_onsets_on_clean_series_are_as_many_as_asked(make):
    days, alarms = 5, 25.0
    values = make(np.random.default_rng(11), days * BUCKETS_PER_DAY)
    count, high = onsets(values, alarms)
    expected = alarms * (days - WARM_UP_ROWS / BUCKETS_PER_DAY)
    assert expected >= 100
    assert 0.5 * expected <= count <= 1.5 * expected
    assert high < 0.02


def test_a_shard_raises_its_share_of_the_alarms():
    values = white(np.random.default_rng(12), 5 * BUCKETS_PER_DAY)
    count, _ = onsets(values, 250.0, share=0.1)
    whole, _ = onsets(values, 25.0)
    assert count == whole


def test_an_incident_does_not_deafen_the_shard():
    values = white(np.random.default_rng(13), 3 * BUCKETS_PER_DAY)
    quiet, _ = onsets(values, 25.0)
    values[:20, 2000:2300] += 30.0
    loud, _ = onsets(values, 25.0)
    assert loud >= quiet + 10


def test_score_lies_in_its_bin():
    for score in (1e-3, 0.3, 1.0, 1.7, 4.99):
        index = histogram_bin(score)
        assert lower_edge(index) <= score * (1 + 1e-12)
        assert score < lower_edge(index + 1)
    assert histogram_bin(5e-324) == 0
    assert histogram_bin(1e300) == HISTOGRAM_BINS - 1


def _histogram(scores):
    counts = np.zeros(HISTOGRAM_BINS, np.int64)
    for score in scores:
        counts[histogram_bin(score)] += ONE
    return counts


def test_boundary_inside_the_tail_is_a_quantile():
    scores = np.random.default_rng(14).exponential(size=50_000)
    found = tail_boundary(_histogram(scores), 100.0)
    assert found == pytest.approx(np.sort(scores)[-100], rel=0.03)


def test_boundary_beyond_the_tail_is_extrapolated():
    scores = np.random.default_rng(15).exponential(size=50_000)
    found = tail_boundary(_histogram(scores), 1.0)
    assert found == pytest.approx(math.log(50_000), rel=0.15)
    assert found > tail_boundary(_histogram(scores), TAIL_SCORES)


def test_empty_pool_has_no_boundary_and_a_new_one_starts_with_the_default():
    assert tail_boundary(np.zeros(HISTOGRAM_BINS, np.int64), 1.0) == 0.0
    detector = default_detector(false_alarms_per_day=1.0)
    assert tuple(detector.pooled()["boundary"]) == DEFAULT_BOUNDARY
