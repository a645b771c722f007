"""YAML with positions: what is read, where it stands, and every mistake at its place."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from engine.config.positions import (
    YamlList,
    YamlMapping,
    load_yaml,
    position_of,
    resolve_plain,
    text_of,
    value_position_of,
)

DOCUMENT = """\
groups:
  - name: host
    rules:
      - {alert: Hot, labels: {severity: 1.0}}
      -   alert: Cold
          expr: |
            up == 0
empty:
after: 0x1F
"""


def test_positions_count_from_one_and_point_at_keys_items_and_values():
    node, problems = load_yaml(DOCUMENT, "a.yaml")
    assert problems == []
    rules = node["groups"][0]["rules"]
    assert position_of(node, "groups") == (1, 1)
    assert value_position_of(node, "groups") == (2, 3)
    assert node["groups"].position == (2, 3)
    assert position_of(node["groups"], 0) == value_position_of(node["groups"], 0) == (2, 5)
    assert value_position_of(node["groups"][0], "name") == (2, 11)
    assert position_of(rules[0], "alert") == (4, 10)
    assert value_position_of(rules[0]["labels"], "severity") == (4, 41)
    assert position_of(rules, 1) == (5, 11)
    assert position_of(rules[1], "expr") == (6, 11)
    assert value_position_of(rules[1], "expr") == (6, 17)


def test_a_value_that_is_not_written_stands_where_its_key_does():
    node, _ = load_yaml(DOCUMENT, "a.yaml")
    assert node["empty"] is None
    assert value_position_of(node, "empty") == position_of(node, "empty") == (8, 1)


def test_scalars_keep_their_text():
    node, _ = load_yaml(DOCUMENT, "a.yaml")
    labels = node["groups"][0]["rules"][0]["labels"]
    assert (labels["severity"], text_of(labels, "severity")) == (1.0, "1.0")
    assert (node["after"], text_of(node, "after")) == (31, "0x1F")
    assert text_of(node, "groups") is None


def test_no_entry_is_a_lookup_error():
    node, _ = load_yaml("a: [1]", "a.yaml")
    with pytest.raises(LookupError):
        position_of(node, "b")
    with pytest.raises(LookupError):
        position_of(node["a"], 1)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("true", True),
        ("012", 12),
        ("0o14", 12),
        ("1e3", 1000.0),
        (".inf", math.inf),
        ("~", None),
        ("12:30:45", "12:30:45"),
        ("2026-01-31", "2026-01-31"),
        ("'1'", "1"),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text, value):
    node, problems = load_yaml(f"a: {text}", "a.yaml")
    assert problems == []
    assert node["a"] == value
    assert type(node["a"]) is type(value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [1", "a.yaml:1:6: not YAML: while parsing a flow sequence"),
        ("a: 1\n  b: 2", "a.yaml:2:4: not YAML: mapping values are not allowed here"),
        ("a: 1\n---\nb: 2\n", "a.yaml:2:1: a second document begins here"),
        ("a: *x", "a.yaml:1:4: not YAML: found undefined alias 'x'"),
        ("a: &a [*a]", "a.yaml:1:4: the anchor '&a' contains itself"),
        ("a: b\nc: \x00", "a.yaml:2:4: YAML allows no control characters here"),
        ("a: !secret x", "a.yaml:1:4: the tag '!secret' isn't supported; remove it"),
        ("a: !!binary eA==", "a.yaml:1:4: the tag '!!binary' isn't supported; remove it"),
        ("a: !!int x", "a.yaml:1:4: 'x' isn't !!int"),
        ("? [a]\n: 1", "a.yaml:1:3: a key must be text"),
        ("<<: 1", "a.yaml:1:5: '<<' takes a mapping or a list of mappings"),
        ("%YAML 9.1\n---\na: 1", "a.yaml:1:1: not YAML: found incompatible YAML document"),
        ("[" * 3000, "a.yaml: nested too deeply"),
    ],
)
def test_a_mistake_becomes_one_problem_at_its_place(text, expected):
    _, problems = load_yaml(text, "a.yaml")
    (problem,) = problems
    assert str(problem).startswith(expected)


def test_all_duplicate_keys_are_found_and_the_first_one_holds():
    node, problems = load_yaml("a: 1\nb:\n  c: 2\n  c: 3\na: 4\n", "a.yaml")
    assert node == {"a": 1, "b": {"c": 2}}
    assert [(problem.line, problem.column) for problem in problems] == [(4, 3), (5, 1)]
    assert problems[1].message == "the key 'a' stands twice; first in line 1"


def test_merge_keys_give_way_to_written_keys_and_earlier_merges():
    text = "x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nz:\n  <<: [*x, *y]\n  a: 0\n"
    node, problems = load_yaml(text, "a.yaml")
    assert problems == []
    assert node["z"] == {"a": 0, "b": 1, "c": 2}
    assert position_of(node["z"], "c") == (2, 14)


def test_an_alias_shares_the_anchors_object_so_that_it_costs_nothing():
    text = "a0: &a0 [x]\n" + "".join(
        f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 40)
    )
    node, problems = load_yaml(text, "a.yaml")
    assert problems == []
    assert node["a39"][0] is node["a39"][8] is node["a38"]


def test_a_reused_anchor_name_is_fine():
    node, problems = load_yaml("a: &x 1\nb: &x 2\nc: *x", "a.yaml")
    assert (node, problems) == ({"a": 1, "b": 2, "c": 2}, [])


@pytest.mark.parametrize("text", ["", "# nothing", "---\n"])
def test_an_empty_document_is_none(text):
    assert load_yaml(text, "a.yaml") == (None, [])


@pytest.mark.parametrize(
    ("text", "value"),
    [("64", 64), ("1.5", 1.5), ("true", True), ("~", None), ("x", "x"), ("", ""), ("[1]", "[1]")]
    + [(text, text) for text in ("1 # x", "'1'", "a: b", "[1", "!!int x", "\x00")],
)
def test_resolve_plain_reads_one_unquoted_scalar_only(text, value):
    assert resolve_plain(text) == value


TEXT = st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S", "Zs"]), max_size=20)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT
DATA = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4)
)


@settings(max_examples=100, deadline=None)
@given(DATA)
def test_equals_the_safe_loader_of_ruamel(data):
    text = json.dumps(data)  # JSON is YAML
    node, problems = load_yaml(text, "a.yaml")
    assert problems == []
    assert node == YAML(typ="safe", pure=True).load(text)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab:-[]{}&*!|>'\"#%@,?\n \t<~0", max_size=40))
def test_any_text_gives_a_node_or_problems_within_the_file(text):
    node, problems = load_yaml(text, "a.yaml")
    lines = text.count("\n") + 1
    assert all(0 <= problem.line <= lines + 1 for problem in problems)
    stack = [node]
    while stack:
        each = stack.pop()
        if isinstance(each, YamlMapping):
            assert set(each) == set(each.entries)
            stack.extend(each.values())
        elif isinstance(each, YamlList):
            assert len(each) == len(each.entries)
            stack.extend(each)
