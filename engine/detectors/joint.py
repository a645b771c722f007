"""One score for each entity from its metrics' deviations, and which metrics it comes from."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.detectors.instants import MEMBERS_MAX
from engine.detectors.joint_kernels import TALLIES, rank_rows, score_instants
from engine.detectors.moment_kernels import PAIRS, ROOM_ROWS
from engine.detectors.slot_state import SlotState
from engine.detectors.surprise_kernels import FOLLOWED, TAIL_BINS

_EMPTY: dict[str, NDArray[Any]] = {
    "moments": np.zeros(PAIRS, np.float32),
    "precision": np.zeros(PAIRS, np.float32),
    "learned": np.zeros(MEMBERS_MAX, np.int16),
    "tail": np.zeros(TAIL_BINS, np.uint16),
    "followed": np.zeros(FOLLOWED, np.int16),
    "level": np.zeros(()),
    "tallies": np.zeros(TALLIES, np.int32),
}


@dataclass(frozen=True, slots=True)
class JointScores:
    """Verdicts on n instants of entities, of which the metrics' values are rows.

    Attributes
    ----------
    onset : float64[n]
        Raw: not hushed, not calibrated. NOT_JUDGED while an entity warms up.
    state : float64[n]
        Raw, at least 0.
    contribution : float64[rows]
        Part of each row in its instant's score: 0 to 1; an instant's sum is 1, or 0 if nothing
        deviates.
    """

    onset: NDArray[np.float64]
    state: NDArray[np.float64]
    contribution: NDArray[np.float64]

    def ranked(self, start: NDArray[np.int64], most: int) -> NDArray[np.int64]:
        """Rows of the largest contributions of each instant.

        Parameters
        ----------
        start : int64[n + 1]
            As given to `JointScorer.score`.
        most : int
            Number of rows wanted.

        Returns
        -------
        int64[n, most]
            Largest first, the earlier row first where they are equal; -1 where there is none, as
            for rows that contribute nothing.
        """
        rows = np.full((len(start) - 1, most), -1, np.int64)
        rank_rows(start, self.contribution, rows)
        return rows


class JointScorer(SlotState):
    """Joint onset and state of entities with several metrics each.

    The onset is the sum of the metrics' own onsets, plus the surprise of their joint deviation;
    the state a moving mean of that surprise cubed, plus the mean of the metrics' own states. An
    entity takes about ``4 * m * (m + 1)`` bytes for m metrics, at most 17 KB.
    """

    name: Final = "joint"
    version: Final = 1
    default_boundary: Final = (6.0, 4.0)

    def __init__(self) -> None:
        super().__init__(_EMPTY)
        self._room = np.zeros((ROOM_ROWS, MEMBERS_MAX))
        self._packed = np.zeros(PAIRS)

    def score(
        self,
        entity: NDArray[np.int32],
        start: NDArray[np.int64],
        member: NDArray[np.int32],
        deviation: NDArray[np.float64],
        onset: NDArray[np.float64],
        state: NDArray[np.float64],
    ) -> JointScores:
        """Score instants by what was known before each, then learn them.

        An instant is one entity at one time, with a row for each of its metrics that has a value.

        Parameters
        ----------
        entity : int32[n]
            Slots; instants of an entity in order of time. `grow` makes room for slots.
        start : int64[n + 1]
            Where the rows of each instant begin, and where the last ones end.
        member : int32[rows]
            Number of the metric within its entity, below MEMBERS_MAX, ascending within an instant;
            a metric keeps its number for good.
        deviation : float64[rows]
            Signed distance from the expected value in usual deviations; NaN if unknown.
        onset, state : float64[rows]
            The metric's own scores; NaN and negative ones count as 0.
        """
        scores = np.empty((2, len(entity)))
        contribution = np.empty(len(member))
        own = self.slots
        score_instants(
            own["moments"],
            own["precision"],
            own["learned"],
            own["tail"],
            own["followed"],
            own["level"],
            own["tallies"],
            entity,
            start,
            member,
            deviation,
            onset,
            state,
            scores,
            contribution,
            self._room,
            self._packed,
        )
        return JointScores(scores[0], scores[1], contribution)
