"""What functions take and give, and how they take the metric name away."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.config.durations import MILLISECOND_NS
from engine.promql.matching import METADATA_LABELS, removed
from engine.promql.matrix import (
    NO_LABELS,
    Block,
    Labels,
    Matrix,
    Planned,
    Scalar,
    moved,
    relabelled,
)
from engine.promql.syntax import Call

Value = Matrix | Scalar | str
"""An argument of a function."""


class Function(Protocol):
    """A function of one call, which may keep plans for the tables it saw last."""

    def __init__(self, call: Call, /) -> None: ...

    def apply(self, arguments: list[Value], block: Block, /) -> Matrix | Scalar:
        """Evaluate the function at a block of ticks."""
        ...


def unnamed(labels: Labels) -> Labels:
    """Drop the metric name, type and unit, which a function's result no longer has."""
    return removed(labels, METADATA_LABELS)


class Unnamed:
    """Takes the metric name off a matrix' rows; where two rows become one, the tick fails."""

    __slots__ = ("_planned",)

    def __init__(self) -> None:
        self._planned = Planned()

    def __call__(self, matrix: Matrix, block: Block) -> Matrix:
        """Give the matrix without names."""
        table = matrix.table
        plan = self._planned.get((table,), lambda: relabelled(table, unnamed))
        return moved(matrix, plan, block)


def seconds_of(block: Block) -> NDArray[np.float64]:
    """Give the ticks in seconds since the epoch, which PromQL knows to the millisecond."""
    seconds: NDArray[np.float64] = (block.ticks // MILLISECOND_NS) / 1000
    return seconds


def one_row(value: NDArray[np.float64]) -> Matrix:
    """Give the matrix of one row without labels that has float64[t] `value`."""
    return Matrix(NO_LABELS, value.reshape(1, -1), np.ones((1, len(value)), np.bool_))
