"""Distances of two distributions that are counted between the same edges."""

import math

import numpy as np
from numpy.typing import NDArray

from engine.kernels.jit import in_place

Numbers = NDArray[np.float64]
Counts = NDArray[np.int32]

_BRIDGE = math.sqrt(math.pi / 8.0)
_ROOT_PI = math.sqrt(math.pi)


@in_place
def _tail(ratio: float) -> float:
    return 1.0 / (ratio * _ROOT_PI)


@in_place
def take_gaps(reference: Counts, window: Counts, rows: int, others: int, gaps: Numbers) -> float:
    """Differences of the distribution functions at each edge, the left limits.

    Parameters
    ----------
    reference, window : int32[k + 1]
        Counts before the first edge, between edges, and from the last on.
    rows, others : int
        Their sums, neither 0.
    gaps : float64[k]
        Out.

    Returns
    -------
    float
        The largest: the Kolmogorov-Smirnov statistic, as far as bins tell.
    """
    below, others_below = np.int64(0), np.int64(0)
    widest = 0.0
    for place in range(len(gaps)):
        below += reference[place]
        others_below += window[place]
        gap = below / rows - others_below / others
        gaps[place] = gap
        widest = max(widest, abs(gap))
    return widest


@in_place
def areas_between(edges: Numbers, gaps: Numbers, areas: Numbers) -> None:
    """Areas between two distribution functions from first to last edge.

    The values of a bin are taken as spread evenly over it, so that the functions' difference is
    straight between edges.

    Parameters
    ----------
    edges, gaps : float64[k]
        The gaps as `take_gaps` has them.
    areas : float64[2]
        Out: where the first function is above, and where the second is.
    """
    areas[0], areas[1] = 0.0, 0.0
    for place in range(len(edges) - 1):
        left, right = gaps[place], gaps[place + 1]
        width = edges[place + 1] - edges[place]
        if left * right >= 0.0:
            half = (left + right) / 2.0
            areas[0 if half >= 0.0 else 1] += abs(half) * width
        else:
            unit = width / (abs(left) + abs(right)) / 2.0
            areas[0 if left > 0.0 else 1] += left * left * unit
            areas[0 if right > 0.0 else 1] += right * right * unit


@in_place
def widest_inside(
    reference: Counts,
    window: Counts,
    rows: int,
    others: int,
    gaps: Numbers,
    is_single: NDArray[np.bool_],
) -> float:
    """Largest difference of the distribution functions that bins lead one to expect inside them.

    Between two edges the difference of two samples of one distribution is about a Brownian bridge.
    Its mean excess over the higher end ``h`` of a step ``d`` is the integral over all y >= 0 of
    ``exp(-2 y (y + d) / v)``, v being the variance of the step.

    Parameters
    ----------
    reference, window, rows, others, gaps
        As in `take_gaps`.
    is_single : bool[k + 1]
        Slots that hold one value: there is nothing between its edges.
    """
    widest = 0.0
    for place in range(1, len(gaps)):
        if is_single[place]:
            continue
        variance = reference[place] / rows / rows + window[place] / others / others
        left, right = gaps[place - 1], gaps[place]
        step = abs(left - right)
        root = math.sqrt(variance)
        highest = max(abs(left), abs(right))
        if root == 0.0 or highest + root <= widest:
            continue
        ratio = step / root / math.sqrt(2.0)
        # Far out, the product's factors over- and underflow; it nears its asymptote.
        tail = math.exp(ratio * ratio) * math.erfc(ratio) if ratio < 5.0 else _tail(ratio)
        widest = max(widest, highest + root * _BRIDGE * tail)
    return widest
