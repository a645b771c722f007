"""``streamgauge report`` writes an episode's page, says where it is, and what it can't do."""

import json

import numpy as np
import pytest

from engine.cli.app import main
from engine.codecs.predictions import Column, Kind
from engine.drift.version_monitor import Evidence
from engine.events import DriftEvent
from engine.events.drift import DriftBudget, DriftCause, DriftWindow
from engine.pipeline.evidence import EvidenceFolder
from engine.replay import report_files

EPISODE = "0123456789abcdef" * 2
REASON = "Drift of credit 3: <income> mean up."


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A state folder where a run would have put it, with one episode."""
    opened, begin = "2026-01-02T02:00:00Z", "2026-01-02T01:00:00Z"
    cause = DriftCause(
        feature="<income>",
        segment="",
        kind="data",
        method="psi",
        score=0.2,
        effect=4.0,
        pValue=1e-9,
        importance=1.0,
        share=1.0,
    )
    event = DriftEvent(
        id="1",
        episode=EPISODE,
        status="open",
        seq=0,
        model="credit",
        version="3",
        group="drift",
        severity="warning",
        openedAt=opened,
        onsetAt=begin,
        evaluatedAt=opened,
        window=DriftWindow(begin, opened, 3, 3),
        budget=DriftBudget(1.0, 1e-4),
        causes=(cause,),
        segments=(),
        reason=REASON,
    )
    rows = {"<income>": Column(Kind.NUMERIC, np.array([1.0, 2.0, 3.0]))}
    EvidenceFolder(tmp_path / "var" / "state" / "evidence").keep(Evidence(event, rows, rows))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(report_files, "has_evidently", lambda: False)
    return tmp_path


def test_the_page_of_a_runs_episode_is_in_the_working_directory(folder, capsys):
    assert main(["report", "latest"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "Drift of credit 3: warning, open",
        REASON,
        "the report is in report-01234567.html",
        "Evidently's report of the same rows comes with: pip install 'streamgauge[reports]'",
    ]
    assert "&lt;income&gt; mean up." in (folder / "report-01234567.html").read_text()


def test_folder_and_file_are_free_and_json_prints_the_paths(folder, capsys):
    (folder / "var" / "state").rename(folder / "out")
    arguments = ["report", "0123", "--from", "out", "--out", "pages/x.html", "--plain", "--json"]
    assert main(arguments) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == {
        "episode": EPISODE,
        "report": "pages/x.html",
        "evidently": None,
        "note": "",
    }
    assert (folder / "pages" / "x.html").is_file()


def test_evidentlys_file_is_named_too(folder, capsys, monkeypatch):
    monkeypatch.setattr(report_files, "has_evidently", lambda: True)
    monkeypatch.setattr(report_files, "evidently_page", lambda samples, first: "<p>theirs</p>")
    assert main(["report", "latest"]) == 0
    assert "Evidently's is in report-01234567-evidently.html" in capsys.readouterr().out
    assert (folder / "report-01234567-evidently.html").read_text() == "<p>theirs</p>"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ffff"], f"there is no episode ffff in var/state; newest first there are:\n  {EPISODE}"),
        (["latest", "--from", "nowhere"], "there is no folder nowhere; name one with --from"),
        (["latest", "--from", "."], "has no episode"),
        (["latest", "--records", "x.jsonl"], "there is no file x.jsonl"),
    ],
)
def test_what_is_not_there_exits_with_2_and_says_what_is(folder, capsys, arguments, message):
    assert main(["report", *arguments]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.out == ""


def test_damaged_evidence_exits_with_1(folder, capsys):
    (folder / "var" / "state" / "evidence" / EPISODE / "window.parquet").write_bytes(b"no")
    assert main(["report", "latest"]) == 1
    assert "can't be read" in capsys.readouterr().err
