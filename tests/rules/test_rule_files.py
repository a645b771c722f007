"""Rule files: what is read, and that each mistake is reported at its place."""

import pytest

from engine.errors import ConfigError
from engine.rules.load import bundled_rules_path, check_rule_file, load_rule_file
from engine.rules.promql import parse_expression

MINUTE_NS = 60_000_000_000
DAY_NS = 1440 * MINUTE_NS

GOOD = """\
groups:
  - name: hosts
    interval: 30s
    limit: 0
    labels: {team: core, severity: info}
    rules:
      - alert: HighCPU
        expr: cpu_usage{host=~"web-.*"} > 0.9
        for: 5m
        keep_firing_for: 1h30m
        labels:
          severity: page
          level: 1.0
          gone: ~
        annotations:
          summary: "{{ $labels.host }}: {{ $value | humanizePercentage }}"
      - alert: HighCPU
        expr: |
          cpu_usage
            > 0.5
        for: 0
  - name: empty
    rules:
  - name: second
    rules: [{alert: Down, expr: up == 0}]
"""


def check(tmp_path, text):
    path = tmp_path / "rules.yaml"
    path.write_text(text)
    return check_rule_file(
        path, name="rules.yaml", default_interval_ns=MINUTE_NS, max_window_ns=DAY_NS
    )


def problems(tmp_path, text):
    return [str(problem) for problem in check(tmp_path, text).problems]


def test_a_good_file(tmp_path):
    path = tmp_path / "rules.yaml"
    path.write_text(GOOD)
    groups = load_rule_file(path, name="r", default_interval_ns=MINUTE_NS, max_window_ns=DAY_NS)
    assert [(group.file, group.name, group.interval_ns, len(group.rules)) for group in groups] == [
        ("r", "hosts", MINUTE_NS // 2, 2),
        ("r", "empty", MINUTE_NS, 0),
        ("r", "second", MINUTE_NS, 1),
    ]
    first, second = groups[0].rules
    assert (first.file, first.group, first.name, first.line) == ("r", "hosts", "HighCPU", 7)
    assert (first.for_ns, first.keep_firing_for_ns) == (5 * MINUTE_NS, 90 * MINUTE_NS)
    assert (second.for_ns, second.keep_firing_for_ns) == (0, 0)
    assert second.expression == parse_expression("cpu_usage > 0.5", max_window_ns=DAY_NS)
    assert [(name, template.text) for name, template in first.labels] == [
        ("gone", ""),
        ("level", "1.0"),  # as written, as in Prometheus
        ("severity", "page"),
        ("team", "core"),
    ]
    assert [(name, template.text) for name, template in second.labels] == [
        ("severity", "info"),
        ("team", "core"),
    ]
    (summary,) = first.annotations
    assert summary[0] == "summary"
    assert summary[1].expand({"host": "web-1"}, 0.95) == "web-1: 95%"


@pytest.mark.parametrize("text", ["", "# nothing\n", "groups:\n", "groups: []\n"])
def test_files_without_rules_are_fine(tmp_path, text):
    report = check(tmp_path, text)
    assert (report.groups, report.verdicts, report.problems) == ((), (), ())


def test_all_mistakes_are_reported_at_once(tmp_path):
    found = problems(
        tmp_path,
        """\
colour: red
groups:
  - name: g
    interval: 5 minutes
    rules:
      - alert: A
        expr: rate(up[5m]) > 1
        fro: 5m
        for: 5x
      - record: r
        expr: up
      - alert: B
        expr: >-
          sum_over_time(up[5m])
          > scalar(up)
        labels: {1a: x, __name__: y}
        annotations:
          summary: "{{ $labels.x "
          a-b: "{{ frobnicate $value }}"
      - expr: "up{a=\\"b\\"} > down"
  - name: g
    query_offset: 1m
    rules: []
  - rules:
      - just text
      - alert: C
      - alert: D
        expr: up > 1
        labels: [a]
        annotations: {list: [1]}
""",
    )
    starts = [
        "rules.yaml:1:1: unknown field 'colour'; there are groups",
        "rules.yaml:4:15: interval: '5 minutes' isn't a duration such as 30s or 5m",
        "rules.yaml:7:15: expr: the function rate is not supported yet",
        "rules.yaml:8:9: unknown field 'fro'; there are alert, expr, for",
        "rules.yaml:9:14: for: '5x' isn't a duration such as 30s or 5m",
        "rules.yaml:10:9: 'record' is not supported yet; remove it",
        "rules.yaml:15:13: expr: the function scalar is not supported yet",
        "rules.yaml:16:18: '1a' can't be a name in 'labels'",
        "rules.yaml:16:25: '__name__' can't be a name in 'labels'",
        "rules.yaml:18:20: annotations.summary: an action isn't closed",
        "rules.yaml:19:11: 'a-b' can't be a name in 'annotations'",
        "rules.yaml:19:16: annotations.a-b: the function 'frobnicate' is not defined",
        "rules.yaml:20:9: the rule has no name; add 'alert: ...'",
        "rules.yaml:20:28: expr: the comparison of two vectors is not supported yet",
        "rules.yaml:21:11: the group 'g' stands twice, first in line 3; rename one",
        "rules.yaml:22:5: 'query_offset' is not supported yet; remove it",
        "rules.yaml:24:5: the group has no name; add 'name: ...'",
        "rules.yaml:25:9: each entry of 'rules' is a mapping",
        "rules.yaml:26:9: the rule has no expression; add 'expr: ...'",
        "rules.yaml:29:17: 'labels' is a mapping of texts",
        "rules.yaml:30:29: 'annotations.list' is a text",
    ]
    assert len(found) == len(starts), found
    for problem, start in zip(found, starts, strict=True):
        assert problem.startswith(start)


def test_rules_that_would_share_their_state_are_refused(tmp_path):
    text = """\
groups:
  - name: g
    rules:
      - {alert: A, expr: up > 1, labels: {severity: warning}}
      - {alert: A, expr: up > 2, labels: {severity: critical}}
      - {alert: A, expr: up > 3, labels: {severity: warning}}
  - name: h
    rules:
      - {alert: A, expr: up > 1, labels: {severity: warning}}
"""
    (problem,) = problems(tmp_path, text)
    assert problem.startswith("rules.yaml:6:17: 'A' has the same name and labels as the rule in")


def test_repetitions_are_found_on_one_line_and_behind_an_alias(tmp_path):
    rule = "{alert: A, expr: up}"
    (problem,) = problems(tmp_path, f"groups: [{{name: g, rules: [{rule}, {rule}]}}]")
    assert "same name and labels as the rule in line 1" in problem
    (problem,) = problems(tmp_path, "groups:\n- &g {name: g}\n- *g\n")
    assert "the group 'g' stands twice, first in line 2" in problem


@pytest.mark.parametrize("written", ["", '""', "[up]", "{a: b}", "' '"])
def test_a_missing_expression_is_one_mistake(tmp_path, written):
    text = f"groups: [{{name: g, rules: [{{alert: A, expr: {written}}}]}}]"
    assert len(problems(tmp_path, text)) == 1


def test_each_rule_has_a_verdict(tmp_path):
    report = check(
        tmp_path,
        """\
groups:
  - name: g
    rules:
      - {alert: A, expr: up > 1}
      - {alert: B, expr: "rate(up[5m]) > 1", for: 5x}
      - {record: "c:d", expr: up}
""",
    )
    good, bad, recording = (verdict.as_json() for verdict in report.verdicts)
    assert good == {"file": "rules.yaml", "group": "g", "rule": "A", "ok": True, "error": ""}
    assert (bad["rule"], bad["ok"]) == ("B", False)
    assert bad["error"].startswith("expr: the function rate is not supported yet; for: '5x' isn't")
    assert (recording["rule"], recording["ok"]) == ("c:d", False)
    assert [verdict.line for verdict in report.verdicts] == [4, 5, 6]
    assert [rule.name for rule in report.groups[0].rules] == ["A"]


def test_a_mistake_of_the_group_makes_its_rules_unusable(tmp_path):
    report = check(tmp_path, "groups: [{name: g, limit: 5, rules: [{alert: A, expr: up > 1}]}]")
    assert report.verdicts[0].error == "'limit' is not supported yet; remove it"
    assert len(report.problems) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a", "rules.yaml:1:1: a rule file is a mapping; begin it with 'groups:'"),
        ("groups: 5", "rules.yaml:1:9: 'groups' is a list"),
        ("groups: [\n", "rules.yaml:2:1: not YAML"),
        ("groups: []\ngroups: []\n", "rules.yaml:2:1: the key 'groups' stands twice"),
    ],
)
def test_files_of_another_shape(tmp_path, text, message):
    (problem,) = problems(tmp_path, text)
    assert problem.startswith(message)


def test_loading_raises_all_problems(tmp_path):
    with pytest.raises(ConfigError, match="can't be read: No such file") as caught:
        load_rule_file(
            tmp_path / "no.yaml", name="no", default_interval_ns=MINUTE_NS, max_window_ns=DAY_NS
        )
    assert caught.value.problems[0].file == "no"
    path = tmp_path / "latin.yaml"
    path.write_bytes("groups: [{name: Größe}]".encode("latin-1"))
    with pytest.raises(ConfigError, match="isn't UTF-8"):
        load_rule_file(path, name="l", default_interval_ns=MINUTE_NS, max_window_ns=DAY_NS)


def test_the_bundled_rules_watch_for_onsets():
    (group,) = load_rule_file(
        bundled_rules_path(), name="bundled", default_interval_ns=MINUTE_NS, max_window_ns=DAY_NS
    )
    (rule,) = group.rules
    assert (group.name, group.interval_ns) == ("streamgauge-anomalies", 15_000_000_000)
    assert rule.name == "Anomaly"
    assert rule.expression.text == "max_over_time(anomaly_onset[15s]) > 1"
    texts = {
        name: template.expand({"metric": "cpu", "detector": "default", "host": "a"}, 2.34567)
        for name, template in (*rule.labels, *rule.annotations)
    }
    assert texts["severity"] == "warning"
    assert texts["summary"] == "cpu is unusual"
    assert "a score of 2.346;" in texts["description"]
