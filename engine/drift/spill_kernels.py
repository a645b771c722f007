"""Finding keys in spilled segments: a blocked Bloom filter and a search between fences.

A filter's block is one 64-bit word per key's hash (Putze, Sanders and Singler, "Cache-, hash- and
space-efficient Bloom filters", WEA 2007): one memory access says that a key is not there.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.kernels.jit import in_place

KEYS_PER_WORD = 5
"""About 13 bits a key and 4 of them set: some 2 % of other keys pass."""

ROWS_PER_FENCE = 64

_MIX = np.uint64(0x9E3779B97F4A7C15)


@in_place
def _word(key: np.uint64, words: int) -> np.uint64:
    """Place of a key's word: from the high half of a product, so that low bits are free."""
    mixed = key * _MIX
    return ((mixed >> np.uint64(32)) * np.uint64(words)) >> np.uint64(32)


@in_place
def _bits(key: np.uint64) -> np.uint64:
    """A word with up to four bits set, from the key's lowest 24 bits."""
    bits = np.uint64(0)
    for shift in (0, 6, 12, 18):
        bits |= np.uint64(1) << ((key >> np.uint64(shift)) & np.uint64(63))
    return bits


@in_place
def remember(words: NDArray[np.uint64], keys: NDArray[np.uint64]) -> None:
    """Put keys into a filter."""
    for key in keys:
        words[_word(key, len(words))] |= _bits(key)


@in_place
def may_hold(words: NDArray[np.uint64], keys: NDArray[np.uint64], passes: NDArray[np.bool_]) -> int:
    """Write for each key whether it may be in the filter; gives how many may."""
    count = 0
    for index in range(len(keys)):
        bits = _bits(keys[index])
        passes[index] = words[_word(keys[index], len(words))] & bits == bits
        count += passes[index]
    return count


@in_place
def first_rows(
    fences: NDArray[np.uint64],
    stored: NDArray[Any],
    keys: NDArray[np.uint64],
    first: NDArray[np.int64],
) -> None:
    """Write for each key the first row with it, -1 where there is none.

    Parameters
    ----------
    fences : uint64[ceil(rows / ROWS_PER_FENCE)]
        Key of every ROWS_PER_FENCE-th row.
    stored : uint64[rows]
        Keys in order.
    """
    for index in range(len(keys)):
        key = keys[index]
        low, high = 0, len(fences)
        while low < high:  # the first fence that is not below the key
            middle = (low + high) // 2
            if fences[middle] < key:
                low = middle + 1
            else:
                high = middle
        row = max(0, (low - 1) * ROWS_PER_FENCE)
        high = min(len(stored), low * ROWS_PER_FENCE + 1)
        while row < high:
            middle = (row + high) // 2
            if stored[middle] < key:
                row = middle + 1
            else:
                high = middle
        first[index] = row if row < len(stored) and stored[row] == key else -1


@in_place
def take(bits: NDArray[np.uint8], rows: NDArray[np.int64], taken: NDArray[np.bool_]) -> None:
    """Mark rows as taken; writes which were taken before."""
    for index in range(len(rows)):
        row = rows[index]
        bit = np.uint8(1 << (row & 7))
        taken[index] = bits[row >> 3] & bit != 0
        bits[row >> 3] |= bit
