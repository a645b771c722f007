"""What commands show: progress and tables on a terminal, JSON lines for machines."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
from rich.console import Console as RichConsole
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from engine.config.durations import MINUTE_NS, SECOND_NS, format_duration
from engine.replay.episodes import Episode

_SAME_IN_PLURAL = frozenset({"series"})
_SMALL_UNITS_NS = {"s": SECOND_NS, "ms": 1_000_000, "us": 1_000}
_PIPE_WIDTH = 1_000_000  # nothing is folded for a reader that is no terminal


def count_text(count: int, noun: str) -> str:
    """Write a count with its noun: ``1 sample``, ``1,200 samples``, ``2 series``."""
    plural = "" if count == 1 or noun in _SAME_IN_PLURAL else "s"
    return f"{count:,} {noun}{plural}"


def duration_text(duration_ns: int) -> str:
    """Write a duration for people, with some three digits: ``1h5m``, ``1m30s``, ``2.5s``, ``0``."""
    if duration_ns >= MINUTE_NS:
        return format_duration(round(duration_ns / SECOND_NS) * SECOND_NS)
    for unit, unit_ns in _SMALL_UNITS_NS.items():
        if duration_ns >= unit_ns:
            return f"{duration_ns / unit_ns:.3g}{unit}"
    return f"{duration_ns}ns" if duration_ns else "0"


class Bar:
    """Progress of one piece of work; counts silently where there is no terminal."""

    def __init__(self, progress: Progress | None, task: TaskID | None) -> None:
        self._progress = progress
        self._task = task
        self.count = 0

    def advance(self, count: int) -> None:
        """Note that `count` more are done."""
        self.count += count
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, advance=count, rows=f"{self.count:,}")


class Console:
    """Where a command's results go.

    Parameters
    ----------
    json : bool
        Results are for machines: no progress, and nothing but JSON on standard output.
    """

    def __init__(self, *, json: bool = False) -> None:
        self._json = json
        # Rich leaves colours out for NO_COLOR and where there is no terminal.
        self._output = RichConsole(
            file=sys.stdout,
            highlight=False,
            width=None if sys.stdout.isatty() else _PIPE_WIDTH,
        )
        self._progress = RichConsole(file=sys.stderr, highlight=False)

    @contextmanager
    def progress(self, title: str, *, total: int | None = None) -> Iterator[Bar]:
        """Show how work goes on, on a terminal only; gives a `Bar` to advance.

        Parameters
        ----------
        title : str
            What is being done: "playing".
        total : int or None
            What there is to do, if it is known.
        """
        if self._json or not self._progress.is_terminal:
            yield Bar(None, None)
            return
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            *([BarColumn()] if total is not None else []),
            TextColumn("{task.fields[rows]}"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self._progress, transient=True) as progress:
            yield Bar(progress, progress.add_task(title, total=total, rows="0"))

    def line(self, text: str) -> None:
        """Print a line, as it is."""
        self._output.print(Text(text), soft_wrap=True)

    def print_json(self, value: Any) -> None:
        """Print a value as one line of JSON."""
        self._output.file.write(msgspec.json.encode(value).decode() + "\n")

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Print rows under headings; long texts fold on a terminal only."""
        table = Table(box=None, pad_edge=False, header_style="bold")
        for heading in columns:
            table.add_column(Text(heading), overflow="fold")
        for row in rows:
            table.add_row(*map(Text, row))
        self._output.print(table)

    def facts(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Print names with their values below each other."""
        pairs = list(pairs)
        width = max((len(name) for name, _ in pairs), default=0)
        for name, value in pairs:
            self.line(f"{name:{width}}  {value}")

    def episodes(self, episodes: Sequence[Episode]) -> None:
        """Print alerts that fired, a row for each."""
        if not episodes:
            self.line("no alert fired")
            return
        self.table(
            ("fired", "resolved", "alert", "labels", "value"),
            (
                (
                    episode.fired_at or "",
                    episode.resolved_at or "",
                    episode.alert,
                    ", ".join(f"{name}={value}" for name, value in episode.labels.items()),
                    _value_text(episode.value),
                )
                for episode in episodes
            ),
        )


def _value_text(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.4g}"
