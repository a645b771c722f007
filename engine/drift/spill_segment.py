"""A segment: waiting rows of one stretch of event time on disk, sorted by key.

The file is written once and never changed: an ``.npy`` array of rows (`label_rows.ROW`), mapped
into memory and read page by page. What is in memory is a filter and fences, about 1.7 bytes for
each row, and a bit that says whether the row has been taken back.
"""

import os
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.drift.label_rows import ROW
from engine.drift.spill_kernels import (
    KEYS_PER_WORD,
    ROWS_PER_FENCE,
    first_rows,
    may_hold,
    remember,
    take,
)
from engine.errors import StateError

Packed = NDArray[Any]
"""Rows of dtype `label_rows.ROW`."""

CHUNK_ROWS = 1 << 16


class SegmentHead(msgspec.Struct, frozen=True):
    """What a checkpoint holds of a segment, beside the bits of the rows that were taken.

    Attributes
    ----------
    file : str
        Name within the folder.
    stretch : int
        Number of the stretch of event time; all its rows are due when it is over.
    rows : int
    crc32 : int
        Of all rows' bytes.
    """

    file: str
    stretch: int
    rows: int
    crc32: int


def _write_npy(stream: BinaryIO, rows: int, pieces: Iterable[Packed]) -> int:
    """Write an array's head and rows; gives their checksum."""
    head = {"descr": np.lib.format.dtype_to_descr(ROW), "fortran_order": False, "shape": (rows,)}
    np.lib.format.write_array_header_2_0(stream, head)
    crc32 = 0
    for piece in pieces:
        raw = np.ascontiguousarray(piece).view(np.uint8).data
        crc32 = zlib.crc32(raw, crc32)
        stream.write(raw)
    return crc32


def write_segment(
    folder: Path, file: str, stretch: int, rows: int, pieces: Iterable[Packed]
) -> "Segment":
    """Write rows, in order of their keys, and open what was written.

    The file gets its name when all is written; `sync_segment` makes that last.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = folder / f"{file}.part"
    with written.open("wb") as stream:
        crc32 = _write_npy(stream, rows, pieces)
    written.replace(folder / file)
    return Segment(folder, SegmentHead(file, stretch, rows, crc32))


def sync_segment(folder: Path, file: str) -> None:
    """Make a written segment last through a power loss, unless it is gone already."""
    try:
        handle = os.open(folder / file, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class Segment:
    """A segment that is open for reading.

    Raises
    ------
    StateError
        The file is missing or holds other rows than the head says.
    """

    def __init__(
        self, folder: Path, head: SegmentHead, taken: NDArray[np.uint8] | None = None
    ) -> None:
        self.head = head
        path = folder / head.file
        try:
            # As a plain array: a view of a memmap costs more than what is read through it.
            self._rows: Packed = np.asarray(np.load(path, mmap_mode="r"))
        except (OSError, ValueError, EOFError) as error:
            raise StateError(f"{path} can't be read ({error}); remove the state folder") from error
        self.taken = np.zeros((head.rows + 7) // 8, np.uint8) if taken is None else taken
        self.live = head.rows - int(np.bitwise_count(self.taken).sum())
        self._fences = np.zeros(0, np.uint64)
        self._keys: NDArray[np.uint64] = np.zeros(0, np.uint64)
        self._filter = np.zeros(max(1, head.rows // KEYS_PER_WORD), np.uint64)
        self._index(path)

    @property
    def memory_bytes(self) -> int:
        """Memory that stays in use."""
        return self._filter.nbytes + self._fences.nbytes + self.taken.nbytes

    def find(self, keys: NDArray[np.uint64]) -> NDArray[np.int64]:
        """First row of each key, -1 where it is not here or was taken; keys in any order."""
        first = np.full(len(keys), -1, np.int64)
        passes = np.empty(len(keys), np.bool_)
        if self.live and may_hold(self._filter, keys, passes):
            found = np.empty(int(passes.sum()), np.int64)
            first_rows(self._fences, self._keys, keys[passes], found)
            found[self._is_taken(found)] = -1
            first[passes] = found
        return first

    def take(self, first: NDArray[np.int64]) -> Packed:
        """Rows of the keys that begin at some rows, each once; they are taken from now on."""
        rows, stored = first, self._keys
        parts = [first]
        while len(rows):  # a key's rows stand together
            following = rows[rows + 1 < len(stored)] + 1
            rows = following[stored[following] == stored[following - 1]]
            parts.append(rows)
        rows = np.sort(np.concatenate(parts))
        were_taken = np.empty(len(rows), np.bool_)
        take(self.taken, rows, were_taken)
        fresh = rows[~were_taken]
        self.live -= len(fresh)
        return self._rows[fresh]

    def chunks(self) -> Iterator[Packed]:
        """Yield all rows that were not taken, in order, no key in two chunks."""
        begin = 0
        while begin < len(self._rows):
            end = min(begin + CHUNK_ROWS, len(self._rows))
            while end < len(self._rows) and self._keys[end] == self._keys[end - 1]:
                end += 1
            yield self.between(begin, end)
            begin = end

    def between(self, begin: int, end: int) -> Packed:
        """Rows of a stretch of the file that were not taken."""
        return self._rows[begin:end][~self._is_taken(np.arange(begin, end))]

    def _is_taken(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether rows were taken; anything for -1."""
        return (self.taken[rows >> 3] >> (rows & 7) & 1).astype(np.bool_)

    def bound(self, key: int) -> int:
        """Number of rows with smaller keys."""
        return int(np.searchsorted(self._keys, np.uint64(key)))

    def _index(self, path: Path) -> None:
        """Read all rows once: their checksum, filter and fences."""
        if self._rows.dtype != ROW or self._rows.shape != (self.head.rows,):
            raise StateError(f"{path} is no segment of this version; remove the state folder")
        self._keys = self._rows["key"]
        crc32 = 0
        for begin in range(0, len(self._rows), CHUNK_ROWS):
            chunk = self._rows[begin : begin + CHUNK_ROWS]
            crc32 = zlib.crc32(chunk.view(np.uint8).data, crc32)
            remember(self._filter, np.ascontiguousarray(chunk["key"]))
        self._fences = np.array(self._keys[::ROWS_PER_FENCE])
        if crc32 != self.head.crc32:
            raise StateError(f"{path} is damaged (checksum differs); remove the state folder")
