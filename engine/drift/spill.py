"""The part of the label join's state that is on disk: segments by stretches of event time.

A key's rows are all in memory or all in one segment. Whatever comes for a key takes its rows back
into memory; what is left of a segment is closed when its stretch of time is over. Segments of one
stretch that become many are merged, slice by slice of the key space, without what was taken.

A checkpoint holds the segments' heads and the bits of taken rows; the files are on disk for good
before it counts (`sync`), and stay until no checkpoint names them (`remove_unused`).
"""

from collections import defaultdict, deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.drift.label_rows import ROW
from engine.drift.spill_segment import (
    CHUNK_ROWS,
    Packed,
    Segment,
    SegmentHead,
    sync_segment,
    write_segment,
)
from engine.errors import StateError
from engine.series.blocks import sync_folder

SEGMENTS_MAX = 8
"""Of one stretch; more are merged."""

SUFFIX = ".rows"
_TAKEN = "spill_taken"


class SpillMeta(msgspec.Struct, frozen=True):
    """What a checkpoint holds of the spilled rows."""

    sequence: int
    segments: tuple[SegmentHead, ...]


def _slices(segments: Sequence[Segment]) -> Iterator[Packed]:
    """Yield the live rows of several segments in order of keys."""
    rows = sum(segment.head.rows for segment in segments)
    parts = max(1, -(-rows // CHUNK_ROWS))
    begins = [0] * len(segments)
    for part in range(1, parts + 1):
        ends = [
            segment.bound((part << 64) // parts) if part < parts else segment.head.rows
            for segment in segments
        ]
        pieces = [
            segment.between(begin, end)
            for segment, begin, end in zip(segments, begins, ends, strict=True)
        ]
        merged = np.concatenate(pieces)
        yield merged[np.argsort(merged["key"], kind="stable")]
        begins = ends


class Spill:
    """Segments in a folder of their own.

    Attributes
    ----------
    rows_written : int
        All rows that were ever written, merged ones too.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sequence = 0
        self._segments: list[Segment] = []
        self._retired = self._found()
        self._unsynced: deque[str] = deque()
        self.rows_written = 0

    def __len__(self) -> int:
        return sum(segment.live for segment in self._segments)

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the files in use."""
        return tuple(segment.head.file for segment in self._segments)

    @property
    def memory_bytes(self) -> int:
        """Memory that the segments take."""
        return sum(segment.memory_bytes for segment in self._segments)

    def write(self, rows: Packed, stretches: NDArray[np.int64]) -> None:
        """Write rows ROW[n], each into the segment of its stretch; a key's rows share one."""
        for stretch in np.unique(stretches).tolist():
            part = rows[stretches == stretch]
            part = part[np.argsort(part["key"], kind="stable")]
            self._write(stretch, len(part), iter([part]))
        of_stretch: dict[int, list[Segment]] = defaultdict(list)
        for segment in self._segments:
            of_stretch[segment.head.stretch].append(segment)
        for stretch, segments in of_stretch.items():
            if len(segments) > SEGMENTS_MAX:
                live = sum(segment.live for segment in segments)
                self._write(stretch, live, _slices(segments))
                self._retire(segments)

    def take(self, keys: NDArray[np.uint64]) -> Packed:
        """Take the rows of keys out, ROW[n]."""
        found = []
        keys = np.sort(keys)
        for segment in self._segments:
            first = segment.find(keys)
            is_here = first >= 0
            if is_here.any():  # a key's rows are in one segment: it need not be sought further
                found.append(segment.take(first[is_here]))
                keys = keys[~is_here]
        self._retire([segment for segment in self._segments if not segment.live])
        return np.concatenate(found) if found else np.zeros(0, ROW)

    def take_before(self, stretch: int) -> Iterator[Packed]:
        """Yield all rows of earlier stretches, no key in two pieces; the segments retire."""
        over = [segment for segment in self._segments if segment.head.stretch < stretch]
        self._retire(over)  # first: what is taken may be written again meanwhile
        for segment in over:
            yield from segment.chunks()

    def snapshot(self) -> tuple[dict[str, NDArray[Any]], SpillMeta]:
        """Give what a checkpoint needs: bits of taken rows by segment, and the heads."""
        arrays: dict[str, NDArray[Any]] = {
            f"{_TAKEN}|{place}": segment.taken.copy()
            for place, segment in enumerate(self._segments)
        }
        heads = tuple(segment.head for segment in self._segments)
        return arrays, SpillMeta(sequence=self._sequence, segments=heads)

    def restore(self, arrays: Mapping[str, NDArray[Any]], meta: SpillMeta) -> None:
        """Open the segments of a checkpoint; what else is in the folder is removed.

        Raises
        ------
        StateError
            A segment is missing or damaged.
        """
        self._sequence = meta.sequence
        self._segments = []
        for place, head in enumerate(meta.segments):
            taken = arrays.get(f"{_TAKEN}|{place}")
            if taken is None or len(taken) != (head.rows + 7) // 8:
                raise StateError(f"the checkpoint does not say which rows of {head.file} are left")
            self._segments.append(Segment(self._folder, head, taken.copy()))
        self._retired = self._found()
        self.remove_unused(())

    def sync(self) -> None:
        """Make all files last through a power loss: before a checkpoint counts that names them.

        It may run in another thread than everything else.
        """
        if not self._unsynced:
            return
        while self._unsynced:
            sync_segment(self._folder, self._unsynced.popleft())
        sync_folder(self._folder)

    def remove_unused(self, named: Collection[str]) -> None:
        """Remove files that are in use no more and that no checkpoint names."""
        unused = self._retired - set(named) - set(self.files)
        for file in unused:
            (self._folder / file).unlink(missing_ok=True)
        self._retired -= unused | set(self.files)

    def _found(self) -> set[str]:
        """Files that a run left in the folder, half written ones among them."""
        return {path.name for path in self._folder.glob(f"*{SUFFIX}*")}

    def _write(self, stretch: int, rows: int, pieces: Iterator[Packed]) -> None:
        self._sequence += 1
        file = f"{self._sequence:010d}{SUFFIX}"
        self._segments.append(write_segment(self._folder, file, stretch, rows, pieces))
        self._unsynced.append(file)
        self.rows_written += rows

    def _retire(self, segments: Sequence[Segment]) -> None:
        self._retired |= {segment.head.file for segment in segments}
        self._segments = [segment for segment in self._segments if segment not in segments]
