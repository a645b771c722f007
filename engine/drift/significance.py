"""How often a drift score comes by chance when nothing has changed, at the actual sample sizes.

Reference and window are both samples, and a score's null distribution narrows as both grow: a PSI,
for one, is about ``1 / rows + 1 / reference_rows`` times a chi-square variable where all bins are
full (Yurdakul, "Statistical properties of population stability index", 2018). Where they are not,
that is far off, and so p-values come from the exact distribution given the pooled counts, by
saddlepoint approximations: see `significance_kernels` and `significance_path_kernels`. Nothing is
drawn at random: the same counts have the same p-value. What is nowhere near significant is
answered with a gamma distribution of the right mean and variance.

Values of a score that are possible come one by one: p-values of few rows over few bins are large
rather than small by a part of a step.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import special  # type: ignore[import-untyped]

from engine.drift.significance_bin_kernels import area_moments, join_near, join_rare
from engine.drift.significance_kernels import (
    CHI_SQUARE,
    HELLINGER,
    JENSEN_SHANNON,
    KL,
    POINTS,
    PSI,
    distance,
    null_moments,
    saddlepoint_tail,
)
from engine.drift.significance_pair_kernels import enumerated_tail, pair_tail
from engine.drift.significance_path_kernels import area_tail, lattice, lay_path

Counts = NDArray[np.int64]

METHODS = {
    "psi": PSI,
    "kl": KL,
    "jensen_shannon": JENSEN_SHANNON,
    "hellinger": HELLINGER,
    "chi_square": CHI_SQUARE,
}

ROWS_PER_BIN = 3.0
"""Rows that a bin of the smaller sample is expected to hold; bins are joined until they do."""

FULL_BIN = 20.0
"""If all are expected to hold so many, a gamma distribution does down to `FULL_TAIL`."""

FULL_TAIL = 1e-3

ENUMERATED = 4
"""Bins of which all splits of few rows are gone through."""

SCREEN = 0.25
"""p-values above are those of a gamma distribution."""

AREA_SCREEN = 0.25
"""The same for areas, whose moments are those of normal paths."""

COARSE = (0.5, 1.0 / 12.0)
FINE = (0.2, 1.0 / 50.0)
"""How far bins are joined for the screen of areas and for their tail, see `join_near`."""


def ks_p_value(score: float, rows: int, reference_rows: int) -> float:
    """p-value of a two-sample Kolmogorov-Smirnov distance.

    Parameters
    ----------
    score : float
        0 to 1.
    rows, reference_rows : int
        Values in the window and in the reference.

    Returns
    -------
    float
        NaN without values. Too large, never too small, where values repeat or are binned.

    Notes
    -----
    Kolmogorov's distribution with the correction for finite samples by J. L. Hodges, "The
    significance probability of the Smirnov two-sample test", Arkiv foer Matematik 3, 1958, and for
    the lattice on which the distance lies. From 50 rows on it is up to 2 % above the exact p-value
    at 0.05, and up to 60 % at 1e-6.
    """
    if math.isnan(score) or min(rows, reference_rows) < 1:
        return math.nan
    more, fewer = max(rows, reference_rows), min(rows, reference_rows)
    half_step = 0.5 / math.lcm(more, fewer)
    size = math.sqrt(more * fewer / (more + fewer))
    height = size * max(score - half_step, 0.0)
    shift = (more + 2 * fewer) / (3.0 * size * (more + fewer))
    return float(special.kolmogorov(math.sqrt(height * (height + shift))))


def counts_p_value(method: str, score: float, reference: Counts, window: Counts) -> float:
    """p-value of a distance between two vectors of counts over the same bins or categories.

    Parameters
    ----------
    method : str
        ``psi``, ``kl``, ``jensen_shannon``, ``hellinger`` or ``chi_square``.
    score : float
        The distance; NaN has no p-value.
    reference, window : int64[k]

    Returns
    -------
    float
        NaN without rows, 1 if only one bin is filled.

    Notes
    -----
    The p-value is that of the method's distance of the counts in a form that few rows can't upset:
    bins too rare for the smaller sample are joined, and an empty bin counts as half a row where a
    logarithm needs one, instead of a filler that would weigh more than all the other bins.
    """
    rows, reference_rows = int(window.sum()), int(reference.sum())
    if math.isnan(score) or min(rows, reference_rows) < 1:
        return math.nan
    code = METHODS[method]
    joined = np.empty((2, len(reference) + 1), np.int64)
    fewer = min(rows, reference_rows)
    bins = join_rare(reference, window, ROWS_PER_BIN * (rows + reference_rows) / fewer, joined)
    if bins < 2:
        return 1.0
    own, other = joined[0, :bins], joined[1, :bins]
    pooled = own + other
    if bins == 2:
        return float(pair_tail(code, int(other[0]), int(pooled[0]), int(pooled[1]), rows))
    tables, points = np.empty((bins, 3, POINTS)), np.empty(bins, np.int64)
    out = np.empty(8)
    value = float(distance(code, own, other, rows, reference_rows))
    mean, variance = null_moments(code, pooled, rows, reference_rows, tables, points, out)
    rough = _gamma_tail(value, mean, variance)
    if bins <= ENUMERATED and int(np.minimum(pooled, rows).max()) < POINTS:
        return float(enumerated_tail(value, tables, points))
    is_full = int(pooled.min()) * fewer >= FULL_BIN * (rows + reference_rows)
    if rough > (FULL_TAIL if is_full else SCREEN):
        return rough
    return _settled(saddlepoint_tail(value, mean, variance, tables, points, out), rough)


def wasserstein_p_value(
    score: float,
    reference: Counts,
    window: Counts,
    positions: NDArray[np.float64],
    spread: float,
) -> float:
    """p-value of a first Wasserstein distance in units of a spread.

    Parameters
    ----------
    score : float
    reference, window : int64[k]
        Counts of bins so fine that the distance hardly depends on them.
    positions : float64[k], ascending
        Where the values of each bin are taken to be.
    spread : float
        More than 0.

    Returns
    -------
    float
        NaN without rows, 1 if only one bin is filled.
    """
    rows, reference_rows = int(window.sum()), int(reference.sum())
    if math.isnan(score) or min(rows, reference_rows) < 1:
        return math.nan
    filled = np.flatnonzero(reference + window)
    if len(filled) == 2:  # any distance then is that of two shares
        first = int(filled[0])
        return share_p_value(int(window[first]), rows, int(reference[first]), reference_rows)
    # A height of the path, in rows, is so much of a difference of the distribution functions.
    scale = (1.0 / rows + 1.0 / reference_rows) / spread
    pooled, widths = np.empty(len(reference), np.int64), np.empty(len(reference))
    bins = join_near(reference, window, positions, *COARSE, pooled, widths)
    if bins < 2:
        return 1.0
    mean, variance = area_moments(pooled[:bins], widths[:bins], rows, reference_rows)
    rough = _gamma_tail(score, mean * scale, variance * scale * scale)
    if rough > AREA_SCREEN:
        return rough
    bins = join_near(reference, window, positions, *FINE, pooled, widths)
    pooled, widths = pooled[:bins], widths[:bins] * scale
    step, half, number = lattice(pooled, rows, reference_rows)
    moves, spans = np.empty((bins, number)), np.empty((bins, 2), np.int64)
    heights, bumps = np.empty(bins), np.empty((bins, 2))
    lay_path(pooled, rows, reference_rows, step, moves, spans, heights, bumps)
    paths, out = np.empty((2, 3, 2 * half + 1)), np.empty(3)
    tail = area_tail(score, widths, moves, spans, heights, bumps, step, paths, out)
    return _settled(tail, rough)


def share_p_value(hits: int, rows: int, reference_hits: int, reference_rows: int) -> float:
    """Two-sided p-value of equal shares of hits, by Fisher's exact test.

    Parameters
    ----------
    hits, rows : int
        Of the window.
    reference_hits, reference_rows : int

    Returns
    -------
    float
        NaN without rows, 1 if all or no rows are hits. At most nominal: too large where there are
        few hits.
    """
    if min(rows, reference_rows) < 1:
        return math.nan
    both = hits + reference_hits
    others = rows + reference_rows - both
    if min(both, others) < 1:
        return 1.0
    return float(pair_tail(CHI_SQUARE, hits, both, others, rows))


def _gamma_tail(value: float, mean: float, variance: float) -> float:
    """Chance of at least a value, for a gamma distribution with a mean and variance."""
    if not variance > 0.0:
        return 1.0
    return float(special.gammaincc(mean * mean / variance, max(value, 0.0) * mean / variance))


def _settled(tail: float, rough: float) -> float:
    """Give the tail, or a rough value of it where none was found."""
    return min(tail, 1.0) if math.isfinite(tail) and tail > 0.0 else rough
