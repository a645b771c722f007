"""The JSON Schema says what the loader does, as far as draft 7 can."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft7Validator

from engine.config import config_json_schema, parse_config
from engine.config.positions import load_yaml
from engine.errors import ConfigError

REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((REPOSITORY / "examples").glob("*.yaml"))
SHIPPED = REPOSITORY / "examples" / "config.schema.json"
ENVIRONMENT = {"NUMBER": "7", "AGE": "7s", "EMIT": "all"}


@pytest.fixture(scope="module")
def validator():
    schema = config_json_schema()
    Draft7Validator.check_schema(schema)
    return Draft7Validator(schema)


def loads(text):
    try:
        parse_config(text, file="c.yaml", environment=ENVIRONMENT, folder=Path())
    except ConfigError:
        return False
    return True


def is_valid(validator, text):
    node, problems = load_yaml(text, "c.yaml")
    return problems == [] and validator.is_valid(node)


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "time:\n",
        "time: {lateness: 1s, max_ahead: 1m30s, max_skew: '${AGE}'}",
        "batch: {rows: 1, age: 50ms}",
        "batch: {rows: '${NUMBER}'}",
        "scores: {emit: all}",
        "scores: {emit: '${EMIT}'}",
        "limits: {message_size: 1MiB, label_size: 100, series: 2e6}",
        "http: {listen: null}",
        "http: {listen: ''}",
        "detectors: []",
        "detectors: [{lookback: null, params: {a: [1, {b: null}]}, false_alarms_per_day: 2}]",
        "sources: [{kafka: {brokers: a, topic: b, properties: {c: 1, d: true, e: f}}}]",
        "sources: [{recording: {path: a, labels: {zone: 1}, name: null}}]",
        "rule_options: [{alert: A, resolve_below: 0.5}]",
        "sources: [{kafka: {brokers: a, topic: b, start: 2026-01-31T12:00:00Z}}]",
        "sinks: [{kafka: null, folder: {path: a}}]",
    ],
)
def test_what_the_loader_takes_is_valid(validator, text):
    assert loads(text)
    assert is_valid(validator, text)


@pytest.mark.parametrize(
    "text",
    [
        "tiem: {}",
        "- a",
        "time: 3",
        "time: {lateness: 5}",
        "time: {lateness: 5 s}",
        "time: {lateness: -5s}",
        "batch: {rows: 0}",
        "batch: {rows: 1.5}",
        "state: {shards: 5000}",
        "state: {dir: ''}",
        "state: {dir: null}",
        "scores: {emit: al}",
        "limits: {message_size: 1Mb}",
        "detectors: {}",
        "detectors: [{false_alarms_per_day: 0}]",
        "detectors: [{entity: a}]",
        "sources: [{kafka: {brokers: a}}]",
        "sources: [{kafka: {brokers: a, topic: b, format: influxx}}]",
        "sources: [{kind: labelz, recording: {path: a}}]",
        "rules: {bundled: yes}",
        "rule_options: [{}]",
        "models: [a]",
    ],
)
def test_what_the_loader_refuses_is_invalid(validator, text):
    assert not loads(text)
    assert not is_valid(validator, text)


def test_there_are_examples_and_all_are_valid(validator):
    assert EXAMPLES
    for path in EXAMPLES:
        assert is_valid(validator, path.read_text(encoding="utf-8")), path


def test_every_key_has_a_description():
    def walk(schema, path):
        for key, inner in schema.get("properties", {}).items():
            assert inner["description"], f"{path}.{key}"
            walk(inner, f"{path}.{key}")
            walk(inner.get("items", {}), f"{path}.{key}[]")

    walk(config_json_schema(), "")


def test_defaults_are_valid_values_of_their_keys():
    def walk(schema):
        for inner in schema.get("properties", {}).values():
            if "default" in inner:
                Draft7Validator(inner).validate(inner["default"])
                count.append(inner["default"])
            walk(inner)
            walk(inner.get("items", {}))

    count = []
    walk(config_json_schema())
    assert "5s" in count
    assert 16_384 in count
    assert "127.0.0.1:9464" in count


def test_the_schema_beside_the_examples_is_the_current_one():
    assert json.loads(SHIPPED.read_text(encoding="utf-8")) == config_json_schema(), (
        "write it anew: streamgauge schema > examples/config.schema.json"
    )
