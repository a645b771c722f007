"""What users' verdicts on a detector's alarms do to its boundaries, series by series."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.codecs.verdicts import ALL_DETECTORS
from engine.detectors.feedback_kernels import (
    NEVER_NS,
    NOT_MET,
    ONSETS,
    UNMET,
    VERDICTS_KEPT,
    apply_rows,
    meet,
)
from engine.detectors.protocol import Scores
from engine.series.reserved import SlotArrays
from engine.series.snapshot import Table


@dataclass(frozen=True, slots=True)
class UserVerdicts:
    """Verdicts of users on m samples, ascending by series and then time.

    Attributes
    ----------
    place : int32[m]
        The series: its slot or number among those watched, -1 where there is none.
    ts : int64[m]
        When each takes effect: after a sample of this time, before any later one. Nanoseconds.
    judged : int64[m]
        The judged sample's time.
    verdict, detector : uint8[m]
        Numbers, see `engine.codecs.verdicts`.
    outcome : uint8[m]
        Raised to what became of each, see `feedback_kernels`.
    fingerprint : uint64[m]
        Of the series.
    value : float64[m]
        The row's, of which the others are made.
    """

    place: NDArray[np.int32]
    ts: NDArray[np.int64]
    judged: NDArray[np.int64]
    verdict: NDArray[np.uint8]
    outcome: NDArray[np.uint8]
    detector: NDArray[np.uint8]
    fingerprint: NDArray[np.uint64]
    value: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.place)

    def of(
        self, place: NDArray[np.int32], detector: int
    ) -> tuple[NDArray[np.int64], "UserVerdicts"]:
        """Those that are about a detector and what it scores: which, and themselves in its order.

        `place` is what each one is about among what is scored, -1 for nothing. Their outcomes are
        their own.
        """
        meant = (self.detector == ALL_DETECTORS) | (self.detector == detector)
        own = np.flatnonzero((place >= 0) & meant)
        own = own[np.lexsort((own, self.ts[own], place[own]))]
        return own, UserVerdicts(
            place[own],
            self.ts[own],
            self.judged[own],
            self.verdict[own],
            self.outcome[own],
            self.detector[own],
            self.fingerprint[own],
            self.value[own],
        )


_NONE = np.empty(0, np.int64)
_SMALL, _TIMES = np.empty(0, np.uint8), np.empty(0, np.int64)
NO_VERDICTS = UserVerdicts(
    np.empty(0, np.int32), _TIMES, _TIMES, _SMALL, _SMALL, _SMALL, np.empty(0, np.uint64),
    np.empty(0),
)  # fmt: skip


class Boundaries:
    """The boundaries of a detector's signals, where verdicts have moved them.

    Series that have never alarmed nor been judged take four bytes. Blocks without alarms are only
    looked over before the first verdict, as are later those of series that have never alarmed.

    Parameters
    ----------
    signals : int
        Of the detector; one that says nothing of signals has one boundary for each series.
    """

    def __init__(self, signals: int) -> None:
        # Before the first verdict there is nothing to do but to remember alarms.
        self._are_moved = False
        one = np.zeros(max(1, signals), np.int8)
        self._numbers = SlotArrays({"feedback_row": np.array(UNMET, np.int32)})
        self._state = SlotArrays(
            {
                "onset_ts": np.full(ONSETS, NEVER_NS),
                "onset_height": np.zeros(ONSETS, np.float32),
                "onset_signals": np.zeros(ONSETS, np.int16),
                "step": one,
                "episode": np.zeros(2, np.int16),
                "judged": np.full(VERDICTS_KEPT, NEVER_NS),
                "verdict_of": np.zeros(VERDICTS_KEPT, np.int8),
                "change": np.zeros((VERDICTS_KEPT, len(one)), np.int8),
            }
        )

    def tables(self) -> list[Table]:
        """The live arrays; all their names begin with ``feedback``."""
        numbers = self._numbers["feedback_row"]
        state = {f"feedback_{name}": array for name, array in self._state.arrays().items()}
        return [Table({"feedback_row": numbers}), Table(state, numbers)]

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take the arrays of a checkpoint out of those of its part; older ones have none.

        Raises
        ------
        ValueError
            If they are of another layout.
        """
        numbers = arrays.pop("feedback_row", None)
        names = [name for name in arrays if name.startswith("feedback_")]
        state = {name.removeprefix("feedback_"): arrays.pop(name) for name in names}
        if numbers is not None:
            self._numbers.restore({"feedback_row": numbers})
            self._state.restore(state)
            judged = (self._state["judged"] != NEVER_NS).any()
            self._are_moved = bool(judged or self._state["step"].any())

    def grow(self, slots: int, limit: int = 0) -> None:
        """Have room for so many series."""
        self._numbers.grow(slots, limit)

    def apply(
        self,
        place: NDArray[np.int32],
        ts: NDArray[np.int64],
        scores: Scores,
        said: UserVerdicts,
    ) -> NDArray[np.float64] | None:
        """Bring onset and state of a block to the moved boundaries, then apply what is said.

        Parameters
        ----------
        place, ts : int32[n], int64[n]
            The samples, ascending by series and then time.
        scores : Scores
            Onset and state are changed.
        said : UserVerdicts
            All that take effect by the end of the block, later than those of blocks before.

        Returns
        -------
        float64[n] or None
            What the boundary of each row's onset was multiplied by; None: all by 1.
        """
        numbers = self._numbers["feedback_row"]
        can_be_judged = self._met(place, ts, said) if len(said) else _NONE
        known, alarms = meet(place, scores.onset, numbers)
        self._are_moved = self._are_moved or len(can_be_judged) > 0
        if not (alarms or (known and self._are_moved) or len(can_be_judged)):
            np.maximum(said.outcome, NOT_MET, out=said.outcome)
            return None
        self._give_rows(np.concatenate([said.place[can_be_judged], place[scores.onset > 1.0]]))
        state = self._state
        outcome = np.full(len(can_be_judged), NOT_MET, np.uint8)
        factor = np.ones(len(place))
        apply_rows(
            numbers,
            state["onset_ts"],
            state["onset_height"],
            state["onset_signals"],
            state["step"],
            state["episode"],
            state["judged"],
            state["verdict_of"],
            state["change"],
            place,
            ts,
            scores.onset,
            scores.state,
            scores.signals,
            said.place[can_be_judged],
            said.ts[can_be_judged],
            said.judged[can_be_judged],
            said.verdict[can_be_judged],
            outcome,
            factor,
        )
        np.maximum(said.outcome, NOT_MET, out=said.outcome)
        said.outcome[can_be_judged] = np.maximum(said.outcome[can_be_judged], outcome)
        return factor

    def _met(
        self, place: NDArray[np.int32], ts: NDArray[np.int64], said: UserVerdicts
    ) -> NDArray[np.int64]:
        """The verdicts whose series has been scored before they take effect."""
        met = self._numbers["feedback_row"][said.place] != UNMET
        for which in np.flatnonzero(~met).tolist():
            first = int(np.searchsorted(place, said.place[which]))
            here = first < len(place) and place[first] == said.place[which]
            met[which] = here and ts[first] <= said.ts[which]
        return np.flatnonzero(met)

    def _give_rows(self, place: NDArray[np.int32]) -> None:
        """Give series rows in the state that have none."""
        numbers = self._numbers["feedback_row"]
        new = np.unique(place[numbers[place] < 0])
        known = len(self._state)
        self._state.grow(known + len(new), len(numbers))
        numbers[new] = np.arange(known, known + len(new), dtype=np.int32)
