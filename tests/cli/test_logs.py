"""What is logged: for people on a terminal, as JSON otherwise, and no warning over and over."""

import io
import json
import sys

import pytest
import structlog

from engine.cli.logs import RepeatLimit, configure_logs
from engine.errors import UsageError


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def _defaults_after():
    yield
    structlog.reset_defaults()


def logged(file, environment, *, level="info", **fields):
    configure_logs(environment, file=file)
    getattr(structlog.get_logger(), level)("what happened", **fields)
    return file.getvalue()


def test_elsewhere_than_on_a_terminal_it_is_json():
    line = json.loads(logged(io.StringIO(), {}, topic="t", rows=3))
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "what happened", "level": "info", "topic": "t", "rows": 3}


def test_an_exception_is_in_the_json():
    file = io.StringIO()
    configure_logs({}, file=file)
    try:
        {}["gone"]
    except KeyError:
        structlog.get_logger().exception("failed")
    assert "KeyError: 'gone'" in json.loads(file.getvalue())["exception"]


def test_on_a_terminal_it_is_text_with_colours():
    text = logged(Terminal(), {}, topic="t")
    assert "what happened" in text
    assert "\x1b[" in text


def test_no_color_is_respected():
    text = logged(Terminal(), {"NO_COLOR": "1"}, topic="t")
    assert "topic=t" in text
    assert "\x1b[" not in text


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, ["info", "warning", "error"]),
        ({"STREAMGAUGE_LOG": ""}, ["info", "warning", "error"]),
        ({"STREAMGAUGE_LOG": "debug"}, ["debug", "info", "warning", "error"]),
        ({"STREAMGAUGE_LOG": "WARNING"}, ["warning", "error"]),
        ({"STREAMGAUGE_LOG": "error"}, ["error"]),
    ],
)
def test_the_level_comes_from_the_environment(environment, said):
    file = io.StringIO()
    configure_logs(environment, file=file)
    log = structlog.get_logger()
    for level in ("debug", "info", "warning", "error"):
        getattr(log, level)(level)
    assert [json.loads(line)["event"] for line in file.getvalue().splitlines()] == said


def test_an_unknown_level_is_refused():
    with pytest.raises(UsageError, match="STREAMGAUGE_LOG takes debug"):
        configure_logs({"STREAMGAUGE_LOG": "loud"})


def passes(limit, method="warning", **event):
    try:
        return limit(None, method, event)
    except structlog.DropEvent:
        return None


def test_it_goes_to_what_standard_error_is_when_it_is_said(monkeypatch):
    configure_logs({})
    bar = io.StringIO()
    monkeypatch.setattr(sys, "stderr", bar)
    structlog.get_logger().info("above the bar")
    assert json.loads(bar.getvalue())["event"] == "above the bar"


def test_the_same_warning_is_said_once_in_a_while_with_a_count():
    now = [0]
    limit = RepeatLimit(after_ns=10, now_ns=lambda: now[0])
    assert passes(limit, event="x", topic="t") == {"event": "x", "topic": "t"}
    for now[0] in (0, 5, 9):
        assert passes(limit, event="x", topic="t") is None
    now[0] = 10
    assert passes(limit, event="x", topic="t") == {"event": "x", "topic": "t", "repeated": 3}
    now[0] = 20
    assert passes(limit, event="x", topic="t") == {"event": "x", "topic": "t"}


def test_other_warnings_and_other_levels_are_not_held_back():
    limit = RepeatLimit(after_ns=10, now_ns=lambda: 0)
    assert passes(limit, event="x", topic="a")
    assert passes(limit, event="x", topic="b")
    for method in ("info", "info", "error", "error"):
        assert passes(limit, method, event="x")


def test_it_remembers_a_bounded_number_of_warnings():
    limit = RepeatLimit(after_ns=10, now_ns=lambda: 0, remembered_max=2)
    for name in ("a", "b", "c"):
        assert passes(limit, event=name)
    assert len(limit._said) == 2
    assert passes(limit, event="c") is None
    assert passes(limit, event="a")  # forgotten, so it is new


def test_a_program_says_the_same_warning_once():
    file = io.StringIO()
    configure_logs({}, file=file)
    for _ in range(5):
        structlog.get_logger().warning("unreachable", broker="b")
    assert len(file.getvalue().splitlines()) == 1
