"""Reads the expressions of rules: PromQL, less what can't be evaluated on a stream."""

from collections.abc import Iterator

from engine.promql.errors import ExpressionError, place_of, unsupported
from engine.promql.parse import RANGE_FUNCTIONS, Language, parse_condition
from engine.promql.prepare import at_ends, constant, prepare
from engine.promql.syntax import (
    MATRIX,
    Aggregate,
    Call,
    Expression,
    Subquery,
    VectorSelector,
    children,
    type_of,
    walk,
)
from engine.promql.window_functions import parameter_error


def parse_rule_expression(text: str, language: Language) -> Expression:
    """Read the expression of a rule.

    What fails at every tick is refused here, with its place, and not while the engine runs.

    Raises
    ------
    ExpressionError
        As `parse_condition`; also for times that are fixed by ``@``, for ``@ start()`` and
        ``@ end()`` inside of subqueries, and for parameters of range functions that are no
        constants.
    """
    expression = parse_condition(text, language)
    _refuse_fixed_times(text, expression)
    _refuse_parameters(text, expression)
    _prepare(text, expression)
    return expression


def _refuse_fixed_times(text: str, expression: Expression) -> None:
    """Samples are kept for windows that move on; elsewhere ``@ end()`` is the tick."""
    number = 0
    for node, in_subquery in _selections(expression):
        if node.at is None:
            continue
        if not isinstance(node.at, str):
            raise unsupported(text, "a fixed time behind @", "@", number=number)
        if in_subquery:
            raise unsupported(text, f"@ {node.at}() inside a subquery", "@", number=number)
        number += 1


def _selections(
    expression: Expression, *, in_subquery: bool = False
) -> Iterator[tuple[VectorSelector | Subquery, bool]]:
    """Yield what can be moved in time, in the order of the modifiers in the text."""
    inside = in_subquery or isinstance(expression, Subquery)
    for child in children(expression):
        yield from _selections(child, in_subquery=inside)
    if isinstance(expression, VectorSelector | Subquery):
        yield expression, in_subquery


def _refuse_parameters(text: str, expression: Expression) -> None:
    for call, pattern, number in _named(expression):
        if not isinstance(call, Call) or call.function not in RANGE_FUNCTIONS:
            continue
        values = [constant(item) for item in call.arguments if type_of(item) != MATRIX]
        known = [value for value in values if value is not None]
        if len(known) < len(values):
            what = f"a parameter of {call.function} that is no constant"
            raise unsupported(text, what, pattern, number=number)
        message = parameter_error(call.function, *[*known, 0.0, 0.0][:2])
        if message:
            raise ExpressionError(message, place_of(text, pattern, number))


def _prepare(text: str, expression: Expression) -> None:
    """Have the operators made, which refuse arguments that fail at every tick."""
    try:
        prepare(at_ends(expression, 0, 0))
    except ExpressionError as error:
        raise ExpressionError(str(error), _place_of_refused(text, expression)) from None


def _place_of_refused(text: str, expression: Expression) -> int | None:
    """Find the innermost call or aggregation that can't be prepared."""
    for node, pattern, number in reversed(list(_named(expression))):
        try:
            prepare(at_ends(node, 0, 0))
        except ExpressionError:
            return place_of(text, pattern, number)
    return None


def _named(expression: Expression) -> Iterator[tuple[Call | Aggregate, str, int]]:
    """Yield calls and aggregations, a pattern of each, and which of its places is the node's."""
    counts: dict[str, int] = {}
    for node in walk(expression):  # names stand before what is inside, so in text order
        if isinstance(node, Call):
            pattern = rf"\b{node.function}\s*\("
        elif isinstance(node, Aggregate):
            pattern = rf"\b{node.operator}\s*(?:\(|(?:by|without)\b)"
        else:
            continue
        number = counts.get(pattern, 0)
        counts[pattern] = number + 1
        yield node, pattern, number
