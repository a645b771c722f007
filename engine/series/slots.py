"""From fingerprints to slots: dense row numbers of the arrays that hold a shard's state."""

from collections.abc import Sequence
from typing import TypeVar, overload

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.kernels.jit import kernel
from engine.series.identity import Series

UNKNOWN = np.int32(-1)
"""Slot of a fingerprint that the table does not hold."""

_FIRST_CAPACITY = 64
_FIRST_BYTES = 4096
_RECENT_MAX = 1024
_GROWTH = 4  # room takes address space; memory follows only where it is written

_T = TypeVar("_T", bound=np.generic)
_Identity = tuple[str, tuple[tuple[str, str], ...]]


@kernel
def insert_fingerprints(
    keys: NDArray[np.uint64],
    slots: NDArray[np.int32],
    fingerprint: NDArray[np.uint64],
    first_slot: int,
) -> None:
    """Put fingerprint i at slot ``first_slot + i``; open addressing with linear probing.

    `keys` and `slots` have a power of two as length; a slot of -1 marks a free place. None of the
    fingerprints may be in the table yet.
    """
    mask = np.uint64(len(keys) - 1)
    for i in range(len(fingerprint)):
        place = fingerprint[i] & mask
        while slots[place] >= 0:
            place = (place + np.uint64(1)) & mask
        keys[place] = fingerprint[i]
        slots[place] = first_slot + i


@kernel
def find_fingerprints(
    keys: NDArray[np.uint64],
    slots: NDArray[np.int32],
    fingerprint: NDArray[np.uint64],
    found: NDArray[np.int32],
) -> None:
    """Write the slot of each fingerprint into `found`, or -1."""
    mask = np.uint64(len(keys) - 1)
    for i in range(len(fingerprint)):
        place = fingerprint[i] & mask
        while slots[place] >= 0 and keys[place] != fingerprint[i]:
            place = (place + np.uint64(1)) & mask
        found[i] = slots[place]


class PackedSeries(Sequence[Series]):
    """The series of all slots, each packed as MessagePack and made again when it is asked for.

    Packed, a series takes a quarter of the memory of its objects, and a checkpoint can have all of
    them without copying: bytes once written never change.
    """

    def __init__(self) -> None:
        self._bytes = np.empty(_FIRST_BYTES, np.uint8)
        self._end = np.zeros(_FIRST_CAPACITY, np.int64)
        self._count = 0
        self._used = 0
        self._recent: dict[int, Series] = {}
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(_Identity)

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, place: int) -> Series: ...
    @overload
    def __getitem__(self, place: slice) -> list[Series]: ...
    def __getitem__(self, place: int | slice) -> Series | list[Series]:
        if isinstance(place, slice):
            return [self._at(slot) for slot in range(*place.indices(self._count))]
        if not 0 <= place < self._count:
            raise IndexError(place)
        return self._at(place)

    def extend(self, series: list[Series]) -> None:
        """Append series."""
        packed = [self._encoder.encode((item.name, item.labels)) for item in series]
        ends = self._used + np.cumsum([len(text) for text in packed], dtype=np.int64)
        count = self._count + len(series)
        used = int(ends[-1]) if len(series) else self._used
        self._bytes = _with_room(self._bytes, self._used, used)
        self._end = _with_room(self._end, self._count, count)
        self._bytes[self._used : used] = np.frombuffer(b"".join(packed), np.uint8)
        self._end[self._count : count] = ends
        # What is new is asked for at once.
        self._recent = dict(enumerate(series[:_RECENT_MAX], self._count))
        self._count, self._used = count, used

    def packed(self) -> NDArray[np.uint8]:
        """All series as they are packed, one after the other; unchanged by what follows."""
        return self._bytes[: self._used]

    @staticmethod
    def unpacked(packed: NDArray[np.uint8], count: int) -> list[Series]:
        """Make the `count` series that `packed` gave."""
        array = b"\xdd" + count.to_bytes(4, "big") + packed.tobytes()  # MessagePack's array 32
        identities = msgspec.msgpack.decode(array, type=list[_Identity])
        return [Series(name, labels) for name, labels in identities]

    def _at(self, slot: int) -> Series:
        series = self._recent.get(slot)
        if series is None:
            start = self._end[slot - 1] if slot else 0
            series = Series(*self._decoder.decode(self._bytes[start : self._end[slot]].data))
            if len(self._recent) >= _RECENT_MAX:
                self._recent.clear()
            self._recent[slot] = series
        return series


def _with_room(array: NDArray[_T], used: int, wanted: int) -> NDArray[_T]:
    """Give the array, or a longer one that begins with what is used, if it is too short."""
    if wanted <= len(array):
        return array
    longer = np.empty(max(wanted, int(len(array) * _GROWTH)), array.dtype)
    longer[:used] = array[:used]
    return longer


class SlotTable:
    """The series that a shard knows, each with a slot; slots are given in order of first sight.

    Parameters
    ----------
    limit : int
        Most series to hold; further ones are refused, so that a label explosion can't push out
        series that are being watched.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.series = PackedSeries()
        self._keys = np.zeros(_FIRST_CAPACITY, np.uint64)
        self._slots = np.full(_FIRST_CAPACITY, UNKNOWN, np.int32)

    def __len__(self) -> int:
        return len(self.series)

    def add(self, definitions: list[Series]) -> tuple[int, list[Series]]:
        """Take new series in; known ones are passed over.

        Returns
        -------
        first_slot : int
            Slot of the first added one; the others follow it.
        refused : list of Series
            Those beyond the limit.
        """
        first_slot = len(self.series)
        by_fingerprint = {series.fingerprint: series for series in definitions}
        fingerprint = np.fromiter(by_fingerprint, np.uint64, len(by_fingerprint))
        known = self.find(fingerprint)
        new = [
            series
            for series, slot in zip(by_fingerprint.values(), known.tolist(), strict=True)
            if slot < 0
        ]
        accepted = new[: self.limit - first_slot]
        self.series.extend(accepted)
        added = np.fromiter((series.fingerprint for series in accepted), np.uint64, len(accepted))
        self._reserve(len(self.series))
        insert_fingerprints(self._keys, self._slots, added, first_slot)
        return first_slot, new[len(accepted) :]

    def find(self, fingerprint: NDArray[np.uint64]) -> NDArray[np.int32]:
        """Slots of the fingerprints, -1 where unknown."""
        found = np.empty(len(fingerprint), np.int32)
        find_fingerprints(self._keys, self._slots, fingerprint, found)
        return found

    def _reserve(self, count: int) -> None:
        capacity = len(self._keys)
        if 2 * count <= capacity:
            return
        while 2 * count > capacity:
            capacity *= 2
        held = self._slots >= 0
        by_slot = np.empty(int(held.sum()), np.uint64)
        by_slot[self._slots[held]] = self._keys[held]
        self._keys = np.zeros(capacity, np.uint64)
        self._slots = np.full(capacity, UNKNOWN, np.int32)
        insert_fingerprints(self._keys, self._slots, by_slot, 0)
