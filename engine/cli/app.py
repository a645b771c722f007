"""The program ``streamgauge``: its commands by name, and what becomes of errors."""

import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches

from cyclopts import App, CycloptsError, Parameter, UnknownCommandError

from engine import __version__
from engine.errors import StreamgaugeError, UsageError

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells say it
EXIT_BROKEN_PIPE = 141  # 128 + SIGPIPE

_HELP = "Alert rules, anomaly detection and drift monitoring on live streams, in event time."
_EPILOGUE = (
    "Exit codes: 0 done; 1 a check or test failed, or a source, output or state folder can't be "
    "used; 2 unusable arguments or configuration; 130 interrupted. "
    "STREAMGAUGE_LOG=debug, info, warning or error sets what is logged."
)

# The help stands here, so that showing the list imports no command.
_COMMANDS = {
    "demo": "Show what it does on a made-up fleet of hosts.",
    "init": "Write a configuration after a look at a topic or recording.",
    "check": "Check configurations and Prometheus rule files.",
    "test": "Run unit tests of rules, in promtool's format.",
    "explain": "Say why an alert fired at a time of a recording, or did not.",
    "run": "Watch the streams of a configuration.",
    "replay": "Play a recording through a configuration.",
    "report": "Write an episode of drift as a page, with its causes and pictures.",
    "reference": "Write a model's reference as a file, for another configuration.",
    "record": "Write what a configuration's topics hold as a recording.",
    "schema": "Print the JSON Schema of the configuration or of an output.",
}


def make_app(called: str | None = None) -> App:
    """Put the program together.

    A command's module is imported when the command is called; `called` is the one whose own,
    longer help is wanted.
    """
    app = App(
        name="streamgauge",
        version=f"streamgauge {__version__}",
        help=_HELP,
        help_epilogue=_EPILOGUE,
        help_format="markdown",
        exit_on_error=False,
        print_error=False,
        suppress_keyboard_interrupt=False,
        default_parameter=Parameter(negative=(), show_default=_default_text),
        result_action="return_value",
    )
    for place, (name, summary) in enumerate(_COMMANDS.items()):
        app.command(
            f"engine.cli.{name}:{name}_command",
            name=name,
            help=None if name == called else summary,
            sort_key=place,
        )
    return app


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    arguments : sequence of str or None
        Those behind the program's name; None takes them from `sys.argv`.

    Returns
    -------
    int
        The exit code.
    """
    # Some of the libraries would phone home.
    os.environ["DO_NOT_TRACK"] = "1"
    # An error that ends the flow passes through Rust, whose backtrace says nothing to anyone.
    os.environ.setdefault("STREAMGAUGE_RUST_BACKTRACE", "0")
    os.environ["RUST_BACKTRACE"] = os.environ["STREAMGAUGE_RUST_BACKTRACE"]
    try:
        code = _run(sys.argv[1:] if arguments is None else list(arguments))
        sys.stdout.flush()
    except CycloptsError as error:
        return _failed(_unusable(error), EXIT_USAGE)
    except UsageError as error:
        return _failed(str(error), EXIT_USAGE)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone; Python would complain once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE
    except (StreamgaugeError, ConnectionError) as error:
        return _failed(str(error), EXIT_FAILED)
    return code


def _run(arguments: list[str]) -> int:
    app = make_app(next(iter(arguments), None))
    command, bound, _ = app.parse_args(arguments)
    if command not in (app.help_print, app.version_print):
        from engine.cli.logs import configure_logs

        configure_logs(os.environ)
    return command(*bound.args, **bound.kwargs) or EXIT_DONE


def _default_text(value: object) -> object:
    """Show a default that says something."""
    return None if value is None or value is False or value == () else value


def _unusable(error: CycloptsError) -> str:
    """Say what is wrong with the arguments, and where help is."""
    if isinstance(error, UnknownCommandError) and error.unused_tokens:
        # Its own text would import every command, to list their names.
        name = error.unused_tokens[0]
        near = get_close_matches(name, _COMMANDS, n=1)
        meant = f"do you mean {near[0]}?" if near else f"there are {', '.join(_COMMANDS)}"
        return f"there is no command {name}; {meant}"
    error.verbose = False
    command = " ".join(("streamgauge", *(error.command_chain or ())))
    return f"{error}\nSee {command} --help."


def _failed(message: str, code: int) -> int:
    sys.stderr.write(f"streamgauge: {message}\n")
    return code
