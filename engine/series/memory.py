"""What a shard remembers of each series for rules: the newest sample, or a window of them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.kernels.jit import kernel
from engine.series.order import Rows

NEVER = np.iinfo(np.int64).min
"""Timestamp of a sample that never was."""

_FIRST_CAPACITY = 4


@kernel
def remember_newest(
    start: NDArray[np.int64],
    ts: NDArray[np.int64],
    value: NDArray[np.float64],
    flags: NDArray[np.uint8],
    last_ts: NDArray[np.int64],
    last_value: NDArray[np.float64],
    last_flags: NDArray[np.uint8],
) -> None:
    """Take each slot's last row of a block over as its newest sample."""
    for s in range(len(start) - 1):
        i = start[s + 1] - 1
        if i >= start[s]:
            last_ts[s] = ts[i]
            last_value[s] = value[i]
            last_flags[s] = flags[i]


@kernel
def forget_before(
    ring_ts: NDArray[np.int64],
    head: NDArray[np.int64],
    count: NDArray[np.int64],
    keep_after: int,
) -> None:
    """Drop samples with a timestamp at or below `keep_after` from the old end of all rings."""
    capacity = ring_ts.shape[1]
    for place in range(len(count)):
        while count[place] > 0 and ring_ts[place, head[place]] <= keep_after:
            head[place] = (head[place] + 1) % capacity
            count[place] -= 1


@kernel
def rows_to_hold(
    slots: NDArray[np.int32],
    start: NDArray[np.int64],
    ts: NDArray[np.int64],
    count: NDArray[np.int64],
    keep_after: int,
) -> int:
    """Most samples that any ring will hold once a block's rows are in."""
    most = 0
    for place in range(len(slots)):
        s = slots[place]
        needed = count[place]
        for i in range(start[s], start[s + 1]):
            if ts[i] > keep_after:
                needed += 1
        most = max(most, needed)
    return most


@kernel
def append_rows(
    slots: NDArray[np.int32],
    start: NDArray[np.int64],
    ts: NDArray[np.int64],
    value: NDArray[np.float64],
    flags: NDArray[np.uint8],
    ring_ts: NDArray[np.int64],
    ring_value: NDArray[np.float64],
    ring_flags: NDArray[np.uint8],
    head: NDArray[np.int64],
    count: NDArray[np.int64],
    keep_after: int,
) -> int:
    """Put a block's rows into the rings; returns how many old samples a full ring lost."""
    capacity = ring_ts.shape[1]
    lost = 0
    for place in range(len(slots)):
        s = slots[place]
        for i in range(start[s], start[s + 1]):
            if ts[i] <= keep_after:
                continue
            if count[place] == capacity:
                head[place] = (head[place] + 1) % capacity
                count[place] -= 1
                lost += 1
            j = (head[place] + count[place]) % capacity
            ring_ts[place, j] = ts[i]
            ring_value[place, j] = value[i]
            ring_flags[place, j] = flags[i]
            count[place] += 1
    return lost


class Newest:
    """The newest sample of every slot; arrays of length slots."""

    def __init__(self) -> None:
        self.ts = np.empty(0, np.int64)
        self.value = np.empty(0)
        self.flags = np.empty(0, np.uint8)

    def grow(self, slots: int) -> None:
        """Make room for `slots` slots."""
        more = slots - len(self.ts)
        self.ts = np.concatenate([self.ts, np.full(more, NEVER)])
        self.value = np.concatenate([self.value, np.zeros(more)])
        self.flags = np.concatenate([self.flags, np.zeros(more, np.uint8)])

    def remember(self, rows: Rows, value: NDArray[np.float64]) -> None:
        """Take over the last row of each slot; `value` stands in for the rows' own."""
        remember_newest(rows.start, rows.ts, value, rows.flags, self.ts, self.value, self.flags)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The live arrays."""
        return {"ts": self.ts, "value": self.value, "flags": self.flags}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Go on from arrays that `arrays` gave."""
        self.ts, self.value, self.flags = arrays["ts"], arrays["value"], arrays["flags"]


class Rings:
    """The last samples of the slots that a windowed leaf selects, as one ring for each.

    Parameters
    ----------
    samples_max : int
        Most samples a ring holds; beyond it the oldest are lost and counted.

    Attributes
    ----------
    of_slot : int32[slots]
        Number of the slot's ring, -1 where it has none.
    slots : int32[rings]
        The slot of each ring.
    """

    def __init__(self, samples_max: int) -> None:
        self.samples_max = samples_max
        self.lost = 0
        self.of_slot = np.empty(0, np.int32)
        self.slots = np.empty(0, np.int32)
        capacity = min(_FIRST_CAPACITY, samples_max)
        self.ts = np.empty((0, capacity), np.int64)
        self.value = np.empty((0, capacity))
        self.flags = np.empty((0, capacity), np.uint8)
        self.head = np.empty(0, np.int64)
        self.count = np.empty(0, np.int64)

    def grow(self, slots: int) -> None:
        """Make room for `slots` slots; new ones have no ring yet."""
        more = slots - len(self.of_slot)
        self.of_slot = np.concatenate([self.of_slot, np.full(more, -1, np.int32)])

    def watch(self, slots: NDArray[np.int32]) -> None:
        """Give rings to slots that have none."""
        new = slots[self.of_slot[slots] < 0]
        if not len(new):
            return
        self.of_slot[new] = np.arange(len(self.slots), len(self.slots) + len(new), dtype=np.int32)
        self.slots = np.concatenate([self.slots, new])
        capacity = self.ts.shape[1]
        self.ts = np.concatenate([self.ts, np.zeros((len(new), capacity), np.int64)])
        self.value = np.concatenate([self.value, np.zeros((len(new), capacity))])
        self.flags = np.concatenate([self.flags, np.zeros((len(new), capacity), np.uint8)])
        self.head = np.concatenate([self.head, np.zeros(len(new), np.int64)])
        self.count = np.concatenate([self.count, np.zeros(len(new), np.int64)])

    def remember(self, rows: Rows, value: NDArray[np.float64], keep_after: int) -> None:
        """Put a block's rows in and drop what no window can reach any more."""
        forget_before(self.ts, self.head, self.count, keep_after)
        needed = rows_to_hold(self.slots, rows.start, rows.ts, self.count, keep_after)
        self._reserve(min(needed, self.samples_max))
        self.lost += append_rows(
            self.slots, rows.start, rows.ts, value, rows.flags,
            self.ts, self.value, self.flags, self.head, self.count, keep_after,
        )  # fmt: skip

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The live arrays."""
        return {
            "of_slot": self.of_slot,
            "slots": self.slots,
            "ts": self.ts,
            "value": self.value,
            "flags": self.flags,
            "head": self.head,
            "count": self.count,
        }

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Go on from arrays that `arrays` gave."""
        self.of_slot, self.slots = arrays["of_slot"], arrays["slots"]
        self.ts, self.value, self.flags = arrays["ts"], arrays["value"], arrays["flags"]
        self.head, self.count = arrays["head"], arrays["count"]

    def _reserve(self, samples: int) -> None:
        old = self.ts.shape[1]
        if samples <= old:
            return
        capacity = old
        while capacity < samples:
            capacity *= 2
        capacity = min(capacity, max(self.samples_max, old))
        order = (self.head[:, None] + np.arange(old)) % old
        room = ((0, 0), (0, capacity - old))
        self.ts = np.pad(np.take_along_axis(self.ts, order, 1), room)
        self.value = np.pad(np.take_along_axis(self.value, order, 1), room)
        self.flags = np.pad(np.take_along_axis(self.flags, order, 1), room)
        self.head[:] = 0
