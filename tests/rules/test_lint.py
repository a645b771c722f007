"""Lints: each warns of what it is for, at its place, and of nothing else."""

import pytest

from engine.rules.known_series import KnownSeries
from engine.rules.lint import lint
from engine.rules.load import check_rule_file
from engine.series.identity import Series

MINUTE_NS = 60_000_000_000
DAY_NS = 1440 * MINUTE_NS


def sources(tmp_path, text):
    path = tmp_path / "rules.yaml"
    path.write_text(text)
    report = check_rule_file(path, name="r", default_interval_ns=MINUTE_NS, max_window_ns=DAY_NS)
    assert not report.problems
    return report.sources


def warnings(tmp_path, text, known=None):
    return [str(one.warning) for one in lint(sources(tmp_path, text), known)]


def of_expression(tmp_path, expression, known=None):
    text = f"groups:\n- name: g\n  rules:\n  - alert: A\n    expr: |\n      {expression}\n"
    return warnings(tmp_path, text, known)


def test_rules_as_they_should_be(tmp_path):
    text = """\
groups:
  - name: g
    interval: 30s
    labels: {team: "{{ $labels.team }}"}
    rules:
      - alert: A
        expr: sum by (job) (rate(up{job="a"}[5m])) > 0.5
        for: 30s
        labels: {severity: "{{ if $labels.x }}{{ $labels.x }}{{ end }}"}
        annotations: {summary: "{{ $labels.job }} {{ $value }}"}
      - {alert: B, expr: "absent(down)"}
      - {record: "c:d", expr: "5"}
      - {alert: Watchdog, expr: vector(1)}
"""
    assert warnings(tmp_path, text, KnownSeries([Series.of("up", {"job": "a"})])) == []


def test_a_for_below_the_interval(tmp_path):
    text = """\
groups:
  - name: g
    interval: 30s
    rules:
      - {alert: A, expr: up, for: 29s}
      - {alert: B, expr: up, for: 30s}
      - {alert: C, expr: up, for: 0s, keep_firing_for: 1s}
  - name: h
    rules:
      - {alert: D, expr: up, for: 59s999ms}
"""
    assert warnings(tmp_path, text) == [
        "r:5:35: 'for' of 29s is shorter than the group's interval of 30s",
        "r:10:35: 'for' of 59s999ms is shorter than the group's interval of 1m",
    ]


def test_a_number_as_an_alert(tmp_path):
    (warning,) = of_expression(tmp_path, "time() > bool 5")
    assert warning.startswith("r:6:7: the expression is a number, and the alert is active")


@pytest.mark.parametrize(
    ("expression", "place", "message"),
    [
        ("absent(up) > 1", 11, "a value of 1 > 1"),
        ("up > 5 and count(up) < 1", 21, "a value from 1 < 1"),
        ('up{a="<"} < 5 and hour() < 0', 25, "a value from 0 to 23 < 0"),
        ("up == NaN", 3, "a value == NaN"),
        ("up > (-abs(up) > 0)", 15, "a value up to 0 > 0"),
        ("(up >= 5) >= 5 and (up <= 4) >= 5", 29, "a value up to 4 >= 5"),
    ],
)
def test_comparisons_that_can_never_be_true(tmp_path, expression, place, message):
    (warning,) = of_expression(tmp_path, expression)
    assert warning == f"r:6:{7 + place}: {message} can never be true"


def test_comparisons_of_recording_rules_are_looked_at_too(tmp_path):
    text = "groups: [{name: g, rules: [{record: a, expr: count(up) == 0}]}]"
    assert len(warnings(tmp_path, text)) == 1


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("up", ["r:6:7: no series is called up in the recording"]),
        ("up or cpu + up", [f"r:6:{column}: no series is called up in the recording"
                            for column in (7, 19)]),
        ('cpu{up="1"} or up{a="up"}', [
            'r:6:7: no series matches cpu{up="1"} in the recording',
            "r:6:22: no series is called up in the recording",
        ]),
        ('{__name__=~"u.*"}', [
            'r:5:11: no series has a name for {__name__=~"u.*"} in the recording',
        ]),
        ("rate(cpu[5m]) / ALERTS", []),
        ("absent(up) or absent_over_time(up[5m]) or absent(sum(up))", []),
        ("made:by:rule", []),
    ],
)  # fmt: skip
def test_selectors_that_select_nothing(tmp_path, expression, found):
    known = KnownSeries([Series.of("cpu", {"host": "a"})], ["made:by:rule"])
    assert of_expression(tmp_path, expression, known) == found
    assert of_expression(tmp_path, expression) == []


def test_labels_that_no_result_has(tmp_path):
    text = """\
groups:
  - name: g
    labels: {all: "{{ $labels.host }}"}
    rules:
      - alert: A
        expr: sum by (job) (up) > 5
        labels: {where: "at {{ $labels.host }}"}
        annotations:
          summary: "{{ .Labels.job }} {{ $labels.host }} {{ $labels.host }} {{ $labels.zone }}"
      - {alert: B, expr: up > 5, annotations: {summary: "{{ $labels.host }}"}}
      - {alert: C, expr: sum(up) > 5, annotations: {summary: "{{ .Labels.host }}"}}
"""
    has = "is always empty: of labels, the results have"
    assert warnings(tmp_path, text) == [
        f"r:7:39: $labels.host {has} only job",
        f"r:9:49: $labels.host {has} only job",
        f"r:9:87: $labels.zone {has} only job",
        f"r:11:73: $labels.host {has} none",
    ]


def test_each_warning_knows_its_rule(tmp_path):
    text = "groups: [{name: g, rules: [{alert: A, expr: up}, {alert: B, expr: absent(up) < 1}]}]"
    ((rule, warning),) = ((one.rule.name, one.warning) for one in lint(sources(tmp_path, text)))
    assert (rule, warning.line) == ("B", 1)
