"""Samples of many series in one pool of chunks, so that each series keeps as many as it needs.

A series' samples lie in a chain of chunks of `CHUNK` samples. A stale marker is kept as the value
with the bits of Prometheus' stale NaN, so that a sample takes 16 bytes and half a byte of links.

A checkpoint reads the chunks while samples are added: behind the samples that it knows of, and in
chunks that it does not. So what a chunk holds stays, though it may have become free, until no
checkpoint is being read.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.kernels.jit import in_place
from engine.series.columns import FLAG_STALE, STALE_NAN_BITS
from engine.series.order import Rows
from engine.series.reserved import SlotArrays
from engine.series.snapshot import Table

CHUNK = 8
"""Samples of a chunk: few, since half a chunk at both ends of each series is room to spare."""

_NONE = -1
_STALE = int(FLAG_STALE)
_STALE_BITS = int(STALE_NAN_BITS)
_ROOM = 4  # times as much as is needed: it takes address space, and is copied seldom


@in_place
def _free_front(
    place: int,
    links: NDArray[np.int32],
    first: NDArray[np.int32],
    head: NDArray[np.int32],
    count: NDArray[np.int32],
    freed: NDArray[np.int32],
    freed_count: int,
) -> int:
    """Drop the oldest sample of a place; gives how many chunks have become free."""
    head[place] += 1
    count[place] -= 1
    if head[place] == CHUNK or count[place] == 0:
        freed[freed_count] = first[place]
        freed_count += 1
        first[place] = links[first[place]] if count[place] else _NONE
        head[place] = 0
    return freed_count


@in_place
def forget(
    slots: NDArray[np.int32],
    start: NDArray[np.int64],
    everywhere: bool,
    keep_after: NDArray[np.int64],
    ts: NDArray[np.int64],
    links: NDArray[np.int32],
    first: NDArray[np.int32],
    head: NDArray[np.int32],
    count: NDArray[np.int32],
    freed: NDArray[np.int32],
    freed_count: int,
) -> int:
    """Drop samples at or below `keep_after` (int64[places]), `everywhere` or where rows follow.

    Gives how many chunks have become free; their numbers are in `freed`.
    """
    for place in range(len(count)):
        if not everywhere and start[slots[place]] == start[slots[place] + 1]:
            continue
        while count[place] and ts[first[place] * CHUNK + head[place]] <= keep_after[place]:
            freed_count = _free_front(place, links, first, head, count, freed, freed_count)
    return freed_count


@in_place
def chunks_needed(
    slots: NDArray[np.int32],
    start: NDArray[np.int64],
    samples_max: int,
    head: NDArray[np.int32],
    count: NDArray[np.int32],
) -> int:
    """Most chunks that a block's rows can take."""
    needed = 0
    for place in range(len(slots)):
        new = start[slots[place] + 1] - start[slots[place]]
        if samples_max == 1:
            needed += new  # each begins a chunk, since the one before has to go
        elif new:
            held = head[place] + count[place]
            # A place that loses samples meanwhile gives its chunks back before it takes others.
            needed += (held + new + CHUNK - 1) // CHUNK - (held + CHUNK - 1) // CHUNK
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
    freed: NDArray[np.int32],
    freed_count: int,
) -> tuple[int, int, int]:
    """Put a block's rows in, into chunks from the end of `free`.

    Gives the numbers of chunks that are still in `free` and that have come into `freed`, and how
    many old samples were lost. `bits` and `value` are the same memory.
    """
    lost = 0
    for place in range(len(slots)):
        s = slots[place]
        for i in range(start[s], start[s + 1]):
            if row_ts[i] <= keep_after[place]:
                continue
            if count[place] >= samples_max:
                freed_count = _free_front(place, links, first, head, count, freed, freed_count)
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
    return free_count, freed_count, lost


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


@in_place
def mark_chained(
    links: NDArray[np.int32],
    first: NDArray[np.int32],
    head: NDArray[np.int32],
    count: NDArray[np.int32],
    chained: NDArray[np.bool_],
) -> None:
    """Mark the chunks that hold samples."""
    for place in range(len(count)):
        chunk = first[place]
        left = head[place] + count[place] if count[place] else 0
        while left > 0:
            chained[chunk] = True
            chunk = links[chunk]
            left -= CHUNK


class SamplePool:
    """The samples that windows need, of the slots that have some.

    Parameters
    ----------
    samples_max : int
        Most samples of a slot; beyond it the oldest are lost and counted.

    Attributes
    ----------
    lost : int
    """

    def __init__(self, samples_max: int) -> None:
        self.samples_max = samples_max
        self.lost = 0
        self._clear()

    def _clear(self) -> None:
        none, zero = np.array(_NONE, np.int32), np.array(0, np.int32)
        self._of_slot = SlotArrays({"of_slot": none})
        self._places = SlotArrays(
            {"slots": zero, "first": none, "last": none, "head": zero, "count": zero}
        )
        # Values are kept as bits, so that no NaN becomes another one. The last two are lists.
        samples = np.zeros(CHUNK, np.int64)
        self._chunks = SlotArrays(
            {"ts": samples, "value": samples, "links": zero, "free": zero, "freed": zero}
        )
        self._free_count = 0
        self._freed_count = 0

    @property
    def of_slot(self) -> NDArray[np.int32]:
        """Place of each slot in the arrays below, -1 where it has none."""
        return self._of_slot["of_slot"]

    @property
    def slots(self) -> NDArray[np.int32]:
        """The slot of each place."""
        return self._places["slots"]

    @property
    def first(self) -> NDArray[np.int32]:
        """First chunk of each place."""
        return self._places["first"]

    @property
    def last(self) -> NDArray[np.int32]:
        """Last chunk of each place."""
        return self._places["last"]

    @property
    def head(self) -> NDArray[np.int32]:
        """Where in its first chunk each place's first sample lies."""
        return self._places["head"]

    @property
    def count(self) -> NDArray[np.int32]:
        """Number of samples of each place."""
        return self._places["count"]

    @property
    def ts(self) -> NDArray[np.int64]:
        """Timestamps, int64[chunks * CHUNK]."""
        return self._chunks["ts"].reshape(-1)

    @property
    def value(self) -> NDArray[np.float64]:
        """Values, float64[chunks * CHUNK]."""
        return self._chunks["value"].reshape(-1).view(np.float64)

    @property
    def links(self) -> NDArray[np.int32]:
        """The chunk that follows each chunk."""
        return self._chunks["links"]

    def grow(self, slots: int, limit: int = 0) -> None:
        """Make room for `slots` slots, of at most `limit`; new ones keep nothing yet."""
        self._of_slot.grow(slots, limit or _ROOM * slots)

    def watch(self, slots: NDArray[np.int32]) -> None:
        """Keep samples of these slots from now on."""
        new = np.unique(slots[self.of_slot[slots] < 0])
        begin, end = len(self._places), len(self._places) + len(new)
        self._places.grow(end, _ROOM * end)
        self.of_slot[new] = np.arange(begin, end, dtype=np.int32)
        self.slots[begin:] = new

    def remember(
        self,
        rows: Rows,
        value: NDArray[np.float64],
        keep_after: NDArray[np.int64],
        *,
        is_read: bool = False,
    ) -> None:
        """Drop what no window reaches any more, then put a block's rows in.

        Parameters
        ----------
        rows : Rows
        value : float64[n]
            Stands in for the rows' own.
        keep_after : int64[places]
            Samples at or below it are out of reach.
        is_read : bool
            Whether a checkpoint is being read: then what has become free is not used again, and
            places without rows stay as they are.
        """
        if not is_read:
            self._use_freed()
        places = (self.first, self.head, self.count)
        self._freed_count = forget(
            self.slots, rows.start, not is_read, keep_after, self.ts, self.links, *places,
            self._chunks["freed"], self._freed_count,
        )  # fmt: skip
        if not is_read:
            self._use_freed()
        self._reserve(
            chunks_needed(self.slots, rows.start, self.samples_max, self.head, self.count)
        )
        self._free_count, self._freed_count, lost = append(
            self.slots, rows.start, rows.ts, value, rows.flags, keep_after, self.samples_max,
            self.ts, self.value.view(np.int64), self.value, self.links, self.first, self.last,
            self.head, self.count, self._chunks["free"], self._free_count, self._chunks["freed"],
            self._freed_count,
        )  # fmt: skip
        self.lost += lost

    def tables(self) -> list[Table]:
        """The live arrays, for a snapshot."""
        chunks = {name: self._chunks[name] for name in ("ts", "value", "links")}
        return [
            Table(self._of_slot.arrays()),
            Table(self._places.arrays(), self.of_slot),
            Table(chunks, is_left_alone=True),
        ]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The live arrays."""
        return {name: array for table in self.tables() for name, array in table.arrays.items()}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Go on from copies of what `arrays` gave."""
        self._clear()
        self.grow(len(arrays["of_slot"]))
        self._of_slot.restore({"of_slot": arrays["of_slot"]})
        self._places.restore({name: arrays[name] for name in self._places.arrays()})
        chunks = len(arrays["links"])
        self._chunks.grow(chunks, _ROOM * chunks)
        self._chunks["ts"][:] = arrays["ts"].reshape(-1, CHUNK)
        self._chunks["value"][:] = arrays["value"].reshape(-1, CHUNK).view(np.int64)
        self._chunks["links"][:] = arrays["links"]
        chained = np.zeros(chunks, np.bool_)
        mark_chained(self.links, self.first, self.head, self.count, chained)
        free = np.flatnonzero(~chained)
        self._chunks["free"][: len(free)] = free
        self._free_count, self._freed_count = len(free), 0

    def _use_freed(self) -> None:
        """Let the chunks that have become free be used again."""
        end = self._free_count + self._freed_count
        self._chunks["free"][self._free_count : end] = self._chunks["freed"][: self._freed_count]
        self._free_count, self._freed_count = end, 0

    def _reserve(self, chunks: int) -> None:
        """Have so many free chunks."""
        missing = chunks - self._free_count
        if missing <= 0:
            return
        old = len(self._chunks)
        self._chunks.grow(old + missing, _ROOM * (old + missing))
        self._chunks["free"][self._free_count : chunks] = np.arange(old, old + missing)
        self._free_count = chunks
