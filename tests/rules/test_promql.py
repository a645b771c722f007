"""The adapter knows the first form of expressions and names everything else."""

import math

import pytest

from engine.rules.promql import RANGE_FUNCTIONS, Comparison, Expression, Leaf, parse_expression
from engine.rules.promql_errors import ExpressionError
from engine.rules.selector import parse_selector

DAY_NS = 86_400_000_000_000
MINUTE_NS = 60_000_000_000
UP = Leaf(parse_selector("up"))


def parse(text, max_window_ns=DAY_NS):
    return parse_expression(text, max_window_ns=max_window_ns)


@pytest.mark.parametrize(
    ("text", "op", "number"),
    [
        ("up > 5", ">", 5.0),
        ("(up) > ((5))", ">", 5.0),
        ("((up > 5))", ">", 5.0),
        ("up >= -5", ">=", -5.0),
        ("up < -(-(0.5))", "<", 0.5),
        ("up == +Inf", "==", math.inf),
        ("up != -Inf", "!=", -math.inf),
        ("up <= 0x1F", "<=", 31.0),
        ("up > 1e3 # why", ">", 1000.0),
        ("up\n  >\n5", ">", 5.0),
        ("up > 5m", ">", 300.0),
        ("5 < up", ">", 5.0),
        ("5 > up", "<", 5.0),
        ("5 <= up", ">=", 5.0),
        ("5 >= up", "<=", 5.0),
        ("5 == up", "==", 5.0),
        ("-5 != up", "!=", -5.0),
    ],
)
def test_a_comparison_has_the_series_on_the_left(text, op, number):
    assert parse(text) == Expression(UP, Comparison(op, number))


def test_a_comparison_with_nan_is_kept():
    comparison = parse("up != NaN").comparison
    assert comparison is not None
    assert comparison.op == "!="
    assert math.isnan(comparison.number)


def test_a_selector_alone_is_an_expression():
    assert parse("up") == Expression(UP, None)
    assert parse('((up{a=~"b.*"} offset 5m))') == Expression(
        Leaf(parse_selector('up{a=~"b.*"}'), offset_ns=5 * MINUTE_NS), None
    )


@pytest.mark.parametrize("function", sorted(RANGE_FUNCTIONS))
def test_a_range_function_is_a_leaf(function):
    expression = parse(f"({function}((up[1h30m] offset 500ms))) > 1")
    leaf = Leaf(parse_selector("up"), function, 90 * MINUTE_NS, 500_000_000)
    assert expression == Expression(leaf, Comparison(">", 1.0))


def test_equal_leaves_are_one():
    leaves = {
        parse(text).leaf
        for text in [
            'max_over_time(up{a="1",b="2"}[5m]) > 1',
            'max_over_time(up{b="2",a="1"}[300s])',
        ]
    }
    assert len(leaves) == 1


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("5<up", "up > 5"),
        ("up>=1e-7", "up >= 0.0000001"),
        ("up != -Inf", "up != -Inf"),
        ("up == Inf", "up == +Inf"),
        ("up == NaN", "up == NaN"),
        (
            'sum_over_time(up{b="1",a!="2"}[90s] offset 60s)',
            'sum_over_time(up{a!="2",b="1"}[1m30s] offset 1m)',
        ),
    ],
)
def test_the_canonical_text_reads_back(text, canonical):
    expression = parse(text)
    assert expression.text == str(expression) == canonical
    assert parse(canonical).text == canonical


@pytest.mark.parametrize(
    ("text", "message", "offset"),
    [
        ("rate(up[5m]) > 1", "the function rate is", 0),
        ('up{rate="rate("} > scalar(up)', "the function scalar is", 19),
        ("quantile_over_time(0.9, up[5m]) > 1", "the function quantile_over_time is", 0),
        ("1 < sum by (a) (up)", r"the aggregation sum by \(\.\.\.\) is", 4),
        ("count(up) > 1", "the aggregation count is", 0),
        ("up > 1 and on(a) up < 5", "the binary operator and is", 7),
        ("up > 1 OR up", "the binary operator or is", 7),
        ("up - 5 > 1", "the binary operator - is", 3),
        ('up{a="*"} * 5 > 1', r"the binary operator \* is", 10),
        ("up > 2 * 3", r"the binary operator \* is", 7),
        ("up > 1 < 5", "a second comparison is", 3),
        ("up > down", "the comparison of two vectors is", 3),
        ("up > bool 5", "a comparison with bool is", 5),
        ("up @ 5 > 1", "the modifier @ is", 3),
        ("max_over_time(up[5m] @ end()) > 1", "the modifier @ is", 21),
        ('up{a="1" or b="2"} > 1', "'or' between matchers is", 9),
        ("-up > 1", "the unary minus of a vector is", 0),
        ("max_over_time(up[5m:1m]) > 1", "a subquery is", 16),
        ("5", "a number without a series is", 0),
        ("up > vector(1)", "the function vector is", 5),
    ],
)
def test_what_is_not_supported_is_named_and_located(text, message, offset):
    with pytest.raises(ExpressionError, match=f"{message} not supported yet") as caught:
        parse(text)
    assert caught.value.offset == offset


@pytest.mark.parametrize(
    ("text", "message", "offset"),
    [
        ("up[5m]", "a range of samples", 0),
        ('"up"', "a text is no condition", 0),
        ("up offset -5m > 1", "negative offset", 3),
        ("max_over_time(up[0.0001]) > 1", "1ms at least", None),
        ("max_over_time(up[0s]) > 1", "duration must be greater than 0", None),
        ("max_over_time(up) > 1", r"write the range like \[5m\]", 0),
        ("frobnicate(up)", "unknown function", 0),
        ("up = 5", "write ==", 3),
        ("up >", "nothing stands behind '>'", 3),
        ("up >> 5", "'>' can't stand here", 3),
        ("up & 5", "unexpected character", 3),
        ("(up > 5", r"a '\)' is missing", 0),
        ("up > 5)", "unexpected right parenthesis", 6),
        ('up{a=~"x{1001}"} > 1', "regex|RE2", None),
        ("1 > 2", "BOOL", None),
        ("", "no expression", None),
        ("> 5", "isn't a PromQL expression", 0),
    ],
)
def test_mistakes_are_explained_and_located(text, message, offset):
    with pytest.raises(ExpressionError, match=message) as caught:
        parse(text)
    assert caught.value.offset == offset


def test_a_range_above_the_limit_is_refused_by_name():
    assert (
        parse("max_over_time(up[50m] offset 10m)", 60 * MINUTE_NS).leaf.range_ns == 50 * MINUTE_NS
    )
    with pytest.raises(ExpressionError, match=r"looks back 1h1m and rules\.max_window is 1h"):
        parse("max_over_time(up[50m] offset 11m)", 60 * MINUTE_NS)
    with pytest.raises(ExpressionError, match=r"rules\.max_window"):
        parse("up offset 2h", 60 * MINUTE_NS)


def test_a_panic_of_the_parser_is_a_mistake_in_the_text():
    with pytest.raises(ExpressionError, match="too big"):
        parse("max_over_time(up[1e400]) > 1")
