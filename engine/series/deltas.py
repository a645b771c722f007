"""Increments to counters: rows that say how much was added become rows that say how much there is.

The sum needs event order, so it is made here, after ordering, and not in the codec.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.kernels.jit import in_place
from engine.series.columns import FLAG_DELTA, FLAG_STALE
from engine.series.order import Rows

_DELTA, _STALE = int(FLAG_DELTA), int(FLAG_STALE)


@in_place
def sum_deltas(slot: Any, value: Any, flags: Any, total: Any) -> None:
    """Replace increments by the running total of their slot, in place.

    Parameters
    ----------
    slot : int32[n]
    value : float64[n]
        In: increments where `flags` says so. Out: totals there.
    flags : uint8[n]
        Out: without the bit `FLAG_DELTA`.
    total : float64[slots]
        The sum of each slot so far.
    """
    for row in range(len(slot)):
        if flags[row] & _DELTA:
            flags[row] &= ~np.uint8(_DELTA)
            # A stale marker adds nothing, and an increment that is no number would stay for ever.
            if not flags[row] & _STALE and np.isfinite(value[row]):
                total[slot[row]] += value[row]
                value[row] = total[slot[row]]


class Deltas:
    """The running totals of a shard's slots; no memory before the first increment."""

    def __init__(self) -> None:
        self.total = np.empty(0)

    def resolve(self, rows: Rows, slots: int) -> Rows:
        """Give the rows with increments summed.

        Parameters
        ----------
        rows : Rows
        slots : int
            Slots that there are.
        """
        if not (rows.flags & FLAG_DELTA).any():
            return rows
        if len(self.total) < slots:
            room = np.zeros(max(slots, 2 * len(self.total)))
            room[: len(self.total)] = self.total
            self.total = room
        value, flags = rows.value.copy(), rows.flags.copy()
        sum_deltas(rows.slot, value, flags, self.total)
        return replace(rows, value=value, flags=flags)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The live arrays."""
        return {"total": self.total}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Go on from arrays that `arrays` gave."""
        self.total = arrays.get("total", self.total)
