"""Labels that results can have: never fewer than they do have."""

import pytest

from engine.promql.parse import parse_expression
from engine.rules.result_labels import result_labels

ANY = None


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("up", ANY),
        ("rate(up[5m])", ANY),
        ("-up", ANY),
        ("up > 5", ANY),
        ("5", ""),
        ("time()", ""),
        ("vector(1)", ""),
        ("hour()", ""),
        ("hour(up)", ANY),
        ("sum(up)", ""),
        ("-sum by (a, b) (up)", "a b"),
        ("5 < sum by (a, b) (up)", "a b"),
        ("sum without (a) (up)", ANY),
        ("sum without (a) (sum by (a, b) (up))", "b"),
        ("sum by (a) (sum by (b) (up))", ""),
        ("topk by (a) (3, up)", ANY),
        ("topk by (a) (3, sum by (b) (up))", "b"),
        ('count_values by (a) ("v", up)', "a v"),
        ('count_values without (a) ("v", up)', ANY),
        ('absent(up{a="1",b=~"2"})', "a"),
        ('absent_over_time(up{a="1"}[5m])', "a"),
        ("absent(sum(up))", ""),
        ("max_over_time(sum by (a) (up)[1h:])", "a"),
        ("histogram_quantile(0.9, sum by (le, a) (up))", "a"),
        ("histogram_quantile(0.9, up)", ANY),
        ('label_replace(sum by (a) (up), "d", "$1", "a", "(.*)")', "a d"),
        ('label_join(sum(up), "d", "-", "a")', "d"),
        ("sum by (a) (up) / sum by (a) (down)", "a"),
        ("up / on (a, b) down", "a b"),
        ("sum by (a) (up) == on (a, b) down", "a"),
        ("up / ignoring (a) down", ANY),
        ("sum by (a, b) (up) / ignoring (a) sum by (b) (down)", "b"),
        ("sum by (a) (up) * on (a) group_left (c) down", "a c"),
        ("down * on (a) group_right (c) sum by (a, b) (up)", "a b c"),
        ("up * on (a) group_left () down", ANY),
        ("sum by (a) (up) and on (b) down", "a"),
        ("sum by (a) (up) unless down", "a"),
        ("sum by (a) (up) or sum by (b) (down)", "a b"),
        ("sum by (a) (up) or down", ANY),
        ("scalar(up) * sum by (a) (up)", "a"),
    ],
)
def test_labels(text, labels):
    expected = None if labels is ANY else frozenset(labels.split())
    assert result_labels(parse_expression(text)) == expected
