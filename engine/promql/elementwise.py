"""Functions that turn each value into another by itself: maths, angles, rounding, limits.

Semantics are those of promql/functions.go over Go's `math`. The loops are compiled, and not
NumPy's, so that a value's result does not depend on its neighbours in a vector register, and so
that what lies where a row isn't present warns nobody.
"""

import math
from typing import cast

import numpy as np
from numpy.typing import NDArray

from engine.kernels.jit import in_place
from engine.promql.matrix import Block, Matrix, Scalar
from engine.promql.syntax import Call
from engine.promql.values import Unnamed, Value

ABS, CEIL, FLOOR, SGN, SQRT, EXP, LN, LOG2, LOG10, DEG, RAD = range(11)
SIN, COS, TAN, ASIN, ACOS, ATAN, SINH, COSH, TANH, ASINH, ACOSH, ATANH = range(11, 23)

CODES = {
    "abs": ABS,
    "ceil": CEIL,
    "floor": FLOOR,
    "sgn": SGN,
    "sqrt": SQRT,
    "exp": EXP,
    "ln": LN,
    "log2": LOG2,
    "log10": LOG10,
    "deg": DEG,
    "rad": RAD,
    "sin": SIN,
    "cos": COS,
    "tan": TAN,
    "asin": ASIN,
    "acos": ACOS,
    "atan": ATAN,
    "sinh": SINH,
    "cosh": COSH,
    "tanh": TANH,
    "asinh": ASINH,
    "acosh": ACOSH,
    "atanh": ATANH,
}


class Elementwise:
    """A function of one number, such as ``abs(v)``."""

    def __init__(self, call: Call) -> None:
        self._code = CODES[call.function]
        self._unnamed = Unnamed()

    def apply(self, arguments: list[Value], block: Block) -> Matrix:
        """Give the function's value at each row."""
        matrix = cast("Matrix", arguments[0])
        value = np.empty(matrix.value.shape)
        _map(self._code, matrix.value, value)
        return self._unnamed(Matrix(matrix.table, value, matrix.present), block)


class Round:
    """``round(v, to)``: the nearest multiple of `to`, or of 1; halves go up."""

    def __init__(self, _call: Call) -> None:
        self._unnamed = Unnamed()

    def apply(self, arguments: list[Value], block: Block) -> Matrix:
        """Give the rounded values."""
        matrix = cast("Matrix", arguments[0])
        ticks = len(block.ticks)
        to = cast("Scalar", arguments[1]).value if len(arguments) > 1 else np.ones(ticks)
        value = np.empty(matrix.value.shape)
        _round(matrix.value, to, value)
        return self._unnamed(Matrix(matrix.table, value, matrix.present), block)


class Clamp:
    """``clamp(v, min, max)``, ``clamp_min(v, min)``, ``clamp_max(v, max)``.

    At a tick with ``max < min`` there is no result.
    """

    def __init__(self, call: Call) -> None:
        self._has_minimum = call.function != "clamp_max"
        self._has_maximum = call.function != "clamp_min"
        self._unnamed = Unnamed()

    def apply(self, arguments: list[Value], block: Block) -> Matrix:
        """Give the limited values."""
        matrix = cast("Matrix", arguments[0])
        ticks = len(block.ticks)
        minimum = (
            cast("Scalar", arguments[1]).value if self._has_minimum else np.full(ticks, -np.inf)
        )
        maximum = (
            cast("Scalar", arguments[-1]).value if self._has_maximum else np.full(ticks, np.inf)
        )
        value = np.empty(matrix.value.shape)
        _clamp(matrix.value, minimum, maximum, value)
        present = matrix.present
        empty = maximum < minimum
        if empty.any():
            present = present & ~empty
        return self._unnamed(Matrix(matrix.table, value, present), block)


@in_place
def _map(code: int, value: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    for row in range(value.shape[0]):
        for k in range(value.shape[1]):
            out[row, k] = _of(code, value[row, k])


@in_place
def _of(code: int, x: float) -> float:
    if code == ABS:
        return abs(x)
    if code == CEIL:
        return float(np.ceil(x))
    if code == FLOOR:
        return float(np.floor(x))
    if code == SGN:
        return -1.0 if x < 0 else 1.0 if x > 0 else x
    if code == SQRT:
        return math.sqrt(x)
    if code == EXP:
        return math.exp(x)
    if code == LN:
        return math.log(x)
    if code == LOG2:
        return float(np.log2(x))
    if code == LOG10:
        return math.log10(x)
    if code == DEG:
        return x * (180.0 / math.pi)
    if code == RAD:
        return x * (math.pi / 180.0)
    return _angle(code, x)


@in_place
def _angle(code: int, x: float) -> float:
    if code == SIN:
        return math.sin(x)
    if code == COS:
        return math.cos(x)
    if code == TAN:
        return math.tan(x)
    if code == ASIN:
        return math.asin(x)
    if code == ACOS:
        return math.acos(x)
    if code == ATAN:
        return math.atan(x)
    if code == SINH:
        return math.sinh(x)
    if code == COSH:
        return math.cosh(x)
    if code == TANH:
        return math.tanh(x)
    if code == ASINH:
        return math.asinh(x)
    if code == ACOSH:
        return math.acosh(x)
    return math.atanh(x)


@in_place
def _round(value: NDArray[np.float64], to: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    for row in range(value.shape[0]):
        for k in range(value.shape[1]):
            inverse = 1.0 / to[k]
            out[row, k] = np.floor(value[row, k] * inverse + 0.5) / inverse


@in_place
def _clamp(
    value: NDArray[np.float64],
    minimum: NDArray[np.float64],
    maximum: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    for row in range(value.shape[0]):
        for k in range(value.shape[1]):
            out[row, k] = larger(minimum[k], smaller(maximum[k], value[row, k]))


@in_place
def larger(a: float, b: float) -> float:
    """Go's `math.Max`: +Inf is larger than NaN, NaN larger than the rest, 0 larger than -0."""
    if a == np.inf or b == np.inf:  # noqa: PLR1714 # compiled
        return np.inf
    if math.isnan(a) or math.isnan(b):
        return np.nan
    if a == 0 and b == 0:
        return b if math.copysign(1.0, a) < 0 else a
    return a if a > b else b  # noqa: FURB136 # `max` is another function here


@in_place
def smaller(a: float, b: float) -> float:
    """Go's `math.Min`: -Inf is smaller than NaN, NaN smaller than the rest, -0 smaller than 0."""
    if a == -np.inf or b == -np.inf:
        return -np.inf
    if math.isnan(a) or math.isnan(b):
        return np.nan
    if a == 0 and b == 0:
        return a if math.copysign(1.0, a) < 0 else b
    return a if a < b else b  # noqa: FURB136 # `min` is another function here
