"""Puts the watermark's advances in silences between the rows of a recording, where they belong.

A run writes an advance down an epoch or so after the silence that it belongs to, maybe after the
next message was read here. So rows wait for some epochs, and the journal is read again before they
are written. Where no run has left a state folder, nothing waits.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.clock import elapsed_ns, sleep
from engine.series.columns import Columns
from engine.sinks.recording_writer import ROWS_BUFFERED_MAX
from engine.sources.journal import Journal

_PAUSE_S = 0.05


@dataclass(slots=True)
class Log:
    """One partition's log as it is recorded.

    Attributes
    ----------
    topic, partition : str, int
        Whose log it is.
    next_offset : int
        Behind the last message that was read.
    written_offset : int
        Behind the last message that was written, and what belongs before it.
    writer : Appends
    advances : dict of int to int
        Offset to the time (ns) up to which the partition's promise advanced before it.
    at_end : bool
        Whether its end was reached.
    """

    topic: str
    partition: int
    next_offset: int
    writer: "Appends"
    written_offset: int = field(init=False)
    advances: dict[int, int] = field(default_factory=dict)
    at_end: bool = False

    def __post_init__(self) -> None:
        self.written_offset = self.next_offset

    @property
    def key(self) -> str:
        """Name in the recording."""
        return f"{self.topic}-{self.partition}"

    @property
    def journal_key(self) -> str:
        """Name in the run's journal."""
        return f"{self.topic}/{self.partition}"


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Rows that were read together, and when that was."""

    log: Log
    columns: Columns
    offsets: NDArray[np.int64]
    end_offset: int
    read_ns: int


class Appends(Protocol):
    """Writes what has settled: `RecordingWriter`, or `LineWriter`."""

    def append(
        self, partition: str, columns: Columns, *, advances: Sequence[tuple[int, int]] = ()
    ) -> None:
        """Append rows of one partition, in the order of its log."""


class Settling:
    """Holds rows until no advance can come before them any more, then writes both.

    Parameters
    ----------
    journal : Journal
        Of the run beside the recording; neither it nor its folder need exist.
    wait_ns : int
        How long rows wait where the journal's folder exists.
    """

    def __init__(self, journal: Journal, *, wait_ns: int) -> None:
        self.logs: list[Log] = []
        self.samples = 0
        self.advances = 0
        self._journal = journal
        self._journal_size = 0
        self._wait_ns = wait_ns
        self._waiting: deque[_Chunk] = deque()
        self._rows_waiting = 0

    @property
    def has_room(self) -> bool:
        """Whether more rows may come before those that wait are written."""
        return self._rows_waiting < ROWS_BUFFERED_MAX

    def add(
        self, log: Log, columns: Columns, offsets: NDArray[np.int64], *, end_offset: int
    ) -> None:
        """Take rows in, with the offset of each one's message, up to the message `end_offset` - 1.

        Raises
        ------
        SinkError
            If the disk does not take what is written meanwhile.
        """
        log.next_offset = end_offset
        self._rows_waiting += max(1, len(columns))
        self._waiting.append(_Chunk(log, columns, offsets, end_offset, elapsed_ns()))

    def settle(self) -> None:
        """Write what has waited long enough.

        Raises
        ------
        SinkError
            If the disk does not take it.
        """
        path = self._journal.path
        until_ns = elapsed_ns()
        # The journal itself begins with the first silence of its run.
        if path is not None and path.parent.exists():
            until_ns -= self._wait_ns
        if self._waiting and self._waiting[0].read_ns <= until_ns:
            self._read_journal()
        while self._waiting and self._waiting[0].read_ns <= until_ns:
            chunk = self._waiting.popleft()
            self._rows_waiting -= max(1, len(chunk.columns))
            # What is before the message that follows is not final yet: the silence may go on.
            self._write(chunk.log, chunk.columns, chunk.offsets, last_offset=chunk.end_offset - 1)

    def finish(self) -> None:
        """Write all that waits, and the advances at the places where the logs end.

        Raises
        ------
        SinkError
            If the disk does not take it.
        """
        self.settle()
        while self._waiting:
            sleep(_PAUSE_S)
            self.settle()
        self._read_journal()
        for log in self.logs:
            none = np.empty(0, np.int64)
            self._write(log, Columns.empty(), none, last_offset=log.next_offset)

    def _write(
        self, log: Log, columns: Columns, offsets: NDArray[np.int64], *, last_offset: int
    ) -> None:
        """Append rows, and the advances that belong before offsets up to `last_offset`."""
        due = sorted(item for item in log.advances.items() if item[0] <= last_offset)
        log.advances = {at: ts for at, ts in log.advances.items() if at > last_offset}
        log.written_offset = last_offset + 1
        if due or len(columns):
            advances = [(int(np.searchsorted(offsets, offset)), ts) for offset, ts in due]
            log.writer.append(log.key, columns, advances=advances)
            self.samples += len(columns)
            self.advances += len(due)

    def _size(self) -> int:
        """Bytes in the journal; 0 if there is none."""
        path = self._journal.path
        return path.stat().st_size if path is not None and path.exists() else 0

    def _read_journal(self) -> None:
        """Take over the advances of places that are not written yet, if the journal has changed."""
        size = self._size()
        if size == self._journal_size:
            return
        self._journal_size = size
        found = self._journal.read()
        for log in self.logs:
            places = found.get(log.journal_key, {})
            log.advances = {at: ts for at, ts in places.items() if at >= log.written_offset}
