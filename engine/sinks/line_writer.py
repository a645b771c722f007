"""Writes lines of recorded messages, a file for each partition, in the order of its log."""

from collections.abc import Callable, Sequence
from pathlib import Path

from engine.errors import SinkError, UsageError
from engine.series.columns import Columns

LINES_SUFFIX = ".jsonl"


class LineWriter:
    """Appends lines and watermark advances to the files of a recording.

    Lines are held under a number until they are appended by it.

    Parameters
    ----------
    folder : Path
        Made with the first line; must not hold lines yet.
    advance_line : callable
        Writes an advance of the watermark to a time in nanoseconds.

    Raises
    ------
    UsageError
        If the folder holds lines already.
    """

    def __init__(self, folder: Path, *, advance_line: Callable[[int], bytes]) -> None:
        self._folder = folder
        self._advance_line = advance_line
        self._held: dict[int, bytes] = {}
        self._number = 0
        if any(folder.rglob(f"*{LINES_SUFFIX}")):
            raise UsageError(f"{folder}: holds a recording already; choose another folder")

    def hold(self, lines: Sequence[bytes]) -> range:
        """Take lines in and give their numbers."""
        numbers = range(self._number, self._number + len(lines))
        self._held.update(zip(numbers, lines, strict=True))
        self._number = numbers.stop
        return numbers

    def append(
        self, partition: str, columns: Columns, *, advances: Sequence[tuple[int, int]] = ()
    ) -> None:
        """Append lines of one partition.

        Parameters
        ----------
        partition : str
            Key: a relative path without extension.
        columns : Columns
            Their values are the numbers of lines.
        advances : sequence of (int, int)
            As in `RecordingWriter.append`.

        Raises
        ------
        SinkError
            If the disk does not take it.
        """
        lines = [self._held.pop(int(number)) for number in columns.value]
        for before, (position, ts) in enumerate(advances):
            lines.insert(position + before, self._advance_line(ts))
        path = self._folder / f"{partition}{LINES_SUFFIX}"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                file.write(b"".join(line + b"\n" for line in lines))
        except OSError as error:
            raise SinkError(f"{path}: can't be written: {error.strerror}") from error
