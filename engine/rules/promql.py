"""The expressions that can be evaluated, and the adapter from the PromQL parser's tree to them.

The first form: a selector, alone or under an `*_over_time` function, compared with a number or
not at all. All else is refused by the construct's name. This module and `selector.py` are the
only ones that know the parser.
"""

import math
import re
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

from promql_parser import (
    AggregateExpr,
    BinaryExpr,
    Call,
    MatrixSelector,
    NumberLiteral,
    ParenExpr,
    StringLiteral,
    SubqueryExpr,
    UnaryExpr,
    VectorSelector,
)

from engine.config.durations import MILLISECOND_NS, format_duration
from engine.rules.promql_errors import ExpressionError, syntax_error, unsupported
from engine.rules.selector import Selector, parse_promql, selector_of

RANGE_FUNCTIONS = frozenset(
    {
        "avg_over_time",
        "count_over_time",
        "last_over_time",
        "max_over_time",
        "min_over_time",
        "present_over_time",
        "stddev_over_time",
        "stdvar_over_time",
        "sum_over_time",
    }
)
_MIRRORED = {"==": "==", "!=": "!=", "<": ">", ">": "<", "<=": ">=", ">=": "<="}
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True)
class Leaf:
    """What is read from the series: equal leaves of several rules are evaluated once.

    Attributes
    ----------
    selector : Selector
        Which series.
    function : str or None
        One of `RANGE_FUNCTIONS`; None takes the newest sample.
    range_ns : int
        The function's window, 0 without function.
    offset_ns : int
        How far back the window ends, not negative.
    """

    selector: Selector
    function: str | None = None
    range_ns: int = 0
    offset_ns: int = 0

    @cached_property
    def text(self) -> str:
        """Canonical PromQL text."""
        offset = f" offset {format_duration(self.offset_ns)}" if self.offset_ns else ""
        if self.function is None:
            return f"{self.selector}{offset}"
        return f"{self.function}({self.selector}[{format_duration(self.range_ns)}]{offset})"


@dataclass(frozen=True, slots=True)
class Comparison:
    """A filter with the series on the left: those whose value is `op` than `number` stay."""

    op: str
    number: float

    def __str__(self) -> str:
        return f"{self.op} {_number_text(self.number)}"


@dataclass(frozen=True)
class Expression:
    """A leaf and the comparison that it must pass, if there is one."""

    leaf: Leaf
    comparison: Comparison | None = None

    @cached_property
    def text(self) -> str:
        """Canonical PromQL text."""
        return f"{self.leaf.text} {self.comparison}" if self.comparison else self.leaf.text

    def __str__(self) -> str:
        return self.text


def parse_expression(text: str, *, max_window_ns: int) -> Expression:
    """Read a PromQL expression.

    Parameters
    ----------
    text : str
        PromQL.
    max_window_ns : int
        The longest allowed range with its offset; samples are kept that long.

    Raises
    ------
    ExpressionError
        If it isn't PromQL, reaches back too far or uses what can't be evaluated yet; the message
        names the construct.
    """
    try:
        tree = parse_promql(text)
    except ValueError as error:
        raise syntax_error(text, str(error)) from None
    expression = _Adapter(text).expression(tree)
    leaf = expression.leaf
    if leaf.range_ns + leaf.offset_ns > max_window_ns:
        back, limit = (
            format_duration(leaf.range_ns + leaf.offset_ns),
            format_duration(max_window_ns),
        )
        found = re.search(r"\[|\boffset\b", text)
        raise ExpressionError(
            f"the expression looks back {back} and rules.max_window is {limit}; raise it",
            found.start() if found else None,
        )
    return expression


class _Adapter:
    """Turns the parser's tree of one text into an `Expression`."""

    def __init__(self, text: str) -> None:
        self.text = text

    def expression(self, node: Any) -> Expression:
        node = _bare(node)
        if not isinstance(node, BinaryExpr) or str(node.op) not in _MIRRORED:
            return Expression(self.leaf(node))
        left, right = _number(node.lhs), _number(node.rhs)
        if left is None and right is None:
            self.leaf(node.lhs)
            self.leaf(node.rhs)
            raise unsupported(self.text, "the comparison of two vectors", re.escape(str(node.op)))
        op = str(node.op) if left is None else _MIRRORED[str(node.op)]
        number = right if left is None else left
        leaf = self.leaf(node.lhs if left is None else node.rhs)
        if node.modifier is not None and node.modifier.return_bool:
            raise unsupported(self.text, "a comparison with bool", r"\bbool\b")
        return Expression(leaf, Comparison(op, number if number is not None else math.nan))

    def leaf(self, node: Any) -> Leaf:
        node = _bare(node)
        if isinstance(node, VectorSelector):
            return Leaf(self.selector(node), offset_ns=self.offset_ns(node))
        if isinstance(node, Call) and node.func.name in RANGE_FUNCTIONS:
            window = _bare(node.args[0])
            if not isinstance(window, MatrixSelector):
                raise self.unsupported(window)
            selector = window.vector_selector
            range_ns = _nanoseconds(window.range)
            if range_ns == 0:
                raise ExpressionError("a range is 1ms at least")
            return Leaf(self.selector(selector), node.func.name, range_ns, self.offset_ns(selector))
        raise self.unsupported(node)

    def selector(self, node: Any) -> Selector:
        if node.at is not None:
            raise unsupported(self.text, "the modifier @", "@")
        if node.matchers.or_matchers:
            raise unsupported(
                self.text, "'or' between matchers", r"(?<=[\s,}])or\b", inside_braces=True
            )
        try:
            return selector_of(node)
        except ValueError as error:
            raise ExpressionError(str(error)) from None

    def offset_ns(self, node: Any) -> int:
        offset_ns = _nanoseconds(node.offset) if node.offset is not None else 0
        if offset_ns < 0:
            found = re.search(r"\boffset\b", self.text, re.IGNORECASE)
            raise ExpressionError(
                "a negative offset looks into the future; write a positive one",
                found.start() if found else None,
            )
        return offset_ns

    def unsupported(self, node: Any) -> ExpressionError:
        """Name the construct that a node is."""
        text = self.text
        if isinstance(node, Call):
            name = node.func.name
            return unsupported(text, f"the function {name}", rf"\b{name}\s*\(")
        if isinstance(node, AggregateExpr):
            name = str(node.op)
            grouping = ""
            if node.modifier is not None:
                grouping = f" {str(node.modifier.type).split('.')[-1].lower()} (...)"
            return unsupported(text, f"the aggregation {name}{grouping}", rf"\b{name}\b")
        if isinstance(node, BinaryExpr):
            op = str(node.op)
            pattern = rf"\b{op}\b" if op.isalnum() else re.escape(op)
            what = "a second comparison" if op in _MIRRORED else f"the binary operator {op}"
            return unsupported(text, what, pattern)
        if isinstance(node, UnaryExpr):
            return unsupported(text, "the unary minus of a vector", "-")
        if isinstance(node, SubqueryExpr):
            return unsupported(text, "a subquery", r"\[[^\]]*:", inside_braces=True)
        if isinstance(node, NumberLiteral):
            return unsupported(text, "a number without a series", r"\S")
        if isinstance(node, StringLiteral):
            return ExpressionError("a text is no condition; write a selector", 0)
        return ExpressionError(
            "a range of samples is no condition; put a function such as max_over_time around it", 0
        )


def _bare(node: Any) -> Any:
    """Take the parentheses off."""
    while isinstance(node, ParenExpr):
        node = node.expr
    return node


def _number(node: Any) -> float | None:
    """Give the value of a number, with signs and parentheses; None if it is something else."""
    node = _bare(node)
    if isinstance(node, NumberLiteral):
        return float(node.val)
    if isinstance(node, UnaryExpr):
        number = _number(node.expr)
        return None if number is None else -number
    return None


def _nanoseconds(duration: timedelta) -> int:
    """Cut to whole milliseconds, as Prometheus does."""
    return duration // _MILLISECOND * MILLISECOND_NS


def _number_text(number: float) -> str:
    """Write a number as Prometheus prints it in an expression: all digits, no exponent."""
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "+Inf" if number > 0 else "-Inf"
    return f"{Decimal(repr(number)).normalize():f}"
