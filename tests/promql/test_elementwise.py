"""Maths, angles, rounding and limits: equal to Python's `math`, and to Go where they differ."""

import math

import naive_vector_functions as naive
import numpy as np
import pytest
from function_cases import (
    SPECIAL,
    block_of,
    evaluated,
    function,
    labels,
    matrix_of,
    random_matrix,
    random_scalar,
    same,
    vectors,
)

from engine.promql.matrix import DUPLICATE_LABELS, Matrix, Scalar, nothing

TICKS = 7
# Two names with equal labels, and a label before `__name__` in the order of rows.
TABLE = [labels("a", x="1"), labels("a", x="2"), labels("b", x="2"), labels("b", Z="1")]


@pytest.mark.parametrize("name", naive.MATHS)
@pytest.mark.parametrize("seed", range(5))
def test_maths_equal_the_twin(name, seed):
    rng = np.random.default_rng(seed)
    block = block_of(TICKS)
    matrix = random_matrix(rng, TABLE, TICKS, scale=10.0 ** rng.integers(-2, 4))
    before = vectors(matrix, block)

    after = evaluated(name, matrix, block=block)

    for vector, result in zip(before, after, strict=True):
        assert same(result, naive.mapped(naive.MATHS[name], vector))


@pytest.mark.parametrize("name", naive.MATHS)
def test_maths_of_special_values(name):
    matrix = matrix_of({labels("a", n=f"{n:02}"): [x] for n, x in enumerate(SPECIAL)})

    (result,) = evaluated(name, matrix, block=block_of(1))

    expected = {labels(n=f"{n:02}"): naive.MATHS[name](x) for n, x in enumerate(SPECIAL)}
    assert same(result, expected)


@pytest.mark.parametrize(("name", "to"), [("deg", 180 / math.pi), ("rad", math.pi / 180)])
def test_large_angles_do_not_overflow_on_the_way(name, to):
    (result,) = evaluated(name, matrix_of({labels("a"): [1e306]}), block=block_of(1))

    assert result == {labels(): 1e306 * to}


@pytest.mark.parametrize("seed", range(20))
def test_clamp_equals_the_twin_with_limits_that_change(seed):
    rng = np.random.default_rng(seed)
    matrix = random_matrix(rng, TABLE, TICKS, scale=10.0)
    low, high = random_scalar(rng, TICKS), random_scalar(rng, TICKS)
    block = block_of(TICKS)
    before = vectors(matrix, block)

    both = evaluated("clamp", matrix, low, high, block=block)
    above = evaluated("clamp_min", matrix, low, block=block_of(TICKS))
    below = evaluated("clamp_max", matrix, high, block=block_of(TICKS))

    for k, vector in enumerate(before):
        minimum, maximum = float(low.value[k]), float(high.value[k])
        assert same(both[k], naive.clamp(vector, minimum, maximum))
        assert same(above[k], naive.clamp(vector, minimum, math.inf))
        assert same(below[k], naive.clamp(vector, -math.inf, maximum))


def test_clamp_to_an_empty_range_is_empty_at_that_tick_only():
    matrix = matrix_of({labels("a"): [5.0, 5.0]})

    result = evaluated(
        "clamp", matrix, Scalar(np.array([1.0, 3.0])), Scalar(np.array([2.0, 2.0])),
        block=block_of(2),
    )  # fmt: skip

    assert result == [{(): 2.0}, {}]


def test_infinity_wins_against_nan_in_limits_as_in_go():
    matrix = matrix_of({labels("a"): [math.nan, math.nan, 1.0]})
    limit = Scalar(np.array([math.inf, 1.0, math.nan]))

    result = evaluated("clamp_min", matrix, limit, block=block_of(3))

    assert same(result[0], {(): math.inf})
    assert same(result[1], {(): math.nan})
    assert same(result[2], {(): math.nan})


@pytest.mark.parametrize("seed", range(20))
def test_round_equals_the_twin(seed):
    rng = np.random.default_rng(seed)
    matrix = random_matrix(rng, TABLE, TICKS)
    to = random_scalar(rng, TICKS)
    block = block_of(TICKS)
    before = vectors(matrix, block)

    result = evaluated("round", matrix, to, block=block)
    whole = evaluated("round", matrix, block=block_of(TICKS))

    for k, vector in enumerate(before):
        assert same(result[k], naive.rounded(vector, float(to.value[k])))
        assert same(whole[k], naive.rounded(vector, 1.0))


@pytest.mark.parametrize(
    ("value", "to", "expected"),
    [(2.5, 1.0, 3.0), (-2.5, 1.0, -2.0), (0.37, 0.1, 0.4), (7.0, 5.0, 5.0), (125.0, 10.0, 130.0)],
)
def test_round_goes_up_on_halves(value, to, expected):
    matrix = matrix_of({labels("a"): [value]})

    result = evaluated("round", matrix, Scalar(np.array([to])), block=block_of(1))

    assert result == [{(): expected}]


def test_a_name_taken_off_fails_only_ticks_where_rows_collide():
    matrix = matrix_of({labels("a", x="1"): [1.0, 1.0, None], labels("b", x="1"): [None, 2.0, 3.0]})
    block = block_of(3)

    result = evaluated("abs", matrix, block=block)

    assert result == [{labels(x="1"): 1.0}, "failed", {labels(x="1"): 3.0}]
    assert block.errors == {1: DUPLICATE_LABELS}


def test_a_metrics_type_and_unit_go_with_its_name():
    matrix = matrix_of({labels("a", __type__="gauge", __unit__="seconds", x="1"): [-1.0]})

    assert evaluated("abs", matrix, block=block_of(1)) == [{labels(x="1"): 1.0}]


def test_the_result_keeps_its_table_while_the_argument_does():
    matrix = matrix_of({labels("a", x="1"): [1.0], labels("b", x="2"): [2.0]})
    other = matrix_of({labels("a", x="1"): [1.0]})
    absolute = function("abs", matrix)

    first = absolute.apply([matrix], block_of(1))
    again = absolute.apply([Matrix(matrix.table, matrix.value + 1, matrix.present)], block_of(1))
    changed = absolute.apply([other], block_of(1))

    assert again.table is first.table
    assert changed.table.labels == (labels(x="1"),)


def test_no_rows_give_no_rows():
    block = block_of(3)
    empty = nothing(3)

    assert evaluated("abs", empty, block=block) == [{}, {}, {}]
    assert evaluated("round", empty, block=block) == [{}, {}, {}]
