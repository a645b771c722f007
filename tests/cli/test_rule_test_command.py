"""Unit tests of rules run as promtool runs them, with a diff where one fails."""

import json
from pathlib import Path

import pytest

from engine.cli.app import main

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "promrules"
RULES = """
groups:
- name: g
  rules:
  - {record: "sum:x", expr: "sum(x)"}
  - {alert: High, expr: "sum:x > 5", for: 1m, annotations: {is: "{{ $value }}"}}
"""
TESTS = """
rule_files: [rules.yaml]
evaluation_interval: 1m
tests:
- name: rises
  interval: 1m
  input_series:
  - {series: 'x{i="1"}', values: "1 4 4 4"}
  - {series: 'x{i="2"}', values: "1 4 4 4"}
  alert_rule_test:
  - eval_time: 1m
    alertname: High
  - eval_time: 2m
    alertname: High
    exp_alerts: [{exp_annotations: {is: "8"}}]
  promql_expr_test:
  - {expr: "ALERTS", eval_time: 1m, exp_samples: [
      {labels: 'ALERTS{alertname="High", alertstate="pending"}', value: 1}]}
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "rules.yaml").write_text(RULES)
    (tmp_path / "tests.yaml").write_text(TESTS)
    return tmp_path


def test_checks_that_hold_are_counted(capsys, folder):
    assert main(["test", str(folder / "tests.yaml")]) == 0
    assert capsys.readouterr().out == "3 checks passed\n"


def test_a_check_that_fails_says_what_differs_and_where(capsys, folder):
    (folder / "tests.yaml").write_text(TESTS.replace('is: "8"', 'is: "9"'))
    assert main(["test", str(folder / "tests.yaml")]) == 1
    shown = capsys.readouterr().out
    assert 'annotation is: expected "9", got "8"' in shown
    assert "2 checks passed, 1 check failed" in shown


def test_json_has_a_line_for_each_check(capsys, folder):
    assert main(["test", str(folder / "tests.yaml"), "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["ok"] for line in lines] == [True] * 3


@pytest.mark.slow
def test_kubernetes_mixin_passes_whole(capsys):
    files = sorted((SHARED / "kubernetes-mixin-tests" / "tests").glob("*.yaml"))
    if not files:
        pytest.skip("../shared is absent: it holds kubernetes-mixin's tests")
    assert main(["test", *map(str, files)]) == 0
    assert capsys.readouterr().out == "198 checks passed\n"
