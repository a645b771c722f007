"""The statistics of drift between a reference and a window, with the numbers of Evidently 0.7.23.

Every function takes the reference first: most are not symmetric. Neither sample may be empty.
Those over bins raise `NoBinsError` where a range can't be cut into them.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import special  # type: ignore[import-untyped]

from engine.drift.samples import CategoricalSample, NumericSample, PairedCounts
from engine.drift.share_kernels import (
    chi_square,
    fill_empty,
    hellinger_of_bins,
    hellinger_of_shares,
    jensen_shannon,
    kullback_leibler,
    population_stability,
    take_shares,
)
from engine.drift.smirnov import smirnov_p_value
from engine.drift.statistics_kernels import areas_between, widest_gap

Sample = NumericSample | CategoricalSample

LEAST_SPREAD = 0.001
"""The Wasserstein distance is divided by no less."""


def wasserstein_score(reference: NumericSample, window: NumericSample) -> float:
    """First Wasserstein distance in standard deviations of the reference, these at least 0.001.

    The reference's sample must have its spread.
    """
    areas = np.empty(reference.rows + window.rows - 1)
    areas_between(reference.values, window.values, areas)
    # Pairwise, so that hardly a bit is lost; SciPy's order is that of the BLAS at hand.
    return float(areas.sum()) / max(reference.spread, LEAST_SPREAD)


def ks_statistic(reference: NumericSample, window: NumericSample) -> float:
    """Largest distance of the distribution functions, 0 to 1."""
    gap = int(widest_gap(reference.values, window.values))
    return gap / (reference.rows * window.rows)


def ks_p_value(reference: NumericSample, window: NumericSample) -> float:
    """Two-sided p-value of the two-sample Kolmogorov-Smirnov test."""
    gap = int(widest_gap(reference.values, window.values))
    return smirnov_p_value(gap, reference.rows, window.rows)


def psi_score(reference: Sample, window: Sample) -> float:
    """Population stability index."""
    shares = _shares(_comparable(reference, window))
    fill_empty(shares[0])
    fill_empty(shares[1])
    return float(population_stability(shares[0], shares[1], shares[2]))


def kl_score(reference: Sample, window: Sample) -> float:
    """Kullback-Leibler divergence in nats."""
    shares = _shares(_comparable(reference, window))
    fill_empty(shares[0])
    fill_empty(shares[1])
    return float(kullback_leibler(shares[0], shares[1], shares[2]))


def js_score(reference: Sample, window: Sample) -> float:
    """Jensen-Shannon distance, 0 to 0.8326."""
    shares = _shares(_comparable(reference, window))
    return float(jensen_shannon(shares[0], shares[1], shares[2]))


def hellinger_score(reference: Sample, window: Sample) -> float:
    """Hellinger distance, 0 to 1, of categories or binned densities.

    The number of bins follows from the number of distinct values. NumPy is handed a set of them,
    which holds the reference's where both have one: they are whole numbers if all of these are.
    """
    if not (isinstance(reference, NumericSample) and isinstance(window, NumericSample)):
        shares = _shares(_value_counts(reference, window))
        return float(hellinger_of_shares(shares[0], shares[1]))
    distinct = _value_counts(reference, window)
    integers = reference.integers and (window.integers or bool(distinct.reference.all()))
    bins = reference.bins_with(window, len(distinct.reference), integers)
    counts = bins.counts
    return float(
        hellinger_of_bins(
            counts.reference, counts.window, counts.rows, counts.others, bins.first, bins.last
        )
    )


def chi_square_p_value(reference: Sample, window: Sample) -> float:
    """p-value of Pearson's goodness of fit; 0 with a new value, NaN if there is only one value."""
    counts = _value_counts(reference, window)
    ratio = counts.others / counts.rows
    terms = np.empty(len(counts.reference))
    statistic = chi_square(counts.reference, counts.window, ratio, terms)
    return float(special.chdtrc(len(terms) - 1, statistic))


def z_p_value(reference: Sample, window: Sample) -> float:
    """Two-sided p-value of equal proportions of all that is not the smallest value.

    The two-proportion z-test with pooled variance; 1 if both samples hold nothing else.
    """
    rows, others = reference.rows, window.rows
    if isinstance(reference, CategoricalSample) and isinstance(window, CategoricalSample):
        first, second = reference.smallest_with(window)
    else:
        counts = _value_counts(reference, window)
        first, second = int(counts.reference[0]), int(counts.window[0])
    if first == rows and second == others:
        return 1.0
    share, other = (rows - first) / rows, (others - second) / others
    pooled = (share * rows + other * others) / (rows + others)
    variance = pooled * (1.0 - pooled) * (1.0 / rows + 1.0 / others)
    return float(2.0 * (1.0 - special.ndtr(abs(share - other) / math.sqrt(variance))))


def _comparable(reference: Sample, window: Sample) -> PairedCounts:
    """Counts by bin for numbers of many values, else by value."""
    if isinstance(reference, NumericSample) and isinstance(window, NumericSample):
        if reference.is_discrete:
            return reference.counts_with(window)
        size = reference.rows + window.rows
        return reference.bins_with(window, size, reference.integers and window.integers).counts
    return _value_counts(reference, window)


def _value_counts(reference: Sample, window: Sample) -> PairedCounts:
    if isinstance(reference, NumericSample) and isinstance(window, NumericSample):
        return reference.counts_with(window)
    if isinstance(reference, CategoricalSample) and isinstance(window, CategoricalSample):
        return reference.counts_with(window)
    raise TypeError("reference and window are of different types")


def _shares(counts: PairedCounts) -> NDArray[np.float64]:
    """Shares of the reference and of the window, and a row to work in."""
    shares = np.empty((3, len(counts.reference)))
    take_shares(counts.reference, counts.rows, shares[0])
    take_shares(counts.window, counts.others, shares[1])
    return shares
