"""Interpolation between the buckets of classic histograms, compiled (promql/quantile.go)."""

import math

import numpy as np
from numpy.typing import NDArray

from engine.kernels.jit import in_place

_TOLERANCE = 1e-12  # relative differences between counts that are rounding errors
_SMALLEST_NORMAL = 2.2250738585072014e-308
_LARGEST = 1.7976931348623157e308


@in_place
def quantiles(
    row: NDArray[np.int64],
    bound: NDArray[np.float64],
    start: NDArray[np.int64],
    value: NDArray[np.float64],
    present: NDArray[np.bool_],
    quantile: NDArray[np.float64],
    some_bound: NDArray[np.float64],
    some_count: NDArray[np.float64],
    out_value: NDArray[np.float64],
    out_present: NDArray[np.bool_],
) -> None:
    """Put each histogram's quantile at each tick into the output.

    Parameters
    ----------
    row, bound, start
        As in `Buckets`.
    value : float64[n, t]
    present : bool[n, t]
    quantile : float64[t]
    some_bound, some_count : float64[most]
        Room for the buckets of one histogram at one tick.
    out_value : float64[g, t]
    out_present : bool[g, t]
        False on entry.
    """
    for histogram in range(len(start) - 1):
        for k in range(value.shape[1]):
            size = _collect(
                row, bound, start[histogram], start[histogram + 1], value, present, k,
                some_bound, some_count,
            )  # fmt: skip
            if size:
                out_present[histogram, k] = True
                out_value[histogram, k] = _quantile(quantile[k], some_bound, some_count, size)


@in_place
def fractions(
    row: NDArray[np.int64],
    bound: NDArray[np.float64],
    start: NDArray[np.int64],
    value: NDArray[np.float64],
    present: NDArray[np.bool_],
    lower: NDArray[np.float64],
    upper: NDArray[np.float64],
    some_bound: NDArray[np.float64],
    some_count: NDArray[np.float64],
    out_value: NDArray[np.float64],
    out_present: NDArray[np.bool_],
) -> None:
    """Put the fraction of observations between two bounds into the output; as `quantiles`."""
    for histogram in range(len(start) - 1):
        for k in range(value.shape[1]):
            size = _collect(
                row, bound, start[histogram], start[histogram + 1], value, present, k,
                some_bound, some_count,
            )  # fmt: skip
            if size:
                out_present[histogram, k] = True
                out_value[histogram, k] = _fraction(
                    lower[k], upper[k], some_bound, some_count, size
                )


@in_place
def _collect(
    row: NDArray[np.int64],
    bound: NDArray[np.float64],
    first: int,
    end: int,
    value: NDArray[np.float64],
    present: NDArray[np.bool_],
    k: int,
    some_bound: NDArray[np.float64],
    some_count: NDArray[np.float64],
) -> int:
    """Collect the buckets present at tick k, with those of equal bounds added up."""
    size = 0
    for place in range(first, end):
        if present[row[place], k]:
            if size and some_bound[size - 1] == bound[place]:
                some_count[size - 1] += value[row[place], k]
            else:
                some_bound[size] = bound[place]
                some_count[size] = value[row[place], k]
                size += 1
    return size


@in_place
def _quantile(
    quantile: float, bound: NDArray[np.float64], count: NDArray[np.float64], size: int
) -> float:
    if math.isnan(quantile):
        return np.nan
    if quantile < 0:
        return -np.inf
    if quantile > 1:
        return np.inf
    if bound[size - 1] != np.inf or size < 2:
        return np.nan
    _make_monotonic(count, size)
    observations = count[size - 1]
    if observations == 0:
        return np.nan
    rank = quantile * observations
    bucket = _first_reaching(rank, count, size - 1)
    if bucket == size - 1:
        return float(bound[size - 2])
    if bucket == 0:
        # Observations are taken to be positive, unless the first bound says they aren't.
        return float(bound[0] if bound[0] <= 0 else bound[0] * (rank / count[0]))
    below, inside = count[bucket - 1], count[bucket] - count[bucket - 1]
    width = bound[bucket] - bound[bucket - 1]
    return float(bound[bucket - 1] + width * ((rank - below) / inside))


@in_place
def _first_reaching(rank: float, count: NDArray[np.float64], end: int) -> int:
    """Find the first bucket with at least `rank` observations by halving.

    Counts that are NaN have no order, and then halving is what decides.
    """
    first = 0
    while first < end:
        middle = (first + end) // 2
        if count[middle] >= rank:
            end = middle
        else:
            first = middle + 1
    return first


@in_place
def _make_monotonic(count: NDArray[np.float64], size: int) -> None:
    """Level differences that are rounding errors, and raise counts that fall."""
    last = count[0]
    for bucket in range(1, size):
        if count[bucket] < last or _almost_equal(count[bucket], last):
            count[bucket] = last
        else:
            last = count[bucket]


@in_place
def _almost_equal(a: float, b: float) -> bool:
    """Tell whether numbers differ by less than the tolerance (util/almost)."""
    if a == b or (math.isnan(a) and math.isnan(b)):
        return True
    total = abs(a) + abs(b)
    difference = abs(a - b)
    if a == 0 or b == 0 or total < _SMALLEST_NORMAL:
        return difference < _TOLERANCE * _SMALLEST_NORMAL
    return difference / min(total, _LARGEST) < _TOLERANCE


@in_place
def _fraction(
    lower: float,
    upper: float,
    bound: NDArray[np.float64],
    count: NDArray[np.float64],
    size: int,
) -> float:
    observations = count[size - 1]
    if bound[size - 1] != np.inf or observations == 0 or math.isnan(lower) or math.isnan(upper):
        return np.nan
    if lower >= upper:
        return 0.0
    below_lower = _rank(lower, bound, count, size)
    below_upper = _rank(upper, bound, count, size)
    return float((below_upper - below_lower) / observations)


@in_place
def _rank(
    number: float, bound: NDArray[np.float64], count: NDArray[np.float64], size: int
) -> float:
    """Estimate how many observations lie below a number."""
    observations = count[size - 1]
    below = 0.0
    start = -np.inf if bound[0] <= 0 else 0.0
    for bucket in range(size):
        if start >= number:
            return min(below, observations)
        if bound[bucket] > number:
            # In a bucket without a lower end there is nothing to interpolate.
            rank = (
                count[bucket]
                if start == -np.inf
                else below + (count[bucket] - below) * (number - start) / (bound[bucket] - start)
            )
            return min(rank, observations)
        below = count[bucket]
        start = bound[bucket]
    return float(observations)
