"""Scores as a folder of Parquet parts that grows, can be cut back, and is merged in the end.

A part ``part-000123.parquet`` holds some rows, ``part-000000-000031.parquet`` those of parts 0 to
31 after they were merged, so that the number of files stays small however long a flow runs.
"""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from engine.errors import SinkError
from engine.sinks.files import TEMPORARY_SUFFIX, write_parquet, writing

ORDER = ("ts", "name", "labels", "detector")
"""Columns that the merged file is sorted by; no two rows agree in all of them."""

SMALL_PARTS_MAX = 32
SMALL_BYTES = 4 << 20
"""Parts below this size are merged when there are `SMALL_PARTS_MAX` of them in a row."""

ROWS_SORTED_MAX = 1_000_000
"""Rows sorted at once, in memory, where parts come roughly in time order."""

_PART = re.compile(r"part-(\d{6,})(?:-(\d{6,}))?\.parquet")


@dataclass(frozen=True, slots=True, order=True)
class _Part:
    first: int
    last: int
    path: Path

    @property
    def small(self) -> bool:
        return self.path.stat().st_size < SMALL_BYTES


@dataclass(frozen=True, slots=True)
class _Span:
    """Rows of a part and the times they are from, in nanoseconds."""

    path: Path
    rows: int
    earliest: int
    latest: int


class ScoreParts:
    """The parts in a folder; a position in them is the number that the next one gets.

    Parameters
    ----------
    folder : Path
    position : int
        Go on from here: later parts are removed.

    Raises
    ------
    SinkError
        If earlier parts are missing, or the folder can't be written.
    """

    def __init__(self, folder: Path, position: int) -> None:
        self.position = position
        self._folder = folder
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            for path in folder.glob("*" + TEMPORARY_SUFFIX):
                path.unlink()
            for part in self._found():
                if part.first >= position:
                    part.path.unlink()
            covered = 0
            for part in self._parts():
                covered = part.last + 1 if part.first == covered else -1
        if covered != position:
            raise SinkError(
                f"{folder}: the parts do not end at number {position}, where the checkpoint is; "
                "put them back, or remove the state folder to start anew"
            )

    def append(self, rows: pl.DataFrame) -> None:
        """Write the next part, of at least one row.

        Raises
        ------
        SinkError
            If the disk does not take it.
        """
        # Quick to write and to read: a part does not stay for long.
        write_parquet(rows.lazy(), self._path(self.position, self.position), compression="lz4")
        self.position += 1

    def merge_small(self, until: int) -> None:
        """Merge the newest small parts before position `until` if there are many of them.

        Raises
        ------
        SinkError
            If the disk does not take it.
        """
        run: list[_Part] = []
        with writing(self._folder):
            for part in reversed([part for part in self._parts() if part.last < until]):
                if not part.small:
                    break
                run.insert(0, part)
            if len(run) < SMALL_PARTS_MAX:
                return
            merged = self._path(run[0].first, run[-1].last)
            write_parquet(_scan([part.path for part in run]), merged, compression="lz4")
            for part in run:
                part.path.unlink()

    def merge(self, path: Path, nothing: pl.DataFrame) -> None:
        """Write all rows into one file, sorted by `ORDER`; `nothing` tells its columns.

        A time span after the other is sorted in memory and written beside the parts, then all are
        joined: memory depends on `ROWS_SORTED_MAX`, not on the number of rows.

        Raises
        ------
        SinkError
            If the disk does not take it.
        """
        spans = [_span(part.path) for part in self._parts()]
        sorted_paths = []
        for number, (begin, end) in enumerate(_slices(spans)):
            overlapping = [s.path for s in spans if s.earliest < end and s.latest >= begin]
            ts = pl.col("ts").dt.timestamp("ns")
            rows = _scan(overlapping).filter((ts >= begin) & (ts < end)).sort(*ORDER)
            sorted_path = self._folder / f"sorted-{number:06d}.parquet{TEMPORARY_SUFFIX}"
            with writing(sorted_path):
                rows.sink_parquet(sorted_path, compression="lz4", maintain_order=True)
            sorted_paths.append(sorted_path)
        write_parquet(
            _scan(sorted_paths) if sorted_paths else nothing.lazy(), path, compression="zstd"
        )
        with writing(self._folder):
            for sorted_path in sorted_paths:
                sorted_path.unlink()

    def remove(self) -> None:
        """Remove the folder.

        Raises
        ------
        SinkError
            If it can't be removed.
        """
        with writing(self._folder):
            shutil.rmtree(self._folder)

    def _path(self, first: int, last: int) -> Path:
        numbers = f"{first:06d}" if first == last else f"{first:06d}-{last:06d}"
        return self._folder / f"part-{numbers}.parquet"

    def _found(self) -> list[_Part]:
        matches = [(path, _PART.fullmatch(path.name)) for path in self._folder.iterdir()]
        return sorted(
            _Part(int(match[1]), int(match[2] or match[1]), path)
            for path, match in matches
            if match
        )

    def _parts(self) -> list[_Part]:
        """Parts by number, without those that a crash left beside what they were merged into."""
        parts: list[_Part] = []
        for part in sorted(self._found(), key=lambda part: (part.first, -part.last)):
            if parts and part.last <= parts[-1].last:
                part.path.unlink()
            else:
                parts.append(part)
        return parts


def _scan(paths: list[Path]) -> pl.LazyFrame:
    return pl.scan_parquet(paths, glob=False)


def _span(path: Path) -> _Span:
    with writing(path):
        ts = pl.col("ts").dt.timestamp("ns")
        found = _scan([path]).select(pl.len(), ts.min().alias("min"), ts.max().alias("max"))
        rows, earliest, latest = found.collect(engine="streaming").row(0)
    return _Span(path, rows, earliest, latest)


def _slices(spans: list[_Span]) -> Iterator[tuple[int, int]]:
    """Cut time where parts begin, into [begin, end) of about `ROWS_SORTED_MAX` rows."""
    rows = 0
    begin: int | None = None
    for span in sorted(spans, key=lambda span: span.earliest):
        if begin is None:
            begin = span.earliest
        elif rows + span.rows > ROWS_SORTED_MAX and span.earliest > begin:
            yield begin, span.earliest
            begin, rows = span.earliest, 0
        rows += span.rows
    if begin is not None:
        yield begin, max(span.latest for span in spans) + 1
