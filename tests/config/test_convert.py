"""Mistakes in the configuration: all at once, each at its place, with what to write instead."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.config import Config, parse_config
from engine.errors import ConfigError

ENVIRONMENT = {"PASSWORD": "hunter2"}


def problems_of(text):
    with pytest.raises(ConfigError) as caught:
        parse_config(text, file="c.yaml", environment=ENVIRONMENT, folder=Path())
    return [str(problem).removeprefix("c.yaml:") for problem in caught.value.problems]


def test_all_mistakes_are_reported_at_once_at_their_places():
    text = """\
sources:
  - kafka: {brokers: a, topik: m, format: influxx}
    kind: labelz
tiem: {}
time:
  lateness: 5 s
  idle_timeout: -1s
detectors:
  - match: rate(x[5m])
    false_alarms_per_day: 0
rules: {files: a.yaml}
state: {shards: 5000}
"""
    assert [problem.split(";")[0][:80] for problem in problems_of(text)] == [
        "2:12: sources[0].kafka: `topic` is missing. The topic to read.",
        "2:25: sources[0].kafka: `topik` isn't a known key",
        "2:43: sources[0].kafka.format: 'influxx' isn't known",
        "3:11: sources[0].kind: 'labelz' isn't known",
        "4:1: `tiem` isn't a known key",
        "6:13: time.lateness: '5 s' isn't a duration (it takes whole numbers, the largest",
        "7:17: time.idle_timeout: '-1s' isn't a duration (it takes whole numbers, the lar",
        "9:12: detectors[0].match: 'rate(x[5m])' isn't a PromQL selector (no function, ra",
        "10:27: detectors[0].false_alarms_per_day: must be more than 0",
        "11:16: rules.files: takes a list: '- ' before each item",
        "12:17: state.shards: must be at most 4096",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tiem: 1", "1:1: `tiem` isn't a known key; did you mean `time`?"),
        ("batch: {zzz: 1}", "1:9: batch: `zzz` isn't a known key; known here: rows, age"),
        (
            "scores: {emit: al}",
            "1:16: scores.emit: 'al' isn't known; write one of all, anomalous, n",
        ),
        ("batch: {age: 5}", "1:14: batch.age: '5' isn't a duration"),
        ("batch: {age: 0}", "1:14: batch.age: must be more than 0"),
        ("batch: {rows: 0}", "1:15: batch.rows: must be at least 1"),
        ("batch: {rows: 1.5}", "1:15: batch.rows: '1.5' isn't a whole number (it has a fraction)"),
        ("batch: {rows: [1]}", "1:15: batch.rows: takes a single value, no list or keys"),
        ("batch:\n  rows:\n", "2:3: batch.rows: has no value; give one or remove the key"),
        ("batch: 3", "1:8: batch: takes keys with values"),
        ("- batch", "1:1: takes keys with values"),
        ("detectors:", "1:1: detectors: has no value"),
        ("detectors: [{}, 3]", "1:17: detectors[1]: takes keys with values"),
        ("detectors: [{params: [1]}]", "1:22: detectors[0].params: takes keys with values"),
        ("detectors: [{lookback: 0}]", "1:24: detectors[0].lookback: must be more than 0"),
        ("models: [{}]", "1:10: models[0]: `model` is missing"),
        ("models: [{model: a, window: 5}]", "1:29: models[0].window: '5' isn't a window (it ta"),
        ("models: [{model: a, reference: b}]", "1:32: models[0].reference: 'b' isn't a reference"),
        (
            "models: [{model: a, window: 1h, slide: 100 rows}]",
            "1:40: models[0].slide: count it as `window`: both in time, or both in rows",
        ),
        ("models: [{model: a, window: 1h, slide: 7m}]", "1:29: models[0].window: must be a multi"),
        (
            "models: [{model: '*', reference: a.csv}]",
            "1:34: models[0].reference: name the model that the file is of",
        ),
        ("models: [{model: a}, {model: a}]", "1:30: models[1].model: stands twice"),
        ("rules: {interval: 1h, max_window: 30m}", "1:35: rules.max_window: must be at least as"),
        ("rules: {interval: 2d}", "1:8: rules.max_window: must be at least as long"),
        ("rules: {bundled: yes}", "1:18: rules.bundled: 'yes' isn't a truth value; write true"),
        ("sources: [{}]", "1:11: sources[0]: give exactly one of `kafka` and `recording`"),
        (
            "sources: [{kafka: {brokers: a, topic: b}, recording: {path: c}}]",
            "1:11: sources[0]: give exactly one of `kafka` and `recording`",
        ),
        (
            "sources: [{kind: labelz, recording: {path: c}}]",
            "1:18: sources[0].kind: 'labelz' isn't known; write one of feedback, labels, llm, met",
        ),
        (
            "sources: [{kind: feedback, nan: drop, recording: {path: c}}]",
            "1:33: sources[0].nan: feedback has no samples; leave `nan` out",
        ),
        (
            "sources: [{kind: feedback, kafka: {brokers: a, topic: b, format: influx}}]",
            "1:35: sources[0].kafka: feedback is `format: json`",
        ),
        ("sources: [{recording: {path: ''}}]", "1:30: sources[0].recording.path: must not"),
        ("sinks: [{}]", "1:9: sinks[0]: give exactly one of `kafka` and `folder`"),
        ("sinks: [{folder: }]", "1:9: sinks[0]: give exactly one of `kafka` and `folder`"),
        (
            "sinks: [{kafka: {brokers: a, prefix: a b}}]",
            "1:38: sinks[0].kafka.prefix: 'a b' isn't a topic name",
        ),
        ("rule_options: [{gap_tolerance: 1}]", "1:16: rule_options[0]: `alert` is missing. The "),
        (
            "rule_options: [{alert: A, resolve_below: 1, resolve_above: 2}]",
            "1:60: rule_options[0].resolve_above: give one of",
        ),
        (
            "rule_options:\n- alert: A\n- alert: B\n- alert: A",
            "4:10: rule_options[2].alert: stands",
        ),
        ("http: {listen: 9464}", "1:16: http.listen: '9464' isn't an address; write e.g. 127.0."),
        ("limits: {message_size: 1Mb}", "1:24: limits.message_size: '1Mb' isn't a size (units are"),
        (f"scores: {{emit: {'x' * 99}}}", f"1:16: scores.emit: '{'x' * 60}...' isn't known"),
        ("time: {lateness: 1s, lateness: 2s}", "1:22: the key 'lateness' stands twice"),
        ("time: !x {}", "1:7: the tag '!x' isn't supported; remove it"),
        ("batch: {age: !x 1s}", "1:14: the tag '!x' isn't supported; remove it"),
        ("time: {", "1:8: not YAML:"),
        ("a: 1\n---\nb: 1", "2:1: a second document begins here"),
    ],
)
def test_a_mistake_is_named_with_what_to_write_instead(text, expected):
    (problem,) = problems_of(text)
    assert problem.startswith(expected)


def test_a_slip_of_the_pen_is_recognised_in_keys_and_choices():
    choice, key = problems_of("scores: {emit: al, emmit: all}")
    assert choice.endswith("write one of all, anomalous, none; did you mean `all`?")
    assert key == "1:20: scores: `emmit` isn't a known key; did you mean `emit`?"


def test_two_alerts_of_one_name_in_one_line_are_found():
    (problem,) = problems_of("rule_options: [{alert: A}, {alert: A}]")
    assert problem == (
        "1:36: rule_options[1].alert: stands twice, the first one stands in line 1; join them"
    )


@pytest.mark.parametrize(
    "text",
    [
        "time: {lateness: '${PASSWORD}'}",
        "scores: {emit: '${PASSWORD}'}",
        "batch: {rows: '${PASSWORD}'}",
        "detectors: [{match: '${PASSWORD}{'}]",
        "http: {listen: '${PASSWORD}'}",
        "sources: [{kafka: {brokers: a, topic: '${PASSWORD}!'}}]",
        "rule_options: [{alert: '${PASSWORD}'}, {alert: '${PASSWORD}'}]",
    ],
)
def test_messages_show_the_reference_never_the_secret(text):
    (problem,) = problems_of(text)
    assert "hunter2" not in problem


def test_a_variable_that_is_not_set_is_named():
    text = "state: {dir: '${NOPE}'}\ndetectors: [{params: {a: ['${NOT}']}}]"
    assert [problem.split(";")[0] for problem in problems_of(text)] == [
        "1:14: state.dir: the environment variable NOPE isn't set",
        "2:27: detectors[0].params.a[0]: the environment variable NOT isn't set",
    ]


KEYS = st.sampled_from(
    [
        *("sources", "kafka", "brokers", "topic", "start", "properties", "relabel", "recording"),
        *("path", "time", "lateness", "detectors", "match", "params", "lookback", "rules"),
        *("files", "interval", "rule_options", "alert", "sinks", "folder", "state", "shards"),
        *("http", "listen", "limits", "message_size", "models", "batch", "age"),
    ]
)
LEAVES = st.sampled_from(
    [None, True, 0, -1, 1.5, "", "x", "5s", "1MiB", "-1h", "${PASSWORD}", "${NOPE}", "$${", "${"]
)
DATA = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=20,
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(KEYS, DATA, max_size=5))
def test_whatever_the_file_says_there_is_a_config_or_problems_with_positions(data):
    text = json.dumps(data)
    try:
        config = parse_config(text, file="c.yaml", environment=ENVIRONMENT, folder=Path())
        problems = ()
    except ConfigError as caught:
        config, problems = None, caught.problems
    assert isinstance(config, Config) or problems
    assert all((problem.line, problem.column > 0) == (1, True) for problem in problems)
    assert not any("hunter2" in problem.message for problem in problems)
