"""The newest sample of each series, for plain selectors."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.kernels.jit import kernel
from engine.series.order import Rows
from engine.series.reserved import SlotArrays

NEVER = np.iinfo(np.int64).min
"""Timestamp of a sample that never was."""


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


class Newest:
    """The newest sample of every slot; arrays of length slots."""

    def __init__(self) -> None:
        self._slots = SlotArrays(
            {"ts": np.array(NEVER), "value": np.array(0.0), "flags": np.array(0, np.uint8)}
        )

    @property
    def ts(self) -> NDArray[np.int64]:
        """Timestamps, `NEVER` where there is no sample."""
        return self._slots["ts"]

    @property
    def value(self) -> NDArray[np.float64]:
        """Values."""
        return self._slots["value"]

    @property
    def flags(self) -> NDArray[np.uint8]:
        """Flags of the samples' rows."""
        return self._slots["flags"]

    def grow(self, slots: int, limit: int = 0) -> None:
        """Make room for `slots` slots, of at most `limit`."""
        self._slots.grow(slots, limit)

    def remember(self, rows: Rows, value: NDArray[np.float64]) -> None:
        """Take over the last row of each slot; `value` stands in for the rows' own."""
        remember_newest(rows.start, rows.ts, value, rows.flags, self.ts, self.value, self.flags)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The live arrays."""
        return self._slots.arrays()

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Go on from copies of arrays that `arrays` gave."""
        self._slots.restore(arrays)
