"""``histogram_quantile`` and ``histogram_fraction`` of classic histograms.

Semantics are those of Prometheus 3's promql/quantile.go. Which rows are the buckets of one
histogram is planned once for a table; at each tick the buckets that are present are collected,
those with equal bounds added up, and a quantile or fraction interpolated between them.
"""

import re
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from engine.promql.bucket_kernels import fractions, quantiles
from engine.promql.matrix import (
    Block,
    Labels,
    Matrix,
    Planned,
    Relabelled,
    Scalar,
    Table,
    arranged,
    moved,
    nothing,
)
from engine.promql.syntax import Call
from engine.promql.values import Value, unnamed

BUCKET_LABEL = "le"

# What Go's strconv.ParseFloat takes; Python's float takes blanks and foreign digits, too.
_DECIMAL = re.compile(
    r"[+-]?(?:[0-9](?:_?[0-9])*\.?(?:[0-9](?:_?[0-9])*)?|\.[0-9](?:_?[0-9])*)"
    r"(?:[eE][+-]?[0-9](?:_?[0-9])*)?"
)
_HEXADECIMAL = re.compile(
    r"[+-]?0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)[pP][+-]?[0-9]+"
)
_INFINITE = re.compile(r"[+-]?inf(?:inity)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Buckets:
    """The rows of a table that are buckets, those of one histogram side by side.

    Attributes
    ----------
    row : int64[m]
        Ordered by histogram, then by bound, then by row.
    bound : float64[m]
        Upper bound of each.
    start : int64[g + 1]
        Where each histogram's buckets begin; the last is m.
    most : int
        Number of buckets of the largest histogram.
    named : Relabelled
        Takes the metric name off the g histograms.
    """

    row: NDArray[np.int64]
    bound: NDArray[np.float64]
    start: NDArray[np.int64]
    most: int
    named: Relabelled


class HistogramQuantile:
    """``histogram_quantile(q, v)``."""

    def __init__(self, _call: Call) -> None:
        self._planned = Planned()

    def apply(self, arguments: list[Value], block: Block) -> Matrix:
        """Give each histogram's quantile."""
        quantile, matrix = cast("Scalar", arguments[0]), cast("Matrix", arguments[1])
        table = matrix.table
        plan = self._planned.get((table,), lambda: buckets_of(table))
        out = _blank(plan, len(block.ticks))
        bound, count = np.empty(plan.most), np.empty(plan.most)
        quantiles(
            plan.row, plan.bound, plan.start, matrix.value, matrix.present,
            quantile.value, bound, count, out.value, out.present,
        )  # fmt: skip
        return moved(out, plan.named, block)


class HistogramFraction:
    """``histogram_fraction(lower, upper, v)``."""

    def __init__(self, _call: Call) -> None:
        self._planned = Planned()

    def apply(self, arguments: list[Value], block: Block) -> Matrix:
        """Give the fraction of each histogram's observations between the bounds."""
        lower, upper = cast("Scalar", arguments[0]), cast("Scalar", arguments[1])
        matrix = cast("Matrix", arguments[2])
        table = matrix.table
        plan = self._planned.get((table,), lambda: buckets_of(table))
        out = _blank(plan, len(block.ticks))
        bound, count = np.empty(plan.most), np.empty(plan.most)
        fractions(
            plan.row, plan.bound, plan.start, matrix.value, matrix.present,
            lower.value, upper.value, bound, count, out.value, out.present,
        )  # fmt: skip
        return moved(out, plan.named, block)


class OfNativeHistograms:
    """``histogram_count(v)`` and its like: of numbers they give nothing."""

    def __init__(self, _call: Call) -> None:
        pass

    def apply(self, _arguments: list[Value], block: Block) -> Matrix:
        """Give no rows."""
        return nothing(len(block.ticks))


def buckets_of(table: Table) -> Buckets:
    """Find the buckets of classic histograms; rows without a number as ``le`` aren't any.

    A histogram is the rows whose labels are equal but for ``le``, metric names included.
    """
    found: list[tuple[Labels, float, int]] = []
    for row, labels in enumerate(table.labels):
        bound = bound_of(dict(labels).get(BUCKET_LABEL, ""))
        if bound is not None:
            rest = tuple(item for item in labels if item[0] != BUCKET_LABEL)
            found.append((rest, bound, row))
    found.sort()
    histograms = list(dict.fromkeys(rest for rest, _, _ in found))
    place = {rest: number for number, rest in enumerate(histograms)}
    number = np.array([place[rest] for rest, _, _ in found], np.int64)
    start = np.searchsorted(number, np.arange(len(histograms) + 1)).astype(np.int64)
    return Buckets(
        np.array([row for _, _, row in found], np.int64),
        np.array([bound for _, bound, _ in found], np.float64),
        start,
        int(np.diff(start).max(initial=0)),
        arranged([unnamed(rest) for rest in histograms]),
    )


def bound_of(text: str) -> float | None:
    """Read a bucket's upper bound as Go's strconv.ParseFloat does; None if it is malformed.

    NaN is malformed here: Prometheus' order of such a bucket among the others is undefined.
    """
    if _INFINITE.fullmatch(text):
        return float(text)
    if _DECIMAL.fullmatch(text):
        number = float(text)
    elif _HEXADECIMAL.fullmatch(text):
        try:
            number = float.fromhex(text)
        except OverflowError:
            return None
    else:
        return None
    return number if np.isfinite(number) else None  # out of range is an error in Go


def _blank(plan: Buckets, ticks: int) -> Matrix:
    """Give the result's arrays before a histogram is found present."""
    histograms = len(plan.start) - 1
    return Matrix(
        plan.named.table,
        np.full((histograms, ticks), np.nan),
        np.zeros((histograms, ticks), np.bool_),
    )
