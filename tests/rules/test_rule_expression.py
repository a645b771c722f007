"""Expressions of rules: what can't be evaluated on a stream is refused by name, at its place."""

import pytest

from engine.promql.errors import ExpressionError
from engine.promql.parse import Language, parse_expression
from engine.rules.rule_expression import parse_rule_expression

SECOND_NS = 1_000_000_000
LANGUAGE = Language(60 * SECOND_NS, 86_400 * SECOND_NS)


@pytest.mark.parametrize(
    ("text", "message", "offset"),
    [
        ("up @ 5 > 1", "a fixed time behind @ is not supported yet", 3),
        ("a @ end() + rate(up[5m] @ 5)", "a fixed time behind @ is not supported yet", 24),
        ('a{b="@"} + rate(a[1h:] @ 0)', "a fixed time behind @ is not supported yet", 23),
        ("rate((x @ start())[1h:])", r"@ start\(\) inside a subquery is not supported yet", 8),
        (
            "rate(rate(x[1h:] @ end())[1h:] @ end())",
            r"@ end\(\) inside a subquery is not supported yet",
            17,
        ),
        (
            "quantile_over_time(0.5, a[5m]) > quantile_over_time (scalar(a), up[5m])",
            "a parameter of quantile_over_time that is no constant is not supported yet",
            33,
        ),
        ("predict_linear(a[5m:], time())", "a parameter of predict_linear that is no constant", 0),
        ("double_exponential_smoothing(a[5m], 2, 0.5)", "invalid smoothing factor", 0),
        ("double_exponential_smoothing(a[5m], 0.5, 1)", "invalid trend factor", 0),
        ('sum(label_replace(up, "a", "$1", "b", "("))', "invalid regular expression", 4),
        (
            'label_replace(up, "a", "", "b", "") + label_replace(up, "", "", "b", "")',
            "invalid destination label name",
            38,
        ),
        ("a + limit_ratio by (b) (0.5, up)", "limit_ratio is not supported yet", 4),
        ("rate(up[2d])", r"rules\.max_window", 7),
        ("up[5m]", "no condition", 0),
        ("up >", "nothing stands behind", 3),
    ],
)
def test_what_is_refused(text, message, offset):
    with pytest.raises(ExpressionError, match=message) as caught:
        parse_rule_expression(text, LANGUAGE)
    assert caught.value.offset == offset


@pytest.mark.parametrize(
    "text",
    [
        "up @ end() > up @ start()",
        "max_over_time(x[1h:] @ end())",
        "rate(x[5m] @ start() offset 1m)",
        "predict_linear(a[5m], 4 * 3600) < 0",
        "quantile_over_time(-0.5, a[5m])",
        "double_exponential_smoothing(a[5m], 0.3, 0.5)",
        "clamp_max(a, scalar(b))",
        "topk(scalar(b), a)",
        "1",
        "time() > bool 5",
    ],
)
def test_what_is_taken(text):
    assert parse_rule_expression(text, LANGUAGE) == parse_expression(text, LANGUAGE)


@pytest.mark.parametrize("text", [" + ".join(["up"] * 150), "-(" * 149 + "up" + ")" * 149])
def test_what_parses_is_not_too_deep_to_prepare(text):
    assert parse_rule_expression(text, LANGUAGE) == parse_expression(text, LANGUAGE)
