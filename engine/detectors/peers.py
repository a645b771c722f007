"""Scores of siblings: the same metric of many hosts, each against the others."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.detectors.peers_kernels import USUAL, score_siblings
from engine.detectors.protocol import SCORE_ROWS
from engine.detectors.surprise_kernels import FOLLOWED, TAIL_BINS
from engine.series.reserved import SlotArrays
from engine.series.snapshot import Table

_EMPTY_GROUP: dict[str, NDArray[Any]] = {
    "usual_width": np.zeros(()),
    "instants": np.zeros((), np.int16),
}

_EMPTY: dict[str, NDArray[Any]] = {
    "usual": np.zeros(USUAL),
    "rows": np.zeros((), np.int16),
    "tail": np.zeros(TAIL_BINS, np.uint16),
    "followed": np.zeros(FOLLOWED, np.int16),
    "level": np.zeros(()),
}


class PeerScorer:
    """Raw onsets and states of siblings that leave their group.

    Robust (median and median absolute deviation) against up to half of the siblings leaving it.
    Scores do not change if all values of a group are scaled or shifted alike. Neither the order of
    the siblings nor their number is remembered: they may come and go. A sibling takes 78 bytes.
    """

    name: Final = "peers"
    version: Final = 1
    default_boundary: Final = (6.0, 4.0)

    def __init__(self) -> None:
        self.groups = SlotArrays(_EMPTY_GROUP)
        self.slots = SlotArrays(_EMPTY)

    def grow(self, slots: int, groups: int, limit: int = 0) -> None:
        """Make room for at least so many siblings and groups; new ones have seen nothing."""
        self.slots.grow(slots, limit)
        self.groups.grow(groups, limit)

    def tables(self, group_of_slot: NDArray[np.int32]) -> list[Table]:
        """Live state by slot, given the group of each slot (-1: none)."""
        return [
            Table(self.slots.arrays()),
            Table(self.groups.arrays(), group_of_slot, is_shared=True),
        ]

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take over copies of the arrays of all tables.

        Raises
        ------
        ValueError
            If a name, a type or a shape is not as it should be.
        """
        of_groups = {name: array for name, array in arrays.items() if name in _EMPTY_GROUP}
        self.groups.restore(of_groups)
        self.slots.restore({name: arrays[name] for name in arrays if name not in of_groups})

    def score(
        self,
        group: NDArray[np.int32],
        start: NDArray[np.int64],
        slot: NDArray[np.int32],
        value: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Score the siblings of groups at instants by what was known before each; learn them.

        Parameters
        ----------
        group : int32[n]
            Group of each instant; instants of a group in order of time.
        start : int64[n + 1]
            Where the rows of each instant begin, and where the last ones end.
        slot : int32[m]
            Sibling, at most once in an instant and always of the same group.
        value : float64[m]
            What is no number takes no part.

        Returns
        -------
        float64[SCORE_ROWS, m]
            As a `Scorer` gives them: raw onset (NOT_JUDGED while warming up or with too few
            siblings) and raw state; the value that the others and the sibling's own usual distance
            from them let expect, and the band that counts as usual; the deviation in usual ones.
        """
        scores = np.empty((SCORE_ROWS, len(slot)))
        room = np.empty(int(np.diff(start).max(initial=0)))
        own, groups = self.slots, self.groups
        score_siblings(
            groups["usual_width"],
            groups["instants"],
            own["usual"],
            own["rows"],
            own["tail"],
            own["followed"],
            own["level"],
            group,
            start,
            slot,
            value,
            scores,
            room,
        )
        return scores
