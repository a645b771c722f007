"""Binary operators give what Prometheus 3 gives, at each tick of a block, errors included.

Method: random vectors over few labels go through the operator and through its slow twin; values
must be equal by bits. What the twin itself might get wrong is given as literals from Prometheus.
"""

import math
import random
import struct

import naive_binary
import numpy as np
import pytest
from made_vectors import exact, is_table, made_matrix, vector_at

from engine.promql.binary import ScalarOperation, VectorOperation, negated, scalar_arithmetic
from engine.promql.matching import labels_text
from engine.promql.matrix import DUPLICATE_LABELS, Block, Matrix, Planned, Scalar, Table
from engine.promql.syntax import (
    COMPARISONS,
    MANY_TO_MANY,
    MANY_TO_ONE,
    ONE_TO_MANY,
    ONE_TO_ONE,
    SET_OPERATORS,
    Binary,
    Matching,
    Number,
)

ARITHMETIC = ("+", "-", "*", "/", "%", "^", "atan2")
OPERAND = Number(0.0)  # operands are evaluated by others
TICKS = 4
NAMES = ("__name__", "x", "y", "z", "absent")


def made_block(ticks=TICKS):
    return Block(np.arange(ticks, dtype=np.int64))


def some_names(generator):
    return tuple(generator.sample(NAMES, generator.randrange(len(NAMES))))


def made_operation(generator, operators):
    op = generator.choice(operators)
    on, labels = generator.random() < 0.5, some_names(generator)
    if op in SET_OPERATORS:
        return Binary(op, OPERAND, OPERAND, Matching(MANY_TO_MANY, on, labels))
    cardinality = generator.choice((ONE_TO_ONE, MANY_TO_ONE, ONE_TO_MANY))
    include = () if cardinality == ONE_TO_ONE else some_names(generator)[:2]
    matching = Matching(cardinality, on, labels, include)
    return Binary(op, OPERAND, OPERAND, matching, op in COMPARISONS and generator.random() < 0.5)


def check_ticks(result, block, expected):
    """Compare with what `expected` gives for each tick, or raises; name what has come of it."""
    assert is_table(result.table)
    assert sorted(block.errors) == np.flatnonzero(block.failed).tolist()
    messages = []
    for tick in range(len(block.ticks)):
        vector, error = outcome(expected, tick)
        assert block.errors.get(tick) == error
        if error is None:
            assert exact(vector_at(result, tick)) == exact(vector)
        messages.append(("result" if vector else "empty") if error is None else error[:24])
    return messages


def outcome(expected, tick):
    try:
        return expected(tick), None
    except naive_binary.NaiveError as error:
        return None, str(error)


@pytest.mark.parametrize("seed", range(8))
def test_vector_operations_equal_their_twin(seed):
    generator = random.Random(seed)
    seen = set()
    for _ in range(150):
        node = made_operation(generator, (*ARITHMETIC, *sorted(COMPARISONS)))
        operation = VectorOperation(node)
        left, right = (
            made_matrix(generator, rows, TICKS) for rows in (6, generator.choice((2, 6)))
        )
        for _ in range(2):  # the second time, with a plan and other rows present
            block = made_block()
            result = operation.apply(left, right, block)
            seen |= set(
                check_ticks(
                    result,
                    block,
                    lambda tick, node=node, left=left, right=right: naive_binary.vector_vector(
                        node, vector_at(left, tick), vector_at(right, tick)
                    ),
                )
            )
            left = Matrix(left.table, left.value[:, ::-1].copy(), left.present[:, ::-1].copy())
            right = Matrix(right.table, right.value, ~right.present)
    assert {"empty", "result", "found duplicate series f", "multiple matches for lab"} <= seen


@pytest.mark.parametrize("op", sorted(SET_OPERATORS))
def test_set_operations_equal_their_twin(op):
    generator = random.Random(op)
    for _ in range(150):
        node = made_operation(generator, (op,))
        operation = VectorOperation(node)
        left, right = made_matrix(generator, 6, TICKS), made_matrix(generator, 6, TICKS)
        for _ in range(2):
            block = made_block()
            messages = check_ticks(
                operation.apply(left, right, block),
                block,
                lambda tick, node=node, left=left, right=right: naive_binary.set_operation(
                    node, vector_at(left, tick), vector_at(right, tick)
                ),
            )
            assert set(messages) <= {"empty", "result"}
            right = Matrix(right.table, right.value, ~right.present)


@pytest.mark.parametrize("op", [*ARITHMETIC, *sorted(COMPARISONS)])
@pytest.mark.parametrize("scalar_is_left", [False, True])
def test_scalar_operations_equal_their_twin(op, scalar_is_left):
    generator = random.Random(op)
    for return_bool in (False, op in COMPARISONS):
        node = Binary(op, OPERAND, OPERAND, return_bool=return_bool)
        operation = ScalarOperation(node)
        for _ in range(20):
            vector, block = made_matrix(generator, 4, TICKS), made_block()
            scalar = made_matrix(generator, 1, TICKS).value[0]
            check_ticks(
                operation.apply(vector, Scalar(scalar), block, scalar_is_left=scalar_is_left),
                block,
                lambda tick, node=node, vector=vector, scalar=scalar: naive_binary.vector_scalar(
                    node,
                    vector_at(vector, tick),
                    float(scalar[tick]),
                    scalar_is_left=scalar_is_left,
                ),
            )


@pytest.mark.parametrize("op", [*ARITHMETIC, *sorted(COMPARISONS)])
def test_scalars_equal_their_twin(op):
    generator = random.Random(op)
    left, right = (made_matrix(generator, 1, 200).value[0] for _ in range(2))
    got = scalar_arithmetic(op, left, right)
    expected = {
        k: naive_binary.scalar_scalar(op, a, b)
        for k, (a, b) in enumerate(zip(left, right, strict=True))
    }
    assert exact(dict(enumerate(got.tolist()))) == exact(expected)


def test_minus_drops_the_name_and_fails_where_that_makes_rows_equal():
    generator = random.Random(1)
    messages = []
    for _ in range(30):
        vector, block = made_matrix(generator, 3, TICKS), made_block()
        messages += check_ticks(
            negated(vector, Planned(), block),
            block,
            lambda tick, vector=vector: naive_binary.negated(vector_at(vector, tick)),
        )
    assert {"result", DUPLICATE_LABELS[:24]} <= set(messages)


def test_whole_powers_are_squared_and_multiplied():
    generator = random.Random(2)
    base = np.array([generator.choice((-1, 1)) * generator.uniform(0.5, 3) for _ in range(2_000)])
    exponent = np.array([float(generator.randint(-200, 200)) for _ in base])
    got = scalar_arithmetic("^", base, exponent).tolist()
    assert got == [
        naive_binary.power(*pair) for pair in zip(base.tolist(), exponent.tolist(), strict=True)
    ]


@pytest.mark.parametrize(
    ("base", "exponent", "expected"),
    [  # bits of Go 1.26's math.Pow on amd64, most of them other than C's
        ("402444c44e602ea7", "4042000000000000", "477375666e9a470a"),
        ("3ff04db6d906f2d5", "40ca0e8000000000", "568b05c803c93aca"),
        ("ffe1ccf385ebc8a0", "bff0000000000000", "800730d67819e8d2"),
        ("43d0000000000000", "4008000000000000", "4b90000000000000"),
        ("0000000000000000", "bfe0000000000000", "7ff0000000000000"),
    ],
)
def test_powers_have_the_bits_of_go(base, exponent, expected):
    pair = [np.array(struct.unpack(">d", bytes.fromhex(bits))) for bits in (base, exponent)]
    assert struct.pack(">d", scalar_arithmetic("^", *pair)[0]).hex() == expected


def test_other_powers_are_close_to_those_of_c():
    generator = random.Random(3)
    base, exponent = (np.array([generator.uniform(0.01, 30) for _ in range(500)]) for _ in range(2))
    got = scalar_arithmetic("^", base, exponent)
    np.testing.assert_allclose(got, base**exponent, rtol=1e-13)
    np.testing.assert_allclose(scalar_arithmetic("^", base, -exponent), 1 / got, rtol=1e-13)


def test_the_power_of_a_root_is_the_root():
    roots = scalar_arithmetic("^", np.full(2, 2.0), np.array([0.5, -0.5]))
    assert roots.tolist() == [math.sqrt(2), 1 / math.sqrt(2)]


def vector(*rows):
    table = Table(sorted(tuple(sorted(labels.items())) for labels, _ in rows))
    values = {tuple(sorted(labels.items())): value for labels, value in rows}
    column = np.array([[values[labels]] for labels in table.labels])
    return Matrix(table, column, np.ones_like(column, bool))


def test_a_duplicate_on_the_one_side_is_named():
    left = vector(({"__name__": "l", "x": "1"}, 1.0))
    right = vector(
        ({"__name__": "r", "x": "1", "y": 'a"b'}, 1.0),
        ({"__name__": "r", "x": "1", "z.z": "1"}, 1.0),
    )
    block = made_block(1)
    node = Binary("*", OPERAND, OPERAND, Matching(ONE_TO_ONE, on=True, labels=("x",)))
    VectorOperation(node).apply(left, right, block)
    assert block.errors == {
        0: 'found duplicate series for the match group {x="1"} on the right hand-side of the'
        r' operation: [{__name__="r", x="1", "z.z"="1"}, {__name__="r", x="1", y="a\"b"}]'
        ";many-to-many matching not allowed: matching labels must be unique on one side"
    }


def test_equal_labels_out_of_two_match_groups_are_an_error():
    left = vector(({"x": "1", "y": "1"}, 1.0), ({"x": "2", "y": "1"}, 1.0))
    right = vector(({"x": "1", "z": "3"}, 1.0), ({"x": "2", "z": "3"}, 1.0))
    matching = Matching(MANY_TO_ONE, on=True, labels=("x",), include=("x",))
    block = made_block(1)
    VectorOperation(Binary("*", OPERAND, OPERAND, matching)).apply(left, right, block)
    assert block.errors == {}
    names = Matching(ONE_TO_ONE, on=True, labels=("__name__", "y"))
    named = vector(({"__name__": "a", "y": "1"}, 1.0), ({"__name__": "b", "y": "1"}, 1.0))
    VectorOperation(Binary("*", OPERAND, OPERAND, names)).apply(named, named, block)
    assert block.errors == {0: DUPLICATE_LABELS}


def test_a_duplicate_counts_only_where_the_other_side_has_something():
    left = vector(({"x": "1"}, 1.0))
    right = vector(({"x": "1", "y": "1"}, 1.0), ({"x": "1", "y": "2"}, 1.0))
    node = Binary("*", OPERAND, OPERAND, Matching(ONE_TO_ONE, on=True, labels=("x",)))
    block = made_block(1)
    gone = Matrix(left.table, left.value, ~left.present)
    assert not VectorOperation(node).apply(gone, right, block).present.any()
    assert block.errors == {}


def test_tables_stay_the_same_objects_while_the_operands_do():
    generator = random.Random(5)
    left, right = made_matrix(generator, 6, TICKS), made_matrix(generator, 6, TICKS)
    for op in ("+", ">", "or", "and"):
        cardinality = MANY_TO_MANY if op in SET_OPERATORS else ONE_TO_ONE
        operation = VectorOperation(Binary(op, OPERAND, OPERAND, Matching(cardinality)))
        first, again = (operation.apply(left, right, made_block()) for _ in range(2))
        assert first.table is again.table


def test_the_table_stays_the_same_while_partners_come_and_go():
    rows = [({"x": str(number)}, float(number)) for number in range(5)]
    left, right = vector(*rows), vector(*rows)
    for include in ((), ("z",)):
        matching = Matching(MANY_TO_ONE, on=True, labels=("x",), include=include)
        operation = VectorOperation(Binary("*", OPERAND, OPERAND, matching))
        results = []
        for gone in range(5):
            present = right.present.copy()
            present[gone:] = False
            some = Matrix(right.table, right.value, present)
            results.append(operation.apply(left, some, made_block(1)))
        assert [int(result.present.sum()) for result in results] == [0, 1, 2, 3, 4]
        assert len({id(result.table) for result in results}) == 1


def test_a_mistaken_match_of_everything_plans_no_pairs():
    rows = [({"__name__": "m", "x": str(number)}, 1.0) for number in range(2_000)]
    matching = Matching(MANY_TO_ONE, on=True, labels=(), include=("x",))
    block = made_block(1)
    result = VectorOperation(Binary("*", OPERAND, OPERAND, matching)).apply(
        vector(*rows), vector(*rows), block
    )
    assert len(result.table) == 0
    assert block.failed.all()


def test_text_of_labels_escapes_as_go_does():
    assert labels_text((("a", "\n\x01é\u200b\U000e0001"),)) == r'{a="\n\x01é\u200b\U000e0001"}'
