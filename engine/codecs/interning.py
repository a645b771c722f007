"""From the bytes that name a series in a message to its fingerprint, without parsing them again.

Messages repeat the same series with the same bytes, so a table over those bytes finds the
fingerprint in one pass of compiled code; only bytes never seen before are parsed. Two spellings of
one series are two entries with one fingerprint. The hash only finds the place in the table: bytes
are compared, and of two identities with one hash the second is never found, only parsed again.

A table that has become too small is not moved into a larger one at once, which would hold up the
stream for a quarter of a second at a million entries: both are asked for a while, and each call
moves a part.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.kernels.jit import in_place
from engine.kernels.on_demand import zeros_on_demand

WORD_PADDING = 8
"""Bytes that must follow the last span in a buffer, because spans are read in words of eight."""

FULL_HASH = 0xFFFF_FFFF_FFFF_FFFF
_PROBES_MAX = 64  # at most half of the slots are taken: longer runs are made, not met by chance
_SLOTS_MIN = 1024
_ARENA_BYTES_MIN = 1 << 16
_ARENA_GROWTH = 16  # of address space; memory follows only where it is written
_ENTRY_BYTES = 256  # generous mean, to bound the bytes by the number of entries
_MOVED_PER_ROW = 8  # slots; two would do, for an old table's slots are twice the entries to come
_MOVED_MIN = 1024

# columns of the table
_HASH, _FINGERPRINT, _START, _LENGTHS = range(4)

# columns of spans
NAME_START, NAME_LENGTH, LABELS_START, LABELS_LENGTH = range(4)


@in_place
def load_word(buffer: Any, position: Any) -> Any:
    """Read eight bytes, the first lowest; LLVM makes one load of it."""
    index = np.uint64(position)
    word = np.uint64(0)
    for byte in range(8):
        word |= np.uint64(buffer[index + np.uint64(byte)]) << np.uint64(8 * byte)
    return word


@in_place
def _tail(word: Any, length: int) -> Any:
    """Keep only the first `length` bytes, 1 to 7, of a word."""
    return word << np.uint64(64 - 8 * length)


@in_place
def _mixed(state: Any) -> Any:
    """Rotate, so that high bits count too, and multiply by 2**64 / golden ratio (Knuth 6.4)."""
    return (state << np.uint64(29) | state >> np.uint64(35)) * np.uint64(0x9E3779B97F4A7C15)


@in_place
def hash_bytes(buffer: Any, start: int, length: int, seed: Any) -> Any:
    """Hash a span word by word: xor, rotate, multiply by an odd constant."""
    state = _mixed(np.uint64(seed) ^ np.uint64(length))
    end = start + length
    while start + 8 <= end:
        state = _mixed(state ^ load_word(buffer, start))
        start += 8
    if start < end:
        state = _mixed(state ^ _tail(load_word(buffer, start), end - start))
    return state ^ state >> np.uint64(32)


@in_place
def equal_bytes(left: Any, left_start: int, right: Any, right_start: int, length: int) -> bool:
    """Compare two spans of equal length."""
    offset = 0
    while offset + 8 <= length:
        if load_word(left, left_start + offset) != load_word(right, right_start + offset):
            return False
        offset += 8
    if offset == length:
        return True
    difference = load_word(left, left_start + offset) ^ load_word(right, right_start + offset)
    return _tail(difference, length - offset) == np.uint64(0)


@in_place
def _hash_identity(buffer: Any, spans: Any, row: int, hash_mask: Any) -> Any:
    name_hash = hash_bytes(buffer, spans[row, NAME_START], spans[row, NAME_LENGTH], 0)
    labels_start, labels_length = spans[row, LABELS_START], spans[row, LABELS_LENGTH]
    return hash_bytes(buffer, labels_start, labels_length, name_hash) & hash_mask


@in_place
def _pack(name_length: int, labels_length: int) -> Any:
    """Put both lengths into one word that is never 0, which marks a free slot."""
    return np.uint64(name_length + 1) << np.uint64(32) | np.uint64(labels_length)


@in_place
def _slot(table: Any, identity_hash: Any) -> Any:
    """Give the slot that holds an entry with this hash or is free for it; -1 if neither is near."""
    slots_mask = np.uint64(len(table) - 1)
    for probe in range(_PROBES_MAX):
        slot = np.int64((identity_hash + np.uint64(probe)) & slots_mask)
        if table[slot, _LENGTHS] == np.uint64(0) or table[slot, _HASH] == identity_hash:
            return slot
    return -1


@in_place
def _is_in(table: Any, slot: int, arena: Any, buffer: Any, spans: Any, row: int) -> bool:
    """Tell whether a slot's entry has the bytes of a row's identity."""
    name_length, labels_length = spans[row, NAME_LENGTH], spans[row, LABELS_LENGTH]
    if slot < 0 or table[slot, _LENGTHS] != _pack(name_length, labels_length):
        return False
    start: Any = np.int64(table[slot, _START])
    return equal_bytes(arena, start, buffer, spans[row, NAME_START], name_length) and equal_bytes(
        arena, start + name_length, buffer, spans[row, LABELS_START], labels_length
    )


@in_place
def _find_all(
    table: Any,
    old: Any,
    arena: Any,
    buffer: Any,
    spans: Any,
    hash_mask: Any,
    hashes: Any,
    slots: Any,
    fingerprint: Any,
    missed: Any,
) -> int:
    """Write each row's fingerprint; the rows that are in no table go to `missed`, counted.

    One short loop per step, so that the processor waits for the memory of many rows at once.
    """
    rows = len(spans)
    for row in range(rows):
        hashes[row] = _hash_identity(buffer, spans, row, hash_mask)
    for row in range(rows):
        slots[row] = _slot(table, hashes[row])
    misses = 0
    for row in range(rows):
        if _is_in(table, slots[row], arena, buffer, spans, row):
            fingerprint[row] = table[slots[row], _FINGERPRINT]
        else:
            missed[misses] = row
            misses += 1
    if len(old) == 0:
        return misses
    still_missed = 0
    for place in range(misses):
        row = missed[place]
        slot = _slot(old, hashes[row])
        if _is_in(old, slot, arena, buffer, spans, row):
            fingerprint[row] = old[slot, _FINGERPRINT]
        else:
            missed[still_missed] = row
            still_missed += 1
    return still_missed


@in_place
def _is_taken(table: Any, slot: int) -> bool:
    return slot < 0 or table[slot, _LENGTHS] != np.uint64(0)


@in_place
def _add(
    table: Any,
    old: Any,
    arena: Any,
    used: int,
    buffer: Any,
    spans: Any,
    hash_mask: Any,
    fingerprint: Any,
) -> int:
    """Put the identity of the first span into its slot if that is free; gives the arena's fill."""
    identity_hash = _hash_identity(buffer, spans, 0, hash_mask)
    slot = _slot(table, identity_hash)
    if _is_taken(table, slot) or (len(old) > 0 and _is_taken(old, _slot(old, identity_hash))):
        return used
    name_length, labels_length = spans[0, NAME_LENGTH], spans[0, LABELS_LENGTH]
    table[slot, _HASH] = identity_hash
    table[slot, _FINGERPRINT] = fingerprint
    table[slot, _START] = used
    table[slot, _LENGTHS] = _pack(name_length, labels_length)
    for offset in range(name_length):
        arena[used + offset] = buffer[spans[0, NAME_START] + offset]
    for offset in range(labels_length):
        arena[used + name_length + offset] = buffer[spans[0, LABELS_START] + offset]
    return used + name_length + labels_length


@in_place
def _move(old: Any, new: Any, begin: int, end: int) -> None:
    """Copy the entries in some slots into a larger table."""
    for row in range(begin, end):
        slot = _slot(new, old[row, _HASH])
        if old[row, _LENGTHS] != np.uint64(0) and not _is_taken(new, slot):
            for column in range(4):
                new[slot, column] = old[row, column]


class IdentityTable:
    """Open-addressing table from a series' raw name and label bytes to its fingerprint.

    It grows by doubling, bit by bit, and starts anew when it is full, so its memory is bounded by
    about 320 bytes per entry.

    Parameters
    ----------
    entries_max : int
        How many identities it holds before it starts anew.
    hash_mask : int
        Bits of the hash that are used; fewer make collisions, for tests.
    """

    def __init__(self, *, entries_max: int, hash_mask: int = FULL_HASH) -> None:
        self._entries_max = entries_max
        self._arena_bytes_max = max(_ARENA_BYTES_MIN, entries_max * _ENTRY_BYTES)
        self._hash_mask = np.uint64(hash_mask)
        self._clear()

    def __len__(self) -> int:
        return self._entries

    def _clear(self) -> None:
        self._table = np.zeros((_SLOTS_MIN, 4), np.uint64)
        # The table before, while its entries are being moved, and how far that is.
        self._old = np.zeros((0, 4), np.uint64)
        self._moved = 0
        self._arena = np.zeros(_ARENA_BYTES_MIN + WORD_PADDING, np.uint8)
        self._arena_used = 0
        self._entries = 0

    def find(
        self, buffer: NDArray[np.uint8], spans: NDArray[np.int64], fingerprint: NDArray[np.uint64]
    ) -> NDArray[np.int64]:
        """Look up identities.

        Parameters
        ----------
        buffer : uint8[b]
            Text, with `WORD_PADDING` bytes behind the last span.
        spans : int64[n, 4]
            Start and length of the name's bytes, start and length of the labels' bytes.
        fingerprint : uint64[n]
            Written where the identity is known.

        Returns
        -------
        int64[m]
            The rows whose identity is not known.
        """
        rows = len(spans)
        if len(self._old):
            self._go_on_moving(_MOVED_MIN + _MOVED_PER_ROW * rows)
        missed = np.empty(rows, np.int64)
        count = _find_all(
            self._table,
            self._old,
            self._arena,
            buffer,
            spans,
            self._hash_mask,
            np.empty(rows, np.uint64),
            np.empty(rows, np.int64),
            fingerprint,
            missed,
        )
        return missed[:count]

    def add(self, buffer: NDArray[np.uint8], span: NDArray[np.int64], fingerprint: int) -> None:
        """Remember an identity, if it is not too large and its hash collides with no other's.

        Parameters
        ----------
        buffer : uint8[b]
            As in `find`.
        span : int64[4]
            A row of the spans in `find`.
        fingerprint : int
            The series' fingerprint.
        """
        needed = int(span[NAME_LENGTH] + span[LABELS_LENGTH])
        if needed > self._arena_bytes_max:
            return
        if self._entries >= self._entries_max or self._arena_used + needed > self._arena_bytes_max:
            self._clear()
        self._make_room(needed)
        used = _add(
            self._table,
            self._old,
            self._arena,
            self._arena_used,
            buffer,
            span.reshape(1, 4),
            self._hash_mask,
            np.uint64(fingerprint),
        )
        self._entries += used > self._arena_used
        self._arena_used = int(used)

    def _make_room(self, needed: int) -> None:
        """Have larger tables and a larger arena if one more entry of `needed` bytes asks for it."""
        if 2 * (self._entries + 1) > len(self._table):
            self._go_on_moving(len(self._old))
            self._old, self._moved = self._table, 0
            self._table = np.zeros((2 * len(self._old), 4), np.uint64)
        capacity = len(self._arena) - WORD_PADDING
        if self._arena_used + needed > capacity:
            self._arena = self._larger_arena(max(2 * capacity, self._arena_used + needed))

    def _go_on_moving(self, slots: int) -> None:
        """Move the entries of so many slots of the old table; forget it at its end."""
        end = min(self._moved + slots, len(self._old))
        _move(self._old, self._table, self._moved, end)
        self._moved = end
        if end == len(self._old):
            self._old, self._moved = self._old[:0].copy(), 0

    def _larger_arena(self, bytes_min: int) -> NDArray[np.uint8]:
        bytes_min = min(bytes_min, self._arena_bytes_max)
        wanted = min(_ARENA_GROWTH * bytes_min, self._arena_bytes_max)
        try:
            arena = zeros_on_demand((wanted + WORD_PADDING,), self._arena.dtype)
        except OSError:  # a system that promises no more than it has
            arena = zeros_on_demand((bytes_min + WORD_PADDING,), self._arena.dtype)
        arena[: self._arena_used] = self._arena[: self._arena_used]
        return arena
