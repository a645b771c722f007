"""From PromQL text to an expression: the adapter from the parser's tree to ours.

This module and `selector.py` are the only ones that know the parser. What can't be evaluated is
refused by the construct's name.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import promql_parser as parser

from engine.config.durations import MILLISECOND_NS, MINUTE_NS, format_duration
from engine.promql.errors import (
    ExpressionError,
    place_of,
    place_of_smallest,
    syntax_error,
    unsupported,
)
from engine.promql.functions import VECTOR_FUNCTIONS
from engine.promql.matching import METADATA_LABELS
from engine.promql.selector import Matcher, Selector, matchers_of, parse_promql, selector_of
from engine.promql.syntax import (
    MANY_TO_MANY,
    MANY_TO_ONE,
    MATRIX,
    ONE_TO_MANY,
    ONE_TO_ONE,
    STRING,
    Aggregate,
    At,
    Binary,
    Call,
    Expression,
    Matching,
    MatrixSelector,
    Negate,
    Number,
    Subquery,
    Text,
    VectorSelector,
    children,
    type_of,
    walk,
)
from engine.promql.window_functions import FUNCTIONS

ABSENT_OVER_TIME = "absent_over_time"
RANGE_FUNCTIONS = frozenset(FUNCTIONS) - {"last"}
_CARDINALITIES = {
    "VectorMatchCardinality.OneToOne": ONE_TO_ONE,
    "VectorMatchCardinality.ManyToOne": MANY_TO_ONE,
    "VectorMatchCardinality.OneToMany": ONE_TO_MANY,
    "VectorMatchCardinality.ManyToMany": MANY_TO_MANY,
}
_MOST_LEVELS = 150  # what is done with expressions recurses, with several calls a level
_TOO_DEEP = "the expression is nested too deeply"
_TIMES = "a time after @ lies between 1970 and the year 9999"
_MILLISECOND = timedelta(milliseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Language:
    """What depends on the configuration.

    Attributes
    ----------
    step_ns : int
        The step of subqueries that name none: Prometheus' global evaluation interval.
    max_window_ns : int
        The furthest that an expression may look back; samples are kept that long.
    """

    step_ns: int = MINUTE_NS
    max_window_ns: int = 2**62


def parse_expression(text: str, language: Language = Language()) -> Expression:
    """Read a PromQL expression.

    Raises
    ------
    ExpressionError
        If it isn't PromQL or uses what can't be evaluated; the message names the construct.
    """
    try:
        tree = parse_promql(text)
    except ValueError as error:
        raise syntax_error(text, str(error)) from None
    negative = place_of(text, r"@\s*-(?=[\s0.]*[1-9])")
    if negative is not None:
        # The parser has no times before 1970: it would panic, on the terminal too.
        raise ExpressionError(_TIMES, negative)
    try:
        expression = _Adapter(text, language).expression(tree)
    except RecursionError:
        raise ExpressionError(_TOO_DEEP, 0) from None
    except ExpressionError as error:
        if error.offset is not None:
            raise
        message = str(error)
        offset = place_of_smallest(
            text, lambda piece: _refusal_of_adapter(piece, language) == message
        )
        raise ExpressionError(message, offset) from None
    if _depth(expression) > _MOST_LEVELS:
        raise ExpressionError(_TOO_DEEP, 0)
    return expression


def _depth(expression: Expression) -> int:
    levels, level = 0, [expression]
    while level:
        levels += 1
        level = [child for node in level for child in children(node)]
    return levels


def _refusal_of_adapter(text: str, language: Language) -> str:
    """Give the adapter's message; empty if there is none, or the parser's comes first."""
    try:
        tree = parse_promql(text)
    except ValueError:
        return ""
    try:
        _Adapter(text, language).expression(tree)
    except ExpressionError as error:
        return str(error)
    return ""


def parse_condition(text: str, language: Language) -> Expression:
    """Read the expression of a rule: it has a vector or a scalar, and looks back only.

    Raises
    ------
    ExpressionError
        As `parse_expression`; also for texts and ranges, negative offsets, and what looks back
        further than `language.max_window_ns`.
    """
    expression = parse_expression(text, language)
    if type_of(expression) == STRING:
        raise ExpressionError("a text is no condition; write a selector", 0)
    if type_of(expression) == MATRIX:
        raise ExpressionError(
            "a range of samples is no condition; put a function such as max_over_time around it", 0
        )
    for node in walk(expression):
        if isinstance(node, VectorSelector | Subquery) and node.offset_ns < 0:
            raise ExpressionError(
                "a negative offset looks into the future; write a positive one",
                place_of(text, r"\boffset\s*-"),
            )
    reach_ns = look_back_ns(expression)
    if reach_ns > language.max_window_ns:
        raise ExpressionError(
            f"the expression looks back {format_duration(reach_ns)} and rules.max_window is "
            f"{format_duration(language.max_window_ns)}; raise it",
            _place_of_longest(text, expression),
        )
    return expression


def look_back_ns(expression: Expression) -> int:
    """How far back an expression reads, beside the lookback of plain selectors."""
    own = 0
    if isinstance(expression, MatrixSelector | Subquery):
        own = expression.range_ns
    if isinstance(expression, VectorSelector | Subquery):
        own += max(expression.offset_ns, 0)
    return own + max((look_back_ns(child) for child in children(expression)), default=0)


def _place_of_longest(text: str, expression: Expression) -> int | None:
    """Find the longest window of those that make an expression look back furthest."""
    on_the_way: list[Expression] = [expression]
    while inside := children(on_the_way[-1]):
        on_the_way.append(max(inside, key=look_back_ns))
    windows = [node for node in on_the_way if isinstance(node, MatrixSelector | Subquery)]
    if not windows:
        return place_of(text, r"\boffset\b")
    longest = max(windows, key=lambda window: window.range_ns)
    before = [node is longest for node in _windows(expression)].index(True)
    return place_of(text, r"\[", before, inside_braces=True)


def _windows(expression: Expression) -> Iterator[MatrixSelector | Subquery]:
    """Yield windows in the order of their brackets in the text."""
    for child in children(expression):
        yield from _windows(child)
    if isinstance(expression, MatrixSelector | Subquery):
        yield expression


class _Adapter:
    """Turns the parser's tree of one text into ours."""

    def __init__(self, text: str, language: Language) -> None:
        self.text = text
        self.language = language
        self._by_type: dict[type, Callable[[Any], Expression]] = {
            parser.NumberLiteral: lambda node: Number(float(node.val)),
            parser.StringLiteral: lambda node: Text(str(node.val)),
            parser.ParenExpr: lambda node: self.expression(node.expr),
            parser.UnaryExpr: self._negate,
            parser.VectorSelector: self._vector_selector,
            parser.MatrixSelector: self._matrix_selector,
            parser.SubqueryExpr: self._subquery,
            parser.Call: self._call,
            parser.AggregateExpr: self._aggregate,
            parser.BinaryExpr: self._binary,
        }

    def expression(self, node: Any) -> Expression:
        return self._by_type[type(node)](node)

    def _negate(self, node: Any) -> Expression:
        inside = self.expression(node.expr)
        return Number(-inside.value) if isinstance(inside, Number) else Negate(inside)

    def _vector_selector(self, node: Any) -> VectorSelector:
        return VectorSelector(
            self._selector(node),
            _nanoseconds(node.offset),
            _at(node.at),
            _absent_labels(matchers_of(node)),
        )

    def _selector(self, node: Any) -> Selector:
        if node.matchers.or_matchers:
            raise unsupported(
                self.text, "'or' between matchers", r"(?<=[\s,}])or\b", inside_braces=True
            )
        try:
            return selector_of(node)
        except ValueError as error:
            raise ExpressionError(str(error)) from None

    def _matrix_selector(self, node: Any) -> MatrixSelector:
        range_ns = _nanoseconds(node.range)
        if range_ns == 0:
            raise ExpressionError("a range is 1ms at least")
        return MatrixSelector(self._vector_selector(node.vector_selector), range_ns)

    def _subquery(self, node: Any) -> Subquery:
        range_ns = _nanoseconds(node.range)
        step_ns = _nanoseconds(node.step) if node.step is not None else self.language.step_ns
        if range_ns == 0 or step_ns == 0:
            raise ExpressionError("the range and the step of a subquery are 1ms at least")
        inside = self.expression(node.expr)
        return Subquery(inside, range_ns, step_ns, _nanoseconds(node.offset), _at(node.at))

    def _call(self, node: Any) -> Call:
        name = node.func.name
        if name not in RANGE_FUNCTIONS | VECTOR_FUNCTIONS | {ABSENT_OVER_TIME}:
            raise unsupported(self.text, f"the function {name}", rf"\b{name}\s*\(")
        return Call(name, tuple(self.expression(argument) for argument in node.args))

    def _aggregate(self, node: Any) -> Aggregate:
        modifier = node.modifier
        return Aggregate(
            str(node.op),
            self.expression(node.expr),
            None if node.param is None else self.expression(node.param),
            () if modifier is None else tuple(sorted(set(modifier.labels))),
            modifier is not None and str(modifier.type).endswith("Without"),
        )

    def _binary(self, node: Any) -> Binary:
        operator = str(node.op)
        modifier = node.modifier
        left, right = self.expression(node.lhs), self.expression(node.rhs)
        if modifier is None:
            return Binary(operator, left, right)
        fill = modifier.fill_values
        if fill is not None and (fill.lhs is not None or fill.rhs is not None):
            raise unsupported(self.text, "the modifier fill", r"\bfill")
        matching = modifier.matching
        return Binary(
            operator,
            left,
            right,
            Matching(
                _CARDINALITIES[str(modifier.card)],
                matching is not None and str(matching.type).endswith("Include"),
                () if matching is None else tuple(sorted(set(matching.labels))),
                tuple(sorted(set(modifier.group_labels or ()))),
            ),
            bool(modifier.return_bool),
        )


def _absent_labels(matchers: list[Matcher]) -> tuple[tuple[str, str], ...]:
    """Give the labels that are asked for with ``=``; a later matcher of the label takes it back.

    Prometheus' storage has put matchers that take series away last by then.
    """
    labels: dict[str, str] = {}
    asked: set[str] = set()
    for matcher in sorted(matchers, key=_takes_away):
        if matcher.name in METADATA_LABELS:
            continue
        if matcher.operator == "=" and matcher.name not in asked:
            labels[matcher.name] = matcher.value
            asked.add(matcher.name)
        else:
            labels.pop(matcher.name, None)
    return tuple(sorted((name, value) for name, value in labels.items() if value))


def _takes_away(matcher: Matcher) -> bool:
    return matcher.operator in {"!=", "!~"} and matcher.matches("")


def _at(modifier: Any) -> At:
    if modifier is None:
        return None
    kind = str(modifier.type).rpartition(".")[2].lower()
    if kind != "at":
        return kind
    try:
        at = modifier.at
    except BaseException as error:
        # A panic of the Rust parser, which has no times before 1970; it is no `Exception`.
        if isinstance(error, KeyboardInterrupt | SystemExit | MemoryError):
            raise
        raise ExpressionError(_TIMES) from None
    return round((at - _EPOCH) / _MILLISECOND) * MILLISECOND_NS


def _nanoseconds(duration: timedelta | None) -> int:
    """Cut to whole milliseconds, as Prometheus does."""
    return 0 if duration is None else duration // _MILLISECOND * MILLISECOND_NS
