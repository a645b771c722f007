"""Why an alert fired is shown with the samples, each part's results, and the alert's states."""

import json

import pytest

from engine.cli.app import main

BEGIN_S = 1_760_000_400  # a whole minute
RULES = """
groups:
- name: g
  interval: 15s
  rules:
  - {record: "host:rate", expr: "sum by (host) (rate(errors_total[1m]))"}
  - {alert: Many, expr: "host:rate > 2 and on (host) cpu > 0.5", for: 30s}
"""


@pytest.fixture
def files(tmp_path):
    rows = ["ts,name,labels,value"]
    for step in range(40):
        ts = (BEGIN_S + 15 * step) * 1000
        rows.append(f'{ts},errors_total,"{{""host"":""a""}}",{60 * step}')
        rows.append(f'{ts},cpu,"{{""host"":""a""}}",{0.9 if step >= 20 else 0.1}')
    (tmp_path / "rows.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "rules.yaml").write_text(RULES)
    return ["--recording", str(tmp_path / "rows.csv"), "--rules", str(tmp_path / "rules.yaml")]


def explained(capsys, files, step):
    arguments = ["explain", "Many", "--at", str(BEGIN_S + 15 * step), *files, "--json"]
    assert main(arguments) == 0
    return json.loads(capsys.readouterr().out)


def test_a_tick_shows_what_each_part_gave_and_the_states_around_it(capsys, files):
    found = explained(capsys, files, 22)
    values = {step["expression"]: [item["value"] for item in step["results"]]
              for step in found["steps"]}  # fmt: skip
    assert values["cpu > 0.5"] == [0.9]
    assert values["host:rate"] == pytest.approx([4.0])
    assert [item["state"] for item in found["before"]] == ["pending"]
    assert [item["state"] for item in found["after"]] == ["firing"]
    assert "1 began to fire" in found["verdict"]


def test_where_nothing_fires_the_failing_part_is_seen(capsys, files):
    found = explained(capsys, files, 10)
    by_text = {step["expression"]: step["results"] for step in found["steps"]}
    assert by_text["cpu > 0.5"] == []
    assert [item["value"] for item in by_text["cpu"]] == [0.1]
    assert found["after"] == []


def test_an_unknown_alert_is_refused_with_those_that_there_are(capsys, files):
    assert main(["explain", "Nope", "--at", str(BEGIN_S), *files]) == 2
    assert "no rule makes the alert Nope" in capsys.readouterr().err
