"""Selectors choose series as Prometheus 3 does."""

import pickle
import random
import re

import pytest

from engine.promql.selector import Matcher, Selector, parse_selector


@pytest.mark.parametrize(
    ("text", "name", "labels", "expected"),
    [
        ("up", "up", {}, True),
        ("up", "upper", {}, False),
        ('up{job="api"}', "up", {"job": "api"}, True),
        ('up{job="api"}', "up", {"job": "apis"}, False),
        ('up{job!="api"}', "up", {}, True),  # a missing label is the empty text
        ('up{job=""}', "up", {}, True),
        ('up{job!~"a.*"}', "up", {}, True),
        ('up{job=~"a.*"}', "up", {}, False),
        ('up{job=~"a.*"}', "up", {"job": "xa"}, False),  # anchored at both ends
        ('up{job=~"a|b"}', "up", {"job": "ab"}, False),
        ('up{job=~"a.b"}', "up", {"job": "a\nb"}, True),  # as in Prometheus 3, not in 2
        ('up{job=~"(?i)API"}', "up", {"job": "api"}, True),
        ('{__name__=~"cpu_.*"}', "cpu_usage", {}, True),
        ('{__name__=~"cpu_.*"}', "mem_usage", {}, False),
        ('{__name__="up",job="a"}', "up", {"job": "a"}, True),
        ('{__name__!="up",job="a"}', "up", {"job": "a"}, False),
        ('{__name__="up",__name__="down"}', "up", {}, False),
        ('{"service.cpu","host.name"="x"}', "service.cpu", {"host.name": "x"}, True),
    ],
)
def test_a_selector_matches(text, name, labels, expected):
    assert parse_selector(text).matches(name, labels) is expected


def test_a_name_written_either_way_is_the_fast_path():
    assert parse_selector('{__name__="up"}') == parse_selector("up") == Selector("up")


def test_equal_selectors_are_one_whatever_the_order_of_matchers():
    left = parse_selector('up{a="1",b=~"2"}')
    right = parse_selector('up{b=~"2",a="1",a="1"}')
    assert left == right
    assert hash(left) == hash(right)
    assert left.text == 'up{a="1",b=~"2"}'


@pytest.mark.parametrize(
    "text",
    ["up", 'up{a="1"}', '{__name__=~".+"}', '{__name__="a.b","c d"!="\\"\\\\\\n"}', 'up{a!~"é.*"}'],
)
def test_the_canonical_text_reads_back(text):
    selector = parse_selector(text)
    assert parse_selector(selector.text) == selector
    assert str(selector) == selector.text


def test_a_selector_can_be_sent_to_another_process():
    selector = parse_selector('up{a=~"x.*"}')
    assert selector.matches("up", {"a": "xy"})
    copy = pickle.loads(pickle.dumps(selector))
    assert copy == selector
    assert copy.matches("up", {"a": "xy"})


def test_patterns_equal_a_slow_twin():
    """On what RE2 and Python's `re` have in common, anchored and with `.` for all characters."""
    generator = random.Random(3)
    pieces = ["a", "b", ".", "a*", "b+", "(a|bc)", "[ab]", "c?", "\\.", "\\d"]
    for _ in range(500):
        pattern = "".join(generator.choices(pieces, k=generator.randint(1, 4)))
        text = "".join(generator.choices("abc.1\n", k=generator.randint(0, 5)))
        expected = re.fullmatch(pattern, text, re.DOTALL | re.ASCII) is not None
        assert Matcher("l", "=~", pattern).matches(text) is expected, (pattern, text)
        assert Matcher("l", "!~", pattern).matches(text) is not expected, (pattern, text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("up > 5", "isn't a selector"),
        ("rate(up[5m])", "isn't a selector"),
        ("up[5m]", "isn't a selector"),
        ("up offset 5m", "neither offset nor @"),
        ("up @ 5", "neither offset nor @"),
        ('up{a="1" or b="2"}', "'or' between matchers is not supported yet"),
        ('up{a=~"("}', "regex"),
        ('up{a=~"x{1001}"}', "RE2"),
        ('{a=~".*"}', "non-empty matcher"),
        ("up{", "brace"),
        ("", "no expression"),
    ],
)
def test_what_is_no_selector_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        parse_selector(text)
