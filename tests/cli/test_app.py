"""The program as a whole: its commands, what it exits with, and how it ends.

Method: `main` is called in this process wherever the process does not matter.
"""

import os
import signal
import subprocess
import sys

import pytest
from confluent_kafka import Producer

from engine import __version__
from engine.cli import app, main
from engine.errors import ConfigError, Problem, SinkError, SourceError, StateError, UsageError

HEAVY = ("numpy", "numba", "polars", "bytewax", "confluent_kafka", "structlog", "ruamel.yaml")


def run(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "engine.cli", *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        **options,
    )


@pytest.fixture
def command(monkeypatch):
    """Let ``streamgauge schema`` do something else."""

    def replace(function):
        import engine.cli.schema

        monkeypatch.setattr(engine.cli.schema, "schema_command", function)

    return replace


def test_the_version_is_the_packages(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"streamgauge {__version__}\n"


@pytest.mark.parametrize("arguments", [["--help"], []])
def test_the_help_names_every_command(capsys, arguments):
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert all(f" {name} " in out for name in app._COMMANDS)
    assert "Exit codes" in out


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_help_and_version_import_nothing_heavy(flag):
    script = (
        "import sys; from engine.cli import main; main(sys.argv[1:]);"
        f"sys.exit(', '.join(name for name in {HEAVY} if name in sys.modules) or 0)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, flag],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("name", ["check", "init", "record", "schema"])
def test_a_commands_own_help_is_its_docstring(capsys, name):
    assert main([name, "--help"]) == 0
    out = capsys.readouterr().out
    assert f"Usage: streamgauge {name}" in out
    assert app._COMMANDS[name] in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["chekc"], "there is no command chekc; do you mean check?"),
        (["xyz"], "there is no command xyz; there are demo, init, check"),
        (["schema", "--nope"], "Unknown option: --nope"),
        (["schema", "nope"], 'Invalid value "nope"'),
        (["check"], "name the files to check"),
        (["check", "--interval", "1x", "a"], "'1x' isn't a duration"),
        (["record", "a.yaml"], "--out"),
        (["record", "a.yaml", "--out", "x", "--start", "soon"], "isn't a place to start"),
    ],
)
def test_unusable_arguments_exit_with_2_and_say_why(capsys, arguments, message):
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("streamgauge: ")
    assert message in captured.err
    assert captured.out == ""


def test_wrong_arguments_point_to_the_commands_help(capsys):
    main(["schema", "--nope"])
    assert "See streamgauge schema --help." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("what is wrong"), 2),
        (SourceError("what is wrong"), 1),
        (SinkError("what is wrong"), 1),
        (StateError("what is wrong"), 1),
        (ConnectionError("what is wrong"), 1),
    ],
)
def test_errors_print_their_message_alone(capsys, command, error, code):
    def fail():
        raise error

    command(fail)
    assert main(["schema"]) == code
    assert capsys.readouterr().err == "streamgauge: what is wrong\n"


def test_all_problems_of_a_configuration_are_printed_each_on_a_line(capsys, command):
    def fail():
        raise ConfigError([Problem("b.yaml", 2, 1, "y"), Problem("a.yaml", 1, 3, "x")])

    command(fail)
    assert main(["schema"]) == 2
    assert capsys.readouterr().err == "streamgauge: a.yaml:1:3: x\nb.yaml:2:1: y\n"


def test_an_error_that_nobody_expects_is_not_hidden(command):
    def fail():
        raise ZeroDivisionError

    command(fail)
    with pytest.raises(ZeroDivisionError):
        main(["schema"])


def test_a_commands_exit_code_is_the_programs(command):
    command(lambda: 1)
    assert main(["schema"]) == 1


def test_an_interrupt_exits_with_130(command):
    def fail():
        raise KeyboardInterrupt

    command(fail)
    assert main(["schema"]) == 130


def test_libraries_are_told_not_to_phone_home(monkeypatch, command):
    seen = []
    monkeypatch.delenv("DO_NOT_TRACK", raising=False)
    command(lambda: seen.append(os.environ["DO_NOT_TRACK"]))
    assert main(["schema"]) == 0
    assert seen == ["1"]


def test_it_runs_as_a_module():
    ended = run("--version")
    assert (ended.returncode, ended.stdout) == (0, f"streamgauge {__version__}\n")


def test_an_unknown_log_level_is_refused():
    ended = run("schema", env={**os.environ, "STREAMGAUGE_LOG": "loud"})
    assert ended.returncode == 2
    assert "STREAMGAUGE_LOG takes debug, info, warning, error, not loud" in ended.stderr


def test_a_reader_that_has_gone_is_no_error():
    script = f"{sys.executable} -m engine.cli schema; echo $? >&2"
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run(
        ["sh", "-c", script],
        check=False,
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    os.close(writer)
    assert ended.stderr == "141\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_recording_in_good_order(tmp_path, mock_cluster, number):
    producer = Producer({"bootstrap.servers": mock_cluster})
    producer.produce("quiet", b"[]")
    assert producer.flush(30) == 0
    config = tmp_path / "c.yaml"
    config.write_text(
        f"sources: [{{kafka: {{brokers: '{mock_cluster}', topic: quiet}}}}]\n"
        f"state: {{dir: {tmp_path / 'state'}}}\n"
    )
    # It says when it reads, and so listens for signals.
    script = (
        "import sys; from engine.replay import recorder; from engine.cli import main;"
        "take = recorder._Recorder.take;"
        "recorder._Recorder.take = lambda *a: (print('on', flush=True), take(*a));"
        "sys.exit(main(sys.argv[1:]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, "record", str(config), "--out", str(tmp_path / "out")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "on\n"
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0
    assert "0 samples of 0 series from 4 partitions; there is no recording" in out
    assert number.name in err
