"""The exception tree.

::

    StreamgaugeError
    ├── UsageError            unusable arguments or configuration (exit code 2)
    │   └── ConfigError       carries every Problem found, each with file, line and column
    ├── SourceError           a source can't go on (topic missing, offset out of range, ...)
    ├── SinkError             an output can't be written (undelivered, disk full, ...)
    └── StateError            the state folder is locked, damaged or of another layout

Operating errors of single records are no exceptions: they become dead letters (`events`).
"""

from collections.abc import Sequence
from dataclasses import dataclass


class StreamgaugeError(Exception):
    """Base of all errors that streamgauge raises on purpose."""


class UsageError(StreamgaugeError):
    """The arguments or the configuration can't be used; exit code 2."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake in a file: where it is, what is wrong and what to write instead.

    `line` and `column` count from 1; 0 means that the whole file is meant.
    """

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{where}: {self.message}"


class ConfigError(UsageError):
    """All mistakes found in configuration and rule files at once."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class SourceError(StreamgaugeError):
    """A source can't go on."""


class SinkError(StreamgaugeError):
    """An output can't be written."""


class StateError(StreamgaugeError):
    """The state folder is locked, damaged or of another layout."""
