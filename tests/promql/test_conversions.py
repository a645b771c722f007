"""Times, scalars and vectors turned into one another, and functions that aren't taken."""

import math

import naive_vector_functions as naive
import numpy as np
import pytest
from function_cases import (
    block_of,
    call,
    evaluated,
    labels,
    matrix_of,
    random_matrix,
    random_scalar,
    same,
    vectors,
)

from engine.promql.errors import ExpressionError
from engine.promql.functions import VECTOR_FUNCTIONS, FunctionCall
from engine.promql.matrix import NO_LABELS, Scalar
from engine.promql.syntax import Call

TABLE = [labels("a", x="1"), labels("a", x="2"), labels("b", x="1")]


def test_time_is_in_seconds_to_the_millisecond():
    times = call("time", block=block_of([0.001, 50 * 60.0, 1_700_000_000.123, -0.25]))

    assert times.value.tolist() == [0.001, 3000.0, 1_700_000_000.123, -0.25]


def test_time_cuts_what_is_below_a_millisecond():
    block = block_of([1.0, 2.0])
    block.ticks += 999_999

    assert call("time", block=block).value.tolist() == [1.0, 2.0]


def test_pi():
    assert call("pi", block=block_of(2)).value.tolist() == [math.pi, math.pi]


@pytest.mark.parametrize("seed", range(10))
def test_scalar_is_the_only_row_or_nan(seed):
    rng = np.random.default_rng(seed)
    matrix = random_matrix(rng, TABLE[: 1 + seed % 3], 30)
    block = block_of(30)
    before = vectors(matrix, block)

    result = call("scalar", matrix, block=block)

    for vector, value in zip(before, result.value, strict=True):
        assert same({(): float(value)}, {(): naive.scalar(vector)})


def test_vector_has_one_row_without_labels():
    block = block_of(30)
    scalar = random_scalar(np.random.default_rng(1), 30)

    result = call("vector", scalar, block=block)

    assert result.table is NO_LABELS
    for vector, value in zip(vectors(result, block), scalar.value, strict=True):
        assert same(vector, {(): float(value)})


def test_scalar_undoes_vector():
    scalar = Scalar(np.array([1.0, math.nan, math.inf]))
    block = block_of(3)

    back = call("scalar", call("vector", scalar, block=block), block=block)

    np.testing.assert_array_equal(back.value, scalar.value)


def test_timestamp_of_an_expression_is_the_ticks_time():
    times = [10.0, 20.5]
    matrix = matrix_of({labels("a", x="1"): [1.0, None], labels("a", x="2"): [None, math.nan]})

    result = evaluated("timestamp", matrix, block=block_of(times))

    assert result == [{labels(x="1"): 10.0}, {labels(x="2"): 20.5}]


@pytest.mark.parametrize("name", ["count", "sum", "avg", "stddev", "stdvar"])
def test_native_histograms_functions_give_nothing_of_numbers(name):
    matrix = matrix_of({labels("a", le="1"): [1.0]})

    assert evaluated(f"histogram_{name}", matrix, block=block_of(1)) == [{}]


@pytest.mark.parametrize("name", ["info", "histogram_quantiles", "rate", "no_such_function"])
def test_other_functions_are_refused_by_name(name):
    assert name not in VECTOR_FUNCTIONS
    with pytest.raises(ExpressionError, match=rf"{name}\(\) is not supported yet"):
        FunctionCall(Call(name))
