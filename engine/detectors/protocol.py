"""What every detector offers to the shard that runs it."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.series.snapshot import Table

SCORE_KINDS = ("onset", "state", "expected", "lower", "upper")
"""Rows of a block of scores, in this order."""

DEVIATION = len(SCORE_KINDS)
SCORE_ROWS = DEVIATION + 1
"""One row more holds each sample's distance from what was expected, see `Scores`."""

UNTOLD = -2.0
"""A raw onset x that calibration shall learn from, but nobody be told of, is ``UNTOLD - x``."""

NOT_JUDGED = -1.0
"""Raw onset of a sample that gets no verdict: warming up, no number, first after a reset."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A sample that a model could not score.

    Attributes
    ----------
    row : int
        Its place in the block.
    detail : str
        Why, for the dead letter.
    suspends : bool
        Whether the series' model is not asked again.
    """

    row: int
    detail: str
    suspends: bool = False


@dataclass(frozen=True, slots=True)
class Scores:
    """Verdicts on n samples, row by row.

    Attributes
    ----------
    onset : float64[n]
        Something begins here: 1.0 is the boundary for the asked rate of false alarms. After a
        reported score only a higher one shows for a while, so onsets count episodes. 0 while
        warming up and for values that are no numbers.
    state : float64[n]
        It is still going on: sustained deviation on the same scale, not hushed.
    expected, lower, upper : float64[n]
        What was expected before the sample was seen, and the band that counts as usual, in the
        sample's unit; NaN while unknown.
    signals : float32[k, n]
        How much each of the detector's signals contributed to the onset before it was hushed, in
        the order of `Detector.signals`; the scale is the detector's own.
    deviation : float64[n]
        Signed distance from what was expected in usual deviations, which joint scores are made of;
        NaN while unknown, and for detectors that do not say.
    failures : tuple of Failure
        Samples that became dead letters; their scores are NaN.
    """

    onset: NDArray[np.float64]
    state: NDArray[np.float64]
    expected: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    signals: NDArray[np.float32]
    deviation: NDArray[np.float64]
    failures: tuple[Failure, ...] = ()

    @classmethod
    def empty(cls, signals: int, rows: int = 0) -> "Scores":
        """Scores to be filled in."""
        return cls.of(np.empty((SCORE_ROWS, rows)), np.zeros((signals, rows), np.float32))

    @classmethod
    def of(
        cls,
        scores: NDArray[np.float64],
        signals: NDArray[np.float32],
        failures: tuple[Failure, ...] = (),
    ) -> "Scores":
        """Scores in the SCORE_ROWS rows of one array, in the order of `SCORE_KINDS`."""
        onset, state, expected, lower, upper, deviation = scores
        return cls(onset, state, expected, lower, upper, signals, deviation, failures)

    def take(self, rows: NDArray[np.int64]) -> "Scores":
        """The scores of some rows, without failures."""
        return Scores(
            self.onset[rows],
            self.state[rows],
            self.expected[rows],
            self.lower[rows],
            self.upper[rows],
            self.signals[:, rows],
            self.deviation[rows],
        )


class Scorer(Protocol):
    """Says how unusual samples are, on a scale of its own; see `CalibratedDetector`."""

    @property
    def name(self) -> str:
        """As in the configuration."""

    @property
    def version(self) -> int:
        """Of the state's meaning and layout; snapshots of another one can't be restored."""

    @property
    def signals(self) -> tuple[str, ...]:
        """What it looks at, as names of `engine.detectors.signals`; may be empty."""

    @property
    def default_boundary(self) -> tuple[float, float]:
        """Raw onset and raw state that count as 1.0 before the shard's own scores say more.

        Infinite where the scale of the scores is not known beforehand: no alarms until then.
        """

    def tables(self) -> list[Table]:
        """Live state by slot; scoring samples changes only rows of their slots."""

    def pooled(self) -> dict[str, NDArray[Any]]:
        """Live state that is of no slot; it is copied at every checkpoint and should be small."""

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take over copies of the arrays of all tables and the pooled ones.

        Raises
        ------
        ValueError
            If they are of another layout.
        """

    def grow(self, slots: int, limit: int = 0) -> None:
        """Make room for at least so many slots, as `Detector.grow`."""

    def score(
        self,
        slot: NDArray[np.int32],
        ts: NDArray[np.int64],
        value: NDArray[np.float64],
        scores: NDArray[np.float64],
        signals: NDArray[np.float32],
    ) -> tuple[Failure, ...]:
        """Score a block of samples, then learn them; give those that could not be scored.

        Parameters
        ----------
        slot, ts, value
            As of `Detector.score`.
        scores : float64[SCORE_ROWS, n]
            Filled, in the order of `SCORE_KINDS`: the raw onset, at least 0, NOT_JUDGED (such
            rows have no state either) or by UNTOLD; the raw state, at least 0; what was expected,
            or NaN; the deviation (NaN at first). Failures are NOT_JUDGED.
        signals : float32[k, n]
            Filled, see `Scores`; zeros at first.
        """


class Detector(Protocol):
    """Scores the samples of a shard's series, then learns from them."""

    @property
    def name(self) -> str:
        """As in the configuration."""

    @property
    def version(self) -> int:
        """Of the state's meaning and layout; snapshots of another one can't be restored."""

    @property
    def signals(self) -> tuple[str, ...]:
        """What it looks at, as names of `engine.detectors.signals`; may be empty."""

    def tables(self) -> list[Table]:
        """Live state by slot; scoring samples changes only rows of their slots."""

    def pooled(self) -> dict[str, NDArray[Any]]:
        """Live state that is of no slot; it is copied at every checkpoint and should be small."""

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take over copies of a snapshot's arrays, by slot and pooled.

        Raises
        ------
        StateError
            If they are of another layout.
        """

    def grow(self, slots: int, limit: int = 0) -> None:
        """Make room for at least so many slots; new ones have seen nothing.

        `limit` is how many there may be some day: address space for them can be reserved at once.
        """

    def warming_up(self) -> int:
        """How many slots have not had a verdict yet."""

    def score(
        self,
        slot: NDArray[np.int32],
        ts: NDArray[np.int64],
        value: NDArray[np.float64],
        share: float,
    ) -> Scores:
        """Score a block of samples, then learn them.

        Parameters
        ----------
        slot : int32[n]
            Series, ascending.
        ts : int64[n]
            Nanoseconds since the epoch; ascending and unique within a slot. No row may be earlier
            than a row of a block before.
        value : float64[n]
            Samples; NaN and infinities get 0 and are not learned.
        share : float
            This shard's part, 0 to 1, of the series that the asked rate of false alarms is for.
        """
