"""Sequential drift detectors as detectors of series: each sees a series' samples one by one."""

import inspect
import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.detectors.protocol import SCORE_ROWS, Failure, Scores
from engine.detectors.river_drift import drift_parameters, seeded
from engine.detectors.river_judge import FAILURES_MAX
from engine.detectors.river_store import ARRAYS
from engine.detectors.sequential_stores import (
    ALARM,
    OwnStore,
    RiverDetectors,
    SequentialStore,
)
from engine.drift.sequential_names import OWN, sequential_detector
from engine.errors import StateError
from engine.series.reserved import SlotArrays
from engine.series.snapshot import Table

LARGEST: Final = 1e150
"""Farther samples count as no numbers: their squares are none that a sum could hold."""

STATE: Final = 1.5
"""State at the sample that raises an alarm."""

HALVING_ROWS: Final = 50
"""Samples of a series in which its state halves."""

STATE_MIN: Final = 0.001
"""A smaller state is none."""

_LEFT: Final = math.ceil(HALVING_ROWS * math.log2(STATE / STATE_MIN))
_STATES = np.array([0.0, *(STATE * 0.5 ** (age / HALVING_ROWS) for age in reversed(range(_LEFT)))])
"""State by how many samples of it are left, the present one included."""

_WARM_UP_PARAMETERS: Final = (
    "window_size",
    "sliding_window_size",
    "min_instances",
    "warm_start",
    "grace_period",
)
"""What detectors call the number of samples before their first test."""

_EMPTY: dict[str, NDArray[Any]] = {
    "seen": np.zeros((), np.int64),
    "left": np.zeros((), np.int32),
    "failures": np.zeros((), np.uint8),
    "suspended": np.zeros((), np.bool_),
}


class SequentialSeries:
    """One sequential drift detector for each series (see `Detector`).

    The onset is ALARM at a sample at which drift is detected, WARNING where the detector only
    warns, otherwise 0. After an alarm the state is STATE and halves every `HALVING_ROWS` samples,
    so that what fires by it resolves. What was expected is not known. How often false alarms come
    is set by the detector's own parameters: `false_alarms_per_day` does not move them, since
    it is not known how many samples a day has.

    Samples are taken as they are, counters included. Values that are no numbers, or farther from
    zero than LARGEST, are not judged. A sample that the detector does not take (see
    `engine.detectors.sequential_stores.domain_of`) fails; after `FAILURES_MAX` in a row the
    series' detector is not asked again.

    Parameters
    ----------
    name : str
        As of `engine.drift.sequential_names.sequential_detector`.
    params : mapping
        Of its constructor. What takes a seed and is given none gets a fixed one.

    Raises
    ------
    ValueError
        If there is no such detector, or it does not take the parameters.
    """

    version: Final = 1
    signals: Final = ()

    def __init__(self, name: str, params: Mapping[str, Any]) -> None:
        self.name = name
        self._warm_up = warm_up_of(name, params)
        self._river: RiverDetectors | None = None
        if name in OWN:
            own = OwnStore(name, params, _EMPTY)
            self._slots = own.slots
            self._store: SequentialStore = own
        else:
            self._slots = SlotArrays(_EMPTY)
            self._store = self._river = RiverDetectors(name, seeded(name, params))

    def tables(self) -> list[Table]:
        """Live state of the slots: what is kept beside the detectors, and the arrays of ours."""
        return [Table(self._slots.arrays())]

    def pooled(self) -> dict[str, NDArray[Any]]:
        """River's detectors, pickled; of ours nothing."""
        return self._store.pooled()

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take over copies of a snapshot's arrays.

        Raises
        ------
        StateError
            If they are of another layout.
        """
        try:
            if self._river is None:
                self._slots.restore(arrays)
                return
            self._slots.restore({name: arrays[name] for name in arrays if name not in ARRAYS})
            if not self._river.restore(arrays):
                for name, empty in _EMPTY.items():
                    self._slots[name][:] = empty
        except ValueError as error:
            raise StateError(f"detector {self.name}: the snapshot holds {error}") from error

    def grow(self, slots: int, limit: int = 0) -> None:
        """Make room for at least so many slots; new ones have seen nothing."""
        self._slots.grow(slots, limit)

    def warming_up(self) -> int:
        """How many slots have not had a verdict yet."""
        return int((self._slots["seen"] < self._warm_up).sum())

    def score(
        self,
        slot: NDArray[np.int32],
        ts: NDArray[np.int64],  # noqa: ARG002  (the protocol's; detectors know no time)
        value: NDArray[np.float64],
        share: float,  # noqa: ARG002
    ) -> Scores:
        """Score a block of samples, then learn them (see `Detector.score`)."""
        scores = np.full((SCORE_ROWS, len(slot)), np.nan)
        scores[:2] = 0.0
        failures: list[Failure] = []
        begins = np.flatnonzero(np.diff(slot, prepend=-1))
        usable = np.abs(value) <= LARGEST
        for begin, end in pairwise([*begins.tolist(), len(slot)]):
            place = int(slot[begin])
            rows = begin + np.flatnonzero(usable[begin:end])
            if len(rows) and not self._slots["suspended"][place]:
                failures += self._judge(place, rows, value[rows], scores)
        return Scores.of(scores, np.zeros((0, len(slot)), np.float32), tuple(failures))

    def _judge(
        self,
        place: int,
        rows: NDArray[np.int64],
        values: NDArray[np.float64],
        scores: NDArray[np.float64],
    ) -> list[Failure]:
        """Let a series' detector see samples that lie at `rows`; fill their scores."""
        onset = np.zeros(len(rows))
        wrong = self._store.watch(place, values, onset)
        if not wrong:
            self._slots["failures"][place] = 0
            self._take(place, rows, onset, scores)
            return []
        failures, through = self._failed(place, rows, wrong)
        judged = np.setdiff1d(np.arange(through), list(wrong))
        self._take(place, rows[judged], onset[judged], scores)
        for failure in failures:
            scores[:2, failure.row] = np.nan
        if self._slots["suspended"][place]:
            self._store.drop(place)
        return failures

    def _failed(
        self, place: int, rows: NDArray[np.int64], wrong: Mapping[int, str]
    ) -> tuple[list[Failure], int]:
        """Count failures; give them, and how many samples there were until the suspension."""
        failures, in_a_row = [], int(self._slots["failures"][place])
        for at, row in enumerate(rows.tolist()):
            in_a_row = in_a_row + 1 if at in wrong else 0
            if at in wrong:
                suspends = in_a_row >= FAILURES_MAX
                failures.append(Failure(row, wrong[at], suspends))
                if suspends:
                    self._slots["suspended"][place] = True
                    self._slots["failures"][place] = 0
                    return failures, at + 1
        self._slots["failures"][place] = in_a_row
        return failures, len(rows)

    def _take(
        self,
        place: int,
        rows: NDArray[np.int64],
        onset: NDArray[np.float64],
        scores: NDArray[np.float64],
    ) -> None:
        """Fill the scores of judged samples, and note what is left of the series' state."""
        if not len(rows):
            return
        age = np.arange(len(rows))
        newest = np.maximum.accumulate(np.where(onset == ALARM, age, -1))
        before = int(self._slots["left"][place])
        left = np.maximum(np.where(newest >= 0, _LEFT - age + newest, before - 1 - age), 0)
        scores[0, rows] = onset
        scores[1, rows] = _STATES[left]
        self._slots["left"][place] = left[-1]
        self._slots["seen"][place] += len(rows)


def warm_up_of(name: str, params: Mapping[str, Any]) -> int:
    """Samples before a detector's first test, as its parameters say; 1 where none does."""
    settle = getattr(sequential_detector(name, **params), "settle", None)
    if settle is not None:
        return int(settle)
    known = inspect.signature(OWN[name]).parameters if name in OWN else drift_parameters(name)
    for parameter in _WARM_UP_PARAMETERS:
        if parameter in known:
            return int(params.get(parameter, known[parameter].default))
    return 1
