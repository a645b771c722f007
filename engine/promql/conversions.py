"""Functions that turn times, scalars and vectors into one another (promql/functions.go)."""

import math
from typing import cast

import numpy as np
from numpy.typing import NDArray

from engine.kernels.jit import in_place
from engine.promql.matrix import Block, Matrix, Scalar
from engine.promql.syntax import Call
from engine.promql.values import Unnamed, Value, one_row, seconds_of


class Pi:
    """``pi()``."""

    def __init__(self, _call: Call) -> None:
        pass

    def apply(self, _arguments: list[Value], block: Block) -> Scalar:
        """Give the ratio of a circle's circumference to its diameter."""
        return Scalar(np.full(len(block.ticks), math.pi))


class Time:
    """``time()``: the tick in seconds since the epoch."""

    def __init__(self, _call: Call) -> None:
        pass

    def apply(self, _arguments: list[Value], block: Block) -> Scalar:
        """Give each tick's time."""
        return Scalar(seconds_of(block))


class OneRow:
    """``vector(s)``: a scalar as the one row of a vector, without labels."""

    def __init__(self, _call: Call) -> None:
        pass

    def apply(self, arguments: list[Value], _block: Block) -> Matrix:
        """Give the row."""
        return one_row(cast("Scalar", arguments[0]).value)


class OnlyValue:
    """``scalar(v)``: the value of a vector's only row; NaN if it has none or more."""

    def __init__(self, _call: Call) -> None:
        pass

    def apply(self, arguments: list[Value], block: Block) -> Scalar:
        """Give the scalar at each tick."""
        matrix = cast("Matrix", arguments[0])
        out = np.empty(len(block.ticks))
        _only_value(matrix.value, matrix.present, out)
        return Scalar(out)


class Timestamp:
    """``timestamp(v)`` of what is no selector: the tick's own time for each row."""

    def __init__(self, _call: Call) -> None:
        self._unnamed = Unnamed()

    def apply(self, arguments: list[Value], block: Block) -> Matrix:
        """Give the time at each row."""
        matrix = cast("Matrix", arguments[0])
        value = np.empty(matrix.value.shape)
        value[:] = seconds_of(block)
        return self._unnamed(Matrix(matrix.table, value, matrix.present), block)


@in_place
def _only_value(
    value: NDArray[np.float64], present: NDArray[np.bool_], out: NDArray[np.float64]
) -> None:
    for k in range(len(out)):
        found = 0
        out[k] = np.nan
        for row in range(value.shape[0]):
            if present[row, k]:
                found += 1
                out[k] = value[row, k]
        if found > 1:
            out[k] = np.nan
