"""Matrices for the tests of functions, and their results as one dictionary per tick."""

import math
import struct

import numpy as np

from engine.promql.functions import FunctionCall
from engine.promql.matrix import Block, Matrix, Scalar, Table, labels_of
from engine.promql.selector import parse_selector
from engine.promql.syntax import Call, Number, Text, VectorSelector

START_NS = 1_700_000_000_000_000_000
STEP_NS = 60_000_000_000
FAILED = "failed"
SPECIAL = (0.0, -0.0, 1.0, -1.0, 0.5, -2.5, math.nan, math.inf, -math.inf, 1e300, 5e-324)
ANYTHING = VectorSelector(parse_selector("anything"))


def block_of(ticks):
    """A block of so many ticks, or of these times in seconds."""
    if isinstance(ticks, int):
        return Block(START_NS + STEP_NS * np.arange(ticks))
    return Block(np.array([round(second * 1000) * 1_000_000 for second in ticks], np.int64))


def labels(name="", **values):
    return labels_of({"__name__": name, **values}.items())


def matrix_of(rows):
    """A matrix from label sets to values; None is a hole."""
    table = sorted(rows)
    value = np.array([[math.pi if v is None else v for v in rows[row]] for row in table], float)
    present = np.array([[v is not None for v in rows[row]] for row in table], bool)
    return Matrix(Table(table), value, present)


def random_matrix(rng, table, ticks, scale=100.0):
    """Numbers, special ones among them, with holes."""
    shape = (len(table), ticks)
    value = rng.normal(size=shape) * scale
    special = rng.random(shape) < 0.2
    value[special] = rng.choice(SPECIAL, size=int(special.sum()))
    return Matrix(Table(sorted(table)), value, rng.random(shape) < 0.7)


def random_scalar(rng, ticks, scale=10.0):
    value = rng.normal(size=ticks) * scale
    special = rng.random(ticks) < 0.3
    value[special] = rng.choice(SPECIAL, size=int(special.sum()))
    return Scalar(value)


def function(name, *arguments):
    """The function of a call with such arguments."""
    return FunctionCall(
        Call(
            name,
            tuple(
                Text(argument)
                if isinstance(argument, str)
                else Number(1.0)
                if isinstance(argument, Scalar)
                else ANYTHING
                for argument in arguments
            ),
        )
    )


def call(name, *arguments, block):
    return function(name, *arguments).apply(list(arguments), block)


def vectors(matrix, block):
    """The vector at each tick, as a dictionary from label sets to values, or `FAILED`."""
    assert list(matrix.table.labels) == sorted(set(matrix.table.labels))
    assert matrix.value.shape == matrix.present.shape == (len(matrix.table), len(block.ticks))
    return [
        FAILED
        if block.failed[k]
        else {
            row: float(matrix.value[n, k])
            for n, row in enumerate(matrix.table.labels)
            if matrix.present[n, k]
        }
        for k in range(len(block.ticks))
    ]


def bits(value):
    """What two equal values have in common: all NaN are one, 0 isn't -0."""
    return "NaN" if math.isnan(value) else struct.pack(">d", value)


def same(vector, other):
    if FAILED in (vector, other):
        return vector == other
    return {row: bits(v) for row, v in vector.items()} == {row: bits(v) for row, v in other.items()}


def evaluated(name, *arguments, block):
    """The vectors of a function's result."""
    return vectors(call(name, *arguments, block=block), block)
