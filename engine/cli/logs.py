"""What the program says while it runs: for people on a terminal, as JSON lines otherwise."""

import logging
import sys
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, TextIO

import structlog

from engine.clock import elapsed_ns
from engine.config.durations import SECOND_NS
from engine.errors import UsageError

LEVEL_VARIABLE = "STREAMGAUGE_LOG"
LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
REPEAT_AFTER_NS = 10 * SECOND_NS
REMEMBERED_MAX = 1_000


class RepeatLimit:
    """Lets a warning with the same content through once in a while; a structlog processor.

    The next one that goes through says in ``repeated`` how many did not. Only what is said at
    level warning is held back: an error ends the program, and a status is wanted each time.

    Parameters
    ----------
    after_ns : int
        How long the same warning stays unsaid.
    now_ns : callable
        The clock, in nanoseconds.
    remembered_max : int
        Different warnings that are told apart; with more, the oldest is forgotten.
    """

    def __init__(
        self,
        *,
        after_ns: int = REPEAT_AFTER_NS,
        now_ns: Callable[[], int] = elapsed_ns,
        remembered_max: int = REMEMBERED_MAX,
    ) -> None:
        self._after_ns = after_ns
        self._now_ns = now_ns
        self._remembered_max = remembered_max
        self._said: dict[str, tuple[int, int]] = {}  # content to when it was said, and unsaid count

    def __call__(
        self, _logger: Any, method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        """Pass an event on, or drop it."""
        if method != "warning":
            return event
        content = repr(sorted(event.items()))
        now_ns = self._now_ns()
        said_ns, unsaid = self._said.pop(content, (None, 0))
        if said_ns is not None and now_ns - said_ns < self._after_ns:
            self._said[content] = (said_ns, unsaid + 1)
            raise structlog.DropEvent
        self._said[content] = (now_ns, 0)
        if len(self._said) > self._remembered_max:
            del self._said[next(iter(self._said))]
        return {**event, "repeated": unsaid} if unsaid else event


def configure_logs(environment: Mapping[str, str], *, file: TextIO | None = None) -> None:
    """Set up logging for a command.

    Parameters
    ----------
    environment : mapping
        ``STREAMGAUGE_LOG`` is the level: debug, info (the default), warning or error; ``NO_COLOR``
        switches colours off.
    file : text file or None
        Where the log goes; None for standard error.

    Raises
    ------
    UsageError
        If there is no such level.
    """
    name = environment.get(LEVEL_VARIABLE) or "info"
    if name.lower() not in LEVELS:
        raise UsageError(f"{LEVEL_VARIABLE} takes {', '.join(LEVELS)}, not {name}")
    terminal = (file or sys.stderr).isatty()
    renderer: list[Any] = (
        [structlog.dev.ConsoleRenderer(colors=not environment.get("NO_COLOR"))]
        if terminal
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    stamp = structlog.processors.TimeStamper(
        fmt="%H:%M:%S" if terminal else "iso", utc=not terminal
    )
    structlog.configure(
        processors=[RepeatLimit(), structlog.processors.add_log_level, stamp, *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[name.lower()]),
        # A progress bar puts itself in the place of standard error, to stay below what is said.
        logger_factory=lambda *_: structlog.WriteLogger(file or sys.stderr),
        cache_logger_on_first_use=False,
    )
