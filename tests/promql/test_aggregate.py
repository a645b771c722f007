"""Aggregations give what Prometheus 3 gives, at each tick of a block, errors included.

Method: random vectors over few labels go through the aggregation and through its slow twin; values
must be equal by bits. What the twin itself might get wrong is given as literals from Prometheus.
"""

import math
import random

import naive_aggregate
import numpy as np
import pytest
from made_vectors import VALUES, exact, is_table, made_matrix, vector_at

from engine.promql.aggregate import Aggregation, float_text
from engine.promql.errors import ExpressionError
from engine.promql.matrix import Block, Matrix, Scalar, Table, nothing
from engine.promql.syntax import Aggregate, Number

OPERAND = Number(0.0)  # operands are evaluated by others
TICKS = 5
NAMES = ("__name__", "x", "y", "z", "absent")
LIMITS = (0.0, 1.0, 1.9, 2.0, 3.0, 1e9, -1.0, -math.inf, math.nan, math.inf, 2.0**63, 1.5e300)
QUANTILES = (0.0, 0.5, 0.9, 1.0, 0.3, -0.1, 1.1, math.nan, math.inf, -math.inf)
PARAMETERS = {
    **dict.fromkeys(("topk", "bottomk", "limitk"), LIMITS),
    "quantile": QUANTILES,
}


def made_aggregate(generator, operator):
    grouping = tuple(generator.sample(NAMES, generator.randrange(len(NAMES))))
    return Aggregate(operator, OPERAND, None, grouping, without=generator.random() < 0.5)


def made_block(ticks=TICKS):
    return Block(np.arange(ticks, dtype=np.int64))


def check_ticks(node, matrix, parameter, result, block):
    """Compare with the twin at each tick, and give the errors that there were."""
    assert is_table(result.table)
    assert sorted(block.errors) == np.flatnonzero(block.failed).tolist()
    for tick in range(len(block.ticks)):
        at_tick = float(parameter.value[tick]) if isinstance(parameter, Scalar) else parameter
        vector, error = outcome(node, vector_at(matrix, tick), at_tick)
        assert block.errors.get(tick) == error
        if error is None:
            assert exact(vector_at(result, tick)) == exact(vector)
    return set(block.errors.values())


def outcome(node, vector, parameter):
    try:
        return naive_aggregate.aggregated(node, vector, parameter), None
    except naive_aggregate.NaiveError as error:
        return None, str(error)


@pytest.mark.parametrize("operator", [*naive_aggregate.AGGREGATIONS, *PARAMETERS])
def test_aggregations_equal_their_twin(operator):
    generator = random.Random(operator)
    errors = set()
    for _ in range(60):
        node = made_aggregate(generator, operator)
        aggregation = Aggregation(node)
        matrix = made_matrix(generator, generator.choice((3, 20)), TICKS)
        for _ in range(2):  # the second time, with a plan and other rows present
            parameter = None
            if operator in PARAMETERS:
                drawn = [generator.choice(PARAMETERS[operator]) for _ in range(TICKS)]
                parameter = Scalar(np.array(drawn))
            block = made_block()
            result = aggregation.apply(matrix, parameter, block)
            errors |= check_ticks(node, matrix, parameter, result, block)
            matrix = Matrix(matrix.table, matrix.value, ~matrix.present)
    if PARAMETERS.get(operator) is LIMITS:
        assert errors == {
            "Parameter value is NaN",
            "Scalar value +Inf overflows int64",
            "Scalar value 9.223372036854776e+18 overflows int64",
            "Scalar value 1.5e+300 overflows int64",
        }
    else:
        assert errors == set()


@pytest.mark.parametrize(
    "operator", ["sum", "avg", "stddev", "stdvar", "quantile", "topk", "bottomk"]
)
def test_many_ordinary_numbers_equal_the_twin(operator):
    generator = random.Random(operator)
    values = [generator.gauss(0, 10 ** generator.uniform(-9, 9)) for _ in range(500)]
    labels = [(("i", str(number)), ("j", str(number % 3))) for number in range(300)]
    shape = (len(labels), TICKS)
    drawn = np.array([generator.choice(values) for _ in range(math.prod(shape))]).reshape(shape)
    matrix = Matrix(Table(sorted(labels)), drawn, np.ones(shape, bool))
    for grouping in ((), ("j",)):
        node = Aggregate(operator, OPERAND, None, grouping)
        numbers = [0.25, 0.5, 0.95, 0.99, 0.123] if operator == "quantile" else [1, 7, 40, 99, 250]
        parameter = Scalar(np.array(numbers, float)) if operator in PARAMETERS else None
        block = made_block()
        result = Aggregation(node).apply(matrix, parameter, block)
        assert check_ticks(node, matrix, parameter, result, block) == set()


@pytest.mark.parametrize("name", ["value", "x", "absent", "__name__", ""])
def test_counts_of_values_equal_their_twin(name):
    generator = random.Random(name)
    for _ in range(40):
        node = made_aggregate(generator, "count_values")
        aggregation = Aggregation(node)
        matrix = made_matrix(generator, 12, TICKS, values=(*VALUES, 0.1, 1e22, -1e-7))
        for _ in range(2):
            block = made_block()
            check_ticks(node, matrix, name, aggregation.apply(matrix, name, block), block)
            matrix = Matrix(matrix.table, matrix.value, ~matrix.present)


def column(values):
    table = Table(sorted((("i", f"{row:03}"),) for row in range(len(values))))
    value = np.array(values, float).reshape(-1, 1)
    return Matrix(table, value, np.ones_like(value, bool))


@pytest.mark.parametrize(
    ("operator", "values", "expected"),
    [
        ("sum", [1e100, 1.0, -1e100], 1.0),
        ("sum", [math.inf, 1.0], math.inf),
        ("avg", [1.7e308, 1.7e308, 1.7e308], 1.7e308),
        ("avg", [-math.inf, -math.inf, 5.0], -math.inf),
        ("min", [math.nan, 3.0, math.nan], 3.0),
        ("max", [-math.inf, math.nan], -math.inf),
        ("stdvar", [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0], 4.0),
        ("stddev", [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0], 2.0),
        ("count", [math.nan, 1.0], 2.0),
        ("group", [math.nan, 7.0], 1.0),
    ],
)
def test_known_results(operator, values, expected):
    node = Aggregate(operator, OPERAND)
    result = Aggregation(node).apply(column(values), None, made_block(1))
    assert vector_at(result, 0) == {(): expected}


def test_a_quantile_on_a_row_is_that_row_even_beside_an_infinite_one():
    result = Aggregation(Aggregate("quantile", OPERAND)).apply(
        column([1.0, 2.0, math.inf]), Scalar(np.array([0.5])), made_block(1)
    )
    assert vector_at(result, 0) == {(): 2.0}


@pytest.mark.parametrize(
    ("operator", "kept"),
    [("topk", ["001", "002"]), ("bottomk", ["000", "003"]), ("limitk", ["000", "001"])],
)
def test_of_equal_rows_the_first_are_kept_and_all_keep_their_labels(operator, kept):
    matrix = column([1.0, 3.0, 3.0, 1.0, 3.0, 1.0, math.nan])
    result = Aggregation(Aggregate(operator, OPERAND)).apply(
        matrix, Scalar(np.array([2.0])), made_block(1)
    )
    assert result.table is matrix.table
    assert list(vector_at(result, 0)) == [(("i", name),) for name in kept]


@pytest.mark.parametrize("operator", [*naive_aggregate.AGGREGATIONS, *PARAMETERS, "count_values"])
def test_nothing_gives_nothing(operator):
    parameter = Scalar(np.ones(2)) if operator in PARAMETERS else None
    if operator == "count_values":
        parameter = "v"
    block = made_block(2)
    result = Aggregation(Aggregate(operator, OPERAND)).apply(nothing(2), parameter, block)
    assert result.value.shape == (0, 2)
    assert block.errors == {}


@pytest.mark.parametrize("operator", ["sum", "topk", "count_values"])
def test_the_table_stays_the_same_object_while_the_input_does(operator):
    matrix = column([1.0, 2.0, 2.0])
    parameter = {"sum": None, "topk": Scalar(np.ones(1)), "count_values": "v"}[operator]
    aggregation = Aggregation(Aggregate(operator, OPERAND, None, ("i",)))
    first, again = (aggregation.apply(matrix, parameter, made_block(1)) for _ in range(2))
    assert first.table is again.table


def test_limit_ratio_is_refused_by_name():
    with pytest.raises(ExpressionError, match="limit_ratio is not supported"):
        Aggregation(Aggregate("limit_ratio", OPERAND, Number(0.5)))


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (1.0, "1"),
        (-0.0, "-0"),
        (0.1, "0.1"),
        (1e22, "10000000000000000000000"),
        (1e-7, "0.0000001"),
        (math.nan, "NaN"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
    ],
)
def test_values_are_written_without_exponents(number, expected):
    assert float_text(number) == expected
