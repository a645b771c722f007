"""Runs of the default scorer, and series to run it on."""

import itertools

import numpy as np

from engine.detectors.default import DefaultScorer, default_detector
from engine.detectors.protocol import SCORE_KINDS, SCORE_ROWS

MINUTE_NS = 60_000_000_000
HOUR_NS = 60 * MINUTE_NS
START_NS = 1_700_006_400 * 10**9  # midnight
SIGNALS = DefaultScorer.signals


def score_block(scorer, slot, ts, value):
    """Raw scores float64[SCORE_ROWS, n] and signals of one block."""
    scores = np.full((SCORE_ROWS, len(slot)), np.nan)
    signals = np.zeros((len(SIGNALS), len(slot)), np.float32)
    assert scorer.score(slot.astype(np.int32), ts, value, scores, signals) == ()
    return scores, signals


def raw(values, *, interval_ns=5 * MINUTE_NS, ts=None, cuts=(), scorer=None):
    """Raw scores float64[SCORE_ROWS, n] of one series, fed in blocks that end at `cuts`."""
    values = np.asarray(values, float)
    ts = START_NS + np.arange(len(values)) * interval_ns if ts is None else ts
    scorer = scorer or DefaultScorer()
    scorer.grow(1)
    edges = [0, *sorted(cuts), len(values)]
    blocks = [
        score_block(scorer, np.zeros(end - begin), ts[begin:end], values[begin:end])[0]
        for begin, end in itertools.pairwise(edges)
    ]
    return np.concatenate(blocks, axis=1)


def calibrated(values, *, interval_ns=5 * MINUTE_NS, ts=None):
    """Onset, state, expected, lower, upper of one series, float64[5, n]."""
    values = np.asarray(values, float)
    ts = START_NS + np.arange(len(values)) * interval_ns if ts is None else ts
    detector = default_detector(false_alarms_per_day=1.0, slots=1)
    scores = detector.score(np.zeros(len(values), np.int32), ts, values, 1.0)
    return np.array([getattr(scores, kind) for kind in SCORE_KINDS])


def noise(rows, seed=1):
    return np.random.default_rng(seed).normal(size=rows)


def wave(rows, seed=1, interval_s=5 * 60):
    """A daily rhythm with noise and a few spikes."""
    rng = np.random.default_rng(seed)
    values = 3.0 * np.sin(np.arange(rows) * 2 * np.pi * interval_s / 86_400)
    values += rng.normal(size=rows)
    values[rng.integers(200, rows, 4)] += 25.0
    return values


def fleet(rows, interval_ns, seed=2):
    """Series of different kinds: values and ts, float64 and int64 [7, rows]."""
    rng = np.random.default_rng(seed)
    values = np.stack([wave(rows, seed + s, interval_ns // 10**9) for s in range(7)])
    values[1] = np.cumsum(rng.random(rows))
    values[1, rows // 2 :] -= values[1, rows // 2]
    values[2] = 7.0
    values[2, rows // 2] = 8.0
    values[3, ::50] = np.nan
    values[4] = rng.standard_t(2, rows) * 1e6
    values[6] = rng.poisson(0.1, rows)
    ts = START_NS + np.arange(rows) * interval_ns + rng.integers(0, MINUTE_NS, (7, rows))
    ts[5, rows // 2 :] += 51 * HOUR_NS
    ts[6, rows // 2 :] += 2 * HOUR_NS
    return values, ts


def feed(scorer, values, ts, edges_ns=(0, 2**62)):
    """Score a fleet block by block, rows of a block by (slot, ts)."""
    scores = np.full((SCORE_ROWS, *values.shape), np.nan)
    scorer.grow(len(values))
    for begin, end in itertools.pairwise(edges_ns):
        slot, row = np.nonzero((ts >= begin) & (ts < end))
        scores[:, slot, row] = score_block(scorer, slot, ts[slot, row], values[slot, row])[0]
    return scores
