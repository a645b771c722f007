"""The demo finds what is labelled, and its fleet is watched as if the models were not there."""

from contextlib import redirect_stdout
from io import StringIO

import msgspec
import pytest

from engine.cli import main
from engine.cli.console import Console
from engine.cli.demo_report import DemoReport, fleet_size
from engine.replay.player import Summary
from engine.sources.demo_models import CALLS, DRIFTS, DRIFTS_FILE, LABELS, PREDICTIONS
from engine.sources.demo_plan import INCIDENTS

INCIDENTS_FOUND = 8
OTHER_ALERTS = 5
OTHER_EPISODES_MAX = 2  # a budget of one per week for each of the two models


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def printed(out):
    """What `streamgauge demo --json` prints; the demo is played once."""
    with redirect_stdout(StringIO()) as output:
        assert main(["demo", "--out", str(out), "--json"]) == 0
    return msgspec.json.decode(output.getvalue())


@pytest.fixture(scope="module")
def report(printed, out):
    summary = msgspec.convert(printed["summary"], Summary)
    return DemoReport.of(summary, out / "drift.jsonl", out / "models" / DRIFTS_FILE)


def test_incidents_of_the_fleet_are_found_as_ever(printed):
    found = [finding for finding in printed["findings"] if finding["episodes"]]
    assert len(printed["findings"]) == len(INCIDENTS)
    assert len(found) == INCIDENTS_FOUND
    assert len(printed["others"]) == OTHER_ALERTS
    size = fleet_size()
    assert (size.samples, size.series) == (414_600, 36)


def test_labelled_drifts_are_found(printed):
    kinds = [finding["drift"]["kind"] for finding in printed["drifts"]]
    assert kinds == [drift.kind for drift in DRIFTS]
    assert all(finding["signs"] for finding in printed["drifts"])
    assert len(printed["other_signs"]) <= OTHER_EPISODES_MAX


def test_everything_is_read_and_nothing_refused(printed, out):
    summary = printed["summary"]
    assert summary["complete"]
    assert summary["dead_letters"] == {}
    assert summary["unhealthy_rules"] == {}
    for what in (PREDICTIONS, LABELS, CALLS):
        assert (out / "models" / f"{what}.jsonl").exists()


def test_people_are_told_what_moved_when_and_how_soon(report, capsys):
    console = Console()
    report.show_drifts(console, {PREDICTIONS: 30_000, LABELS: 2000, CALLS: 40_000})
    report.show_incidents(console, fleet_size())
    shown = capsys.readouterr().out
    for drift in DRIFTS:
        (row,) = [line for line in shown.splitlines() if drift.description in line]
        assert f"{drift.model}: " in row
        assert f"{drift.start:%a %d %b %H:%M}" in row
    assert f"{len(DRIFTS)} of {len(DRIFTS)} drifts found; " in shown
    assert "30,000 predictions with 2,000 labels and 40,000 calls and evaluations" in shown
    assert "8 of 9 incidents found; 5 other alerts in 414,600 samples of 36 series" in shown
    opened = [event.openedAt for event in report.opened]
    assert opened == sorted(opened)
    for event in report.opened:
        assert f"{event.openedAt}  {event.group:17} {event.reason}" in shown
