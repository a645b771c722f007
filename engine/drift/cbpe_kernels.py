"""Isotonic regression by pooling adjacent violators."""

import numpy as np
from numpy.typing import NDArray

from engine.kernels.jit import in_place


@in_place
def gather(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    places: NDArray[np.float64],
    means: NDArray[np.float64],
    weights: NDArray[np.float64],
    nearest: float,
) -> int:
    """Make one point of those whose places are closer than `nearest` to the first of them.

    Parameters
    ----------
    x, y : float64[n]
        In order of x.
    places, means, weights : float64[n]
        Place, mean of y and number of points, written.

    Returns
    -------
    int
        How many there are.
    """
    count = 0
    for point in range(len(x)):
        if count and x[point] - places[count - 1] < nearest:
            means[count - 1] += y[point]
            weights[count - 1] += 1.0
        else:
            places[count] = x[point]
            means[count] = y[point]
            weights[count] = 1.0
            count += 1
    for point in range(count):
        means[point] /= weights[point]
    return count


@in_place
def pool_violators(
    means: NDArray[np.float64], weights: NDArray[np.float64], ends: NDArray[np.int64]
) -> None:
    """Make values the nearest ones, by weighted squares, that never fall.

    A stack of blocks: a point that is not above the last block joins it, and so on downwards (Ayer
    et al., "An empirical distribution function for sampling with incomplete information", 1955).

    Parameters
    ----------
    means : float64[n]
        Values; the result is written over them.
    weights : float64[n]
        Used up.
    ends : int64[n]
        Room for the blocks' ends.
    """
    blocks = 0
    for point in range(len(means)):
        mean, weight = means[point], weights[point]
        total = mean * weight
        while blocks > 0 and means[blocks - 1] >= mean:
            blocks -= 1
            total += means[blocks] * weights[blocks]
            weight += weights[blocks]
            mean = total / weight
        means[blocks], weights[blocks], ends[blocks] = mean, weight, point + 1
        blocks += 1
    point = len(means)
    for block in range(blocks - 1, -1, -1):
        begin = ends[block - 1] if block else 0
        mean = means[block]
        while point > begin:
            point -= 1
            means[point] = mean
