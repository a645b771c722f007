"""Compiled loops of the aggregations, over rows and ticks.

All take ``index`` int64[n], the group of each row, ``value`` float64[n, t] and ``present``
bool[n, t], and write ``out_value`` and ``out_present`` [g, t], in which nothing is present at the
start. Rows count in their order. Source: Prometheus 3.16, promql/engine.go (`aggregation`,
`aggregationK`) and util/kahansum and promql/quantile.go.
"""

import math

import numpy as np
from numpy.typing import NDArray

from engine.kernels.jit import in_place, kernel

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]
Rows = NDArray[np.int64]


@in_place
def add_compensated(term: float, total: float, rest: float) -> tuple[float, float]:
    """Add with what rounding lost kept apart (Kahan's sum as improved by Neumaier, 1974)."""
    new = total + term
    if math.isinf(new):
        return new, 0.0
    if abs(total) >= abs(term):
        return new, rest + ((total - new) + term)
    return new, rest + ((term - new) + total)


@in_place
def sum_rows(
    index: Rows,
    value: Values,
    present: Flags,
    out_value: Values,
    out_present: Flags,
    rest: Values,
) -> None:
    """Sum up. `rest` is scratch of the result's shape."""
    for row in range(len(index)):
        group = index[row]
        for k in range(value.shape[1]):
            if not present[row, k]:
                continue
            if not out_present[group, k]:
                out_present[group, k] = True
                out_value[group, k] = value[row, k]
                rest[group, k] = 0.0
            else:
                out_value[group, k], rest[group, k] = add_compensated(
                    value[row, k], out_value[group, k], rest[group, k]
                )
    for group in range(out_value.shape[0]):
        for k in range(out_value.shape[1]):
            if out_present[group, k]:
                out_value[group, k] += rest[group, k]


@in_place
def average_rows(
    index: Rows,
    value: Values,
    present: Flags,
    out_value: Values,
    out_present: Flags,
    rest: Values,
    count: Rows,
    incremental: Flags,
) -> None:
    """Take the mean: of the sum, or step by step from where the sum gets too large.

    `rest`, `count` and `incremental` are scratch of the result's shape, the last false at the
    start.
    """
    for row in range(len(index)):
        group = index[row]
        for k in range(value.shape[1]):
            if not present[row, k]:
                continue
            sample = value[row, k]
            if not out_present[group, k]:
                out_present[group, k] = True
                out_value[group, k] = sample
                rest[group, k] = 0.0
                count[group, k] = 1
                continue
            count[group, k] += 1
            if not incremental[group, k]:
                total, lost = add_compensated(sample, out_value[group, k], rest[group, k])
                if not math.isinf(total):
                    out_value[group, k], rest[group, k] = total, lost
                    continue
                incremental[group, k] = True
                out_value[group, k] /= count[group, k] - 1
                rest[group, k] /= count[group, k] - 1
            share = (count[group, k] - 1) / count[group, k]
            out_value[group, k], rest[group, k] = add_compensated(
                sample / count[group, k], share * out_value[group, k], share * rest[group, k]
            )
    for group in range(out_value.shape[0]):
        for k in range(out_value.shape[1]):
            if not out_present[group, k]:
                continue
            if not incremental[group, k]:
                out_value[group, k] /= count[group, k]
                rest[group, k] /= count[group, k]
            out_value[group, k] += rest[group, k]


@in_place
def extreme_rows(
    highest: bool,
    index: Rows,
    value: Values,
    present: Flags,
    out_value: Values,
    out_present: Flags,
) -> None:
    """Take the least or the highest value; NaN only if there is nothing else."""
    for row in range(len(index)):
        group = index[row]
        for k in range(value.shape[1]):
            if not present[row, k]:
                continue
            best, sample = out_value[group, k], value[row, k]
            better = best < sample if highest else best > sample
            if not out_present[group, k] or better or math.isnan(best):
                out_value[group, k] = sample
            out_present[group, k] = True


@in_place
def count_rows(
    index: Rows, value: Values, present: Flags, out_value: Values, out_present: Flags
) -> None:
    """Count."""
    for row in range(len(index)):
        group = index[row]
        for k in range(value.shape[1]):
            if not present[row, k]:
                continue
            if not out_present[group, k]:
                out_present[group, k] = True
                out_value[group, k] = 0.0
            out_value[group, k] += 1.0


@in_place
def group_rows(
    index: Rows, value: Values, present: Flags, out_value: Values, out_present: Flags
) -> None:
    """Give 1 for each group that has a row."""
    for row in range(len(index)):
        for k in range(value.shape[1]):
            if present[row, k]:
                out_present[index[row], k] = True
                out_value[index[row], k] = 1.0


@in_place
def vary_rows(
    root: bool,
    index: Rows,
    value: Values,
    present: Flags,
    out_value: Values,
    out_present: Flags,
    mean: Values,
    count: Rows,
) -> None:
    """Give the variance of a population, or its root (Welford, 1962).

    `mean` and `count` are scratch of the result's shape.
    """
    for row in range(len(index)):
        group = index[row]
        for k in range(value.shape[1]):
            if not present[row, k]:
                continue
            sample = value[row, k]
            if not out_present[group, k]:
                out_present[group, k] = True
                out_value[group, k] = 0.0 if math.isfinite(sample) else math.nan
                mean[group, k] = sample
                count[group, k] = 1
                continue
            count[group, k] += 1
            delta = sample - mean[group, k]
            mean[group, k] += delta / count[group, k]
            out_value[group, k] += delta * (sample - mean[group, k])
    for group in range(out_value.shape[0]):
        for k in range(out_value.shape[1]):
            if out_present[group, k]:
                variance = out_value[group, k] / count[group, k]
                out_value[group, k] = math.sqrt(variance) if root else variance


@kernel
def quantile_rows(
    order: Rows,
    start: Rows,
    value: Values,
    present: Flags,
    quantile: Values,
    out_value: Values,
    out_present: Flags,
) -> None:
    """Interpolate between the sorted values of each group, NaN counting as the least.

    Parameters
    ----------
    order, start : int64[n], int64[g + 1]
        The rows of group i are ``order[start[i]:start[i + 1]]``.
    quantile : float64[t]
        Below 0 it gives -Inf, above 1 +Inf.
    """
    scratch = np.empty(len(order))
    for group in range(out_value.shape[0]):
        for k in range(value.shape[1]):
            count = 0
            for row in order[start[group] : start[group + 1]]:
                if present[row, k]:
                    scratch[count] = value[row, k]
                    count += 1
            if count > 0:
                out_present[group, k] = True
                out_value[group, k] = _quantile(quantile[k], scratch[:count])


@kernel
def _quantile(quantile: float, values: Values) -> float:
    if math.isnan(quantile):
        return math.nan
    if quantile < 0:
        return -math.inf
    if quantile > 1:
        return math.inf
    values.sort()  # puts NaN last
    nans = 0
    while nans < len(values) and math.isnan(values[len(values) - 1 - nans]):
        nans += 1
    rank = quantile * (len(values) - 1)
    lower = int(rank)
    upper = min(len(values) - 1, lower + 1)
    weight = rank - lower
    low = values[lower - nans] if lower >= nans else math.nan
    if weight == 0:
        return low
    high = values[upper - nans] if upper >= nans else math.nan
    return low * (1 - weight) + high * weight


@in_place
def limit_rows(index: Rows, limit: Rows, present: Flags, taken: Rows, out: Flags) -> None:
    """Keep the first rows of each group: limit[t] of them. `taken` int64[g, t] starts at 0."""
    for row in range(len(index)):
        group = index[row]
        for k in range(present.shape[1]):
            out[row, k] = present[row, k] and taken[group, k] < limit[k]
            if out[row, k]:
                taken[group, k] += 1


@in_place
def best_rows(
    highest: bool,
    order: Rows,
    start: Rows,
    limit: Rows,
    value: Values,
    present: Flags,
    heap: Rows,
    out: Flags,
) -> None:
    """Keep the highest (or lowest) rows of each group, of equal ones the first; NaN comes last.

    Parameters
    ----------
    highest : bool
        Which end.
    order, start : int64[n], int64[g + 1]
        See `quantile_rows`.
    limit : int64[t]
        How many.
    value, present : float64[n, t], bool[n, t]
        The vector.
    heap : int64[n]
        Scratch.
    out : bool[n, t]
        Gets which rows are kept; all false at the start.
    """
    for group in range(len(start) - 1):
        for k in range(value.shape[1]):
            size = 0
            for place in range(start[group], start[group + 1]):
                row = order[place]
                if not present[row, k]:
                    continue
                if size < limit[k]:
                    _push(highest, value, k, heap, size, row)
                    size += 1
                elif size > 0 and _worse(highest, value, k, heap[0], row):
                    heap[0] = row
                    _sink(highest, value, k, heap, size)
            for place in range(size):
                out[heap[place], k] = True


@in_place
def _worse(highest: bool, value: Values, k: int, row: int, other: int) -> bool:
    """Tell whether a row is to go rather than the other one."""
    mine, its = value[row, k], value[other, k]
    if math.isnan(mine) != math.isnan(its):
        return math.isnan(mine)
    if mine == its or math.isnan(mine):
        return row > other
    return mine < its if highest else mine > its


@in_place
def _push(highest: bool, value: Values, k: int, heap: Rows, size: int, row: int) -> None:
    """Add a row to the heap, which has the worst of its rows at the top."""
    child = size
    while child > 0:
        parent = (child - 1) // 2
        if not _worse(highest, value, k, row, heap[parent]):
            break
        heap[child] = heap[parent]
        child = parent
    heap[child] = row


@in_place
def _sink(highest: bool, value: Values, k: int, heap: Rows, size: int) -> None:
    """Move the row at the top to where it belongs."""
    row = heap[0]
    parent = 0
    while 2 * parent + 1 < size:
        child = 2 * parent + 1
        if child + 1 < size and _worse(highest, value, k, heap[child + 1], heap[child]):
            child += 1
        if not _worse(highest, value, k, heap[child], row):
            break
        heap[parent] = heap[child]
        parent = child
    heap[parent] = row
