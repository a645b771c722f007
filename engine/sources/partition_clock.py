"""Event time of one source partition: what is late, and what the partition promises.

Both follow from the partition's own log alone, so that neither other partitions nor crashes nor
the speed of reading can change them (design 3.1).
"""

import numpy as np
from numpy.typing import NDArray

from engine.kernels.jit import kernel

NOT_YET = -(2**63)
"""Newest timestamp of a partition without rows."""

_FLOOR = -(2**62)  # stands for "no row yet" where the lateness is subtracted


@kernel
def mark_late(ts: NDArray[np.int64], newest: int, lateness: int, late: NDArray[np.bool_]) -> int:
    """Mark rows at or below the newest timestamp before them minus the lateness.

    Gives the newest timestamp after all of them.
    """
    for i in range(len(ts)):
        late[i] = ts[i] <= newest - lateness
        newest = max(newest, ts[i])
    return newest


class PartitionClock:
    """The newest timestamp of a partition, including the advances it made while idle.

    Parameters
    ----------
    lateness_ns : int
        How far a row may lie behind the newest one before it.
    newest : int
        To go on from a snapshot.
    """

    def __init__(self, lateness_ns: int, newest: int = NOT_YET) -> None:
        self.lateness_ns = lateness_ns
        self._newest = max(newest, _FLOOR)

    @property
    def newest(self) -> int:
        """Largest timestamp seen, `NOT_YET` before the first."""
        return NOT_YET if self._newest == _FLOOR else self._newest

    @property
    def claim(self) -> int:
        """The partition's promise: every row at or below this is out or late."""
        return NOT_YET if self._newest == _FLOOR else self._newest - self.lateness_ns

    def late(self, ts: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell which rows, in log order, are late; then they have been seen."""
        late = np.empty(len(ts), np.bool_)
        self._newest = int(mark_late(ts, self._newest, self.lateness_ns, late))
        return late

    def advance_to(self, claim: int) -> None:
        """Promise that no row at or below `claim` follows, though none newer was seen."""
        self._newest = max(self._newest, claim + self.lateness_ns)
