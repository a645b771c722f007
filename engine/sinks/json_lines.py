"""A file of JSON lines that readers can follow, and that resumes without a doubled or torn line."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.errors import SinkError
from engine.series.blocks import CheckpointId
from engine.sinks.files import writing
from engine.sinks.lane import Marks, Usable


class JsonLinesLane:
    """Appends records to a file; its position is the file's length in bytes.

    Parameters
    ----------
    path : Path
        Emptied where there is nothing to resume.
    encode : callable
        Gives a record's JSON without line breaks; None: the record is not written.
    resume : tuple or None
        A snapshot of this lane.
    usable : callable
        See `Usable`.

    Raises
    ------
    SinkError
        If the file can't be opened, or is shorter than at the checkpoint.
    """

    def __init__(
        self,
        path: Path,
        encode: Callable[[Any], bytes | None],
        resume: Any | None,
        usable: Usable,
    ) -> None:
        self._path = path
        self._encode = encode
        self._marks, self._position = Marks.load(resume or ()).rewind(usable)
        self._position_lasting = self._position
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            length = path.stat().st_size
        if length < self._position:
            raise SinkError(
                f"{path}: {self._position - length} bytes of what was written before are missing; "
                "put them back, or remove the state folder to start anew"
            )
        with writing(path):
            if length > self._position:
                os.truncate(path, self._position)
            # Without a buffer, nothing is left behind to be written after an error.
            self._file = path.open("ab", buffering=0)

    def write(self, items: list[Any]) -> None:
        """Append records; a reader sees them at once.

        Raises
        ------
        SinkError
            If the disk does not take them.
        """
        lines = [line for item in items if (line := self._encode(item)) is not None]
        if not lines:
            return
        rest = memoryview(b"\n".join([*lines, b""]))
        self._position += len(rest)
        with writing(self._path):
            while rest:
                rest = rest[self._file.write(rest) :]

    def mark(self, checkpoint: CheckpointId) -> None:
        """Remember the file's length at a checkpoint, and make it last.

        Raises
        ------
        SinkError
            If the disk does not take it.
        """
        self._make_last()
        self._marks = self._marks.add(checkpoint, self._position)

    def snapshot(self) -> tuple[tuple[int, int, int], ...]:
        """Give the marks; what came after the last one is said again after a resume."""
        return self._marks.dump()

    def close(self) -> None:
        """Close the file.

        Raises
        ------
        SinkError
            If the disk does not take it.
        """
        if self._file.closed:
            return
        try:
            self._make_last()
        finally:
            self._file.close()

    def _make_last(self) -> None:
        if self._position == self._position_lasting:
            return
        with writing(self._path):
            os.fsync(self._file.fileno())
        self._position_lasting = self._position
