"""What the source partitions of one process know of each other.

It decides when a partition pauses and how far an idle one follows; never what a row means.
"""

from collections.abc import Callable
from dataclasses import dataclass

from engine.sources.partition_clock import NOT_YET


@dataclass(slots=True)
class _Standing:
    claim: int = NOT_YET
    holds: bool = True
    ended: bool = False
    left: bool = False


class Skew:
    """Claims of all partitions, to pause those that run ahead and to let idle ones follow.

    Methods are called from worker threads; each changes one entry only.

    Parameters
    ----------
    max_skew_ns : int
        How far a partition may run ahead of the slowest one that is not idle.
    buffered_rows : callable
        Rows that wait for their tick in all shards.
    buffered_rows_max : int
        When more wait, only the slowest partition reads on: what waits, waits for it.
    """

    def __init__(
        self,
        max_skew_ns: int,
        *,
        buffered_rows: Callable[[], int] = lambda: 0,
        buffered_rows_max: int = 1,
    ) -> None:
        self.max_skew_ns = max_skew_ns
        self._buffered_rows = buffered_rows
        self._buffered_rows_max = buffered_rows_max
        self._standings: dict[int, _Standing] = {}

    def join(self, partition: int) -> None:
        """Take a partition in, before it reads."""
        self._standings[partition] = _Standing()

    def report(self, partition: int, *, claim: int, holds: bool, ended: bool = False) -> None:
        """Say how far a partition is and whether it holds the others back."""
        standing = self._standings[partition]
        standing.claim, standing.holds, standing.ended = claim, holds and not ended, ended

    def leave(self, partition: int) -> None:
        """Say that a partition wishes to end: it has, or the run is to stop."""
        self._standings[partition].left = True

    def all_left(self) -> bool:
        """Whether all partitions wish to end."""
        return all(other.left for other in list(self._standings.values()))

    def must_wait(self, partition: int) -> bool:
        """Whether a partition is too far ahead to read on; the slowest one never is."""
        mine = (self._standings[partition].claim, partition)
        slowest = min(
            (
                (other.claim, number)
                for number, other in list(self._standings.items())
                if other.holds
            ),
            default=mine,
        )
        if mine <= slowest:
            return False
        full = self._buffered_rows() >= self._buffered_rows_max
        return full or mine[0] > slowest[0] + self.max_skew_ns

    def common_claim(self) -> int | None:
        """The least claim of those that hold the watermark; None if all are idle."""
        return min(
            (other.claim for other in list(self._standings.values()) if other.holds), default=None
        )

    def stood_at(self) -> int:
        """Where the watermark goes on from when all are idle: the largest claim.

        Of partitions that fall silent the last one to do so held the watermark; which one that
        was is left to chance when they stop together, so it is the one that was furthest.
        """
        return max(
            (other.claim for other in list(self._standings.values()) if not other.ended),
            default=NOT_YET,
        )
