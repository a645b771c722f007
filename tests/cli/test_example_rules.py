"""The rule files that are shipped as examples.

Aim: they hold their own unit tests, and these show each alert both firing and silent.
"""

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from engine.cli.app import main
from engine.drift.llm_layout import LLM_SERIES

RULES = Path(__file__).resolve().parents[2] / "examples" / "rules"
TESTED = ("llm_guardrails", "training")


def read(path):
    return YAML(typ="safe", pure=True).load(path.read_text())


@pytest.mark.parametrize("name", TESTED)
def test_unit_tests_hold(capsys, name):
    assert main(["test", str(RULES / "tests" / f"{name}_test.yaml")]) == 0
    assert "failed" not in capsys.readouterr().out


@pytest.mark.parametrize("name", TESTED)
def test_each_alert_is_seen_firing_and_silent(name):
    groups = read(RULES / f"{name}.yaml")["groups"]
    alerts = {rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule}
    checks = [
        check
        for case in read(RULES / "tests" / f"{name}_test.yaml")["tests"]
        for check in case["alert_rule_test"]
    ]
    assert {check["alertname"] for check in checks if check.get("exp_alerts")} == alerts
    assert {check["alertname"] for check in checks if not check.get("exp_alerts")} == alerts


def test_guardrails_are_on_series_that_there_are():
    text = (RULES / "llm_guardrails.yaml").read_text()
    used = set(re.findall(r"(?<!:)\bllm_\w+(?=[{[]| offset)", text))
    assert used
    assert used <= LLM_SERIES
