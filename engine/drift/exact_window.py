"""Rows of a window or reference, kept for exact statistics."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.codecs.predictions import Column, Kind
from engine.drift.grid import FeatureGrid, Grid
from engine.drift.summary import Index, chosen_values, held_values, rows_of

EXACT_ROWS_MAX = 100_000
"""Rows that are kept."""

_TYPES: dict[Kind, type[np.generic]] = {
    Kind.NUMERIC: np.float64,
    Kind.TEXT: np.float64,
    Kind.CATEGORICAL: np.int32,
    Kind.BOOLEAN: np.int8,
}


class ExactWindow:
    """Rows of a model's features, the first ones up to a bound; what a `Summary` does with counts.

    Parameters
    ----------
    grid : Grid
        Names the features and their kinds.
    rows_max : int
        Later rows are counted, not kept: statistics are those of the first rows then, and
        `is_exact` is false.

    Attributes
    ----------
    grid : Grid
    rows_max : int
    """

    __slots__ = ("_changed", "_missing", "_parts", "_totals", "grid", "rows_max")

    def __init__(self, grid: Grid, rows_max: int = EXACT_ROWS_MAX) -> None:
        self.grid = grid
        self.rows_max = rows_max
        self._totals = np.zeros(3, np.int64)  # rows, rows kept, values of unknown features
        self._missing = np.zeros(len(grid.features), np.int64)
        self._changed = np.zeros(len(grid.features), np.int64)
        self._parts: list[list[NDArray[Any]]] = [[] for _ in grid.features]

    @property
    def rows(self) -> int:
        """Rows that were added, with nulls."""
        return int(self._totals[0])

    @property
    def kept(self) -> int:
        """Rows that statistics see."""
        return int(self._totals[1])

    @property
    def strangers(self) -> int:
        """Values of features that the grid doesn't know; they are not kept."""
        return int(self._totals[2])

    @property
    def is_exact(self) -> bool:
        """Whether all rows are kept."""
        return self.kept == self.rows

    def add(
        self, columns: Mapping[str, Column], index: Index = None, *, rows: int | None = None
    ) -> None:
        """Keep rows; the parameters are those of `Summary.add`."""
        added = rows_of(columns, index, rows)
        kept = min(added, self.rows_max - self.kept)
        self._totals[:2] += added, kept
        for name, grid in self.grid.features.items():
            column = columns.get(name)
            held = 0 if column is None else held_values(column, index, added)
            self._missing[grid.index] += added - held
            if column is not None and column.kind is grid.kind:
                values = chosen_values(column, index)[:kept].copy()
            else:
                self._changed[grid.index] += held
                values = _nulls(grid.kind, kept)
            if kept:
                self._parts[grid.index].append(values)
        for name, column in columns.items():
            if name not in self.grid.features and column.kind is not Kind.EMBEDDING:
                self._totals[2] += held_values(column, index, added)

    def merge(self, other: "ExactWindow") -> None:
        """Append the rows of another window, which came later.

        Raises
        ------
        ValueError
            If the features differ.
        """
        if not self.grid.same_as(other.grid):
            raise ValueError("windows of different features can't be merged")
        kept = min(other.kept, self.rows_max - self.kept)
        for name, grid in self.grid.features.items():
            if kept:
                self._parts[grid.index].append(other.column(name)[:kept].copy())
        counts, others = self._counters(), other._counters()  # noqa: SLF001
        others["totals"] = np.array([other.rows, kept, other.strangers])
        for name, own in counts.items():
            np.add(own, others[name], out=own)

    def column(self, name: str) -> NDArray[Any]:
        """Values of a feature in the rows that are kept, as in `Column.values`."""
        grid = self.grid.features[name]
        parts = self._parts[grid.index]
        if len(parts) != 1:
            parts[:] = [np.concatenate([_nulls(grid.kind, 0), *parts])]
        return parts[0]

    def missing(self, grid: FeatureGrid) -> int:
        """Nulls in all rows, also such that are not kept."""
        return int(self._missing[grid.index])

    def changed(self, grid: FeatureGrid) -> int:
        """Values of another kind in all rows."""
        return int(self._changed[grid.index])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Give what a checkpoint keeps: with ``values.0`` and so on, the columns by place."""
        columns = {
            f"values.{grid.index}": self.column(name) for name, grid in self.grid.features.items()
        }
        return self._counters() | columns

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take the arrays of a window of the same features."""
        for name, own in self._counters().items():
            own[...] = arrays[name]
        for place, parts in enumerate(self._parts):
            parts[:] = [arrays[f"values.{place}"].copy()]

    def _counters(self) -> dict[str, NDArray[np.int64]]:
        return {"totals": self._totals, "missing": self._missing, "changed": self._changed}

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays, without the grid's."""
        return sum(array.nbytes for array in self.arrays().values())


def _nulls(kind: Kind, rows: int) -> NDArray[Any]:
    values: NDArray[Any] = np.empty(rows, _TYPES[kind])
    values.fill(np.nan if kind in {Kind.NUMERIC, Kind.TEXT} else -1)
    return values
