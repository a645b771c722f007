"""Samples of many series in one pool of chunks, so that each series keeps as many as it needs.

A series' samples lie in a chain of chunks of `CHUNK` samples. A stale marker is kept as the value
with the bits of Prometheus' stale NaN, so that a sample takes 16 bytes and half a byte of links.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.kernels.jit import in_place
from engine.series.columns import FLAG_STALE, STALE_NAN_BITS
from engine.series.order import Rows

CHUNK = 8
"""Samples of a chunk: few, since half a chunk at both ends of each series is room to spare."""

_NONE = -1
_STALE = int(FLAG_STALE)
_STALE_BITS = int(STALE_NAN_BITS)
_GROWTH = 1.25
_FIRST_CHUNKS = 64


@in_place
def _free_front(
    place: int,
    links: NDArray[np.int32],
    first: NDArray[np.int32],
    head: NDArray[np.int32],
    count: NDArray[np.int32],
    free: NDArray[np.int32],
    free_count: int,
) -> int:
    """Drop the oldest sample of a place; gives how many chunks are free then."""
    head[place] += 1
    count[place] -= 1
    if head[place] == CHUNK or count[place] == 0:
        free[free_count] = first[place]
        free_count += 1
        first[place] = links[first[place]] if count[place] else _NONE
        head[place] = 0
    return free_count


@in_place
def forget(
    keep_after: NDArray[np.int64],
    ts: NDArray[np.int64],
    links: NDArray[np.int32],
    first: NDArray[np.int32],
    head: NDArray[np.int32],
    count: NDArray[np.int32],
    free: NDArray[np.int32],
    free_count: int,
) -> int:
    """Drop each place's samples at or below `keep_after` (int64[places])."""
    for place in range(len(count)):
        while count[place] and ts[first[place] * CHUNK + head[place]] <= keep_after[place]:
            free_count = _free_front(place, links, first, head, count, free, free_count)
    return free_count


@in_place
def chunks_needed(
    slots: NDArray[np.int32],
    start: NDArray[np.int64],
    head: NDArray[np.int32],
    count: NDArray[np.int32],
) -> int:
    """Most chunks that a block's rows can take."""
    needed = 0
    for place in range(len(slots)):
        new = start[slots[place] + 1] - start[slots[place]]
        if new:
            held = head[place] + count[place]
            needed += (held + new + CHUNK - 1) // CHUNK - (held + CHUNK - 1) // CHUNK
            # A place that is emptied meanwhile begins anew in a chunk of its own.
            needed += 1
    return needed


@in_place
def append(
    slots: NDArray[np.int32],
    start: NDArray[np.int64],
    row_ts: NDArray[np.int64],
    row_value: NDArray[np.float64],
    row_flags: NDArray[np.uint8],
    keep_after: NDArray[np.int64],
    samples_max: int,
    ts: NDArray[np.int64],
    bits: NDArray[np.int64],
    value: NDArray[np.float64],
    links: NDArray[np.int32],
    first: NDArray[np.int32],
    last: NDArray[np.int32],
    head: NDArray[np.int32],
    count: NDArray[np.int32],
    free: NDArray[np.int32],
    free_count: int,
) -> tuple[int, int]:
    """Put a block's rows in; gives the number of free chunks and how many old samples were lost.

    `bits` and `value` are the same memory.
    """
    lost = 0
    for place in range(len(slots)):
        s = slots[place]
        for i in range(start[s], start[s + 1]):
            if row_ts[i] <= keep_after[place]:
                continue
            if count[place] >= samples_max:
                free_count = _free_front(place, links, first, head, count, free, free_count)
                lost += 1
            end = head[place] + count[place]
            if end % CHUNK == 0:
                free_count -= 1
                chunk = free[free_count]
                if count[place]:
                    links[last[place]] = chunk
                else:
                    first[place] = chunk
                    head[place] = 0
                links[chunk] = _NONE
                last[place] = chunk
            at = last[place] * CHUNK + end % CHUNK
            ts[at] = row_ts[i]
            if row_flags[i] & _STALE:
                bits[at] = _STALE_BITS
            else:
                value[at] = row_value[i]
            count[place] += 1
    return free_count, lost


@in_place
def gather(
    place: int,
    ts: NDArray[np.int64],
    value: NDArray[np.float64],
    links: NDArray[np.int32],
    first: NDArray[np.int32],
    head: NDArray[np.int32],
    count: NDArray[np.int32],
    out_ts: NDArray[np.int64],
    out_value: NDArray[np.float64],
) -> int:
    """Write a place's samples in order into the outputs; gives their number."""
    chunk = first[place]
    at = head[place]
    for i in range(count[place]):
        if at == CHUNK:
            chunk = links[chunk]
            at = 0
        out_ts[i] = ts[chunk * CHUNK + at]
        out_value[i] = value[chunk * CHUNK + at]
        at += 1
    return count[place]


class SamplePool:
    """The samples that windows need, of the slots that have some.

    Parameters
    ----------
    samples_max : int
        Most samples of a slot; beyond it the oldest are lost and counted.

    Attributes
    ----------
    of_slot : int32[slots]
        Place of a slot in the arrays below, -1 where it has none.
    slots : int32[places]
    first, last, head, count : int32[places]
        First and last chunk, the first sample's place in its chunk, and the number of samples.
    ts, value : int64[chunks * CHUNK], float64[chunks * CHUNK]
    links : int32[chunks]
        The chunk that follows.
    lost : int
    """

    def __init__(self, samples_max: int) -> None:
        self.samples_max = samples_max
        self.lost = 0
        self.of_slot = np.empty(0, np.int32)
        self.slots = np.empty(0, np.int32)
        self.first = np.empty(0, np.int32)
        self.last = np.empty(0, np.int32)
        self.head = np.empty(0, np.int32)
        self.count = np.empty(0, np.int32)
        self.ts = np.empty(0, np.int64)
        self.value = np.empty(0)
        self.links = np.empty(0, np.int32)
        self._free = np.empty(0, np.int32)
        self._free_count = 0

    def grow(self, slots: int) -> None:
        """Make room for `slots` slots; new ones keep nothing yet."""
        more = slots - len(self.of_slot)
        self.of_slot = np.concatenate([self.of_slot, np.full(more, -1, np.int32)])

    def watch(self, slots: NDArray[np.int32]) -> None:
        """Keep samples of these slots from now on."""
        new = np.unique(slots[self.of_slot[slots] < 0])
        if not len(new):
            return
        self.of_slot[new] = np.arange(len(self.slots), len(self.slots) + len(new), dtype=np.int32)
        self.slots = np.concatenate([self.slots, new])
        none, zero = np.full(len(new), _NONE, np.int32), np.zeros(len(new), np.int32)
        self.first = np.concatenate([self.first, none])
        self.last = np.concatenate([self.last, none])
        self.head = np.concatenate([self.head, zero])
        self.count = np.concatenate([self.count, zero])

    def remember(
        self, rows: Rows, value: NDArray[np.float64], keep_after: NDArray[np.int64]
    ) -> None:
        """Drop what no window reaches any more, then put a block's rows in.

        Parameters
        ----------
        rows : Rows
        value : float64[n]
            Stands in for the rows' own.
        keep_after : int64[places]
            Samples at or below it are out of reach.
        """
        chain = (self.links, self.first, self.head, self.count, self._free)
        self._free_count = forget(keep_after, self.ts, *chain, self._free_count)
        self._reserve(chunks_needed(self.slots, rows.start, self.head, self.count))
        self._free_count, lost = append(
            self.slots, rows.start, rows.ts, value, rows.flags, keep_after, self.samples_max,
            self.ts, self.value.view(np.int64), self.value, self.links, self.first, self.last,
            self.head, self.count, self._free, self._free_count,
        )  # fmt: skip
        self.lost += lost

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The live arrays."""
        return {
            "of_slot": self.of_slot,
            "slots": self.slots,
            "first": self.first,
            "last": self.last,
            "head": self.head,
            "count": self.count,
            "ts": self.ts,
            "value": self.value.view(np.int64),
            "links": self.links,
            "free": self._free[: self._free_count],
        }

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Go on from arrays that `arrays` gave."""
        self.of_slot, self.slots = arrays["of_slot"], arrays["slots"]
        self.first, self.last = arrays["first"], arrays["last"]
        self.head, self.count = arrays["head"], arrays["count"]
        self.ts, self.value = arrays["ts"], arrays["value"].view(np.float64)
        self.links = arrays["links"]
        self._free = np.zeros(len(self.links), np.int32)
        self._free_count = len(arrays["free"])
        self._free[: self._free_count] = arrays["free"]

    def _reserve(self, chunks: int) -> None:
        """Have so many free chunks."""
        missing = chunks - self._free_count
        if missing <= 0:
            return
        old = len(self.links)
        new = max(old + missing, int(old * _GROWTH), _FIRST_CHUNKS)
        samples = np.zeros((new - old) * CHUNK)
        self.ts = np.concatenate([self.ts, samples.astype(np.int64)])
        self.value = np.concatenate([self.value, samples])
        self.links = np.concatenate([self.links, np.full(new - old, _NONE, np.int32)])
        free = np.zeros(new, np.int32)
        free[: self._free_count] = self._free[: self._free_count]
        free[self._free_count : self._free_count + new - old] = np.arange(old, new)
        self._free = free
        self._free_count += new - old
