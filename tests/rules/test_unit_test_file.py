"""Rule-test files: what is read, and that each mistake is reported at its place."""

import math

import numpy as np
import pytest

from engine.config.positions import Position
from engine.rules.unit_test_file import check_rule_test_file, parse_start
from engine.rules.unit_test_model import AlertInstance, VectorSample

SECOND_NS = 10**9
MINUTE_NS = 60 * SECOND_NS

GOOD = """\
rule_files: [rules.yaml, more/*.yaml, none.yaml]
evaluation_interval: 30s
group_eval_order: [second, first]
fuzzy_compare: true
tests:
  - name: one
    interval: 1m30s
    start_timestamp: 2026-01-31T12:00:00+02:00
    input_series:
      - series: 'up{job="a"}'
        values: 1 0x2 _
      - {series: down, values: 5}
      - {series: silent}
    external_labels: {cluster: 7, on: yes}
    external_url: http://here
    alert_rule_test:
      - eval_time: 5m
        alertname: Down
        exp_alerts:
          - exp_labels: {severity: 1.0, alertname: Other, empty: ~, gone: ""}
            exp_annotations:
              summary: "it is down"
          - {}
      - {eval_time: 1h, alertname: Up}
    promql_expr_test:
      - expr: sum(up)
        eval_time: 7m
        exp_samples:
          - {labels: 'up{job="a"}', value: -1.5e3}
          - {labels: '{}', value: .nan}
          - {value: -.inf}
          - {labels: up}
      - {expr: up}
  - {}
"""


def check(tmp_path, text):
    path = tmp_path / "tests.yaml"
    path.write_text(text)
    return check_rule_test_file(path, name="tests.yaml")


def read(tmp_path, text):
    report = check(tmp_path, text)
    assert report.problems == ()
    return report.test_file


def problems(tmp_path, text):
    report = check(tmp_path, text)
    assert (report.test_file is None) == bool(report.problems)
    return [str(problem) for problem in report.problems]


def test_the_head_of_a_file(tmp_path):
    (tmp_path / "more").mkdir()
    for name in ("rules.yaml", "more/b.yaml", "more/a.yaml", "more/.hidden.yaml", "more/c.yml"):
        (tmp_path / name).touch()
    found = read(tmp_path, GOOD)
    assert [path.relative_to(tmp_path).as_posix() for path in found.rule_files] == [
        "rules.yaml", "more/.hidden.yaml", "more/a.yaml", "more/b.yaml",
    ]  # fmt: skip
    assert [str(warning) for warning in found.warnings] == [
        "tests.yaml:1:39: no file matches the pattern 'none.yaml'"
    ]
    assert found.file == "tests.yaml"
    assert found.evaluation_interval_ns == 30 * SECOND_NS
    assert found.group_eval_order == ("second", "first")
    assert found.fuzzy_compare is True


def test_rule_files_may_be_absolute_or_above(tmp_path):
    (tmp_path / "rules.yaml").touch()
    (tmp_path / "inner").mkdir()
    text = f"rule_files: [../rules.yaml, '{tmp_path}/r*.yaml']"
    found = read(tmp_path / "inner", text)
    assert [path.resolve() for path in found.rule_files] == [
        (tmp_path / "rules.yaml").resolve()
    ] * 2


def test_a_test(tmp_path):
    one, two = read(tmp_path, GOOD).tests
    assert (one.name, one.interval_ns, one.position) == ("one", 90 * SECOND_NS, Position(6, 5))
    assert one.start_ns == parse_start("2026-01-31T10:00:00Z")
    assert one.end_ns == one.start_ns + 60 * MINUTE_NS
    up, down, silent = one.input_series
    assert up.labels == (("__name__", "up"), ("job", "a"))
    np.testing.assert_array_equal(up.value, [1, 0, 0, 0, np.nan])
    assert up.kind.tolist() == [0, 0, 0, 0, 1]
    assert (down.value.tolist(), len(silent.kind)) == ([5.0], 0)
    assert one.external_labels == (("cluster", "7"), ("on", "yes"))
    assert one.external_url == "http://here"
    assert (two.name, two.interval_ns, two.start_ns, two.end_ns) == (
        "unnamed#1", 30 * SECOND_NS, 0, 0,
    )  # fmt: skip
    assert two.input_series == two.alert_checks == two.expression_checks == ()


def test_checks_of_alerts(tmp_path):
    first, second = read(tmp_path, GOOD).tests[0].alert_checks
    assert (first.eval_time_ns, first.alertname) == (5 * MINUTE_NS, "Down")
    assert first.position == Position(17, 9)
    labels = (("alertname", "Down"), ("empty", ""), ("gone", ""), ("severity", "1.0"))
    assert first.alerts == (
        AlertInstance(labels, (("summary", "it is down"),)),
        AlertInstance((("alertname", "Down"),), ()),
    )
    assert (second.eval_time_ns, second.alertname, second.alerts) == (60 * MINUTE_NS, "Up", ())


def test_checks_of_expressions(tmp_path):
    first, second = read(tmp_path, GOOD).tests[0].expression_checks
    assert (first.expression, first.eval_time_ns) == ("sum(up)", 7 * MINUTE_NS)
    assert first.position == Position(26, 15)
    one, two, three, four = first.samples
    assert one == VectorSample((("__name__", "up"), ("job", "a")), -1500.0)
    assert two.labels == ()
    assert math.isnan(two.value)
    assert three == VectorSample((), -math.inf)
    assert four == VectorSample((("__name__", "up"),), 0.0)
    assert (second.expression, second.eval_time_ns, second.samples) == ("up", 0, ())


@pytest.mark.parametrize("text", ["", "# nothing\n", "tests:\n", "tests: []\nrule_files: []"])
def test_files_without_tests_are_fine(tmp_path, text):
    found = read(tmp_path, text)
    assert (found.tests, found.rule_files, found.evaluation_interval_ns) == ((), (), MINUTE_NS)
    assert (found.fuzzy_compare, found.group_eval_order) == (False, ())


def test_an_interval_of_zero_is_none(tmp_path):
    found = read(tmp_path, "evaluation_interval: 0\ntests: [{interval: 0}, {interval: 5s}]")
    assert found.evaluation_interval_ns == MINUTE_NS
    assert [test.interval_ns for test in found.tests] == [MINUTE_NS, 5 * SECOND_NS]


def test_of_equal_input_series_the_last_counts(tmp_path):
    (test,) = read(
        tmp_path,
        "tests: [{input_series: [{series: 'm{a=\"1\"}', values: 1}, "
        '{series: \'{a="1", __name__="m"}\', values: 2}]}]',
    ).tests
    (series,) = test.input_series
    assert series.value.tolist() == [2.0]


@pytest.mark.parametrize(
    ("word", "value"),
    [("true", True), ("Yes", True), ("on", True), ("false", False), ("no", False)],
)
def test_truth(tmp_path, word, value):
    assert read(tmp_path, f"fuzzy_compare: {word}").fuzzy_compare is value


def test_all_mistakes_are_reported_at_once(tmp_path):
    found = problems(
        tmp_path,
        """\
rule_file: a
evaluation_interval: 1 minute
group_eval_order: [a, b, a]
fuzzy_compare: maybe
tests:
  - nme: x
    interval: -5m
    start_timestamp: yesterday
    input_series:
      - series: 'up{job="a"'
        values: '1 2
                 three'
      - values: 1
      - series: up 1
        values: 1+2
        colour: red
      - series: h
        values: >-
          1 2
          {{schema:0}}
      - just text
    external_labels: [a]
    external_url: {a: b}
    alert_rule_test:
      - eval_time: soon
        exp_alerts:
          - labels: {}
            exp_labels: {a: [1]}
            exp_annotations: text
    promql_expr_test:
      - eval_time: 5m
        exp_samples:
          - {labels: 'up{', value: "5", histogram: '{{}}'}
          - {labels: 'up 1', value: true}
      - expr: ' '
        exp_samples: 5
  - text
""",
    )
    starts = [
        "1:1: unknown field 'rule_file'; there are rule_files, evaluation_interval, group_eval",
        "2:22: evaluation_interval: '1 minute' isn't a duration such as 30s or 5m",
        "3:26: the group 'a' stands twice; remove one",
        "4:16: fuzzy_compare: 'maybe' is neither true nor false",
        "6:5: unknown field 'nme'; there are name, interval, start_timestamp, input_series",
        "7:15: interval: '-5m' isn't a duration",
        "8:22: start_timestamp: 'yesterday' is neither Unix seconds nor a time like 2026-",
        "10:27: series: here ',' or '}' is missing",
        "12:18: values: 'three' isn't a number, '_' or 'stale'",
        "13:9: the series is missing; add 'series: ...'",
        "14:17: series: the values stand in 'values', not behind the series",
        "15:19: values: a step needs a number of repeats: a+bxn",
        "16:9: unknown field 'colour'; there are series, values",
        "20:11: values: native histograms ({{...}}) are not supported",
        "21:9: each entry of 'input_series' is a mapping",
        "22:22: 'external_labels' is a mapping of texts",
        "23:19: 'external_url' is a text",
        "25:9: the check has no alert; add 'alertname: ...'",
        "25:20: eval_time: 'soon' isn't a duration",
        "27:13: unknown field 'labels'; there are exp_labels, exp_annotations",
        "28:29: 'a' is a text",
        "29:30: 'exp_annotations' is a mapping of texts",
        "31:9: the check has no expression; add 'expr: ...'",
        "33:25: labels: the name of a label is missing here",
        "33:36: 'value' is a number without quotes, such as 1.5, .nan, .inf or -.inf",
        "33:52: native histograms are not supported; use classic buckets",
        "34:26: labels: '1' can't stand behind a series",
        "34:37: 'value' is a number without quotes",
        "35:9: the check has no expression",
        "36:22: 'exp_samples' is a list; begin it with '-'",
        "37:5: each entry of 'tests' is a mapping",
    ]
    assert len(found) == len(starts), found
    for problem, start in zip(found, starts, strict=True):
        assert problem.startswith(f"tests.yaml:{start}"), (problem, start)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a", "tests.yaml:1:1: a rule-test file is a mapping; begin it with 'tests:'"),
        ("tests: 5", "tests.yaml:1:8: 'tests' is a list"),
        ("tests: [\n", "tests.yaml:2:1: not YAML"),
        ("tests: []\ntests: []\n", "tests.yaml:2:1: the key 'tests' stands twice"),
        ("rule_files: [[a]]", "tests.yaml:1:14: each entry of 'rule_files' is a text"),
        (
            f"tests: [{{promql_expr_test: [{{expr: a, exp_samples: [{{value: 1{'0' * 400}}}]}}]}}]",
            "tests.yaml:1:61: 'value' is a number",
        ),
    ],
)
def test_files_of_another_shape(tmp_path, text, message):
    (problem,) = problems(tmp_path, text)
    assert problem.startswith(message)


def test_files_that_cannot_be_read(tmp_path):
    report = check_rule_test_file(tmp_path / "no.yaml", name="no")
    assert str(report.problems[0]) == "no: can't be read: No such file or directory"
    path = tmp_path / "latin.yaml"
    path.write_bytes("tests: [{name: Größe}]".encode("latin-1"))
    report = check_rule_test_file(path, name="latin")
    assert [str(problem) for problem in report.problems] == ["latin: isn't UTF-8 text"]


@pytest.mark.parametrize(
    ("text", "start_ns"),
    [
        ("0", 0),
        ("1609459200", 1_609_459_200 * SECOND_NS),
        ("1.5", 1_500_000_000),
        ("-1.25", -1_250_000_000),
        ("1e3", 1000 * SECOND_NS),
        ("1970-01-01T00:00:01Z", SECOND_NS),
        ("1970-01-01T00:00:01.000000001Z", SECOND_NS + 1),
        ("1970-01-01T01:00:00.5+01:00", SECOND_NS // 2),
        ("1969-12-31T23:59:59.25Z", -750_000_000),
    ],
)
def test_start_times(text, start_ns):
    assert parse_start(text) == start_ns


@pytest.mark.parametrize(
    "text",
    ["", "x", "nan", "inf", "1e30", "2026-01-31", "2026-13-01T00:00:00Z", "2026-01-01T00:00:00"],
)
def test_what_is_no_start_time(text):
    with pytest.raises(ValueError, match=r"is no time|is neither"):
        parse_start(text)


def test_the_public_files_are_read_whole(shared):
    checks = alerts = 0
    for path in sorted((shared / "data/promrules/kubernetes-mixin-tests/tests").glob("*.yaml")):
        report = check_rule_test_file(path, name=path.name)
        assert report.problems == ()
        assert report.test_file.warnings == ()
        assert all(rules.is_file() for rules in report.test_file.rule_files)
        for test in report.test_file.tests:
            checks += len(test.alert_checks) + len(test.expression_checks)
            alerts += sum(len(check.alerts) for check in test.alert_checks)
    assert (checks, alerts) == (198, 64)
