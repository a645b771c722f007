"""What every scorer must keep: the scorers under test, and helpers to run them."""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from naive_change_point import naive_change_point
from naive_half_space_trees import naive_half_space_trees
from naive_robust_z import naive_robust_z

from engine.detectors.calibrated import CalibratedDetector
from engine.detectors.change_point import ChangePointParams, ChangePointScorer
from engine.detectors.channel_kernels import WARM_UP_ROWS
from engine.detectors.default import DefaultScorer
from engine.detectors.half_space_trees import HalfSpaceTreesParams, HalfSpaceTreesScorer
from engine.detectors.protocol import SCORE_ROWS
from engine.detectors.robust_z import RobustZParams, RobustZScorer

MINUTE_NS = 60_000_000_000
START_NS = 1_700_006_400 * 10**9

ROBUST_Z = RobustZParams(memory_rows=300, warm_up_rows=100)
CHANGE_POINT = ChangePointParams(memory_rows=300, warm_up_rows=150)
HALF_SPACE_TREES = HalfSpaceTreesParams(window_rows=100, memory_rows=300)


@dataclass(frozen=True)
class Case:
    """A scorer and what is known of it.

    Attributes
    ----------
    make : callable
        Gives a scorer.
    warm_up : int
        Rows of a series without a verdict.
    twin : callable or None
        Gives its slow twin, unless that has tests of its own.
    tolerance : float
        Absolute, of raw onset and state under affine maps that are no powers of two.
    """

    make: Callable
    warm_up: int
    twin: Callable | None = None
    tolerance: float = 1e-6


CASES = {
    "default": Case(DefaultScorer, WARM_UP_ROWS, tolerance=2e-6),  # its rhythm is float32
    "robust_z": Case(
        lambda: RobustZScorer(ROBUST_Z), ROBUST_Z.warm_up_rows, lambda: naive_robust_z(ROBUST_Z)
    ),
    "change_point": Case(
        lambda: ChangePointScorer(CHANGE_POINT),
        CHANGE_POINT.warm_up_rows,
        lambda: naive_change_point(CHANGE_POINT),
    ),
    "half_space_trees": Case(
        lambda: HalfSpaceTreesScorer(HALF_SPACE_TREES),
        2 * HALF_SPACE_TREES.window_rows,
        lambda: naive_half_space_trees(HALF_SPACE_TREES),
    ),
}


def score_block(scorer, slot, ts, value):
    """Raw scores float64[SCORE_ROWS, n] and signals of one block."""
    scores = np.full((SCORE_ROWS, len(slot)), np.nan)
    signals = np.zeros((len(scorer.signals), len(slot)), np.float32)
    assert scorer.score(slot, ts, value, scores, signals) == ()
    return scores, signals


def run(case, values, *, ts=None, cuts=(), scorer=None):
    """Raw scores float64[SCORE_ROWS, n] of one series, fed in blocks that end at `cuts`."""
    values = np.asarray(values, float)
    ts = START_NS + np.arange(len(values)) * MINUTE_NS if ts is None else ts
    scorer = scorer or case.make()
    scorer.grow(1)
    edges = [0, *sorted(cuts), len(values)]
    blocks = [
        score_block(scorer, np.zeros(end - begin, np.int32), ts[begin:end], values[begin:end])[0]
        for begin, end in itertools.pairwise(edges)
    ]
    return np.concatenate(blocks, axis=1)


def feed(scorer, values, begin, end):
    """Raw scores float64[SCORE_ROWS, series, rows] of some columns of many series' values."""
    series, rows = len(values), end - begin
    scorer.grow(series)
    slot = np.repeat(np.arange(series, dtype=np.int32), rows)
    ts = np.tile(START_NS + np.arange(begin, end) * MINUTE_NS, series)
    scores, _ = score_block(scorer, slot, ts, values[:, begin:end].ravel())
    return scores.reshape(-1, series, rows)


def calibrated(case, values):
    """Onset and state of one series on the common scale, float64[2, n]."""
    detector = CalibratedDetector(case.make(), false_alarms_per_day=1.0, slots=1)
    ts = START_NS + np.arange(len(values)) * MINUTE_NS
    scores = detector.score(np.zeros(len(values), np.int32), ts, np.asarray(values, float), 1.0)
    return np.array([scores.onset, scores.state])


def fleet(rows, seed=2):
    """Values of series of many kinds, float64[9, rows]."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(9, rows))
    values = noise.copy()
    values[0, rows // 2 :] += 9.0
    for row in range(1, rows):
        values[1, row] = 0.9 * values[1, row - 1] + noise[1, row]
    values[2] = 5.0 * np.sin(np.arange(rows) * 2 * math.pi / 200) + noise[2]
    values[3] = 7.0
    values[3, rows // 2 : rows // 2 + 40] = 8.0
    values[4] = rng.poisson(0.2, rows)
    values[5, ::50] = np.nan
    values[5, 7::90] = np.inf
    values[6] = rng.standard_t(2, rows) * 1e6
    values[7, rows // 2] = 1e300
    values[7, rows // 2 + 5] = -1.7e308
    values[8] = 1000.0 + np.cumsum(noise[8])
    return values


def by_slot(scorer):
    """All arrays of the slots, by name."""
    return {name: array for table in scorer.tables() for name, array in table.arrays.items()}
