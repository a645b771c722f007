"""The far tail of many scores: a histogram on a log scale, and the boundary it is asked for.

Where enough scores lie above the boundary it is a quantile. Beyond, it is extrapolated from the
largest scores with a generalised Pareto law, as Siffer et al., "Anomaly detection in streams with
extreme value theory", KDD 2017, do. Its parameters are probability-weighted moments (Hosking and
Wallis, "Parameter and quantile estimation for the generalized Pareto distribution", Technometrics
1987): sums over a histogram, where likelihoods need every score. The shape is drawn towards 0, an
exponential tail, as far as few scores say little about it.

A scale of octaves alone would see no difference between 0.99 and 0.9999, which means much for a
score that can't exceed 1. Between one half and 1 the bins therefore are octaves of the distance to
1; for scores that go beyond, they are only finer there than they need be.
"""

import math

import numpy as np
from numpy.typing import NDArray

from engine.kernels.jit import in_place

STEPS_PER_OCTAVE = 8
LOWEST_OCTAVE = -30
HIGHEST_OCTAVE = 60
STEPS_NEAR_ONE = 8
NEAREST_OCTAVE = 24
"""Scores between 2**LOWEST_OCTAVE and 2**HIGHEST_OCTAVE are told apart, and distances from 1 down
to 2**-NEAREST_OCTAVE."""

HALF_BIN = (-1 - LOWEST_OCTAVE) * STEPS_PER_OCTAVE
ONE_BIN = HALF_BIN + (NEAREST_OCTAVE - 1) * STEPS_NEAR_ONE
HISTOGRAM_BINS = ONE_BIN + HIGHEST_OCTAVE * STEPS_PER_OCTAVE
"""Bins from HALF_BIN on begin at 0.5, those from ONE_BIN on at 1."""

ONE = 1024
"""Weight of a score in a histogram, so that integers can be forgotten in parts."""

FEWEST_SCORES = 8.0
"""A pool with less has no tail."""

TAIL_PART = 1.0 / 8.0
SMALLEST_TAIL = 24.0
LARGEST_TAIL = 256.0
LONG_TAIL_PART = 1.0 / 512.0
LONGEST_TAIL = 1024.0
"""The tail is this part of all scores within these numbers of scores; of very many scores, more."""

PRIOR_SHAPE_SCORES = 15.0
"""Tail scores that a shape of 0 counts for."""

LARGEST_SHAPE = 0.8
CAUTION = 0.7
"""Part of the uncertainty of parameters that a boundary is raised by. Errors to the low side cost
many alarms more than those to the high side save; all of it would be too much for light tails."""

TIE_RATIO = 4.0
"""A bin so many times as heavy as its two neighbours holds one repeated score, not a range."""


@in_place
def histogram_bin(score: float) -> int:
    """Bin of a positive score; the outer bins take what is beyond."""
    if score < 0.5:
        return int(max(math.floor((math.log2(score) - LOWEST_OCTAVE) * STEPS_PER_OCTAVE), 0.0))
    if score < 1.0:
        position = HALF_BIN + math.floor((-math.log2(1.0 - score) - 1.0) * STEPS_NEAR_ONE)
        return int(min(position, ONE_BIN - 1.0))
    position = ONE_BIN + math.floor(math.log2(score) * STEPS_PER_OCTAVE)
    return int(min(position, HISTOGRAM_BINS - 1.0))


@in_place
def lower_edge(index: int) -> float:
    """Smallest score of a bin; the one after the last begins at infinity."""
    if index < HALF_BIN:
        return 2.0 ** (LOWEST_OCTAVE + index / STEPS_PER_OCTAVE)
    if index < ONE_BIN:
        return 1.0 - 2.0 ** (-1.0 - (index - HALF_BIN) / STEPS_NEAR_ONE)
    if index < HISTOGRAM_BINS:
        return 2.0 ** ((index - ONE_BIN) / STEPS_PER_OCTAVE)
    return np.inf


@in_place
def is_tie(counts: NDArray[np.int64], index: int) -> bool:
    """Whether a bin seems to hold one repeated score; outer bins do."""
    if index == 0 or index == HISTOGRAM_BINS - 1:
        return True
    return counts[index] > TIE_RATIO * (counts[index - 1] + counts[index + 1])


@in_place
def quantile(counts: NDArray[np.int64], allowed: float) -> float:
    """The score that no more than `allowed` scores exceed.

    Parameters
    ----------
    counts : int64[HISTOGRAM_BINS]
        Scores, times ONE.
    allowed : float
        Number of scores.

    Returns
    -------
    float
        More than 0, even if the scores are fewer.
    """
    above = 0.0
    for index in range(HISTOGRAM_BINS - 1, -1, -1):
        count = counts[index]
        if above + count > allowed * ONE:
            left, right = lower_edge(index), lower_edge(index + 1)
            if is_tie(counts, index):
                return right
            return right - (allowed * ONE - above) / count * (right - left)
        above += count
    return lower_edge(0)


@in_place
def top_moments(counts: NDArray[np.int64], tail: float) -> tuple[float, float, float]:
    """Level that the `tail` largest scores exceed, and two moments of their excesses over it.

    The moments are the mean excess, and the mean of excess times rank from the top (0 to 1).
    Within a bin, scores are taken to be spread evenly.
    """
    wanted = tail * ONE
    above, total, ranked, level = 0.0, 0.0, 0.0, 0.0
    for index in range(HISTOGRAM_BINS - 1, -1, -1):
        if counts[index] == 0:
            continue
        left = lower_edge(index)
        right = lower_edge(index + 1) if index < HISTOGRAM_BINS - 1 else left
        taken = min(float(counts[index]), wanted - above)
        level = right - taken / counts[index] * (right - left)
        total += taken * 0.5 * (right + level)
        ranked += taken * above * 0.5 * (right + level)
        ranked += taken * taken * (right / 6.0 + level / 3.0)
        above += taken
        if above >= wanted:
            break
    return level, total / wanted - level, ranked / (wanted * wanted) - 0.5 * level


@in_place
def extrapolated(counts: NDArray[np.int64], tail: float, allowed: float) -> float:
    """The score that fewer than `tail` scores, `allowed`, are expected to exceed."""
    level, mean, ranked = top_moments(counts, tail)
    if mean <= 1e-9 * level:
        return lower_edge(histogram_bin(level) + 1)
    rest = mean - 2.0 * ranked
    shape = 2.0 - mean / rest if rest > 1e-9 * mean else -1.0
    shape *= tail / (tail + PRIOR_SHAPE_SCORES)
    shape = min(max(shape, -1.0), LARGEST_SHAPE)
    scale = mean * (1.0 - shape)
    decades = math.log(tail / allowed)
    # Variances that errors of scale and shape give the logarithm of the number beyond.
    of_scale = decades**2 / tail
    of_shape = decades**4 / 4.0 * 1.3 / (tail + PRIOR_SHAPE_SCORES)
    decades += min(CAUTION * 0.5 * (of_scale + of_shape), decades)
    if abs(shape) < 1e-6:
        return level + scale * decades
    return level + scale * math.expm1(shape * decades) / shape


@in_place
def tail_boundary(counts: NDArray[np.int64], seen: float, allowed: float) -> float:
    """The score that the pool may be expected to exceed `allowed` times.

    Parameters
    ----------
    counts : int64[HISTOGRAM_BINS]
        Scores, times ONE.
    seen : float
        Their number, at least FEWEST_SCORES.
    allowed : float
        Number of scores that may lie above, more than 0.

    Returns
    -------
    float
        Infinity where only scores beyond the histogram are so rare.
    """
    tail = min(max(seen * TAIL_PART, SMALLEST_TAIL), LARGEST_TAIL, seen)
    tail = max(tail, min(seen * LONG_TAIL_PART, LONGEST_TAIL))
    if allowed >= tail:
        return quantile(counts, allowed)
    # Repeated scores have no law: what was seen far too often is not to be extrapolated below.
    observed = quantile(counts, allowed + 0.5 * (1.0 + math.sqrt(allowed)))
    return max(extrapolated(counts, tail, allowed), observed)
