"""Half-space trees, row by row: place the last values in every tree, weigh, count.

Nodes of a tree are in heap order: the children of node i are 2 i + 1 and 2 i + 2.
"""

import numpy as np
from numpy.typing import NDArray

from engine.detectors.protocol import NOT_JUDGED
from engine.detectors.spread_kernels import COUNT, LARGEST, LEVEL, learn_value, spread_of
from engine.kernels.jit import in_place

# The other columns of a row.
ORIGIN = 4  # the first value; all else is relative to it
WINDOW_ROWS = 5  # shingles in the window being filled
JUDGES = 6  # 1 once a window has been filled
STATE = 7
SHINGLE = 8  # and the next: the last values, newest first

# Halves of a series' masses.
REFERENCE, LATEST = 0, 1

RANGE_SPREADS = 5.0
"""The work space's unit interval is so wide, with the level in its middle."""

FARTHEST = 3.0
"""Coordinates are held within so much of the middle; all work ranges end before."""

EMPTY_MASS = 0.5
"""Added to a terminal node's mass: empty nodes differ by their size, too."""

ONSET_SCALE = 1.0 / 25.0
"""What has twelve times less mass than an even spread over its tree would give is one half."""

STATE_SCALE = 1.0 / 4.0
STATE_WEIGHT = 0.1
"""Of a row in the state, a moving mean of sparsity; it damps onsets: an incident has one."""

STATE_LIMIT = 50.0
"""Sparsity counts for no more in the state, so that it ends soon after its cause."""


@in_place
def place(row: NDArray[np.float64], point: NDArray[np.float64]) -> None:
    """Coordinates of the last values in the work space: affine maps of the series change none."""
    width = RANGE_SPREADS * spread_of(row)
    for lag in range(len(point)):
        deviation = row[SHINGLE + lag] - row[LEVEL]
        if abs(deviation) < FARTHEST * width:
            point[lag] = 0.5 + deviation / width
        elif deviation == 0.0:
            point[lag] = 0.5
        else:
            point[lag] = 0.5 + (FARTHEST if deviation > 0.0 else -FARTHEST)


@in_place
def walk(
    lag: NDArray[np.uint8],
    split: NDArray[np.float64],
    reference: NDArray[np.uint8],
    latest: NDArray[np.uint8],
    point: NDArray[np.float64],
    least: float,
) -> float:
    """Count a point in every node on its way down a tree; give what its terminal node is worth.

    Parameters
    ----------
    lag, split : uint8[inner], float64[inner]
        Which coordinate an inner node looks at, and where it parts its range.
    reference, latest : uint8[nodes]
        Masses; the latest change.
    point : float64[lags]
    least : float
        A node with a reference mass of at most this is terminal.

    Returns
    -------
    float
        Mass of the terminal node times 2 to the power of its depth.
    """
    inner = len(split)
    node, scale, worth = 0, 1.0, -1.0
    while True:
        latest[node] += 1
        if worth < 0.0 and (reference[node] <= least or node >= inner):
            worth = (reference[node] + EMPTY_MASS) * scale
        if node >= inner:
            return worth
        node = 2 * node + (1 if point[lag[node]] < split[node] else 2)
        scale *= 2.0


@in_place
def weigh(
    lag: NDArray[np.uint8],
    split: NDArray[np.float64],
    masses: NDArray[np.uint8],
    point: NDArray[np.float64],
    least: float,
) -> float:
    """Count a point in all trees; give its mean worth (see `walk`)."""
    total = 0.0
    for tree in range(len(split)):
        total += walk(
            lag[tree],
            split[tree],
            masses[REFERENCE, tree],
            masses[LATEST, tree],
            point,
            least,
        )
    return total / len(split)


@in_place
def end_window(masses: NDArray[np.uint8]) -> None:
    """Let the window just filled be the reference, and begin another."""
    for tree in range(masses.shape[1]):
        for node in range(masses.shape[2]):
            masses[REFERENCE, tree, node] = masses[LATEST, tree, node]
            masses[LATEST, tree, node] = 0


@in_place
def score_half_spaces(
    rows: NDArray[np.float64],
    masses: NDArray[np.uint8],
    lag: NDArray[np.uint8],
    split: NDArray[np.float64],
    point: NDArray[np.float64],
    slot: NDArray[np.int32],
    value: NDArray[np.float64],
    window: int,
    least: float,
    memory: float,
    scores: NDArray[np.float64],
    signals: NDArray[np.float32],
) -> None:
    """Score samples by what was known before each, then learn it.

    Parameters
    ----------
    rows : float64[slots, SHINGLE + lags]
        State, as are `masses` (uint8[slots, 2, trees, nodes]); changed.
    lag, split : uint8[trees, inner], float64[trees, inner]
        The trees, see `walk`.
    point : float64[lags]
        Room to work in.
    slot, value : int32[n], float64[n]
        Samples; those of a slot in order of time.
    window : int
        Shingles to a window.
    least : float
        See `walk`.
    memory : float
        Of level and spread, in rows.
    scores, signals : float64[SCORE_ROWS, n], float32[1, n]
        Filled, see `Scorer.score`.
    """
    for i in range(len(slot)):
        scores[0, i] = NOT_JUDGED
        scores[1, i] = 0.0
        scores[2, i] = scores[3, i] = scores[4, i] = np.nan
        if not abs(value[i]) <= LARGEST:
            continue
        row = rows[slot[i]]
        if row[COUNT] == 0.0:
            row[ORIGIN] = value[i]
        for age in range(len(point) - 1, 0, -1):
            row[SHINGLE + age] = row[SHINGLE + age - 1]
        row[SHINGLE] = value[i] - row[ORIGIN]
        # Before a window's worth of values there is no work space to count them in.
        if row[COUNT] >= window:
            place(row, point)
            mass = weigh(lag, split, masses[slot[i]], point, least)
            if row[JUDGES] > 0.0:
                sparsity = window / mass
                onset = ONSET_SCALE * sparsity / (1.0 + row[STATE])
                row[STATE] += STATE_WEIGHT * (min(sparsity, STATE_LIMIT) - row[STATE])
                scores[0, i] = signals[0, i] = onset
                scores[1, i] = STATE_SCALE * row[STATE]
            row[WINDOW_ROWS] += 1.0
            if row[WINDOW_ROWS] == window:
                end_window(masses[slot[i]])
                row[WINDOW_ROWS] = 0.0
                row[JUDGES] = 1.0
        learn_value(row, row[SHINGLE], memory)
