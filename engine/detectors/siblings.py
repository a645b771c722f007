"""Peers: each series against its siblings, the series of the same name in the same entity."""

from collections.abc import Hashable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.detectors.instants import NO_GROUP, Groups
from engine.detectors.peers import PeerScorer
from engine.detectors.protocol import NOT_JUDGED, Failure
from engine.series.snapshot import Table

SIBLINGS_MAX = 4096
"""Siblings that are compared; those that come later are not judged."""


class SiblingScorer:
    """One of many siblings departs from the others (see `PeerScorer`).

    A sample is judged at its instant (see `Groups`): against the latest values of its siblings,
    if those are recent. Of several samples of a series within an instant the last one counts.

    Parameters
    ----------
    recent_ns : int
        How long a sibling's latest value takes part.
    """

    name: Final = "peers"
    version: Final = PeerScorer.version
    signals: Final = ("peers",)
    default_boundary: Final = PeerScorer.default_boundary

    def __init__(self, recent_ns: int) -> None:
        self._groups = Groups(1, recent_ns, SIBLINGS_MAX)
        self._peers = PeerScorer()
        self._numbers: dict[Hashable, int] = {}

    def join(
        self, siblings: Sequence[Hashable], fingerprint: NDArray[np.uint64], limit: int
    ) -> None:
        """Take on new slots, given what each has in common with its siblings; None: nothing."""
        group = np.full(len(siblings), NO_GROUP, np.int32)
        for place, key in enumerate(siblings):
            if key is not None:
                group[place] = self._numbers.setdefault(key, len(self._numbers))
        self._groups.grow(group, fingerprint, len(self._numbers), limit)
        self._peers.grow(len(self._groups.slots), len(self._numbers), limit)

    def grow(self, slots: int, limit: int = 0) -> None:
        """Nothing: `join` makes room."""

    def tables(self) -> list[Table]:
        """Live state of slots and groups."""
        return [*self._groups.tables(), *self._peers.tables(self._groups.slots["group"])]

    def pooled(self) -> dict[str, NDArray[Any]]:
        """Nothing: what is of no slot is of a group."""
        return {}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take over copies of a snapshot's arrays.

        Raises
        ------
        ValueError
            If they are of another layout or of other groups.
        """
        if not self._groups.restore(arrays):
            raise ValueError("other groups of siblings")
        own = {*self._groups.slots.arrays(), *self._groups.groups.arrays()}
        self._peers.restore({name: array for name, array in arrays.items() if name not in own})

    def score(
        self,
        slot: NDArray[np.int32],
        ts: NDArray[np.int64],
        value: NDArray[np.float64],
        scores: NDArray[np.float64],
        signals: NDArray[np.float32],
    ) -> tuple[Failure, ...]:
        """Score a block of samples, then learn them (see `Scorer.score`)."""
        scores[0], scores[1], scores[2:] = NOT_JUDGED, 0.0, np.nan
        rows = np.flatnonzero(np.isfinite(value) & (self._groups.slots["group"][slot] >= 0))
        found = self._groups.instants(rows, slot, ts, value[:, np.newaxis])
        judged = self._peers.score(found.group, found.start, found.slot, found.values[:, 0].copy())
        fresh = found.row >= 0
        scores[:, found.row[fresh]] = judged[:, fresh]
        signals[0] = np.maximum(scores[0], 0.0)
        return ()
