"""What is allowed in a rule but hardly meant: warnings with their places."""

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from engine.config.durations import format_duration
from engine.config.positions import text_of
from engine.errors import Problem
from engine.promql.errors import place_of
from engine.promql.syntax import (
    COMPARISONS,
    SCALAR,
    Binary,
    Call,
    Expression,
    Number,
    VectorSelector,
    children,
    number_text,
    type_of,
)
from engine.rules.bounds import bounds_of, never_true
from engine.rules.known_series import KnownSeries
from engine.rules.model import AlertRule, Rule
from engine.rules.result_labels import result_labels
from engine.rules.rule_file import RuleSource
from engine.rules.template_labels import labels_printed

_ABSENT = frozenset({"absent", "absent_over_time"})


@dataclass(frozen=True, slots=True)
class Warned:
    """A rule and what is odd about it."""

    rule: Rule
    warning: Problem


def lint(sources: Iterable[RuleSource], known: KnownSeries | None = None) -> list[Warned]:
    """Look for what is hardly meant.

    Parameters
    ----------
    sources : iterable of RuleSource
        Rules that can be used.
    known : KnownSeries or None
        The series that there are, if that is known.
    """
    return [
        Warned(source.rule, warning)
        for source in sources
        for warning in sorted(set(_warnings(source, known)))
    ]


def _warnings(source: RuleSource, known: KnownSeries | None) -> Iterator[Problem]:
    if isinstance(source.rule, AlertRule):
        yield from _of_duration(source, source.rule)
        yield from _of_number(source, source.rule)
        yield from _of_labels(source, source.rule)
    yield from _of_comparisons(source)
    if known is not None:
        yield from _of_selectors(source, known)


def _of_duration(source: RuleSource, rule: AlertRule) -> Iterator[Problem]:
    if 0 < rule.for_ns < source.interval_ns:
        yield source.warning(
            "for",
            offset=None,
            message=f"'for' of {format_duration(rule.for_ns)} is shorter than the group's interval "
            f"of {format_duration(source.interval_ns)}",
        )


def _of_number(source: RuleSource, rule: AlertRule) -> Iterator[Problem]:
    if type_of(rule.expression) == SCALAR:
        yield source.warning(
            "expr",
            offset=0,
            message="the expression is a number, and the alert is active whatever it is; "
            "compare a vector",
        )


def _of_labels(source: RuleSource, rule: AlertRule) -> Iterator[Problem]:
    """Find labels that templates print, though no result can have them."""
    labels = result_labels(rule.expression)
    if labels is None:
        return
    has = f"only {', '.join(sorted(labels))}" if labels else "none"
    for field, templates in (("labels", rule.labels), ("annotations", rule.annotations)):
        own = source.node.get(field) or {}
        for name, template in templates:
            if name not in own:
                continue  # the group's, which is for all of its rules
            for label, position in labels_printed(template.statements):
                if label not in labels:
                    message = f"$labels.{label} is always empty: of labels, the results have {has}"
                    yield source.warning(field, name, offset=position, message=message)


def _of_comparisons(source: RuleSource) -> Iterator[Problem]:
    counts: dict[str, int] = {}
    for node in _in_text_order(source.rule.expression):
        if not isinstance(node, Binary) or node.operator not in COMPARISONS:
            continue
        number = counts.get(node.operator, 0)
        counts[node.operator] = number + 1
        if never_true(node.operator, node.left, node.right):
            pattern = re.escape(node.operator) + ("(?!=)" if len(node.operator) == 1 else "")
            yield source.warning(
                "expr",
                offset=place_of(_text(source), pattern, number),
                message=f"{_values(node.left)} {node.operator} {_values(node.right)} "
                "can never be true",
            )


def _of_selectors(source: RuleSource, known: KnownSeries) -> Iterator[Problem]:
    counts: dict[str, int] = {}
    for node, in_absent in _selectors(source.rule.expression, in_absent=False):
        name = node.selector.name
        number = counts.get(name or "", 0)
        counts[name or ""] = number + 1
        reason = "" if in_absent else known.why_nothing(node.selector)
        if reason:
            offset = None
            if name is not None:
                pattern = rf"(?<![\w:]){re.escape(name)}(?![\w:])"
                offset = place_of(_text(source), pattern, number)
            yield source.warning("expr", offset=offset, message=f"{reason} in the recording")


def _in_text_order(expression: Expression) -> Iterator[Expression]:
    """Yield all that is inside, operators between their sides."""
    if isinstance(expression, Binary):
        yield from _in_text_order(expression.left)
        yield expression
        yield from _in_text_order(expression.right)
        return
    yield expression
    for child in children(expression):
        yield from _in_text_order(child)


def _selectors(expression: Expression, *, in_absent: bool) -> Iterator[tuple[VectorSelector, bool]]:
    """Yield selectors in text order, and whether their absence is what is asked for."""
    if isinstance(expression, VectorSelector):
        yield expression, in_absent
    asked = isinstance(expression, Call) and expression.function in _ABSENT
    for child in children(expression):
        yield from _selectors(child, in_absent=in_absent or asked)


def _text(source: RuleSource) -> str:
    return text_of(source.node, "expr") or ""


def _values(expression: Expression) -> str:
    if isinstance(expression, Number):
        return number_text(expression.value)
    bounds = bounds_of(expression).mapped(lambda number: number + 0.0)  # no -0
    if bounds.low == bounds.high:
        return f"a value of {number_text(bounds.low)}"
    if math.isinf(bounds.low) and math.isinf(bounds.high):
        return "a value"
    if math.isinf(bounds.high):
        return f"a value from {number_text(bounds.low)}"
    if math.isinf(bounds.low):
        return f"a value up to {number_text(bounds.high)}"
    return f"a value from {number_text(bounds.low)} to {number_text(bounds.high)}"
