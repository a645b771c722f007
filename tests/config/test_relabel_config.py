"""The configuration of relabelling: what a rule may say, and what is wrong with one."""

from typing import Annotated

import pytest
from jsonschema import Draft202012Validator
from msgspec import Meta

from engine.config.convert import Converter
from engine.config.json_schema import _schema
from engine.config.positions import load_yaml
from engine.config.relabel import RelabelConfig
from engine.config.section import Section
from engine.config.shapes import shape_of


class Holder(Section, frozen=True, kw_only=True):
    """Stands for the source that holds the rules."""

    relabel: Annotated[tuple[RelabelConfig, ...], Meta(description="Rules.")] = ()


def read(rule, environment=None):
    """Read one rule in YAML; gives it and the problems."""
    node, problems = load_yaml(f"relabel: [{rule}]", "c.yaml")
    converter = Converter(file="c.yaml", environment=environment or {})
    holder = converter.section(shape_of(Holder), node, "")
    messages = [problem.message for problem in (*problems, *converter.problems)]
    return (None if messages else holder.relabel[0]), messages


def test_defaults_are_those_of_prometheus():
    rule, _ = read("{target_label: a}")
    assert (rule.action, rule.separator, rule.regex, rule.replacement) == (
        *("replace", ";", "(.*)", "$1"),
    )
    assert (rule.match, rule.source_labels, rule.modulus) == (None, (), None)


@pytest.mark.parametrize(
    "text",
    [
        "{action: drop, match: '{__name__=~\"go_.*\"}'}",
        "{action: keep, match: up}",
        "{action: drop, source_labels: [__name__], regex: 'go_.*'}",
        "{action: drop, match: up, source_labels: [a], regex: b, separator: ','}",
        "{source_labels: [a, b.c], regex: '(.*);(.*)', target_label: '$${1}_x', replacement: $2}",
        "{match: up, source_labels: [a], target_label: d}",
        "{action: keepequal, source_labels: [a], target_label: d}",
        "{action: dropequal, source_labels: [a], target_label: d, match: up}",
        "{action: hashmod, source_labels: [a], target_label: d, modulus: 18446744073709551615}",
        "{action: labelmap, regex: 'a_(.+)'}",
        "{action: labeldrop, regex: 'a_.+', match: up}",
        "{action: labelkeep, regex: '__name__|a_.+'}",
        "{action: lowercase, source_labels: [a], target_label: d}",
        "{action: uppercase, source_labels: [a], target_label: d, separator: '-'}",
        "{regex: 5, target_label: d, separator: '', replacement: ''}",
    ],
)
def test_takes(text):
    _, problems = read(text)
    assert not problems


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", ".target_label: `replace` needs a label's name here"),
        ("{target_label: ''}", ".target_label: `replace` needs a label's name here"),
        ("{action: lowercase}", ".target_label: `lowercase` needs a label's name here"),
        ("{action: keepequal}", ".target_label: `keepequal` needs a label's name here"),
        ("{action: hashmod, target_label: a}", ".modulus: `hashmod` needs a whole number here"),
        ("{action: hashmod, target_label: a, modulus: 0}", ".modulus: must be at least 1"),
        ("{action: labelmap, replacement: ''}", ".replacement: `labelmap` needs a label's name he"),
        ("{action: labeldrop, source_labels: [a]}", ".source_labels: `labeldrop` can't use this"),
        ("{action: labelkeep, target_label: a}", ".target_label: `labelkeep` can't use this"),
        ("{action: keepequal, target_label: a, regex: b}", ".regex: `keepequal` can't use this"),
        ("{action: uppercase, target_label: a, replacement: b}", ".replacement: `uppercase` can't"),
        ("{action: drop, match: up, regex: a}", ".regex: needs `source_labels` where there is `m"),
        ("{action: drop, regex: '('}", ".regex: '(' isn't an RE2 regular expression (missing ): "),
        ("{action: drop, regex: '(?=a)'}", ".regex: '(?=a)' isn't an RE2 regular expression ("),
        ("{action: drop, match: 'a[5m]'}", ".match: 'a[5m]' isn't a PromQL selector"),
        ('{action: drop, match: \'{a="b" or c="d"}\'}', ".match: takes no `or` between matchers"),
        ("{action: dropp}", ".action: 'dropp' isn't known; write one of "),
        ("{target_label: a, source_labels: ['']}", ".source_labels[0]: must not be empty"),
        ("{target_label: a, source_label: [b]}", ": `source_label` isn't a known key; did you me"),
        ("{target_label: a, replacement: '${1}'}", ".replacement: '${' begins no reference; wri"),
    ],
)
def test_refuses_and_says_where(text, expected):
    rule, problems = read(text)
    assert rule is None
    (problem,) = problems
    assert problem.startswith(f"relabel[0]{expected}")


def test_a_pattern_of_the_environment_is_not_shown():
    _, (problem,) = read("{action: drop, regex: '${SECRET}'}", {"SECRET": "hunter2("})
    assert "hunter2" not in problem


def test_references_to_groups_and_to_the_environment_stand_side_by_side():
    rule, _ = read("{target_label: '$1_$${2}', replacement: '${ZONE}-$$1'}", {"ZONE": "eu"})
    assert (rule.target_label, rule.replacement) == ("$1_${2}", "eu-$1")


def test_the_schema_describes_a_rule():
    schema = _schema(shape_of(Holder))
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    assert validator.is_valid({"relabel": [{"action": "drop", "match": "up", "regex": 5}]})
    assert not validator.is_valid({"relabel": [{"action": "hashmod", "modulus": 0}]})
