"""Quantiles of values in scratch space, as in Prometheus 3.16's promql/quantile.go (`quantile`)."""

import numpy as np
from numpy.typing import NDArray

from engine.kernels.jit import in_place


@in_place
def quantile(q: float, values: NDArray[np.float64], count: int) -> float:
    """Quantile of the first `count` values, between two of them by linear interpolation.

    NaN counts as smaller than any number.

    Parameters
    ----------
    q : float
        From 0 to 1; below it is -Inf, above it is +Inf, at NaN it is NaN.
    values : float64[n]
        Changes its order.
    count : int
        How many of the values count; NaN if none does.
    """
    if count == 0 or np.isnan(q):
        return np.nan
    if q < 0:
        return -np.inf
    if q > 1:
        return np.inf
    rank = q * (count - 1)
    lower = int(np.floor(rank))
    weight = rank - np.floor(rank)
    start = _nan_first(values, count)
    if lower < start:
        return np.nan
    _place(values, start, count, lower)
    if weight == 0:
        # A neighbour that doesn't count must not turn infinity into NaN.
        return values[lower]
    above = _smallest(values, lower + 1, count)
    return values[lower] * (1 - weight) + above * weight


@in_place
def median_absolute_deviation(
    value: NDArray[np.float64], low: int, high: int, scratch: NDArray[np.float64]
) -> float:
    """Median distance of ``value[low:high]`` from their median; NaN if one of them is.

    Parameters
    ----------
    value : float64[n]
        Values.
    low, high : int
        The samples of the window.
    scratch : float64[m]
        At least ``high - low`` places, to be overwritten.
    """
    count = high - low
    for i in range(low, high):
        if np.isnan(value[i]):
            return np.nan
    copy(value, low, high, scratch)
    median = quantile(0.5, scratch, count)
    for i in range(count):
        scratch[i] = abs(value[low + i] - median)
    return quantile(0.5, scratch, count)


@in_place
def copy(value: NDArray[np.float64], low: int, high: int, scratch: NDArray[np.float64]) -> None:
    """Put ``value[low:high]`` at the beginning of the scratch space."""
    for i in range(low, high):
        scratch[i - low] = value[i]


@in_place
def _nan_first(values: NDArray[np.float64], count: int) -> int:
    """Move what is NaN to the beginning; return how much it is."""
    start = 0
    for i in range(count):
        if np.isnan(values[i]):
            values[i], values[start] = values[start], values[i]
            start += 1
    return start


@in_place
def _place(values: NDArray[np.float64], low: int, high: int, k: int) -> None:
    """Put at `k` what stands there when ``values[low:high]``, free of NaN, is sorted.

    Smaller values stand before it then, and larger ones behind (C. A. R. Hoare, "Algorithm 65:
    Find", CACM 4, 1961).
    """
    left = low
    right = high - 1
    while left < right:
        pivot = values[k]
        i = left
        j = right
        while i <= j:
            while values[i] < pivot:
                i += 1
            while pivot < values[j]:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if j < k:
            left = i
        if k < i:
            right = j


@in_place
def _smallest(values: NDArray[np.float64], low: int, high: int) -> float:
    """Return the smallest of ``values[low:high]``, which is free of NaN and not empty."""
    smallest = values[low]
    for i in range(low + 1, high):
        smallest = min(smallest, values[i])
    return smallest
