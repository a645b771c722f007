"""Loops over the rows of numeric inputs; a row's bits never depend on its neighbours.

A BLAS product may sum a row in another order when the matrix has another shape. Here every sum has
one order, so that a stream may be cut into batches anywhere.
"""

import math

import numpy as np
from numpy.typing import NDArray

from engine.kernels.jit import in_place

REACH = 10.0
"""Standard deviations beyond which an input is cut, so that one outlier is not all there is."""


@in_place
def add_numbers(
    values: NDArray[np.float64],
    mean: float,
    scale: float,
    place: int,
    out: NDArray[np.float32],
) -> None:
    """Add standardised values, float64[n], to a column of the inputs; NaN adds nothing."""
    for row in range(len(values)):
        score = (values[row] - mean) * scale
        if score == score:  # noqa: PLR0124 - NaN is not
            out[row, place] += np.float32(min(max(score, -REACH), REACH))


@in_place
def add_codes(
    codes: NDArray[np.int32],
    table: NDArray[np.float32],
    places: NDArray[np.int64],
    out: NDArray[np.float32],
) -> None:
    """Add the vectors of categories, float32[categories, k], to k columns; -1 adds nothing."""
    for row in range(len(codes)):
        code = codes[row]
        if code >= 0:
            for part in range(len(places)):
                out[row, places[part]] += table[code, part]


@in_place
def project(
    inputs: NDArray[np.float32],
    directions: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    """Multiply inputs float32[n, d] by directions float32[d, p] into float32[n, p]."""
    rows, width = inputs.shape
    count = directions.shape[1]
    whole = width - width % 4
    for row in range(rows):
        for column in range(count):
            out[row, column] = np.float32(0.0)
        for k in range(0, whole, 4):
            first, second = inputs[row, k], inputs[row, k + 1]
            third, fourth = inputs[row, k + 2], inputs[row, k + 3]
            for column in range(count):
                out[row, column] += (
                    first * directions[k, column] + second * directions[k + 1, column]
                ) + (third * directions[k + 2, column] + fourth * directions[k + 3, column])
        for k in range(whole, width):
            last = inputs[row, k]
            for column in range(count):
                out[row, column] += last * directions[k, column]


@in_place
def add_errors(
    inputs: NDArray[np.float32],
    projected: NDArray[np.float32],
    center: NDArray[np.float32],
    offset: NDArray[np.float32],
    steps: float,
    totals: NDArray[np.int64],
) -> None:
    """Add the distances of inputs float32[n, d] to their projections on orthonormal directions.

    Parameters
    ----------
    inputs : float32[n, d]
    projected : float32[n, p]
    center : float32[d]
        Origin of the directions.
    offset : float32[p]
        Its projection.
    steps : float
        Distances are rounded to whole parts of one by so many.
    totals : int64[3]
        Rows, sum of the rounded distances, sum of their squares.
    """
    for row in range(len(inputs)):
        square = 0.0
        for column in range(len(center)):
            part = np.float64(inputs[row, column] - center[column])
            square += part * part
        for column in range(len(offset)):
            part = np.float64(projected[row, column] - offset[column])
            square -= part * part
        error = np.int64(math.floor(math.sqrt(max(square, 0.0)) * steps + 0.5))
        totals[0] += 1
        totals[1] += error
        totals[2] += error * error
