"""Evaluates a statement of a promqltest file and tells what is wrong with the answer."""

from dataclasses import replace

import numpy as np
from fixed_times import depends_on_time, fixed_at, other_times

from engine.config.durations import MILLISECOND_NS, MINUTE_NS
from engine.promql.matrix import Scalar
from engine.promql.sorting import result_order
from engine.promql.stored import query
from engine.promql.syntax import Call, MatrixSelector
from engine.promql.values import unnamed
from engine.rules.series_notation import SAMPLE

RELATIVE = 1e-9
# The digits of these are fewer; Prometheus compares with 1e-6 throughout.
_ROUNDED = {
    "sinh(trig)": 1e-6,
    "stddev_over_time(metric[2m])": 1e-6,
    "stddev_over_time((metric[2m]))": 1e-6,
}


def wrong(statement, expression, source):
    """Evaluate a statement's expression and compare.

    An instant query is asked as the middle of a range and with `@` at other times, too, as
    Prometheus' own test does: an answer mustn't depend on the ticks that are evaluated with it.

    Returns
    -------
    str
        What is wrong; nothing if the answer is the expected one.

    Raises
    ------
    ExpressionError
        If the expression is refused before it is evaluated.
    """
    if statement.is_range:
        return _wrong_at(statement, expression, source, _steps(statement))
    if isinstance(expression, MatrixSelector):
        return _wrong_range_vector(statement, expression, source)
    at_ns = statement.end_ns
    found = _wrong_around(statement, expression, source, at_ns)
    if found or depends_on_time(expression):
        return found
    fixed = fixed_at(expression, at_ns)
    for other_ns in other_times(at_ns):
        found = _wrong_around(statement, fixed, source, other_ns)
        if found:
            return f"with @ at {other_ns} ns: {found}"
    return ""


def _wrong_range_vector(statement, expression, source):
    """Compare the samples in a window, which only functions see: one by one, and their number."""
    sample = Call("last_over_time", (replace(expression, range_ns=MILLISECOND_NS),))
    value, _ = query(sample, source, _steps(statement))
    expected = _expected(statement)
    found = _wrong_rows(expected, _rows(value, slice(None)), RELATIVE)
    if found:
        return found
    value, _ = query(Call("count_over_time", (expression,)), source, np.array([statement.end_ns]))
    count = {unnamed(labels): here.sum() for labels, (_, here) in expected.items()}
    rows = _rows(value, 0)
    found_count = {labels: row for labels, (row, _) in rows.items()}
    return "" if found_count == count else f"has {found_count} samples, expected {count}"


def _steps(statement):
    return np.arange(statement.start_ns, statement.end_ns + 1, statement.step_ns)


def _wrong_around(statement, expression, source, at_ns):
    """Compare at a tick, and at that tick as the middle of three."""
    found = _wrong_at(statement, expression, source, np.array([at_ns]))
    if found or statement.fails or statement.string is not None:
        return found
    around = at_ns + MINUTE_NS * np.array([-1, 0, 1])
    found = _wrong_at(statement, expression, source, around, slice(1, 2))
    return found and f"as the middle of a range: {found}"


def _wrong_at(statement, expression, source, ticks, compared=slice(None)):
    """Compare at some of the ticks that are evaluated."""
    value, block = query(expression, source, ticks)
    if block.failed.any():
        return wrong_failure(statement, next(iter(block.errors.values())))
    if statement.fails:
        return "doesn't fail"
    if isinstance(value, str):
        return "" if value == statement.string else f"gives the text {value!r}"
    if statement.string is not None:
        return "gives no text"
    relative = _ROUNDED.get(statement.expression, RELATIVE)
    if isinstance(value, Scalar) and not statement.is_range:
        same = _same(value.value[compared], [statement.scalar], relative)
        return "" if same else f"gives the scalar {value.value[compared]}"
    if statement.scalar is not None:
        return "gives no scalar"
    found = _wrong_rows(_expected(statement), _rows(value, compared), relative)
    if not found and statement.ordered and len(ticks) == 1:
        order = [value.table.labels[row] for row in result_order(expression, value, 0)]
        found = "" if order == [item.labels for item in statement.series] else f"order {order}"
    return found


def wrong_failure(statement, message):
    """Tell what is wrong with a failure that has a message."""
    if not statement.fails:
        return f"fails: {message}"
    if all(item.accepts(message) for item in statement.expected("fail")):
        return ""
    return f"fails with the message {message!r}"


def _rows(value, compared):
    """Give values by labels, NaN where there is none, and which there are."""
    if isinstance(value, Scalar):
        return {(): (value.value[compared], np.ones(value.value[compared].shape, np.bool_))}
    rows = zip(value.table.labels, value.value, value.present, strict=True)
    return {
        labels: (row[compared], here[compared])
        for labels, row, here in rows
        if here[compared].any()
    }


def _expected(statement):
    steps = len(_steps(statement)) if statement.step_ns else 1
    rows = {}
    for item in statement.series:
        values, here = np.full(steps, np.nan), np.zeros(steps, np.bool_)
        values[: len(item.value)] = item.value
        here[: len(item.kind)] = item.kind == SAMPLE
        if here.any():
            rows[item.labels] = values, here
    return rows


def _wrong_rows(expected, rows, relative):
    if expected.keys() != rows.keys():
        return f"lacks {expected.keys() - rows.keys()}, has beside {rows.keys() - expected.keys()}"
    for labels, (values, here) in expected.items():
        found, found_here = rows[labels]
        if (here != found_here).any():
            return f"{dict(labels)} has values at {found_here}, expected at {here}"
        if not _same(found[here], values[here], relative):
            return f"{dict(labels)} is {found}, expected {values}"
    return ""


def _same(found, expected, relative):
    return np.allclose(found, np.asarray(expected, np.float64), relative, 0.0, equal_nan=True)
