"""Second moments of a few quantities that are seen together, and their inverse.

The moments are shrunk towards independence before they are inverted, after Ledoit and Wolf, "A
well-conditioned estimator for large-dimensional covariance matrices", Journal of Multivariate
Analysis 88 (2004).

Symmetric matrices are packed: their lower triangles row by row, so that an entity with few metrics
touches little memory. They are kept as float32 and inverted as float64.
"""

import math

import numpy as np
from numpy.typing import NDArray

from engine.detectors.instants import MEMBERS_MAX
from engine.kernels.jit import in_place

PAIRS = MEMBERS_MAX * (MEMBERS_MAX + 1) // 2

WARM_UP_ROWS = 128
"""Instants of a metric before it takes part, and of an entity before it is judged."""

MEMORY_ROWS = 8192
"""Memory of the moments: plain means up to so many instants, then exponential forgetting."""

SHRINKAGE = 0.5
"""Products of different metrics count for this part less."""

FLOOR = 0.1
"""Variance, in usual deviations squared, that every metric is granted on top of its own."""

NORM_MAX = 3.0
"""An instant of larger norm is learned as if it had this one."""

# Rows of the room to work in.
DEVIATION = 0  # of each metric
SOLVED = 1  # the precision times the deviations
PART = 2  # what each metric adds to the norm, see `whiten`
WEIGHT = 3  # of an instant in each metric's moments; 0: not present
ROOM_ROWS = 4


@in_place
def pair(i: int, j: int) -> int:
    """Place of a pair of metrics in a packed matrix."""
    return i * (i + 1) // 2 + j if i >= j else j * (j + 1) // 2 + i


@in_place
def learn_moments(
    moments: NDArray[np.float32],
    learned: NDArray[np.int16],
    room: NDArray[np.float64],
    width: int,
    norm: float,
) -> None:
    """Learn the products of the deviations of all pairs of present metrics."""
    deviation, weight = room[DEVIATION], room[WEIGHT]
    scale = 1.0 if norm <= NORM_MAX else (NORM_MAX / norm) * (NORM_MAX / norm)
    for i in range(width):
        if weight[i] == 0.0:
            continue
        base = i * (i + 1) // 2
        own = scale * deviation[i]
        for j in range(i + 1):
            faster = max(weight[i], weight[j]) if weight[j] > 0.0 else 0.0
            before = np.float64(moments[base + j])
            moments[base + j] = np.float32(before + faster * (own * deviation[j] - before))
    for i in range(width):
        if weight[i] > 0.0:
            learned[i] = min(learned[i] + 1, MEMORY_ROWS - 1)


@in_place
def factorise(packed: NDArray[np.float64], width: int) -> None:
    """Replace a matrix by its Cholesky factor; metrics that can't take part get rows of zeros."""
    for j in range(width):
        column = j * (j + 1) // 2
        diagonal = packed[column + j]
        pivot = diagonal
        for k in range(j):
            pivot -= packed[column + k] * packed[column + k]
        # Products learned from different instants need not fit together.
        usable = pivot > 1e-6 * diagonal
        root = math.sqrt(pivot) if usable else 0.0
        packed[column + j] = root
        if not usable:
            for k in range(j):
                packed[column + k] = 0.0
        for i in range(j + 1, width):
            base = i * (i + 1) // 2
            if not usable:
                packed[base + j] = 0.0
                continue
            rest = packed[base + j]
            for k in range(j):
                rest -= packed[base + k] * packed[column + k]
            packed[base + j] = rest / root


@in_place
def invert_factor(packed: NDArray[np.float64], width: int) -> None:
    """Replace a Cholesky factor by the inverse of the matrix that it is of."""
    for i in range(width):
        base = i * (i + 1) // 2
        root = packed[base + i]
        if root == 0.0:
            continue
        for j in range(i):
            total = 0.0
            for k in range(j, i):
                total += packed[base + k] * packed[k * (k + 1) // 2 + j]
            packed[base + j] = -total / root
        packed[base + i] = 1.0 / root
    for i in range(width):
        base = i * (i + 1) // 2
        for j in range(i + 1):
            total = packed[base + i] * packed[base + j]
            for k in range(i + 1, width):
                later = k * (k + 1) // 2
                total += packed[later + i] * packed[later + j]
            packed[base + j] = total


@in_place
def refresh(
    moments: NDArray[np.float32],
    learned: NDArray[np.int16],
    precision: NDArray[np.float32],
    packed: NDArray[np.float64],
    width: int,
) -> None:
    """Invert the shrunk moments of the metrics that are warm and have ever moved.

    Parameters
    ----------
    moments, precision : float32[PAIRS]
        From one to the other.
    learned : int16[MEMBERS_MAX]
        Instants of each metric.
    packed : float64[PAIRS]
        Room to work in.
    width : int
        Metrics to look at.
    """
    for i in range(width):
        base = i * (i + 1) // 2
        takes_part = learned[i] >= WARM_UP_ROWS and moments[base + i] > 0.0
        for j in range(i):
            packed[base + j] = (1.0 - SHRINKAGE) * moments[base + j] if takes_part else 0.0
        packed[base + i] = moments[base + i] + FLOOR if takes_part else 0.0
    factorise(packed, width)
    invert_factor(packed, width)
    for place in range(width * (width + 1) // 2):
        precision[place] = np.float32(packed[place])
