"""``absent`` and ``absent_over_time``: one row where there is none (promql/functions.go)."""

from functools import lru_cache
from typing import cast

import numpy as np

from engine.promql.matrix import Block, Labels, Matrix, Table
from engine.promql.syntax import Call, Expression, MatrixSelector, VectorSelector
from engine.promql.values import Value


class Absent:
    """``absent(v)``."""

    def __init__(self, call: Call) -> None:
        self._labels = absent_labels(call.arguments[0])

    def apply(self, arguments: list[Value], block: Block) -> Matrix:
        """Give 1 at ticks without a row."""
        return absence(cast("Matrix", arguments[0]), self._labels, block)


def absent_labels(argument: Expression) -> Labels:
    """Give the labels of what is absent: those that a plain selector asks for with ``=``."""
    if isinstance(argument, MatrixSelector):
        argument = argument.vector
    return argument.absent_labels if isinstance(argument, VectorSelector) else ()


def absence(matrix: Matrix, labels: Labels, block: Block) -> Matrix:
    """Give the value 1 with some labels at the ticks at which a matrix has no row."""
    missing = ~matrix.present.any(axis=0)
    return Matrix(_table(labels), np.ones((1, len(block.ticks))), missing.reshape(1, -1))


@lru_cache(maxsize=4096)
def _table(labels: Labels) -> Table:
    """Give one and the same table for equal labels, so that plans for it hold."""
    return Table((labels,))
