"""Fixes expressions at a time with `@`, so that they give the same whenever they are evaluated.

Prometheus' tests ask each instant query so, too (promql/promqltest/test.go,
`atModifierTestCases`).
"""

from dataclasses import fields, is_dataclass, replace

from engine.config.durations import MILLISECOND_NS, SECOND_NS
from engine.promql.syntax import Call, Subquery, VectorSelector, walk

# Functions whose results depend on the time of evaluation, whatever their arguments.
_OF_TIME = frozenset(
    {
        "day_of_month", "day_of_week", "day_of_year", "days_in_month", "hour", "minute", "month",
        "predict_linear", "time", "timestamp", "year",
    }
)  # fmt: skip


def depends_on_time(expression):
    """Tell whether an expression does so even where all its selectors are fixed."""
    calls = (node for node in walk(expression) if isinstance(node, Call))
    return any(call.function in _OF_TIME for call in calls)


def fixed_at(node, ts):
    """Put `@ ts` to selectors and subqueries that have none; what is inside a fixed one is."""
    if isinstance(node, tuple):
        return tuple(fixed_at(item, ts) for item in node)
    if not is_dataclass(node):
        return node
    if isinstance(node, VectorSelector | Subquery):
        # Prometheus goes on only into subqueries that had no @; having one now, they end it.
        return replace(node, at=ts) if node.at is None else node
    changed = {
        item.name: fixed_at(getattr(node, item.name), ts) for item in fields(node) if item.init
    }
    return replace(node, **changed)


def other_times(ts):
    """Give the times (ns) at which Prometheus' tests ask for what is fixed at `ts`."""
    if ts == 0:
        return [-SECOND_NS, 0, SECOND_NS]
    return [-10 * ts, 0, ts // MILLISECOND_NS // 5 * MILLISECOND_NS, ts, 10 * ts]
