"""An expression's results as rules take them: columns of those that are there, by tick."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from engine.promql.matrix import NO_LABELS, Block, Labels, Matrix, Scalar, Table
from engine.promql.operators import LeafOperator, Operator
from engine.promql.values import Value
from engine.rules.lane_source import LaneSource
from engine.rules.queries import CONTEXT_WIDTH
from engine.rules.recorded import series_of
from engine.series.identity import Series


class Known:
    """The alerts' labels for the rows of a table, worded once."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self._by_row: dict[int, tuple[Series, Labels]] = {}

    def of(self, word: Callable[[Series, float], Labels], row: int) -> tuple[Series, Labels]:
        """Give a row's series and its alert's labels."""
        held = self._by_row.get(row)
        if held is None:
            series = series_of(self.table.labels[row])
            held = self._by_row[row] = series, word(series, float("nan"))
        return held


class Results:
    """An expression's results as columns, by tick; ticks that failed have none."""

    def __init__(self, operator: Operator, matrix: Matrix, block: Block) -> None:
        there = matrix.present
        if block.errors:
            there = there & ~block.failed
        self.tick = self.row = np.empty(0, np.int64)
        self.table = matrix.table
        if not there.any():
            return
        place, self.row = np.nonzero(np.ascontiguousarray(there.T))
        self.tick = block.ticks[place]
        self.value = matrix.value[self.row, place]
        self._operator = operator
        self._interval_ns = block.interval_ns
        self.series = np.empty(len(self.row), object)
        by_row = {row: series_of(self.table.labels[row]) for row in set(self.row.tolist())}
        self.series[:] = [by_row[row] for row in self.row.tolist()]

    @classmethod
    def of(cls, operator: Operator, block: Block, source: LaneSource) -> "Results":
        """Evaluate an expression."""
        return cls(operator, as_vector(operator.evaluate(block, source)), block)

    def context(self, source: LaneSource) -> NDArray[np.float64]:
        """What the anomalies behind the results were; NaN for all else."""
        context = np.full((len(self.row), CONTEXT_WIDTH), np.nan)
        if not len(self.row) or not isinstance(self._operator, LeafOperator):
            return context
        found = source.contexts(self._operator.leaf, self._interval_ns)
        if found:
            for place, (series, tick) in enumerate(
                zip(self.series, self.tick.tolist(), strict=True)
            ):
                context[place] = found.get((series.labels, tick), np.nan)
        return context


def as_vector(value: Value) -> Matrix:
    """Take a scalar as the vector of one series without labels, as rules do."""
    if isinstance(value, Scalar):
        present = np.ones((1, len(value.value)), np.bool_)
        return Matrix(NO_LABELS, value.value.reshape(1, -1), present)
    if isinstance(value, Matrix):
        return value
    raise TypeError("a text is no condition")
