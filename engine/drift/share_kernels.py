"""Distances of two distributions that are given as counts over the same values or bins.

Sums run in NumPy's order: distances that are roots of small differences show their last bits.
"""

import math

import numpy as np
from numpy.typing import NDArray

from engine.kernels.jit import in_place

Counts = NDArray[np.int64]
Shares = NDArray[np.float64]

RARE = 0.0001
"""Fills empty bins, unless a filled one is as rare."""

RARER = 1e6
"""Then empty bins are this much rarer than the rarest filled one."""

_LANES = 8
_BLOCK = 128


@in_place
def block_sum(terms: Shares, start: int, stop: int) -> float:
    """Sum of at most 128 terms in eight lanes, which are then added pairwise."""
    if stop - start < _LANES:
        total = 0.0
        for place in range(start, stop):
            total += terms[place]
        return total
    a, b, c, d = terms[start], terms[start + 1], terms[start + 2], terms[start + 3]
    e, f, g, h = terms[start + 4], terms[start + 5], terms[start + 6], terms[start + 7]
    at = start + _LANES
    while at + _LANES <= stop:
        a += terms[at]
        b += terms[at + 1]
        c += terms[at + 2]
        d += terms[at + 3]
        e += terms[at + 4]
        f += terms[at + 5]
        g += terms[at + 6]
        h += terms[at + 7]
        at += _LANES
    total = ((a + b) + (c + d)) + ((e + f) + (g + h))
    for place in range(at, stop):
        total += terms[place]
    return total


@in_place
def term_sum(terms: Shares) -> float:
    """Sum of all terms; of at most 128 with the same bits as NumPy's."""
    total = 0.0
    for start in range(0, len(terms), _BLOCK):
        total += block_sum(terms, start, min(start + _BLOCK, len(terms)))
    return total


@in_place
def relative_entropy(share: float, other: float) -> float:
    """``share log(share / other)``: 0 for no share, infinite for one of what the other lacks."""
    if share == 0.0:
        return 0.0
    if other == 0.0:
        return np.inf
    ratio = share / other
    if 0.5 < ratio < 2.0:
        return share * math.log1p((share - other) / other)  # keeps the bits of a small difference
    return share * math.log(ratio)


@in_place
def take_shares(counts: Counts, rows: int, shares: Shares) -> None:
    """Divide counts by the number of rows."""
    for place in range(len(counts)):
        shares[place] = counts[place] / rows


@in_place
def fill_empty(shares: Shares) -> None:
    """Give empty places a small share, as Evidently does; the rest stays as it is."""
    rarest = np.inf
    for share in shares:
        if share > 0.0:
            rarest = min(rarest, share)
    filler = rarest / RARER if rarest <= RARE else RARE
    for place in range(len(shares)):
        if shares[place] == 0.0:
            shares[place] = filler


@in_place
def normalise(shares: Shares) -> None:
    """Divide shares by their sum."""
    total = term_sum(shares)
    for place in range(len(shares)):
        shares[place] /= total


@in_place
def population_stability(reference: Shares, window: Shares, terms: Shares) -> float:
    """Population stability index (Yurdakul, "Statistical properties of PSI", 2018).

    Parameters
    ----------
    reference, window : float64[k]
        Shares; no place is empty.
    terms : float64[k]
        Scratch.
    """
    for place in range(len(terms)):
        p, q = reference[place], window[place]
        terms[place] = (p - q) * math.log(p / q)
    return term_sum(terms)


@in_place
def kullback_leibler(reference: Shares, window: Shares, terms: Shares) -> float:
    """Divergence of the reference from the window, in nats (Kullback, Leibler 1951).

    Parameters
    ----------
    reference, window : float64[k]
        Shares; they are normalised in place.
    terms : float64[k]
        Scratch.
    """
    normalise(reference)
    normalise(window)
    for place in range(len(terms)):
        terms[place] = relative_entropy(reference[place], window[place])
    return term_sum(terms)


@in_place
def jensen_shannon(reference: Shares, window: Shares, terms: Shares) -> float:
    """Root of the Jensen-Shannon divergence in nats, 0 to 0.8326 (Endres, Schindelin 2003).

    Parameters
    ----------
    reference, window : float64[k]
        Shares; they are normalised in place.
    terms : float64[k]
        Scratch.
    """
    normalise(reference)
    normalise(window)
    for place in range(len(terms)):
        middle = (reference[place] + window[place]) / 2.0
        terms[place] = relative_entropy(reference[place], middle)
    left = term_sum(terms)
    for place in range(len(terms)):
        middle = (reference[place] + window[place]) / 2.0
        terms[place] = relative_entropy(window[place], middle)
    # Rounding may leave equal distributions a divergence just below zero.
    return math.sqrt(max((left + term_sum(terms)) / 2.0, 0.0))


@in_place
def hellinger_of_shares(reference: Shares, window: Shares) -> float:
    """Hellinger distance of discrete distributions, 0 to 1."""
    overlap = 0.0
    for place in range(len(reference)):
        overlap += math.sqrt(reference[place] * window[place])
    return math.sqrt(1.0 - min(max(overlap, 0.0), 1.0))


@in_place
def hellinger_of_bins(
    reference: Counts, window: Counts, rows: int, others: int, first: float, last: float
) -> float:
    """Hellinger distance of two histograms' densities over equal bins of first..last, 0 to 1.

    Parameters
    ----------
    reference, window : int64[bins]
    rows, others : int
        Sums of the counts.
    first, last : float
    """
    bins = len(reference)
    width = (last - first) / bins
    edge = first
    overlap = 0.0
    for place in range(bins):
        next_edge = last if place + 1 == bins else (place + 1) * width + first
        own = next_edge - edge
        density = reference[place] / own / rows
        other = window[place] / own / others
        overlap += math.sqrt(density * other) * width
        edge = next_edge
    return math.sqrt(1.0 - min(max(overlap, 0.0), 1.0))


@in_place
def chi_square(reference: Counts, window: Counts, ratio: float, terms: Shares) -> float:
    """Pearson's chi-square of the window's counts against the reference's, taken as exact.

    Parameters
    ----------
    reference, window : int64[k]
    ratio : float
        The window's rows per row of the reference.
    terms : float64[k]
        Scratch.

    Returns
    -------
    float
        Infinite if the window holds what the reference lacks.
    """
    for place in range(len(terms)):
        expected = reference[place] * ratio
        off = window[place] - expected
        terms[place] = off * off / expected
    return term_sum(terms)
