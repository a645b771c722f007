"""What an expression reads: its leaves with their intervals, and what is left without filters."""

from collections.abc import Iterator
from dataclasses import replace

from engine.promql.leaf import ENDED, Comparison
from engine.promql.operators import (
    AbsentOperator,
    AggregateOperator,
    BinaryOperator,
    CallOperator,
    LeafOperator,
    NegateOperator,
    Operator,
    SubqueryOperator,
)
from engine.promql.prepare import MIRRORED, constant
from engine.promql.syntax import (
    COMPARISONS,
    MANY_TO_MANY,
    MATRIX,
    SCALAR,
    VECTOR,
    Aggregate,
    Binary,
    Call,
    Expression,
    Matching,
    MatrixSelector,
    Negate,
    VectorSelector,
    type_of,
)
from engine.rules.queries import Query

_NEVER_ENDING = frozenset({"absent", "absent_over_time", "scalar", "vector"})
"""Functions whose results do not end with a series."""


def queries_of(operator: Operator, interval_ns: int) -> Iterator[Query]:
    """Yield the queries of an expression that is evaluated at an interval's ticks."""
    if isinstance(operator, LeafOperator):
        yield Query(operator.leaf, interval_ns)
    elif isinstance(operator, SubqueryOperator):
        yield from queries_of(operator.expression, operator.subquery.step_ns)
        for parameter in operator.parameters:
            yield from queries_of(parameter, interval_ns)
    else:
        for part in _parts(operator):
            yield from queries_of(part, interval_ns)


def subqueries_of(operator: Operator) -> Iterator[SubqueryOperator]:
    """Yield the subqueries of an expression, outer ones first."""
    if isinstance(operator, SubqueryOperator):
        yield operator
        yield from subqueries_of(operator.expression)
    for part in _parts(operator):
        yield from subqueries_of(part)


def look_back_of(operator: Operator) -> int:
    """How far back an expression reads, nanoseconds, beside the lookback of plain selectors."""
    if isinstance(operator, LeafOperator):
        return operator.leaf.range_ns + operator.leaf.offset_ns
    if isinstance(operator, SubqueryOperator):
        node = operator.subquery
        return node.range_ns + node.offset_ns + look_back_of(operator.expression)
    return max((look_back_of(part) for part in _parts(operator)), default=0)


def lag_of(operator: Operator) -> int:
    """How much later than its own ticks an expression's parts may be evaluated, nanoseconds.

    A subquery inside of another one is evaluated as far as the outer one's steps go, not further.
    """
    if isinstance(operator, SubqueryOperator):
        inside = operator.expression
        is_outer = any(True for _ in subqueries_of(inside))
        return operator.subquery.step_ns + lag_of(inside) if is_outer else 0
    return max((lag_of(part) for part in _parts(operator)), default=0)


def _parts(operator: Operator) -> tuple[Operator, ...]:
    if isinstance(operator, AbsentOperator):
        return (operator.present,)
    if isinstance(operator, CallOperator):
        return operator.arguments
    if isinstance(operator, AggregateOperator):
        parameter = () if operator.parameter is None else (operator.parameter,)
        return (operator.inside, *parameter)
    if isinstance(operator, BinaryOperator):
        return (operator.left, operator.right)
    if isinstance(operator, NegateOperator):
        return (operator.inside,)
    return ()


def unfiltered(expression: Expression) -> Expression:
    """Give the expression whose results are there whether the comparisons hold or not.

    What it has no result for is absent; what only the expression itself has none for is false.
    The value of a comparison with a number is the compared one.
    """
    if not isinstance(expression, Binary):
        return expression
    if expression.operator == "unless":
        return unfiltered(expression.left)
    if expression.operator in {"and", "or"}:
        left, right = unfiltered(expression.left), unfiltered(expression.right)
        return replace(expression, left=left, right=right)
    if expression.operator not in COMPARISONS or expression.return_bool:
        return expression
    if type_of(expression.left) == SCALAR:
        return unfiltered(expression.right)
    if type_of(expression.right) == SCALAR:
        return unfiltered(expression.left)
    left, right = unfiltered(expression.left), unfiltered(expression.right)
    return replace(expression, left=left, right=right, return_bool=True)


def comparison_of(expression: Expression) -> Comparison | None:
    """Give the number that an expression's outermost comparison asks for, if it is one."""
    if not isinstance(expression, Binary) or expression.operator not in COMPARISONS:
        return None
    if expression.return_bool:
        return None
    number = constant(expression.right)
    if number is not None:
        return Comparison(expression.operator, number)
    number = constant(expression.left)
    return None if number is None else Comparison(MIRRORED[expression.operator], number)


def ended(expression: Expression) -> Expression | None:
    """Give the expression that has a result where a source has ended the series of another one.

    It is there while the stale marker is the newest sample and not older than the lookback. Of two
    vectors one may have ended, or both. None where nothing ends, as of `absent`.
    """
    if isinstance(expression, VectorSelector):
        return Call(ENDED, (expression,))
    if isinstance(expression, MatrixSelector):
        return Call(ENDED, (expression.vector,))
    if isinstance(expression, Negate):
        return ended(expression.expression)
    if isinstance(expression, Aggregate):
        inside = ended(expression.expression)
        return None if inside is None else replace(expression, expression=inside)
    if isinstance(expression, Binary):
        return _ended_binary(expression)
    if isinstance(expression, Call) and expression.function not in _NEVER_ENDING:
        vectors = [item for item in expression.arguments if type_of(item) in {VECTOR, MATRIX}]
        return ended(vectors[0]) if len(vectors) == 1 else None
    return None


def _ended_binary(expression: Binary) -> Expression | None:
    left, right = ended(expression.left), ended(expression.right)
    if expression.operator == "unless" or right is None:
        return left
    if left is None:
        return right
    if expression.operator == "or":
        return replace(expression, left=left, right=right)
    ways = (
        replace(expression, left=left),
        replace(expression, right=right),
        replace(expression, left=left, right=right),
    )
    either = Matching(MANY_TO_MANY)
    return Binary("or", Binary("or", ways[0], ways[1], either), ways[2], either)
