"""How large a part of a match's series a shard holds: its share of the false-alarm budget.

No state crosses shards. So every shard is told of the first series that match, until there are
so many that its own part of them, hashed as they are, says enough about the whole.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

EXACT_MAX = 4096
"""Series up to which the whole match is counted; above, a shard's own count is multiplied."""


class _Begun:
    """Series with their first timestamps, by fingerprint; at most ``2 * EXACT_MAX``.

    The arrays are replaced and never written, so that a checkpoint can have them as they are.
    """

    def __init__(self) -> None:
        self.fingerprint = np.empty(0, np.uint64)  # ascending
        self.first_ts = np.empty(0, np.int64)
        self.sorted_ts = self.first_ts

    def add(self, fingerprint: NDArray[np.uint64], first_ts: NDArray[np.int64]) -> None:
        """Take series in; the earliest word on each counts."""
        place = np.searchsorted(self.fingerprint, fingerprint)
        known = np.zeros(len(fingerprint), np.bool_)
        inside = place < len(self.fingerprint)
        known[inside] = self.fingerprint[place[inside]] == fingerprint[inside]
        new = np.flatnonzero(~known)[: max(0, 2 * EXACT_MAX - len(self.fingerprint))]
        earlier = np.flatnonzero(known)
        earlier = earlier[first_ts[earlier] < self.first_ts[place[earlier]]]
        if not len(new) and not len(earlier):
            return
        first = self.first_ts.copy()
        first[place[earlier]] = first_ts[earlier]
        new = new[np.argsort(fingerprint[new])]
        self.fingerprint = np.insert(self.fingerprint, place[new], fingerprint[new])
        self.first_ts = np.insert(first, place[new], first_ts[new])
        self.sorted_ts = np.sort(self.first_ts)


class Population:
    """Series of one match over event time.

    Parameters
    ----------
    shards : int
        Number of shards that the match is spread over.
    """

    def __init__(self, shards: int) -> None:
        self._shards = shards
        self._all = _Begun()
        self._own = _Begun()

    def add(self, begun: Mapping[int, int], *, own: bool) -> None:
        """Take series in: fingerprint and first timestamp; the earliest word on each counts."""
        if not begun:
            return
        fingerprint = np.fromiter(begun.keys(), np.uint64, len(begun))
        first_ts = np.fromiter(begun.values(), np.int64, len(begun))
        self._all.add(fingerprint, first_ts)
        if own:
            self._own.add(fingerprint, first_ts)

    def share(self, ts: int) -> float:
        """Part of the match's series before `ts` that are this shard's, 0 to 1."""
        total = int(np.searchsorted(self._all.sorted_ts, ts))
        mine = int(np.searchsorted(self._own.sorted_ts, ts))
        if total >= EXACT_MAX:
            return 1 / self._shards
        return mine / total if total else 0.0

    def changes(self, after: int, until: int, bucket: int) -> list[int]:
        """Starts of buckets in ``(after, until]`` before which a series has begun newly."""
        everywhere = self._all.sorted_ts
        begun = everywhere[slice(*np.searchsorted(everywhere, (after - bucket, until)))]
        starts = np.unique((begun // bucket + 1) * bucket)
        return [start for start in starts.tolist() if after < start <= until]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The series as arrays that never change: fingerprints, and when they began (ns)."""
        return {
            "all": self._all.fingerprint,
            "all_first_ts": self._all.first_ts,
            "own": self._own.fingerprint,
            "own_first_ts": self._own.first_ts,
        }

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Go on from what `arrays` gave."""
        self._all, self._own = _Begun(), _Begun()
        self._all.add(arrays["all"], arrays["all_first_ts"])
        self._own.add(arrays["own"], arrays["own_first_ts"])
