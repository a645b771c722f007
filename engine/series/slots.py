"""From fingerprints to slots: dense row numbers of the arrays that hold a shard's state."""

import numpy as np
from numpy.typing import NDArray

from engine.kernels.jit import kernel
from engine.series.identity import Series

UNKNOWN = np.int32(-1)
"""Slot of a fingerprint that the table does not hold."""

_FIRST_CAPACITY = 64


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
        self.series: list[Series] = []
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
        keys, slots = self._keys[held], self._slots[held]
        self._keys = np.zeros(capacity, np.uint64)
        self._slots = np.full(capacity, UNKNOWN, np.int32)
        insert_fingerprints(self._keys, self._slots, keys[np.argsort(slots)], 0)
