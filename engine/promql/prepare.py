"""Turns an expression into operators; constant parts are folded, leaves are found."""

from dataclasses import replace

import numpy as np

from engine.promql.absence import absent_labels
from engine.promql.aggregate import Aggregation
from engine.promql.binary import scalar_arithmetic
from engine.promql.functions import FunctionCall
from engine.promql.leaf import OF_NEWEST, Comparison, Leaf
from engine.promql.operators import (
    AbsentOperator,
    AggregateOperator,
    BinaryOperator,
    CallOperator,
    LeafOperator,
    NegateOperator,
    NumberOperator,
    Operator,
    SubqueryOperator,
    TextOperator,
)
from engine.promql.parse import ABSENT_OVER_TIME, RANGE_FUNCTIONS
from engine.promql.syntax import (
    COMPARISONS,
    MATRIX,
    SCALAR,
    Aggregate,
    At,
    Binary,
    Call,
    Expression,
    MatrixSelector,
    Negate,
    Number,
    Subquery,
    Text,
    VectorSelector,
    type_of,
)

MIRRORED = {"==": "==", "!=": "!=", "<": ">", ">": "<", "<=": ">=", ">=": "<="}


def prepare(expression: Expression) -> Operator:
    """Make the operators of an expression, in which ``@ start()`` and ``@ end()`` are resolved."""
    number = constant(expression)
    if number is not None:
        return NumberOperator(number)
    leaf = leaf_of(expression)
    if leaf is not None:
        return LeafOperator(leaf, tuple(NumberOperator(value) for value in leaf.parameters))
    if isinstance(expression, Text):
        return TextOperator(expression.value)
    if isinstance(expression, Call):
        return _call(expression)
    if isinstance(expression, Aggregate):
        parameter = None if expression.parameter is None else prepare(expression.parameter)
        inside = prepare(expression.expression)
        return AggregateOperator(Aggregation(expression), inside, parameter)
    if isinstance(expression, Binary):
        return BinaryOperator(expression, prepare(expression.left), prepare(expression.right))
    if isinstance(expression, Negate):
        return NegateOperator(prepare(expression.expression))
    raise TypeError(f"a range vector has no value at a tick: {expression}")


def constant(expression: Expression) -> float | None:
    """Give the value of an expression of numbers alone; None if it is something else."""
    if isinstance(expression, Number):
        return expression.value
    if isinstance(expression, Negate):
        inside = constant(expression.expression)
        return None if inside is None else -inside
    if isinstance(expression, Binary):
        left, right = constant(expression.left), constant(expression.right)
        if left is not None and right is not None:
            sides = np.array([left]), np.array([right])
            return float(scalar_arithmetic(expression.operator, *sides)[0])
    return None


def leaf_of(expression: Expression) -> Leaf | None:
    """Give the leaf that an expression is; None if it is more, or has parameters that vary."""
    if isinstance(expression, VectorSelector):
        return _selected(expression)
    if isinstance(expression, Binary):
        return _compared(expression)
    if not isinstance(expression, Call):
        return None
    if expression.function in OF_NEWEST:
        inside = expression.arguments[0]
        if isinstance(inside, VectorSelector):
            return replace(_selected(inside), function=expression.function)
        return None
    parts = _range_parts(expression)
    if parts is None:
        return None
    window, others = parts
    numbers = [constant(item) for item in others]
    if None in numbers or isinstance(window, Subquery):
        return None
    leaf = _ranged(expression.function, window)
    return replace(leaf, parameters=tuple(number for number in numbers if number is not None))


def at_ends(expression: Expression, start_ns: int | None, end_ns: int | None) -> Expression:
    """Put times in for ``@ start()`` and ``@ end()``; None stands for the tick itself."""

    def resolved(node: Expression) -> Expression:
        return at_ends(node, start_ns, end_ns)

    if isinstance(expression, VectorSelector):
        return replace(expression, at=_resolved_at(expression.at, start_ns, end_ns))
    if isinstance(expression, MatrixSelector):
        vector = resolved(expression.vector)
        return (
            replace(expression, vector=vector) if isinstance(vector, VectorSelector) else expression
        )
    if isinstance(expression, Subquery):
        at = _resolved_at(expression.at, start_ns, end_ns)
        return replace(expression, expression=resolved(expression.expression), at=at)
    if isinstance(expression, Call):
        return replace(expression, arguments=tuple(map(resolved, expression.arguments)))
    if isinstance(expression, Aggregate):
        parameter = None if expression.parameter is None else resolved(expression.parameter)
        return replace(expression, expression=resolved(expression.expression), parameter=parameter)
    if isinstance(expression, Binary):
        return replace(expression, left=resolved(expression.left), right=resolved(expression.right))
    if isinstance(expression, Negate):
        return replace(expression, expression=resolved(expression.expression))
    return expression


def _resolved_at(at: At, start_ns: int | None, end_ns: int | None) -> int | None:
    if isinstance(at, str):
        return start_ns if at == "start" else end_ns
    return at


def _call(call: Call) -> Operator:
    if call.function == ABSENT_OVER_TIME:
        present = Call("present_over_time", call.arguments)
        return AbsentOperator(prepare(present), absent_labels(call.arguments[0]))
    parts = _range_parts(call)
    if parts is None:
        arguments = tuple(map(prepare, call.arguments))
        return CallOperator(FunctionCall(call), arguments)
    window, others = parts
    parameters = tuple(map(prepare, others))
    if isinstance(window, Subquery):
        return SubqueryOperator(call.function, window, prepare(window.expression), parameters)
    return LeafOperator(_ranged(call.function, window), parameters)


def _range_parts(
    call: Call,
) -> tuple[MatrixSelector | Subquery, tuple[Expression, ...]] | None:
    """Give a range function's window and its other arguments."""
    if call.function not in RANGE_FUNCTIONS:
        return None
    windows = [item for item in call.arguments if isinstance(item, MatrixSelector | Subquery)]
    others = tuple(item for item in call.arguments if type_of(item) != MATRIX)
    return windows[0], others


def _selected(node: VectorSelector) -> Leaf:
    return Leaf(node.selector, offset_ns=node.offset_ns, at_ns=_fixed(node.at))


def _ranged(function: str, window: MatrixSelector) -> Leaf:
    vector = window.vector
    return Leaf(vector.selector, function, window.range_ns, vector.offset_ns, _fixed(vector.at))


def _fixed(at: int | str | None) -> int | None:
    if isinstance(at, str):
        raise TypeError(f"@ {at}() is not resolved")
    return at


def _compared(node: Binary) -> Leaf | None:
    """Give a leaf with the number that it is compared with.

    The selector must name the metric: of several, the names that are dropped could leave equal
    labels, and that is an error also where the comparison would have left one of them.
    """
    if node.operator not in COMPARISONS or node.return_bool:
        return None
    sides = (node.left, node.right, node.operator)
    if type_of(node.left) == SCALAR:
        sides = (node.right, node.left, MIRRORED[node.operator])
    leaf, number = leaf_of(sides[0]), constant(sides[1])
    if leaf is None or number is None or leaf.comparison or leaf.selector.name is None:
        return None
    return replace(leaf, comparison=Comparison(sides[2], number))
