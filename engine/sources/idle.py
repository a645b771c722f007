"""What a partition promises while its log says nothing.

Idle is the only thing that the wall clock decides. A silent partition's promises are planned at
the close of an epoch, so that they are stored with the source's snapshot, and given in the next
epoch, when they are durable: a crash can't contradict them. Each belongs to a place in the log
(before an offset), so that going over the log again repeats them there.
"""

from collections.abc import Callable

from engine.clock import elapsed_ns
from engine.sources.partition_clock import NOT_YET
from engine.sources.skew import Skew


class IdleAdvances:
    """Promises of one partition: at which offset, and up to which time.

    Parameters
    ----------
    timeout_ns : int
        Silence at the end of the log after which the partition is idle.
    state : list of (offset, claim) or None
        To go on from a snapshot.
    given : callable
        Told of each promise as it is given, for the journal that recordings are made with.
    """

    def __init__(
        self,
        timeout_ns: int,
        *,
        state: list[tuple[int, int]] | None = None,
        given: Callable[[int, int], None],
    ) -> None:
        self.timeout_ns = timeout_ns
        self.is_idle = False
        self._advances: dict[int, int] = dict(state or [])
        self._given: set[tuple[int, int]] = set()
        self._on_given = given
        self._silent_since_ns: int | None = None
        self._stood_at = NOT_YET
        self._stood_since_ns = 0

    def heard(self) -> None:
        """The log goes on: silence ends."""
        self._silent_since_ns = None
        self.is_idle = False

    def silent(self, now_ns: int) -> bool:
        """The end of the log is reached and nothing came; whether idleness begins now."""
        if self._silent_since_ns is None:
            self._silent_since_ns = now_ns
        begins = not self.is_idle and now_ns - self._silent_since_ns >= self.timeout_ns
        if begins:
            self.is_idle = True
            self._stood_at = NOT_YET
        return begins

    def plan(self, offset: int, claim: int, skew: Skew) -> None:
        """Plan the next promise of an idle partition, to be stored with the closing epoch.

        It follows the partitions that are not idle. If all are, the watermark goes on by elapsed
        time from where it stood, never by a jump to the present.
        """
        if not self.is_idle:
            return
        wanted = skew.common_claim()
        if wanted is not None:
            self._stood_at = NOT_YET
        else:
            now_ns = elapsed_ns()
            if self._stood_at == NOT_YET:
                self._stood_at, self._stood_since_ns = skew.stood_at(), now_ns
            if self._stood_at == NOT_YET:
                return
            wanted = self._stood_at + now_ns - self._stood_since_ns
        if wanted > claim:
            self._advances[offset] = max(wanted, self._advances.get(offset, wanted))

    def next_offset(self) -> int | None:
        """The first place in the log with promises that were not given in this run."""
        return min(
            (item[0] for item in self._advances.items() if item not in self._given), default=None
        )

    def due(self, offset: int) -> list[int]:
        """Promises that belong before `offset` and were not given yet; then they are."""
        found = []
        for item in sorted(self._advances.items()):
            if item[0] <= offset and item not in self._given:
                self._given.add(item)
                self._on_given(*item)
                found.append(item[1])
        return found

    def forget_before(self, offset: int) -> None:
        """Drop promises that no resume can come back to."""
        self._advances = {at: claim for at, claim in self._advances.items() if at >= offset}
        self._given &= set(self._advances.items())

    def state(self) -> list[tuple[int, int]]:
        """All promises as plain values."""
        return sorted(self._advances.items())
