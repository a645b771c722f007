"""A column's values, prepared once: numbers sorted, categories counted, nulls dropped.

Infinities are nulls, as in Evidently's `ValueDrift`.
"""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.drift.statistics_kernels import (
    count_bins,
    count_codes,
    count_values,
    distinct_values,
    edges_increase,
    sturges_bins,
)

DISCRETE_VALUES = 20
"""A numerical reference of at most so many distinct values is compared by value, not by bin."""

_ALL = 2**62


class NoBinsError(ValueError):
    """The range of two samples can't be cut into bins."""


@dataclass(frozen=True, slots=True)
class PairedCounts:
    """How often two samples hold the same values or bins; no place is empty on both sides.

    Attributes
    ----------
    reference, window : int64[k]
    rows, others : int
        Rows of the reference and of the window that are no nulls.
    """

    reference: NDArray[np.int64]
    window: NDArray[np.int64]
    rows: int
    others: int


@dataclass(frozen=True, slots=True)
class Bins:
    """Equal bins over a range, and the counts of two samples in them.

    Attributes
    ----------
    counts : PairedCounts
        Places may be empty on both sides.
    first, last : float
        Outer edges.
    """

    counts: PairedCounts
    first: float
    last: float


class NumericSample:
    """Numbers in ascending order.

    Parameters
    ----------
    values : array[n] of numbers
        NaN and infinities are nulls.
    integers : bool or None
        Whether the column is of a whole number's type: bins of whole numbers are at least 1 wide.
        None: as the array's type says. (A column of pandas with nulls is none any more.)
    with_spread : bool
        Whether to work out `spread`, which only a reference needs.

    Attributes
    ----------
    values : float64[rows], sorted
    rows : int
        Values that are no nulls.
    offered : int
        Values with nulls.
    integers : bool
    spread : float
        Standard deviation of the population, in the values' unit; NaN if it wasn't asked for.
    """

    __slots__ = ("__dict__", "integers", "offered", "rows", "spread", "values")

    def __init__(
        self,
        values: NDArray[Any],
        integers: bool | None = None,
        *,
        with_spread: bool = False,
    ) -> None:
        self.integers = values.dtype.kind in "iu" if integers is None else integers
        self.offered = len(values)
        ordered = np.sort(values.astype(np.float64, copy=False))
        # Sorted, NaN comes last, and the infinities stand before it and first.
        if len(ordered) and not (math.isfinite(ordered[0]) and math.isfinite(ordered[-1])):
            start = ordered.searchsorted(-np.inf, side="right")
            ordered = ordered[start : ordered.searchsorted(np.inf, side="left")]
        self.values: NDArray[np.float64] = ordered
        self.rows = len(ordered)
        self.spread = math.nan
        if with_spread and self.rows:
            # In the order given: of large numbers of little range, the sum's order decides much.
            finite = values if self.rows == self.offered else values[np.isfinite(values)]
            self.spread = float(np.std(finite, dtype=np.float64))

    @cached_property
    def is_discrete(self) -> bool:
        """Whether there are few enough distinct values to compare them one by one."""
        nothing = self.values[:0]
        return bool(distinct_values(self.values, nothing, DISCRETE_VALUES + 1) <= DISCRETE_VALUES)

    def distinct_with(self, window: "NumericSample", limit: int) -> int:
        """Distinct values of both together, counted up to `limit`."""
        return int(distinct_values(self.values, window.values, limit))

    def counts_with(self, window: "NumericSample") -> PairedCounts:
        """Counts of every value, in ascending order."""
        distinct = distinct_values(self.values, window.values, _ALL)
        counts = np.empty((2, distinct), np.int64)
        count_values(self.values, window.values, counts[0], counts[1])
        return PairedCounts(counts[0], counts[1], self.rows, window.rows)

    def bins_with(self, window: "NumericSample", size: int, integers: bool) -> Bins:
        """Counts in equal bins over the range of both, as many as Sturges asks for `size` values.

        Raises
        ------
        NoBinsError
            If the range is too narrow or too wide for distinct, finite edges.
        """
        first = float(min(self.values[0], window.values[0]))
        last = float(max(self.values[-1], window.values[-1]))
        number = 1
        if first == last:
            first, last = first - 0.5, last + 0.5
        elif math.isfinite(last - first):
            number = sturges_bins(first, last, size, integers)
        if not edges_increase(first, last, number):
            raise NoBinsError(f"{first} to {last} can't be cut into {number} bins")
        counts = np.empty((2, number), np.int64)
        count_bins(self.values, first, last, counts[0])
        count_bins(window.values, first, last, counts[1])
        return Bins(PairedCounts(counts[0], counts[1], self.rows, window.rows), first, last)


@dataclass(frozen=True, slots=True)
class Categories:
    """A categorical column, encoded.

    Attributes
    ----------
    codes : int32[n]
        Places in `names`; -1 for a null.
    names : sequence of hashable
        Distinct categories, also such that no row has.
    """

    codes: NDArray[np.int32]
    names: Sequence[Hashable]

    @classmethod
    def of(cls, values: NDArray[Any]) -> "Categories":
        """Encode an array of any type; None, NaN and infinities are nulls."""
        codes: NDArray[np.int32]
        if values.dtype.kind in "biuf":
            names, places_of = np.unique(values, return_inverse=True)
            codes = places_of.astype(np.int32)
            if values.dtype.kind == "f":
                codes[~np.isfinite(values)] = -1
            return cls(codes, names.tolist())
        places: dict[Hashable, int] = {}
        codes = np.empty(len(values), np.int32)
        for row, value in enumerate(values.tolist()):
            null = value is None or (isinstance(value, float) and not math.isfinite(value))
            codes[row] = -1 if null else places.setdefault(value, len(places))
        return cls(codes, tuple(places))


class CategoricalSample:
    """Counts of categories.

    Parameters
    ----------
    column : Categories

    Attributes
    ----------
    names : sequence of hashable
    counts : int64[names]
    rows : int
        Rows that are no nulls.
    offered : int
        Rows with nulls.

    Raises
    ------
    ValueError
        If a code has no name.
    """

    __slots__ = ("__dict__", "counts", "names", "offered", "rows")

    def __init__(self, column: Categories) -> None:
        self.names = column.names
        self.offered = len(column.codes)
        if self.offered and column.codes.max() >= len(column.names):
            raise ValueError(f"code {column.codes.max()} of {len(column.names)} categories")
        self.counts: NDArray[np.int64] = np.zeros(len(column.names), np.int64)
        count_codes(column.codes, self.counts)
        self.rows = int(self.counts.sum())

    @cached_property
    def places(self) -> dict[Hashable, int]:
        """Place of each category."""
        return {name: place for place, name in enumerate(self.names)}

    def counts_with(self, window: "CategoricalSample") -> PairedCounts:
        """Counts of every category that either sample holds, in the order of the reference's names.

        New categories follow in the window's order.
        """
        own, other, _ = self._aligned(window)
        held = (own + other) > 0
        if not held.all():
            own, other = own[held], other[held]
        return PairedCounts(own, other, self.rows, window.rows)

    def smallest_with(self, window: "CategoricalSample") -> tuple[int, int]:
        """Counts of the first category, in their own order, that either sample holds."""
        own, other, names = self._aligned(window)
        held = [place for place in range(len(names)) if own[place] or other[place]]
        try:
            first = min(held, key=lambda place: names[place])  # type: ignore[arg-type, return-value]
        except TypeError:  # categories of different types have no order of their own
            first = min(held, key=lambda place: repr(names[place]))
        return int(own[first]), int(other[first])

    def _aligned(
        self, window: "CategoricalSample"
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], Sequence[Hashable]]:
        """Counts of both by the same names."""
        if self.names is window.names:
            return self.counts, window.counts, self.names
        places = self.places
        added = [name for name in window.names if name not in places]
        size = len(self.names)
        own = np.zeros(size + len(added), np.int64)
        own[:size] = self.counts
        other = np.zeros_like(own)
        behind = iter(range(size, len(own)))
        for name, count in zip(window.names, window.counts.tolist(), strict=True):
            place = places.get(name)
            other[next(behind) if place is None else place] = count
        return own, other, [*self.names, *added]
