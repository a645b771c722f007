"""Snapshots of arrays that go on changing: a row is copied when it is about to change, or never.

A shard's state is arrays with a row for each series. At a checkpoint nothing of them is copied: a
snapshot notes which arrays there are, a background thread reads them chunk by chunk, and before
the shard changes rows that the snapshot has not kept yet, it keeps what they held. What the thread
reads while rows change under its hands does not matter: it lays the kept rows over each chunk after
it has copied the chunk, and a row that could have changed by then was kept before.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any
from weakref import ReferenceType, ref

import numpy as np
from numpy.typing import NDArray

from engine.kernels.on_demand import zeros_on_demand

_PLACE = np.dtype(np.int32)
_ALIGNMENT = 64

CHUNK_BYTES = 1 << 20
"""Of an array that is read at a time."""


@dataclass(frozen=True, slots=True)
class Table:
    """Arrays of equal length in which a series has at most one row.

    Attributes
    ----------
    arrays : dict of arrays
        By name, each [rows, ...]. Once there, a row changes only with its series' slot.
    row_of_slot : int32[slots] or None
        The row of each slot, -1 where it has none; None: the slot's own number. New slots may be
        missing, and may get rows behind those of `arrays`.
    is_left_alone : bool
        What counts of the rows is not changed while the snapshot is read: none has to be kept.
    is_shared : bool
        Several slots may have the same row; it changes with each of them.
    """

    arrays: dict[str, NDArray[Any]]
    row_of_slot: NDArray[np.int32] | None = None
    is_left_alone: bool = False
    is_shared: bool = False


@dataclass(frozen=True, slots=True)
class SnapshotArray:
    """An array of a snapshot, to be read once."""

    snapshot: "Snapshot"
    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Bytes of all rows."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize

    def chunks(self) -> Iterator[NDArray[Any]]:
        """Yield the rows in order as arrays [some, ...]; the snapshot forgets them at the end."""
        return self.snapshot.read(self.name)


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


class _Kept:
    """A table's live arrays and the rows that were kept of them."""

    def __init__(self, table: Table) -> None:
        self.live = dict(table.arrays)
        (self.rows,) = {len(array) for array in self.live.values()} or {0}
        self.kept: dict[str, NDArray[Any]] = {}
        self.number = 0
        self.place = np.empty(0, _PLACE)
        """Of each row among the kept ones, plus one; 0: not kept. Empty while there is no room."""
        self._row_of_slot = table.row_of_slot
        self._is_shared = table.is_shared
        self._width = sum(array.nbytes for array in self.live.values()) // max(self.rows, 1)

    @property
    def room_bytes(self) -> int:
        """What `use` takes."""
        sizes = [array.nbytes for array in self.live.values()]
        return sum(_aligned(size) for size in (*sizes, self.rows * _PLACE.itemsize))

    def use(self, room: NDArray[np.uint8]) -> None:
        """Keep rows in this memory, which is all zeros."""
        begin = 0
        for name, array in self.live.items():
            part = room[begin : begin + array.nbytes]
            self.kept[name] = part.view(array.dtype).reshape(array.shape)
            begin += _aligned(array.nbytes)
        self.place = room[begin : begin + self.rows * _PLACE.itemsize].view(_PLACE)

    @property
    def held_bytes(self) -> int:
        """Bytes of the kept rows."""
        return self.number * self._width if self.live else 0

    def keep(self, slots: NDArray[np.int32]) -> None:
        """Copy the rows of slots that were not kept yet, where there is room."""
        rows = slots
        if self._row_of_slot is not None:
            rows = self._row_of_slot[slots[slots < len(self._row_of_slot)]]
        rows = rows[(rows >= 0) & (rows < self.rows)]
        rows = rows[self.place[rows] == 0]
        if self._is_shared:
            rows = np.unique(rows)
        begin, end = self.number, self.number + len(rows)
        for name, array in self.live.items():
            # Clipping never happens: it lets NumPy write to `out` without a copy between.
            array.take(rows, axis=0, out=self.kept[name][begin:end], mode="clip")
        self.place[rows] = np.arange(begin + 1, end + 1, dtype=_PLACE)
        self.number = end

    def forget(self, name: str) -> None:
        """Let an array go that has been read."""
        self.live.pop(name, None)
        self.kept.pop(name, None)
        if not self.live:
            self.place = np.empty(0, _PLACE)


class Snapshot:
    """The rows of tables at one moment, kept for a reader in another thread.

    Parameters
    ----------
    tables : dict of sequence of Table
        By prefix of the names that their arrays get: ``prefix|name``.
    """

    def __init__(self, tables: Mapping[str, Sequence[Table]]) -> None:
        self._lock = Lock()
        self._has_room = False
        self._of_name: dict[str, _Kept] = {}
        self._tables: list[_Kept] = []
        """All whose rows may change."""
        for prefix, members in tables.items():
            for table in members:
                named = {f"{prefix}|{name}": array for name, array in table.arrays.items()}
                kept = _Kept(replace(table, arrays=named))
                if not table.is_left_alone:
                    self._tables.append(kept)
                self._of_name |= dict.fromkeys(named, kept)

    @property
    def held_bytes(self) -> int:
        """Memory of the rows that had to be kept."""
        with self._lock:
            return sum(table.held_bytes for table in self._tables)

    def arrays(self) -> dict[str, SnapshotArray]:
        """All arrays that were not read yet; they keep the snapshot alive."""
        return {
            name: SnapshotArray(self, name, table.live[name].dtype, table.live[name].shape)
            for name, table in self._of_name.items()
            if name in table.live
        }

    @property
    def is_done(self) -> bool:
        """Whether all arrays were read or released."""
        return not any(table.live for table in self._of_name.values())

    def keep(self, slots: NDArray[np.int32]) -> None:
        """Keep what slots hold that are about to change; each is named once."""
        with self._lock:
            tables = [table for table in self._tables if table.live and table.rows]
            if tables and not self._has_room:
                self._make_room()
            for table in tables:
                table.keep(slots)

    def read(self, name: str) -> Iterator[NDArray[Any]]:
        """Yield the rows of an array, then forget it."""
        table = self._of_name[name]
        live = table.live[name]
        step = max(1, CHUNK_BYTES * len(live) // max(live.nbytes, 1))
        for begin in range(0, len(live), step):
            # Without the lock: the shard may go on, and rows that change meanwhile are kept ones.
            chunk = live[begin : begin + step].copy()
            with self._lock:
                place = table.place[begin : begin + step].copy()
                kept = table.kept.get(name)
            if kept is not None:
                changed = np.flatnonzero(place)
                chunk[changed] = kept[place[changed] - 1]
            yield chunk
        with self._lock:
            table.forget(name)

    def _make_room(self) -> None:
        """Have room for all rows at once: what is not written takes no memory."""
        sizes = [table.room_bytes for table in self._tables]
        room = zeros_on_demand((sum(sizes),), np.dtype(np.uint8))
        begin = 0
        for table, size in zip(self._tables, sizes, strict=True):
            table.use(room[begin : begin + size])
            begin += size
        self._has_room = True

    def release(self) -> None:
        """Forget all arrays, read or not."""
        with self._lock:
            for name, table in self._of_name.items():
                table.forget(name)


class Snapshots:
    """The snapshots of a shard that somebody still has in hand."""

    def __init__(self) -> None:
        self._taken: list[ReferenceType[Snapshot]] = []

    def __len__(self) -> int:
        return sum(taken() is not None for taken in self._taken)

    @property
    def are_read(self) -> bool:
        """Whether there is something that somebody may still read."""
        snapshots = [taken() for taken in self._taken]
        return not all(snapshot is None or snapshot.is_done for snapshot in snapshots)

    def take(self, tables: Mapping[str, Sequence[Table]]) -> dict[str, SnapshotArray]:
        """Note the moment; give its arrays by ``prefix|name``."""
        snapshot = Snapshot(tables)
        self._taken.append(ref(snapshot))
        return snapshot.arrays()

    def keep(self, slots: NDArray[np.int32]) -> None:
        """Keep what slots hold that are about to change.

        Parameters
        ----------
        slots : int32[n]
            Ascending; a slot may be named more than once.
        """
        if not self._taken:
            return
        first = np.ones(len(slots), np.bool_)
        first[1:] = slots[1:] != slots[:-1]
        for taken in list(self._taken):
            snapshot = taken()
            if snapshot is None:
                self._taken.remove(taken)
            else:
                snapshot.keep(slots[first])
