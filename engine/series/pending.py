"""The reorder buffer: rows that wait for the watermark."""

import numpy as np
from numpy.typing import NDArray

from engine.series.columns import Columns


class Pending:
    """Rows that have arrived and are above the watermark, in arrival order.

    Bounded by what lies between the watermark and the newest timestamp: sources pause when one
    runs ahead of the others, so nothing has to be dropped here.
    """

    def __init__(self) -> None:
        self._pieces: list[tuple[NDArray[np.int32], Columns]] = []
        self._rows = 0

    def __len__(self) -> int:
        return self._rows

    def add(self, slot: NDArray[np.int32], columns: Columns) -> None:
        """Keep rows with their slots."""
        if len(columns):
            self._pieces.append((slot, columns))
            self._rows += len(columns)

    def take_through(self, ts: int) -> tuple[NDArray[np.int32], Columns]:
        """Take out all rows with a timestamp at or below `ts`, in arrival order."""
        slot, columns = self.joined()
        ready = columns.ts <= ts
        if ready.all():
            self._pieces, self._rows = [], 0
            return slot, columns
        waiting = ~ready
        self._pieces = [(slot[waiting], columns.take(waiting))]
        self._rows = len(self._pieces[0][0])
        return slot[ready], columns.take(ready)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """All waiting rows as arrays, for a checkpoint."""
        slot, columns = self.joined()
        return {
            "slot": slot,
            "ts": columns.ts,
            "value": columns.value,
            "flags": columns.flags,
        }

    def joined(self) -> tuple[NDArray[np.int32], Columns]:
        """All waiting rows with their slots, in arrival order."""
        if len(self._pieces) == 1:
            return self._pieces[0]
        if not self._pieces:
            return np.empty(0, np.int32), Columns.empty()
        joined = (
            np.concatenate([slot for slot, _ in self._pieces]),
            Columns(
                np.concatenate([columns.fingerprint for _, columns in self._pieces]),
                np.concatenate([columns.ts for _, columns in self._pieces]),
                np.concatenate([columns.value for _, columns in self._pieces]),
                np.concatenate([columns.flags for _, columns in self._pieces]),
            ),
        )
        self._pieces = [joined]
        return joined
