"""How large a part of a match's series a shard holds: its share of the false-alarm budget.

No state crosses shards. So every shard is told of the first series that match, until there are
so many that its own part of them, hashed as they are, says enough about the whole.
"""

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

EXACT_MAX = 4096
"""Series up to which the whole match is counted; above, a shard's own count is multiplied."""


class Population:
    """Series of one match over event time.

    Parameters
    ----------
    shards : int
        Number of shards that the match is spread over.
    """

    def __init__(self, shards: int) -> None:
        self._shards = shards
        self._all: dict[int, int] = {}
        self._own: dict[int, int] = {}
        self._sorted: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None

    def add(self, begun: Mapping[int, int], *, own: bool) -> None:
        """Take series in: fingerprint and first timestamp; the earliest word on each counts."""
        for known in (self._all, self._own) if own else (self._all,):
            room = 2 * EXACT_MAX - len(known)
            # All shards hear of all series: a series must cost next to nothing here.
            again = known.keys() & begun.keys() if known else ()
            for fingerprint in again:
                known[fingerprint] = min(known[fingerprint], begun[fingerprint])
            new: Iterable[tuple[int, int]] = begun.items()
            if again:
                new = ((key, ts) for key, ts in begun.items() if key not in again)
            known.update(islice(new, room))
        self._sorted = None

    def share(self, ts: int) -> float:
        """Part of the match's series before `ts` that are this shard's, 0 to 1."""
        everywhere, own = self._times()
        total = int(np.searchsorted(everywhere, ts))
        mine = int(np.searchsorted(own, ts))
        if total >= EXACT_MAX:
            return 1 / self._shards
        return mine / total if total else 0.0

    def changes(self, after: int, until: int, bucket: int) -> list[int]:
        """Starts of buckets in ``(after, until]`` before which a series has begun newly."""
        everywhere, _ = self._times()
        begun = everywhere[(everywhere >= after - bucket) & (everywhere < until)]
        starts = np.unique((begun // bucket + 1) * bucket)
        return [start for start in starts.tolist() if after < start <= until]

    def meta(self) -> dict[str, Any]:
        """The series as plain values."""
        return {"all": self._all, "own": self._own}

    def restore(self, meta: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self._all = dict(meta["all"])
        self._own = dict(meta["own"])
        self._sorted = None

    def _times(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        if self._sorted is None:
            self._sorted = (
                np.sort(np.fromiter(self._all.values(), np.int64, len(self._all))),
                np.sort(np.fromiter(self._own.values(), np.int64, len(self._own))),
            )
        return self._sorted
