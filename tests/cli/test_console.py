"""Texts, tables and progress: pretty on a terminal, plain and whole in a pipe."""

import io
import json
import sys

import pytest

from engine.cli.console import Console, count_text, duration_text
from engine.replay.episodes import Episode


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("count", "noun", "text"),
    [
        (0, "sample", "0 samples"),
        (1, "sample", "1 sample"),
        (1_234_567, "sample", "1,234,567 samples"),
        (1, "series", "1 series"),
        (2, "series", "2 series"),
    ],
)
def test_counts(count, noun, text):
    assert count_text(count, noun) == text


@pytest.mark.parametrize(
    ("duration_ns", "text"),
    [
        (0, "0"),
        (7, "7ns"),
        (1_500, "1.5us"),
        (2_000_000, "2ms"),
        (1_234_567_890, "1.23s"),
        (59_000_000_000, "59s"),
        (60_000_000_000, "1m"),
        (90_400_000_000, "1m30s"),
        (3_600_000_000_000, "1h"),
        (90_061_000_000_000, "1d1h1m1s"),
    ],
)
def test_durations(duration_ns, text):
    assert duration_text(duration_ns) == text


def episode(**changes):
    fields = {
        "fingerprint": "f",
        "alert": "CpuHigh",
        "labels": {"host": "web-1", "path": "x" * 100},
        "active_at": "2026-01-01T00:00:00Z",
        "fired_at": "2026-01-01T00:02:00Z",
        "resolved_at": None,
        "value": 0.123456,
        "reason": "threshold",
    }
    return Episode(**(fields | changes))


def test_a_table_in_a_pipe_has_a_line_for_each_row_and_cuts_nothing(capsys):
    Console().episodes([episode(), episode(value="NaN", resolved_at="2026-01-01T01:00:00Z")])
    heading, first, second = capsys.readouterr().out.splitlines()
    assert heading.split() == ["fired", "resolved", "alert", "labels", "value"]
    assert first.split() == [
        "2026-01-01T00:02:00Z", "CpuHigh", "host=web-1,", "path=" + "x" * 100, "0.1235",
    ]  # fmt: skip
    assert second.split()[1] == "2026-01-01T01:00:00Z"
    assert second.split()[-1] == "NaN"


def test_no_episodes_is_said(capsys):
    Console().episodes([])
    assert capsys.readouterr().out == "no alert fired\n"


def test_brackets_are_no_markup(capsys):
    console = Console()
    console.line("[red]{a=~'[b]'}")
    console.table(["[x]"], [["[bold]y"]])
    out = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert out == ["[red]{a=~'[b]'}", "[x]", "[bold]y"]


def test_a_long_line_is_not_folded_in_a_pipe(capsys):
    Console().line("word " * 100)
    assert capsys.readouterr().out == "word " * 100 + "\n"


def test_facts_stand_in_columns(capsys):
    Console().facts([("topic", "a"), ("partitions", "3")])
    assert capsys.readouterr().out == "topic       a\npartitions  3\n"


def test_json_is_one_line(capsys):
    Console(json=True).print_json(episode())
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["alert"] == "CpuHigh"


def test_progress_is_silent_without_a_terminal(capsys):
    with Console().progress("playing") as bar:
        bar.advance(3)
        bar.advance(4)
    assert bar.count == 7
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("json_wanted", "shown"), [(False, True), (True, False)])
def test_progress_shows_on_a_terminal_unless_json_is_wanted(monkeypatch, json_wanted, shown):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    with Console(json=json_wanted).progress("playing", total=2000) as bar:
        bar.advance(1234)
    assert bar.count == 1234
    assert ("playing" in terminal.getvalue()) is shown
    assert ("1,234" in terminal.getvalue()) is shown
