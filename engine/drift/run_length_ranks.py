"""Scores of values by their rank among the earlier ones: alike for every distribution.

The rank of a value among those before it is independent of their ranks, and uniform, whatever the
distribution, as long as that does not change; so thresholds found once hold for heavy tails as for
light ones. Ranks are taken between bins whose edges are quantiles of the first values (each value
has a bin of its own if there are few), by counts of what came since, and centred and scaled: mean
0, variance 1. Source: Gordon and Pollak 1994, An Efficient Sequential Nonparametric Scheme for
Detecting a Change of Distribution, for sequential ranks.
"""

import math

import numpy as np
from numpy.typing import NDArray

from engine.kernels.jit import kernel

BINS = 64
FIRST_VALUES = 256

# Columns of the head of the state.
SEEN = 0
EDGES = 1  # how many there are
COUNTED = 2
RATE = 3  # see `skew_rate`
RATE_AT = 4  # counts at which it is determined next
WIDTH = 5

RATE_FROM = 200.0

SMALLEST_VARIANCE = 1e-12
"""What is less is the rounding of equal places."""

LEVEL = 0
SPREAD = 1


@kernel
def set_edges(first: NDArray[np.float64], edges: NDArray[np.float64]) -> int:
    """Upper edges of bins from the first values; give how many there are.

    Parameters
    ----------
    first : float64[FIRST_VALUES]
    edges : float64[BINS - 1]
        Filled from the start, ascending.
    """
    ascending = np.sort(first)
    distinct = 1 + np.sum(ascending[1:] != ascending[:-1])
    found = 0
    for edge in range(len(first) if distinct < BINS else BINS - 1):
        at = edge if distinct < BINS else (edge + 1) * len(first) // BINS
        if found == 0 or ascending[at] != edges[found - 1]:
            edges[found] = ascending[at]
            found += 1
    return found


@kernel
def place_in_ranks(middle: float, kind: int) -> float:
    """What is scored of a rank from 0 to 1: itself, or its distance from the middle."""
    return middle if kind == LEVEL else abs(2.0 * middle - 1.0)


@kernel
def moments(counts: NDArray[np.float64], counted: float, kind: int) -> tuple[float, float, float]:
    """Mean, standard deviation and skewness of what is scored, over the counts.

    Parameters
    ----------
    counts : float64[BINS]
    counted : float
        Their sum.
    kind : int
        LEVEL or SPREAD.
    """
    below = first = second = third = 0.0
    for count in counts:
        place = place_in_ranks((below + 0.5 * count) / counted, kind)
        first += count * place
        second += count * place * place
        third += count * place * place * place
        below += count
    mean = first / counted
    variance = second / counted - mean * mean
    if variance <= SMALLEST_VARIANCE:
        return mean, 0.0, 0.0
    cube = third / counted - 3.0 * mean * variance - mean * mean * mean
    return mean, math.sqrt(variance), cube / (variance * math.sqrt(variance))


@kernel
def skew_rate(skewness: float) -> float:
    """Rate of the Bernoulli distribution that is as skewed."""
    return 0.5 * (1.0 - skewness / math.sqrt(4.0 + skewness * skewness))


@kernel
def score_ranks(
    values: NDArray[np.float64],
    kind: int,
    head: NDArray[np.float64],
    first: NDArray[np.float64],
    edges: NDArray[np.float64],
    counts: NDArray[np.float64],
    scores: NDArray[np.float64],
    rates: NDArray[np.float64],
) -> None:
    """Score each value by those before it, and count it.

    Parameters
    ----------
    values : float64[n]
    kind : int
        LEVEL scores the rank, SPREAD its distance from the middle.
    head : float64[WIDTH]
        Zeros before the first value; changes.
    first : float64[FIRST_VALUES]
    edges : float64[BINS - 1]
    counts : float64[BINS]
        All three change.
    scores : float64[n]
        Written; 0 while there are no bins.
    rates : float64[n]
        Written: `skew_rate` at each row.
    """
    for row in range(len(values)):
        scores[row], rates[row] = 0.0, 0.5
        if head[SEEN] < FIRST_VALUES:
            first[int(head[SEEN])] = values[row]
            head[SEEN] += 1.0
            if head[SEEN] == FIRST_VALUES:
                head[EDGES] = set_edges(first, edges)
                counts[:] = 0.0
                head[RATE], head[RATE_AT] = 0.5, RATE_FROM
            continue
        at = np.searchsorted(edges[: int(head[EDGES])], values[row])
        counted = head[COUNTED]
        if counted > 0.0:
            mean, deviation, skewness = moments(counts, counted, kind)
            if deviation > 0.0:
                middle = (np.sum(counts[:at]) + 0.5 * counts[at]) / counted
                scores[row] = (place_in_ranks(middle, kind) - mean) / deviation
                if counted >= head[RATE_AT]:
                    head[RATE] = skew_rate(skewness)
                    head[RATE_AT] = 2.0 * counted
        rates[row] = head[RATE]
        counts[at] += 1.0
        head[COUNTED] += 1.0
