"""Bounds of expressions: what is claimed to be impossible never happens.

Aim: no comparison that could be true is called never true. Method: cases by hand, and arithmetic
on random numbers within the bounds of the sides.
"""

import math
from operator import add, mul, sub, truediv

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from engine.promql.parse import parse_expression
from engine.promql.syntax import Binary, Number
from engine.rules.bounds import Bounds, bounds_of, never_true

INF = math.inf


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("5", 5, 5),
        ("-5", -5, -5),
        ("NaN", -INF, INF),
        ("up", -INF, INF),
        ("rate(up[5m])", -INF, INF),
        ("vector(3)", 3, 3),
        ("absent(up)", 1, 1),
        ("absent_over_time(up[5m])", 1, 1),
        ("group by (a) (up)", 1, 1),
        ("count(up)", 1, INF),
        ("-count(up)", -INF, -1),
        ("sum(abs(up))", 0, INF),
        ("sum(-abs(up))", -INF, 0),
        ("sum(up)", -INF, INF),
        ("max_over_time(hour()[1d:])", 0, 23),
        ("max_over_time(up[1d])", -INF, INF),
        ("sum_over_time(abs(up)[1d:])", 0, INF),
        ("scalar(count(up))", 1, INF),
        ("ceil(vector(1.5))", 2, 2),
        ("floor(abs(up))", 0, INF),
        ("label_replace(count(up), 'a', '', 'b', '')", 1, INF),
        ("topk(3, abs(up))", 0, INF),
        ("quantile(0.5, abs(up))", -INF, INF),
        ("clamp(up, 1, 3)", 1, 3),
        ("clamp(up, scalar(a), 3)", -INF, INF),
        ("clamp_min(up, 2)", 2, INF),
        ("clamp_max(abs(up), 2)", 0, 2),
        ("clamp_max(abs(up), -2)", -2, -2),
        ("up > 5", 5, INF),
        ("5 > up", -INF, 5),
        ("(up > 5) < 7", 5, 7),
        ("up == 5", 5, 5),
        ("up != 5", -INF, INF),
        ("up > bool 5", 0, 1),
        ("count(up) and up", 1, INF),
        ("count(up) unless up", 1, INF),
        ("count(up) or vector(0)", 0, INF),
        ("count(up) * 100", 100, INF),
        ("1 - hour()", -22, 1),
        ("count(a) / count(b)", 0, INF),
        ("abs(a) / -count(b)", -INF, 0),
        ("1 / up", -INF, INF),
        ("abs(a) - abs(b)", -INF, INF),
        ("count(a) % 2", -INF, INF),
        ("2 ^ count(a)", -INF, INF),
        ("pi()", math.pi, math.pi),
        ("time()", -INF, INF),
        ("day_of_week()", 0, 6),
    ],
)
def test_bounds(text, low, high):
    assert bounds_of(parse_expression(text)) == Bounds(low, high)


@pytest.mark.parametrize(
    "text",
    [
        "absent(up) > 1",
        "absent(up) != 1",
        "count(up) < 0",
        "count(up) < 1",
        "0 > count(up)",
        "count(up) == 0",
        "up == NaN",
        "NaN > up",
        "up > +Inf",
        "up < -Inf",
        "vector(1) > 2",
        "1 > bool 2",
        "hour() >= 24",
        "day_of_week() == 7",
        "sum(up == 0) > 0",
        "(up > 5) < 5",
        "(up > 5) <= 4",
        "abs(up) < 0",
        "(up > bool 1) > 1",
        "2 <= (up > bool 1)",
        "1 != bool 1",
    ],
)
def test_what_is_never_true(text):
    node = parse_expression(text)
    assert never_true(node.operator, node.left, node.right)


@pytest.mark.parametrize(
    "text",
    [
        "up > 5",
        "up != NaN",
        "absent(up) >= 1",
        "absent(up) == 1",
        "count(up) <= 1",
        "(count(up) or vector(0)) == 0",
        "up >= +Inf",
        "up == +Inf",
        "scalar(vector(1)) != bool 1",  # NaN if there are several
        "abs(vector(1)) != 0",
        "hour() >= 23",
        "rate(up[5m]) < 0",
        "time() > bool 5",
        "(up > 5) < 6",
        "(up > 5) == 5",
        "(count(up) < 0) > 5",  # the comparison inside is to blame
        "5 < (count(up) < 0)",
        "clamp(up, 1, 0) > 5",
    ],
)
def test_what_may_be_true(text):
    node = parse_expression(text)
    assert not never_true(node.operator, node.left, node.right)


FINITE = st.floats(-1e6, 1e6) | st.sampled_from([0.0, -0.0, 1.0])


@given(FINITE, FINITE, FINITE, st.sampled_from("+-*/"), st.sampled_from([">=", "<="]))
def test_calculated_values_lie_between_the_bounds(limit, value, other, operator, comparison):
    """Both sides are filtered by the limit, so that the numbers are brought to its right side."""
    move = max if comparison == ">=" else min
    value, other = move(value, limit), move(other, limit)
    assume(operator != "/" or other != 0)
    results = {"+": add, "-": sub, "*": mul, "/": truediv}
    filters = [Binary(comparison, parse_expression(name), Number(limit)) for name in "ab"]
    bounds = bounds_of(Binary(operator, *filters))
    assert bounds.low <= results[operator](value, other) <= bounds.high
