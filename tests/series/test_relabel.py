"""Relabelling rules as Prometheus applies them.

Aim: the same rules give the same series here and there. Method: tables of cases for each action,
with what Prometheus' documentation and source say of them, and MD5 worked out in another way.
"""

import hashlib
import re

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from engine.series.identity import Series
from engine.series.relabel import RelabelRule, Template, relabel, remembering

LABELS = {"a": "foo", "b": "bar", "c": "baz"}


def rule(action="replace", regex="(.*)", target="", replacement="$1", **fields):
    options = re2.Options()
    options.dot_nl = True
    return RelabelRule(
        action=action,
        full_match=remembering(re2.compile(regex, options)),
        target_label=Template(target),
        replacement=Template(replacement),
        **fields,
    )


def result(labels, *rules, name="m"):
    new = relabel(Series.of(name, labels), rules)
    return None if new is None else {"__name__": new.name, **dict(new.labels)}


def check(labels, rules, changes):
    """`changes` are to the given labels, None for a label that goes; None: it is dropped."""
    expected = changes
    if changes is not None:
        expected = {"__name__": "m", **labels} | changes
        expected = {key: value for key, value in expected.items() if value is not None}
    assert result(labels, *rules) == expected


A, AB, ABC = ("a",), ("a", "b"), ("a", "b", "c")
FROM_A = {"source_labels": A}
TO_D = {"source_labels": A, "target": "d"}


@pytest.mark.parametrize(
    ("fields", "changes"),
    [
        # the whole text has to match, and its groups are put in
        ({**TO_D, "regex": "f(.*)", "replacement": "x${1}x"}, {"d": "xoox"}),
        ({**TO_D, "regex": "oo"}, {}),
        ({**TO_D, "regex": "f|foo", "replacement": "y"}, {"d": "y"}),
        ({**TO_D, "source_labels": AB, "regex": "(f.*);(.*)", "replacement": "$2"}, {"d": "bar"}),
        ({**TO_D, "source_labels": AB, "separator": "", "regex": "(foo)bar"}, {"d": "foo"}),
        ({"source_labels": ABC, "separator": "||", "target": "d"}, {"d": "foo||bar||baz"}),
        # missing labels are empty text
        ({"source_labels": ("x", "a", "y"), "target": "d"}, {"d": ";foo;"}),
        ({"source_labels": ("x",), "target": "d"}, {}),
        # an empty result removes the target; no match leaves it
        ({"source_labels": ("x",), "target": "b"}, {"b": None}),
        ({"source_labels": A, "target": "b", "replacement": ""}, {"b": None}),
        ({"source_labels": A, "regex": "bar", "target": "b", "replacement": ""}, {}),
        ({"source_labels": A, "regex": "(z)?foo", "target": "b"}, {"b": None}),
        ({"source_labels": A, "target": "b", "replacement": "$7"}, {"b": None}),
        # no source: the value is set
        ({"target": "d", "replacement": "fixed"}, {"d": "fixed"}),
        ({"regex": ".+", "target": "d", "replacement": "fixed"}, {}),
        # the target is a template, too
        ({**FROM_A, "regex": "(f)(.*)", "target": "$1", "replacement": "$2"}, {"f": "oo"}),
        ({**FROM_A, "regex": "(?P<x>f).*", "target": "l_${x}_r"}, {"l_f_r": "f"}),
        ({"source_labels": A, "regex": "(z)?foo", "target": "$1", "replacement": "1"}, {}),
        ({"source_labels": A, "target": "__name__", "replacement": "n_$1"}, {"__name__": "n_foo"}),
        ({"source_labels": ("__name__",), "target": "d"}, {"d": "m"}),
        ({"source_labels": A, "target": "__tmp", "replacement": "1"}, {"__tmp": "1"}),
        ({"source_labels": A, "target": "__name__", "replacement": ""}, None),
        ({"source_labels": ("a.b",), "target": "d.e", "replacement": "1"}, {"d.e": "1"}),
    ],
)  # fmt: skip
def test_replace(fields, changes):
    check(LABELS, [rule(**fields)], changes)


@pytest.mark.parametrize(
    ("action", "fields", "kept"),
    [
        ("drop", {"source_labels": A, "regex": ".*o.*"}, False),
        ("drop", {"source_labels": A, "regex": "o"}, True),
        ("drop", {"source_labels": A, "regex": "f|o"}, True),
        ("drop", {"source_labels": ("x",), "regex": ""}, False),
        ("drop", {}, False),
        ("keep", {"source_labels": A, "regex": "foo"}, True),
        ("keep", {"source_labels": A, "regex": "fo"}, False),
        ("keep", {"source_labels": AB, "regex": "foo;.*"}, True),
        ("keep", {"source_labels": ("__name__",), "regex": "m|n"}, True),
        ("keepequal", {"source_labels": A, "target": "a"}, True),
        ("keepequal", {"source_labels": A, "target": "b"}, False),
        ("keepequal", {"source_labels": ("x",), "target": "y"}, True),
        ("dropequal", {"source_labels": A, "target": "a"}, False),
        ("dropequal", {"source_labels": A, "target": "b"}, True),
        ("dropequal", {"source_labels": ("x",), "target": "y"}, False),
    ],
)
def test_keep_and_drop(action, fields, kept):
    check(LABELS, [rule(action, **fields)], {} if kept else None)


@pytest.mark.parametrize(
    ("regex", "kept"), [("a.b", True), ("a(?-s:.)b", False), ("(?m)^a$.^b$", True), ("a", False)]
)
def test_a_dot_matches_a_newline_and_anchors_are_those_of_the_text(regex, kept):
    check({"a": "a\nb"}, [rule("keep", regex, source_labels=A)], {} if kept else None)


@pytest.mark.parametrize(
    ("regex", "replacement", "changes"),
    [
        ("(b.*)", "bar_$1", {"bar_b1": "bar", "bar_b2": "baz"}),
        ("b(.*)", "a$1", {"a1": "bar", "a2": "baz"}),
        ("b(.*)", "fix", {"fix": "baz"}),  # the last label, by name, wins
        ("a|b1", "b2", {"b2": "bar"}),
        ("b", "x", {}),
        ("b(x)?.", "$1", {}),  # would be the empty name
        ("__name__", "n", {"n": "m"}),
        ("a", "__name__", {"__name__": "foo"}),
    ],
)
def test_labelmap(regex, replacement, changes):
    labels = {"a": "foo", "b1": "bar", "b2": "baz"}
    check(labels, [rule("labelmap", regex, replacement=replacement)], changes)


def test_labels_that_were_set_are_mapped_after_those_that_a_series_had():
    rules = [
        rule(target="b1", replacement="set"),
        rule("labelmap", "b.", replacement="x"),
    ]
    check({"b1": "1", "b2": "2"}, rules, {"b1": "set", "x": "set"})


@pytest.mark.parametrize(
    ("action", "regex", "changes"),
    [
        ("labeldrop", "b.*", {"b1": None, "b2": None}),
        ("labeldrop", "b", {}),
        ("labeldrop", "__name__", None),
        ("labelkeep", "(__name__|b.*)", {"a": None}),
        ("labelkeep", "b.*", None),  # no name is left
    ],
)
def test_labeldrop_and_labelkeep(action, regex, changes):
    check({"a": "foo", "b1": "bar", "b2": "baz"}, [rule(action, regex)], changes)


@pytest.mark.parametrize(
    ("value", "lower", "upper"),
    [
        ("fOo-Bär", "foo-bär", "FOO-BÄR"),
        ("straße", "straße", "STRAßE"),  # one character for one, as Go does it
        ("ΟΔΟΣ", "οδοσ", "ΟΔΟΣ"),
        ("İ", "i", "İ"),
        ("ᾳ", "ᾳ", "ᾼ"),
    ],
)
def test_lowercase_and_uppercase(value, lower, upper):
    rules = [
        rule("lowercase", source_labels=("s", "s"), separator="-", target="low"),
        rule("uppercase", source_labels=("s",), target="up"),
    ]
    check({"s": value}, rules, {"low": f"{lower}-{lower}", "up": upper})


@given(st.text(st.characters(codec="utf-8"), min_size=1), st.integers(1, 2**64 - 1))
def test_hashmod_is_the_last_half_of_the_md5(value, modulus):
    expected = int(hashlib.md5(value.encode()).hexdigest()[16:], 16) % modulus
    hashed = rule("hashmod", source_labels=("s",), target="h", modulus=modulus)
    check({"s": value}, [hashed], {"h": str(expected)})


def test_hashmod_of_known_texts():
    # MD5 of "foo" is acbd18db4cc2f85cedef654fccc4a4d8.
    hashed = rule("hashmod", source_labels=("c",), target="d", modulus=1000)
    check({"c": "foo"}, [hashed], {"d": str(0xEDEF654FCCC4A4D8 % 1000)})
    check({"c": "foo\nbar"}, [hashed], {"d": "734"})


def test_rules_see_what_the_rules_before_them_left():
    rules = [
        rule(source_labels=A, regex="f(.*)", target="__tmp", replacement="$1"),
        rule(source_labels=("__tmp",), target="a", replacement="x$1"),
        rule("drop", "foo", source_labels=A),
        rule("labeldrop", "__tmp"),
    ]
    check(LABELS, rules, {"a": "xoo"})
    check(LABELS, [rules[0], rule("drop", "oo", source_labels=("__tmp",)), rules[1]], None)


def test_a_condition_limits_a_rule_to_the_series_that_the_rules_before_made():
    def is_new(name, labels):
        return name == "new" and labels.get("a") == "foo"

    rename = rule(source_labels=("b",), regex="bar", target="__name__", replacement="new")
    mark = rule(target="d", replacement="1", matches=is_new)
    check(LABELS, [rename, mark], {"__name__": "new", "d": "1"})
    check(LABELS, [mark, rename], {"__name__": "new"})
    check(LABELS, [rule("drop", matches=is_new), rename], {"__name__": "new"})


def test_without_rules_a_series_stays_as_it_is():
    series = Series.of("m", LABELS)
    assert relabel(series, []) == series


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("$1", "k"),
        ("${1}x", "kx"),
        ("$1x", ""),  # the group "1x"
        ("$1-x", "k-x"),
        ("$0", "k=v"),
        ("$name", "v"),
        ("${name}s", "vs"),
        ("$names", ""),
        ("$$1", "$1"),
        ("$$$1", "$k"),
        ("a$", "a$"),
        ("$-${}${1", "$-${}${1"),
        ("${ 1}", "${ 1}"),
        ("$01", ""),
        ("$3", ""),
        ("$2$1", "vk"),
        ("$" + "9" * 5000, ""),
        (r"\1\g<1>", r"\1\g<1>"),
        ("$é", ""),
    ],
)
def test_templates_are_those_of_go(template, expected):
    match = re2.compile("(.)=(?P<name>.)").fullmatch("k=v")
    assert Template(template).expand(match) == expected
    # Python's own patterns are asked in the same way.
    assert Template(template).expand(re.fullmatch("(.)=(?P<name>.)", "k=v")) == expected
