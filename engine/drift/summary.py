"""Summary of a model's rows: counts on a grid, which merge to the same bits in any order."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.codecs.predictions import Column, Kind
from engine.drift.grid import FeatureGrid, Grid
from engine.drift.row_index import as_slice
from engine.drift.summary_kernels import (
    ABOVE,
    BELOW,
    INSIDE,
    OUTSIDE,
    SQUARES,
    SUMS,
    add_codes,
    add_numbers,
)

REGISTERS = 256
"""For distinct values: a standard error of 6.5 %."""

ROWS_MAX = 2**31 - 1
"""More rows than this a summary's counts can't hold."""

Index = slice | NDArray[np.int64] | None
"""Which rows of columns: all, a slice, or places in ascending order."""

_LIMB = 32
_NO_NUMBERS = (math.nan, math.nan, math.nan, math.nan, math.nan, 0.0, 0.0)
_ALPHA = 0.7213 / (1.0 + 1.079 / REGISTERS)


@dataclass(frozen=True, slots=True)
class FeatureCounts:
    """What a summary holds of one feature.

    Attributes
    ----------
    grid : FeatureGrid
    counts : int32[slots]
        A view; see `FeatureGrid.start`.
    rows : int
        Values that are no nulls.
    offered : int
        Rows with nulls.
    missing : int
        Nulls.
    changed : int
        Values of another kind than the grid's; they are in no other count.
    minimum, maximum, mean, spread : float
        Of numbers, the last as standard deviation of the population; NaN without any. Sums are
        rounded to steps of 2**-24 of the grid's range, and in the spread no value is further away
        than 2**31 steps.
    offset : float
        Mean less the centre of the grid's frame, which keeps more bits.
    below, above : float
        Sums of the distances of values outside the grid's edges from the next edge.
    distinct : float
        Estimate of the distinct values, exact for categories that are counted one by one.
    """

    grid: FeatureGrid
    counts: NDArray[np.int32]
    rows: int
    offered: int
    missing: int
    changed: int
    minimum: float
    maximum: float
    mean: float
    spread: float
    offset: float
    below: float
    above: float
    distinct: float


class Summary:
    """Counts of a model's rows on a grid.

    Everything in it is an integer, a smallest or a largest value: rows may come in any order and
    batches, and summaries merge to what one summary of all rows would hold.

    Parameters
    ----------
    grid : Grid

    Attributes
    ----------
    grid : Grid
    """

    __slots__ = (
        *("_changed", "_counts", "_extremes", "_missing", "_registers", "_sums", "_totals"),
        "grid",
    )

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self._totals = np.zeros(2, np.int64)  # rows, and values of features without a grid
        self._missing = np.zeros(len(grid.features), np.int64)
        self._changed = np.zeros(len(grid.features), np.int64)
        self._counts = np.zeros(grid.slots, np.int32)
        self._sums = np.zeros((grid.numbers, SUMS), np.int64)
        self._extremes = np.tile(np.array([np.inf, -np.inf]), (grid.numbers, 1))
        self._registers = np.zeros((grid.numbers, REGISTERS), np.uint8)

    @property
    def rows(self) -> int:
        """Rows that were added, with nulls."""
        return int(self._totals[0])

    @property
    def strangers(self) -> int:
        """Values of features that the grid doesn't know; they are counted only here."""
        return int(self._totals[1])

    def add(
        self, columns: Mapping[str, Column], index: Index = None, *, rows: int | None = None
    ) -> None:
        """Count rows; a feature of the grid without a column is missing in all of them.

        Parameters
        ----------
        columns : mapping of str to Column
            Embeddings are passed over.
        index : slice, int64[k] or None
            Which of the columns' rows.
        rows : int or None
            Rows of the columns, before `index`. None: as many as the first column has that is no
            embedding.

        Raises
        ------
        OverflowError
            If there would be more than `ROWS_MAX` rows.
        """
        added = rows_of(columns, index, rows)
        if self.rows + added > ROWS_MAX:
            raise OverflowError(f"more than {ROWS_MAX} rows in one summary")
        self._totals[0] += added
        index = as_slice(index)
        for name, grid in self.grid.features.items():
            column = columns.get(name)
            if column is None:
                self._missing[grid.index] += added
                continue
            self._add_feature(grid, column, index, added)
        for name, column in columns.items():
            if name not in self.grid.features and column.kind is not Kind.EMBEDDING:
                self._totals[1] += held_values(column, index, added)

    def _add_feature(self, grid: FeatureGrid, column: Column, index: Index, added: int) -> None:
        if column.kind is not grid.kind:
            held = held_values(column, index, added)
            self._missing[grid.index] += added - held
            self._changed[grid.index] += held
            return
        values = chosen_values(column, index)
        counts = self._counts[grid.start : grid.stop]
        if not grid.is_numeric:
            self._missing[grid.index] += add_codes(values, counts)
            return
        row = grid.number
        self._missing[grid.index] += add_numbers(
            values,
            values.view(np.uint64),
            grid.edges,
            grid.cells,
            grid.frame,
            counts,
            self._sums[row],
            self._extremes[row],
            self._registers[row],
        )

    def merge(self, other: "Summary") -> None:
        """Count what another summary on the same grid has counted, too.

        Raises
        ------
        ValueError
            If the grids differ.
        OverflowError
            If there would be more than `ROWS_MAX` rows.
        """
        if not self.grid.same_as(other.grid):
            raise ValueError("summaries on different grids can't be merged")
        if self.rows + other.rows > ROWS_MAX:
            raise OverflowError(f"more than {ROWS_MAX} rows in one summary")
        others = other.arrays()
        for name, own in self.arrays().items():
            if name == "registers":
                np.maximum(own, others[name], out=own)
            elif name == "extremes":
                np.minimum(own[:, 0], others[name][:, 0], out=own[:, 0])
                np.maximum(own[:, 1], others[name][:, 1], out=own[:, 1])
            else:
                np.add(own, others[name], out=own)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Give what a checkpoint keeps; the arrays are the summary's own."""
        return {
            "totals": self._totals,
            "missing": self._missing,
            "changed": self._changed,
            "counts": self._counts,
            "sums": self._sums,
            "extremes": self._extremes,
            "registers": self._registers,
        }

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take the arrays of a summary on the same grid.

        Raises
        ------
        ValueError
            If they are of another grid's sizes.
        """
        for name, own in self.arrays().items():
            if own.shape != arrays[name].shape:
                raise ValueError(f"{name}: {arrays[name].shape}, the grid has {own.shape}")
            own[...] = arrays[name]

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays, without the grid's; they stay the same."""
        return sum(array.nbytes for array in self.arrays().values())

    def feature(self, name: str) -> FeatureCounts:
        """Read one feature."""
        grid = self.grid.features[name]
        counts = self._counts[grid.start : grid.stop]
        missing, changed = int(self._missing[grid.index]), int(self._changed[grid.index])
        rows = self.rows - missing - changed
        numbers: tuple[float, ...] = (*_NO_NUMBERS, 0.0)
        if not grid.is_numeric:
            numbers = (*_NO_NUMBERS, float(np.count_nonzero(counts)))
        elif rows:
            numbers = self._numbers(grid, rows, counts)
        return FeatureCounts(grid, counts, rows, self.rows, missing, changed, *numbers)

    def _numbers(
        self, grid: FeatureGrid, rows: int, counts: NDArray[np.int32]
    ) -> tuple[float, ...]:
        """Give the numbers of `FeatureCounts`, in its order."""
        sums = self._sums[grid.number].tolist()
        low, high = self._extremes[grid.number].tolist()
        centre, scale = grid.frame[2:].tolist()
        below, above, squares = (
            sums[place] + (sums[place + 1] << _LIMB) for place in (BELOW, ABOVE, SQUARES)
        )
        total = sums[INSIDE] + below + above
        near = sums[INSIDE] + sums[OUTSIDE]
        variance = (rows * squares - near * near) / (rows * rows)
        offset = total / rows / scale
        mean = min(max(centre + offset, low), high)
        under, over = 0.0, 0.0
        if len(grid.edges):
            first, last = ((edge - centre) * scale for edge in grid.edges[[0, -1]].tolist())
            under = max(first * float(counts[0]) - below, 0.0) / scale
            over = max(above - last * float(counts[-1]), 0.0) / scale
        distinct = distinct_values(self._registers[grid.number])
        spread = math.sqrt(max(variance, 0.0)) / scale
        return low, high, mean, spread, offset, under, over, distinct


def distinct_values(registers: NDArray[np.uint8]) -> float:
    """Estimate how many distinct values were registered.

    HyperLogLog with linear counting while registers are empty (Flajolet, Fusy, Gandouet, Meunier,
    "HyperLogLog: the analysis of a near-optimal cardinality estimation algorithm", 2007).
    """
    size = len(registers)
    powers = np.ldexp(1.0, -registers.astype(np.int64))
    estimate = _ALPHA * size * size / float(powers.sum())
    empty = int(np.count_nonzero(registers == 0))
    if estimate <= 2.5 * size and empty:
        return size * math.log(size / empty)
    return estimate


def rows_of(columns: Mapping[str, Column], index: Index, rows: int | None) -> int:
    """Rows that an index chooses; `rows` as in `Summary.add`."""
    if isinstance(index, np.ndarray):
        return len(index)
    if rows is None:
        lengths = (
            len(column.values) for column in columns.values() if column.kind is not Kind.EMBEDDING
        )
        rows = next(lengths, 0)
    return rows if index is None else len(range(*index.indices(rows)))


def chosen_values(column: Column, index: Index) -> NDArray[Any]:
    """Values of the chosen rows of a column that is no embedding, without gaps in memory."""
    values = column.values if index is None else column.values[index]
    return np.ascontiguousarray(values)


def held_values(column: Column, index: Index, added: int) -> int:
    """Count the chosen rows, of which there are `added`, that are no nulls."""
    if column.kind is Kind.EMBEDDING:
        return _vectors(column, index, added)
    values = chosen_values(column, index)
    held = np.isfinite(values) if values.dtype.kind == "f" else values >= 0
    return int(np.count_nonzero(held))


def _vectors(column: Column, index: Index, added: int) -> int:
    """Count the chosen rows of an embedding that have a vector."""
    rows = np.arange(added) if column.rows is None else column.rows
    if index is None:
        return len(rows)
    if isinstance(index, slice):
        stop = int(rows[-1]) + 1 if len(rows) else 0
        index = np.arange(stop)[index]
    return int(np.isin(rows, index).sum())
