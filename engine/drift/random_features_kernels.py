"""Sums of random Fourier features, and of unit vectors, in whole numbers."""

import math

import numpy as np
from numpy.typing import NDArray

from engine.kernels.jit import in_place

TURN = 4096
"""Parts of a full turn that angles are cut to."""

AMPLITUDE = 1 << 14
"""What a cosine of one is as a whole number."""


def _cosines() -> NDArray[np.int64]:
    middle = (np.arange(TURN) + 0.5) * (2.0 * np.pi / TURN)
    return np.rint(np.cos(middle) * AMPLITUDE).astype(np.int64)


COSINES = _cosines()
"""int64[TURN]: cosines of the middles of the parts."""


@in_place
def turn_part(turns: float) -> int:
    """Part of the turn, 0 to ``TURN - 1``, that an angle in turns lies in."""
    return math.floor((turns - math.floor(turns)) * TURN) & (TURN - 1)


@in_place
def add_features(
    projected: NDArray[np.float32],
    turns_per_unit: float,
    cosines: NDArray[np.int64],
    totals: NDArray[np.int64],
) -> None:
    """Add cosines and sines of projections float32[n, f] to int64[1 + 2f].

    The sums are those of rows, of the f cosines, and of the f sines.
    """
    rows, count = projected.shape
    totals[0] += rows
    for row in range(rows):
        for column in range(count):
            part = turn_part(projected[row, column] * turns_per_unit)
            totals[1 + column] += cosines[part]
            totals[1 + count + column] += cosines[(part + 3 * TURN // 4) & (TURN - 1)]


@in_place
def spread_features(
    projected: NDArray[np.float32],
    turns_per_unit: float,
    cosines: NDArray[np.int64],
    out: NDArray[np.float64],
) -> None:
    """Write what `add_features` adds, row by row, to float64[n, 2f]."""
    rows, count = projected.shape
    for row in range(rows):
        for column in range(count):
            part = turn_part(projected[row, column] * turns_per_unit)
            out[row, column] = cosines[part]
            out[row, count + column] = cosines[(part + 3 * TURN // 4) & (TURN - 1)]


@in_place
def unit_vectors(vectors: NDArray[np.float32], out: NDArray[np.float32]) -> int:
    """Write the directions of vectors float32[n, d] to the first rows of float32[n, d].

    Returns
    -------
    int
        Rows written: those of a finite length above zero.
    """
    rows, width = vectors.shape
    kept = 0
    for row in range(rows):
        square = 0.0
        for column in range(width):
            part = np.float64(vectors[row, column])
            square += part * part
        if not (0.0 < square < math.inf):
            continue
        inverse = 1.0 / math.sqrt(square)
        for column in range(width):
            out[kept, column] = np.float32(vectors[row, column] * inverse)
        kept += 1
    return kept


@in_place
def add_units(units: NDArray[np.float32], steps: float, totals: NDArray[np.int64]) -> None:
    """Add unit vectors float32[n, d], rounded to whole parts of one by `steps`, to int64[d]."""
    rows, width = units.shape
    for row in range(rows):
        for column in range(width):
            totals[column] += np.int64(math.floor(units[row, column] * steps + 0.5))
