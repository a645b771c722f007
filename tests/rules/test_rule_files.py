"""Rule files: what is read, and that each mistake is reported at its place."""

import pytest

from engine.errors import ConfigError
from engine.promql.parse import parse_expression
from engine.rules.load import bundled_rules_path, check_rule_file, load_rule_file
from engine.rules.model import AlertRule, RecordingRule

MINUTE_NS = 60_000_000_000
DAY_NS = 1440 * MINUTE_NS

GOOD = """\
groups:
  - name: hosts
    interval: 30s
    limit: 30
    query_offset: 1m
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
    labels: {team: core, level: "{{ $labels.host }}"}
    rules:
      - {alert: Down, expr: up == 0}
      - record: "host:up:sum"
        expr: sum by (host) (up)
        labels: {level: "{{ raw", gone: ""}
      - {record: "host:up:sum", expr: vector(1), for: 0s}
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
        ("r", "second", MINUTE_NS, 3),
    ]
    assert [(group.limit, group.query_offset_ns) for group in groups] == [
        (30, MINUTE_NS),
        (0, 0),
        (0, 0),
    ]
    first, second = groups[0].rules
    assert (first.file, first.group, first.name, first.line) == ("r", "hosts", "HighCPU", 8)
    assert (first.for_ns, first.keep_firing_for_ns) == (5 * MINUTE_NS, 90 * MINUTE_NS)
    assert (second.for_ns, second.keep_firing_for_ns) == (0, 0)
    assert second.expression == parse_expression("cpu_usage > 0.5")
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
    down, recording, again = groups[2].rules
    assert isinstance(down, AlertRule)
    assert [(name, label.expand({"host": "b"}, 0)) for name, label in down.labels] == [
        ("level", "b"),
        ("team", "core"),
    ]
    assert recording == RecordingRule(
        file="r",
        group="second",
        name="host:up:sum",
        expression=parse_expression("sum by (host) (up)"),
        labels=(("gone", ""), ("level", "{{ raw"), ("team", "core")),  # no templates here
        line=29,
    )
    assert (again.name, again.expression) == ("host:up:sum", parse_expression("vector(1)"))


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
    limit: "some"
    rules:
      - alert: A
        expr: rat(up[5m]) > 1
        fro: 5m
        for: 5x
      - record: "a{b}"
        expr: up
        for: 1m
        keep_firing_for: 1m
        annotations: {summary: x}
        labels: {__name__: y}
      - alert: B
        expr: >-
          sum_over_time(up[5m])
          > scalar(5)
        labels: {"": x, __name__: y, 1-a: fine}
        annotations:
          summary: "{{ $labels.x "
          "": "{{ frobnicate $value }}"
      - expr: "up{a=\\"b\\"} > info(down)"
      - {alert: A, record: b, expr: up, debug: true}
  - name: g
    query_offset: -1m
    eval_offset: 1m
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
        "rules.yaml:5:12: limit: 'some' isn't a whole number",
        "rules.yaml:8:15: expr: unknown function with name 'rat'",
        "rules.yaml:9:9: unknown field 'fro'; there are record, alert, expr, for",
        "rules.yaml:10:14: for: '5x' isn't a duration such as 30s or 5m",
        "rules.yaml:11:17: braces present in the recording rule name; should it be in expr?: a{b}",
        "rules.yaml:13:9: invalid field 'for' in recording rule",
        "rules.yaml:14:9: invalid field 'keep_firing_for' in recording rule",
        "rules.yaml:15:9: invalid field 'annotations' in recording rule",
        "rules.yaml:16:18: invalid label name: '__name__'",
        "rules.yaml:20:13: expr: expected type vector in call to function 'scalar', got scalar",
        "rules.yaml:21:18: invalid label name: ''",
        "rules.yaml:21:25: invalid label name: '__name__'",
        "rules.yaml:23:20: annotations.summary: an action isn't closed",
        "rules.yaml:24:11: invalid annotation name: ''",
        "rules.yaml:24:15: annotations.: the function 'frobnicate' is not defined",
        "rules.yaml:25:9: one of 'record' or 'alert' must be set; add 'alert: ...'",
        "rules.yaml:25:30: expr: the function info is not supported yet",
        "rules.yaml:26:28: only one of 'record' and 'alert' must be set",
        "rules.yaml:26:41: 'debug' is not supported yet; remove it",
        "rules.yaml:27:11: the group 'g' stands twice, first in line 3; rename one",
        "rules.yaml:28:19: query_offset: '-1m' isn't a duration",
        "rules.yaml:29:5: 'eval_offset' is not supported yet; remove it",
        "rules.yaml:31:5: the group has no name; add 'name: ...'",
        "rules.yaml:32:9: each entry of 'rules' is a mapping",
        "rules.yaml:33:9: the rule has no expression; add 'expr: ...'",
        "rules.yaml:36:17: 'labels' is a mapping of texts",
        "rules.yaml:37:29: 'list' is a text",
    ]
    for problem, start in zip(found, starts, strict=False):
        assert problem.startswith(start)
    assert len(found) == len(starts), found


def test_alerts_that_could_not_be_told_apart_are_refused(tmp_path):
    text = """\
groups:
  - name: g
    rules:
      - {alert: A, expr: up > 1, labels: {severity: warning}}
      - {alert: A, expr: up > 2, labels: {severity: critical}}
      - {alert: A, expr: up > 3, labels: {severity: warning}}
      - {record: A, expr: up, labels: {severity: warning}}
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
      - {alert: B, expr: "rat(up[5m]) > 1", for: 5x}
      - {record: "c:d", expr: "up["}
""",
    )
    good, bad, recording = (verdict.as_json() for verdict in report.verdicts)
    assert good == {"file": "rules.yaml", "group": "g", "rule": "A", "ok": True, "error": ""}
    assert (bad["rule"], bad["ok"]) == ("B", False)
    assert bad["error"].startswith("expr: unknown function with name 'rat'; for: '5x' isn't")
    assert (recording["rule"], recording["ok"]) == ("c:d", False)
    assert [verdict.line for verdict in report.verdicts] == [4, 5, 6]
    assert [rule.name for rule in report.groups[0].rules] == ["A"]


def test_a_mistake_of_the_group_makes_its_rules_unusable(tmp_path):
    report = check(tmp_path, "groups: [{name: g, debug: 5, rules: [{alert: A, expr: up > 1}]}]")
    assert report.verdicts[0].error == "'debug' is not supported yet; remove it"
    assert len(report.problems) == 1


def test_a_groups_label_is_a_template_for_its_alerts_only(tmp_path):
    text = """\
groups:
  - name: g
    labels: {a: "{{ $x"}
    rules:
      - {alert: A, expr: up}
      - {record: b, expr: up}
      - {alert: C, expr: up, labels: {d: e}}
"""
    report = check(tmp_path, text)
    (problem,) = report.problems
    assert str(problem).startswith("rules.yaml:3:17: labels.a: an action isn't closed")
    assert [verdict.ok for verdict in report.verdicts] == [False, True, False]
    assert [rule.labels for rule in report.groups[0].rules] == [(("a", "{{ $x"),)]


@pytest.mark.parametrize(
    ("written", "limit"), [("0", 0), ("-1", 0), ("~", 0), ("+7", 7), ("1000", 1000)]
)
def test_limits(tmp_path, written, limit):
    (group,) = check(tmp_path, f"groups: [{{name: g, limit: {written}}}]").groups
    assert group.limit == limit


@pytest.mark.parametrize("written", ["1.5", "a", "0x10", "[1]", "99999999999999999999"])
def test_limits_that_are_none(tmp_path, written):
    assert len(problems(tmp_path, f"groups: [{{name: g, limit: {written}}}]")) == 1


@pytest.mark.parametrize("name", ["a:b", "a-b", "größe", "A B", "1"])
def test_names_of_recorded_series_are_any_text_without_braces(tmp_path, name):
    report = check(tmp_path, f"groups: [{{name: g, rules: [{{record: {name}, expr: up}}]}}]")
    assert not report.problems
    assert [rule.name for rule in report.groups[0].rules] == [name]


def test_text_that_no_file_can_hold_is_refused(tmp_path):
    (problem,) = problems(
        tmp_path, 'groups: [{name: g, rules: [{alert: A, expr: up, labels: {a: "\\ud800"}}]}]'
    )
    assert problem == "rules.yaml:1:61: 'a' isn't valid Unicode text"


def test_the_step_of_subqueries_is_the_default_interval(tmp_path):
    text = "groups: [{name: g, interval: 5m, rules: [{alert: A, expr: 'rate(up[1h:]) > 0'}]}]"
    ((rule,),) = (group.rules for group in check(tmp_path, text).groups)
    assert str(rule.expression) == "rate(up[1h:1m]) > 0"


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


def bundled(name):
    path = bundled_rules_path(name)
    return load_rule_file(path, name="bundled", default_interval_ns=MINUTE_NS, max_window_ns=DAY_NS)


def test_the_bundled_rules_watch_for_episodes_of_models():
    (group,) = bundled("drift.yaml")
    (rule,) = group.rules
    assert (rule.name, str(rule.expression)) == ("ModelDrift", "drift_episode == 1")
    labels = {"model": "credit", "version": "7", "group": "quality"}
    texts = {name: template.expand(labels, 1.0) for name, template in rule.annotations}
    assert texts["summary"] == "model credit 7: quality"


def test_the_bundled_rules_watch_for_onsets():
    (group,) = bundled("anomalies.yaml")
    (rule,) = group.rules
    assert (group.name, group.interval_ns) == ("streamgauge-anomalies", 15_000_000_000)
    assert rule.name == "Anomaly"
    assert str(rule.expression) == "max_over_time(anomaly_onset[15s]) > 1"
    texts = {
        name: template.expand({"metric": "cpu", "detector": "default", "host": "a"}, 2.34567)
        for name, template in (*rule.labels, *rule.annotations)
    }
    assert texts["severity"] == "warning"
    assert texts["summary"] == "cpu is unusual"
    assert "a score of 2.346;" in texts["description"]
