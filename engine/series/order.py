"""Order and repeats: rows of one stretch of event time, by slot and timestamp, each once."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.kernels.jit import kernel
from engine.series.columns import FLAG_STALE

_STALE = int(FLAG_STALE)
_SIGN = np.uint64(1 << 63)
_INSERTION_SORT_ROWS_MAX = 48


@dataclass(frozen=True, slots=True)
class Rows:
    """Samples of a shard, sorted by slot and then timestamp, no two with the same of both.

    Attributes
    ----------
    start : int64[slots + 1]
        The rows of slot s are ``start[s]:start[s + 1]``.
    slot : int32[n]
    ts : int64[n]
        Nanoseconds since the epoch.
    value : float64[n]
    flags : uint8[n]
    repeats : int
        Rows left out because an identical one stands.
    conflicts : int
        Rows left out because another value won.
    """

    start: NDArray[np.int64]
    slot: NDArray[np.int32]
    ts: NDArray[np.int64]
    value: NDArray[np.float64]
    flags: NDArray[np.uint8]
    repeats: int
    conflicts: int

    def __len__(self) -> int:
        return len(self.ts)


@kernel
def precedence(value: float, flags: int, bits: np.uint64) -> np.uint64:
    """Rank of a value among others of one (series, timestamp): the largest wins.

    A stale marker ranks below NaN, NaN below every number; numbers rank by IEEE 754 total order,
    so that the choice never depends on which one came first.
    """
    if flags & _STALE:
        return np.uint64(0)
    if np.isnan(value):
        return np.uint64(1)
    if bits & _SIGN:
        return ~bits
    return bits | _SIGN


@kernel
def _sort_slice(order: NDArray[np.int64], ts: NDArray[np.int64], first: int, last: int) -> None:
    """Sort ``order[first:last]`` by timestamp; streams arrive nearly sorted."""
    in_order = True
    for i in range(first + 1, last):
        if ts[order[i]] < ts[order[i - 1]]:
            in_order = False
            break
    if in_order:
        return
    if last - first > _INSERTION_SORT_ROWS_MAX:
        part = order[first:last].copy()
        order[first:last] = part[np.argsort(ts[part], kind="mergesort")]
        return
    for i in range(first + 1, last):
        moving = order[i]
        j = i
        while j > first and ts[order[j - 1]] > ts[moving]:
            order[j] = order[j - 1]
            j -= 1
        order[j] = moving


@kernel
def order_rows(
    slot: NDArray[np.int32],
    ts: NDArray[np.int64],
    value: NDArray[np.float64],
    flags: NDArray[np.uint8],
    slots: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], int, int]:
    """Choose and order rows: a counting sort by slot, then by timestamp, then one of each.

    Returns
    -------
    start : int64[slots + 1]
    chosen : int64[n]
        Indices of the rows that stay, in order.
    repeats, conflicts : int
        Rows left out, with the same value or another one.
    """
    rows = len(slot)
    count = np.zeros(slots + 1, np.int64)
    for i in range(rows):
        count[slot[i] + 1] += 1
    for s in range(slots):
        count[s + 1] += count[s]
    order = np.empty(rows, np.int64)
    place = count[:slots].copy()
    for i in range(rows):
        s = slot[i]
        order[place[s]] = i
        place[s] += 1
    bits = value.view(np.uint64)
    chosen = np.empty(rows, np.int64)
    start = np.empty(slots + 1, np.int64)
    written = 0
    repeats = 0
    conflicts = 0
    for s in range(slots):
        first = count[s]
        last = count[s + 1]
        start[s] = written
        if first == last:
            continue
        _sort_slice(order, ts, first, last)
        for i in range(first, last):
            row = order[i]
            if i > first and ts[chosen[written - 1]] == ts[row]:
                held = chosen[written - 1]
                held_rank = precedence(value[held], flags[held], bits[held])
                rank = precedence(value[row], flags[row], bits[row])
                if rank == held_rank:
                    repeats += 1
                else:
                    conflicts += 1
                if rank > held_rank:
                    chosen[written - 1] = row
                continue
            chosen[written] = row
            written += 1
    start[slots] = written
    return start, chosen[:written], repeats, conflicts


def ordered(
    slot: NDArray[np.int32],
    ts: NDArray[np.int64],
    value: NDArray[np.float64],
    flags: NDArray[np.uint8],
    slots: int,
) -> Rows:
    """Bring rows of any order into the order in which a shard handles them.

    Of different values for one (series, timestamp) the larger in IEEE total order stays; a number
    beats NaN, NaN beats a stale marker (design: order).
    """
    start, chosen, repeats, conflicts = order_rows(slot, ts, value, flags, slots)
    return Rows(start, slot[chosen], ts[chosen], value[chosen], flags[chosen], repeats, conflicts)
