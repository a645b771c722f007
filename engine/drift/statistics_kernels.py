"""Distances of two sorted samples, and counts of both over shared values or bins.

Both samples are sorted and finite; a walk through both in order of value visits every step of
their distribution functions.
"""

import math

import numpy as np
from numpy.typing import NDArray

from engine.kernels.jit import in_place

Values = NDArray[np.float64]
Counts = NDArray[np.int64]


@in_place
def areas_between(reference: Values, window: Values, areas: Values) -> None:
    """Areas between the two distribution functions, from each value to the next.

    Their sum is the first Wasserstein distance (Ramdas, Garcia, Cuturi, "On Wasserstein two-sample
    testing and related families of nonparametric tests", 2017).

    Parameters
    ----------
    reference : float64[n], sorted
    window : float64[m], sorted
        Neither may be empty.
    areas : float64[n + m - 1]
        Out, in the values' unit, in ascending order of value; 0 between equal values.
    """
    rows, others = len(reference), len(window)
    at = min(reference[0], window[0])
    i = 1 if reference[0] <= window[0] else 0
    j = 1 - i
    while i < rows and j < others:
        left, right = reference[i], window[j]
        following = min(left, right)
        areas[i + j - 1] = abs(i / rows - j / others) * (following - at)
        at = following
        forward = left <= right  # added, not branched on: nobody can predict it
        i += forward
        j += not forward
    while i < rows:
        areas[i + j - 1] = abs(i / rows - 1.0) * (reference[i] - at)
        at = reference[i]
        i += 1
    while j < others:
        areas[i + j - 1] = abs(1.0 - j / others) * (window[j] - at)
        at = window[j]
        j += 1


@in_place
def widest_gap(reference: Values, window: Values) -> int:
    """Largest distance of the two distribution functions, in units of 1 / (n m).

    Parameters
    ----------
    reference : float64[n], sorted
    window : float64[m], sorted

    Returns
    -------
    int
        The Kolmogorov-Smirnov statistic times n m; a multiple of their greatest common divisor.
    """
    rows, others = len(reference), len(window)
    i, j, widest = 0, 0, 0
    while i < rows and j < others:
        value = min(reference[i], window[j])
        while i < rows and reference[i] == value:
            i += 1
        while j < others and window[j] == value:
            j += 1
        widest = max(widest, abs(i * others - j * rows))
    return widest


@in_place
def end_of_run(values: Values, start: int) -> int:
    """Index behind the last value equal to that at `start`, by doubling steps and bisection."""
    value, size = values[start], len(values)
    step = 1
    low = start
    while low + step < size and values[low + step] == value:
        low += step
        step *= 2
    high = min(low + step, size)
    while high - low > 1:
        middle = (low + high) // 2
        if values[middle] == value:
            low = middle
        else:
            high = middle
    return low + 1


@in_place
def distinct_values(reference: Values, window: Values, limit: int) -> int:
    """Number of distinct values of both together, counted up to `limit`.

    Parameters
    ----------
    reference : float64[n], sorted
    window : float64[m], sorted
        Either may be empty.
    limit : int
    """
    rows, others = len(reference), len(window)
    i, j, distinct = 0, 0, 0
    while (i < rows or j < others) and distinct < limit:
        distinct += 1
        if j >= others or (i < rows and reference[i] < window[j]):
            i = end_of_run(reference, i)
        elif i >= rows or window[j] < reference[i]:
            j = end_of_run(window, j)
        else:
            i = end_of_run(reference, i)
            j = end_of_run(window, j)
    return distinct


@in_place
def count_values(
    reference: Values, window: Values, reference_counts: Counts, window_counts: Counts
) -> None:
    """Count every distinct value on both sides, in ascending order of value.

    Parameters
    ----------
    reference : float64[n], sorted
    window : float64[m], sorted
    reference_counts, window_counts : int64[distinct values of both]
        Out.
    """
    rows, others = len(reference), len(window)
    i, j = 0, 0
    for place in range(len(reference_counts)):
        next_i, next_j = i, j
        if j >= others or (i < rows and reference[i] <= window[j]):
            next_i = end_of_run(reference, i)
        if i >= rows or (j < others and window[j] <= reference[i]):
            next_j = end_of_run(window, j)
        reference_counts[place] = next_i - i
        window_counts[place] = next_j - j
        i, j = next_i, next_j


@in_place
def sturges_bins(first: float, last: float, size: int, integers: bool) -> int:
    """Number of equal bins over first..last for a sample of this size.

    Parameters
    ----------
    first, last : float
        Smallest and largest value.
    size : int
    integers : bool
        Whether bins must be at least 1 wide, as NumPy has it for whole numbers.

    References
    ----------
    H. Sturges, "The choice of a class interval", JASA 1926, with NumPy's rounding.
    """
    width = (last - first) / (math.log2(size) + 1.0)
    if width == 0.0:
        return 1
    if integers and width < 1.0:
        width = 1.0
    return math.ceil((last - first) / width)


@in_place
def bin_edge(first: float, last: float, bins: int, place: int) -> float:
    """Edge number `place` of so many equal bins over first..last."""
    return last if place == bins else place * ((last - first) / bins) + first


@in_place
def edges_increase(first: float, last: float, bins: int) -> bool:
    """Whether rounding leaves every bin a width, and a finite one."""
    for place in range(bins):
        width = bin_edge(first, last, bins, place + 1) - bin_edge(first, last, bins, place)
        if not 0.0 < width < np.inf:
            return False
    return True


@in_place
def count_bins(values: Values, first: float, last: float, counts: Counts) -> None:
    """Count values in equal bins; each holds its left edge, the last one both.

    Parameters
    ----------
    values : float64[n], sorted
        Between first and last.
    first, last : float
    counts : int64[bins]
        Out.
    """
    bins = len(counts)
    start = 0
    for place in range(bins - 1):
        edge = bin_edge(first, last, bins, place + 1)
        low, high = start, len(values)
        while low < high:
            middle = (low + high) // 2
            if values[middle] < edge:
                low = middle + 1
            else:
                high = middle
        counts[place] = low - start
        start = low
    counts[bins - 1] = len(values) - start


@in_place
def count_codes(codes: NDArray[np.int32], counts: Counts) -> None:
    """Count codes from 0; negative ones are nulls.

    Parameters
    ----------
    codes : int32[n]
    counts : int64[codes' number]
        Added to.
    """
    for code in codes:
        if code >= 0:
            counts[code] += 1
