"""From one fingerprint to another, for a whole column at once.

Open addressing with linear probing; fingerprints are hashes already, so their low bits are the
place. A fingerprint maps to another or is `DROPPED`; one that was never put is `UNKNOWN`.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from engine.kernels.jit import in_place

UNKNOWN, KEPT, DROPPED = (np.uint8(state) for state in range(3))
"""What is known of a fingerprint; `UNKNOWN` marks a free place of the table, too."""

_CAPACITY_MIN = 1024


@in_place
def _put(
    table: NDArray[np.uint64],
    states: NDArray[np.uint8],
    old: NDArray[np.uint64],
    new: NDArray[np.uint64],
    state: NDArray[np.uint8],
) -> int:
    """Put pairs into the table, over those it has; gives how many were not in it."""
    mask = np.uint64(len(table) - 1)
    added = 0
    for row in range(len(old)):
        place = old[row] & mask
        while states[place] != UNKNOWN and table[place, 0] != old[row]:
            place = (place + np.uint64(1)) & mask
        added += states[place] == UNKNOWN
        table[place, 0] = old[row]
        table[place, 1] = new[row]
        states[place] = state[row]
    return added


@in_place
def _find(
    table: NDArray[np.uint64],
    states: NDArray[np.uint8],
    old: NDArray[np.uint64],
    new: NDArray[np.uint64],
    state: NDArray[np.uint8],
) -> None:
    """Write what each fingerprint maps to, and what is known of it."""
    mask = np.uint64(len(table) - 1)
    for row in range(len(old)):
        place = old[row] & mask
        while states[place] != UNKNOWN and table[place, 0] != old[row]:
            place = (place + np.uint64(1)) & mask
        new[row] = table[place, 1]
        state[row] = states[place]


class FingerprintMap:
    """A growing map over 64-bit fingerprints; it takes 34 to 68 bytes per entry."""

    def __init__(self) -> None:
        self._entries = 0
        self._table = np.zeros((_CAPACITY_MIN, 2), np.uint64)
        self._states = np.zeros(_CAPACITY_MIN, np.uint8)

    def __len__(self) -> int:
        return self._entries

    def update(self, pairs: Mapping[int, int | None]) -> None:
        """Map the old fingerprints to the new ones, or to None: dropped."""
        self._reserve(self._entries + len(pairs))
        old = np.fromiter(pairs, np.uint64, len(pairs))
        new = np.fromiter((value or 0 for value in pairs.values()), np.uint64, len(pairs))
        dropped = np.fromiter((value is None for value in pairs.values()), np.bool_, len(pairs))
        state = np.where(dropped, DROPPED, KEPT)
        self._entries += int(_put(self._table, self._states, old, new, state))

    def find(self, old: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.uint8]]:
        """Look fingerprints up.

        Parameters
        ----------
        old : uint64[n]

        Returns
        -------
        new : uint64[n]
            What they map to; anything where the state is not `KEPT`.
        state : uint8[n]
            `KEPT`, `DROPPED` or `UNKNOWN`.
        """
        new = np.empty(len(old), np.uint64)
        state = np.empty(len(old), np.uint8)
        _find(self._table, self._states, np.ascontiguousarray(old), new, state)
        return new, state

    def _reserve(self, entries: int) -> None:
        """Double the table until at most half of it will be taken."""
        capacity = len(self._table)
        while 2 * entries > capacity:
            capacity *= 2
        if capacity == len(self._table):
            return
        held = self._states != UNKNOWN
        pairs, states = self._table[held], self._states[held]
        self._table = np.zeros((capacity, 2), np.uint64)
        self._states = np.zeros(capacity, np.uint8)
        old, new = (np.ascontiguousarray(pairs[:, column]) for column in range(2))
        _put(self._table, self._states, old, new, states)
