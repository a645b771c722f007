"""Distances of two vectors of counts over the same values or bins, and the bins for numbers."""

import numpy as np
from numpy.typing import NDArray

from engine.drift.grid import FeatureGrid
from engine.drift.samples import DISCRETE_VALUES
from engine.drift.share_kernels import (
    fill_empty,
    hellinger_of_shares,
    jensen_shannon,
    kullback_leibler,
    population_stability,
    take_shares,
)

Counts = NDArray[np.int64]

COARSE_BINS = 12
"""Of like counts of the reference, for what is compared bin by bin."""

COUNTED = ("psi", "jensen_shannon", "kl", "hellinger", "chi_square")
"""Distances of counts."""


def counts_distance(method: str, reference: Counts, window: Counts) -> float:
    """Distance of two vectors of counts; neither sum is 0, and no place is empty on both sides.

    Parameters
    ----------
    method : str
        One of `COUNTED`. All but the last have the formulas and the fillers of empty places of
        `engine.drift.statistics`. ``chi_square`` is Pearson's statistic of homogeneity, both sides
        counted, in units of ``1 / rows + 1 / reference_rows``: the squared differences of the
        shares by the shares in both together, so that it doesn't grow with the rows.
    reference, window : int64[k]
    """
    rows, others = int(reference.sum()), int(window.sum())
    shares = np.empty((3, len(reference)))
    take_shares(reference, rows, shares[0])
    take_shares(window, others, shares[1])
    if method == "chi_square":
        pooled = (reference + window) / (rows + others)
        return float(((shares[0] - shares[1]) ** 2 / pooled).sum())
    if method == "jensen_shannon":
        return float(jensen_shannon(shares[0], shares[1], shares[2]))
    if method == "hellinger":
        return float(hellinger_of_shares(shares[0], shares[1]))
    fill_empty(shares[0])
    fill_empty(shares[1])
    if method == "psi":
        return float(population_stability(shares[0], shares[1], shares[2]))
    return float(kullback_leibler(shares[0], shares[1], shares[2]))


def coarse_bins(grid: FeatureGrid, reference: NDArray[np.int32]) -> NDArray[np.int64]:
    """Join the fine bins of numbers to a few, which the reference fills alike.

    Parameters
    ----------
    grid : FeatureGrid
        With edges.
    reference : int32[slots]
        With at least one value.

    Returns
    -------
    int64[slots]
        For each slot its bin, ascending. Slots that the reference leaves empty go with the filled
        one before, those before all with the first. With at most `DISCRETE_VALUES` values each has
        its bin, and all other values together have the last one, which the reference leaves empty.
    """
    filled = np.flatnonzero(reference)
    counts = reference[filled].astype(np.int64)
    if len(grid.edges) <= 2 * DISCRETE_VALUES:
        bins = np.full(len(reference), len(filled), np.int64)
        bins[filled] = np.arange(len(filled))
        return bins
    stops = np.cumsum(counts)
    middles = 2 * stops - counts  # in half rows, so that they are whole numbers
    own = middles * COARSE_BINS // (2 * stops[-1])
    numbered = np.unique(own, return_inverse=True)[1]
    places = np.searchsorted(filled, np.arange(len(reference)), side="right") - 1
    return numbered[np.maximum(places, 0)].astype(np.int64)


def joined(counts: NDArray[np.int32], bins: NDArray[np.int64], number: int) -> Counts:
    """Counts by bin, int64[number]."""
    return np.bincount(bins, weights=counts, minlength=number).astype(np.int64)


def without_empty(reference: Counts, window: Counts) -> tuple[Counts, Counts]:
    """Leave out the places that are empty on both sides."""
    held = (reference + window) > 0
    return reference[held], window[held]
