"""What turns a scorer into a detector: hush, boundaries by the asked alarm rate."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.detectors.calibration_kernels import (
    BUCKETS_PER_DAY,
    CALIBRATION_BUCKET_NS,
    CLOCK_WIDTH,
    CONTROL_WIDTH,
    COUNTS_ROWS,
    calibrate,
)
from engine.detectors.hush_kernels import hush_rows
from engine.detectors.pareto_kernels import HISTOGRAM_BINS
from engine.detectors.protocol import SCORE_ROWS, Scorer, Scores
from engine.errors import StateError
from engine.series.reserved import SlotArrays
from engine.series.snapshot import Table

_EMPTY: dict[str, NDArray[Any]] = {"peak": np.zeros(()), "peak_age": np.zeros((), np.int16)}

CALIBRATION_BYTES: Final = sum(row.nbytes for row in _EMPTY.values())
"""Memory of one series here, beside its scorer's."""


class Calibration:
    """Brings raw scores of many series to the common scale.

    After a reported onset only a higher one is reported for a while; then onset and state are
    divided by boundaries that follow from the pooled tail of all series' scores.

    Parameters
    ----------
    false_alarms_per_day : float
        What the user allows for the whole match.
    default_boundary : tuple of float
        As of `Scorer`.
    """

    def __init__(self, false_alarms_per_day: float, default_boundary: tuple[float, float]) -> None:
        self._alarms_per_bucket = false_alarms_per_day / BUCKETS_PER_DAY
        self._default = np.array(default_boundary, np.float64)
        self._slots = SlotArrays(_EMPTY)
        self._pool: dict[str, NDArray[Any]] = {
            "clock": np.zeros(CLOCK_WIDTH, np.int64),
            "counts": np.zeros((COUNTS_ROWS, HISTOGRAM_BINS), np.int64),
            "control": np.zeros(CONTROL_WIDTH),
            "boundary": self._default.copy(),
        }

    def tables(self) -> list[Table]:
        """Live state of the slots: ``peak, peak_age``."""
        return [Table(self._slots.arrays())]

    def pooled(self) -> dict[str, NDArray[Any]]:
        """Live state of all together: ``clock, counts, control, boundary``."""
        return dict(self._pool)

    def restore(self, arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Take over copies of a snapshot's arrays; give those that are not of here.

        Raises
        ------
        ValueError
            If a name, a type or a shape is not that of this version.
        """
        pool = {name: arrays[name] for name in self._pool if name in arrays}
        shapes = {name: (array.dtype, array.shape) for name, array in pool.items()}
        if shapes != {name: (array.dtype, array.shape) for name, array in self._pool.items()}:
            raise ValueError(sorted(arrays))
        own = {name: arrays[name] for name in _EMPTY if name in arrays}
        self._slots.restore(own)
        self._pool = {name: array.copy() for name, array in pool.items()}
        return {name: arrays[name] for name in arrays if name not in pool and name not in own}

    def grow(self, slots: int, limit: int = 0) -> None:
        """Make room for at least so many slots; new ones have seen nothing."""
        self._slots.grow(slots, limit)

    def warming_up(self) -> int:
        """How many slots have not been judged yet."""
        own = self._slots
        return int(((own["peak"] == 0.0) & (own["peak_age"] == 0)).sum())

    def apply(
        self,
        slot: NDArray[np.int32],
        ts: NDArray[np.int64],
        scores: NDArray[np.float64],
        share: float,
    ) -> None:
        """Change raw onsets and states to calibrated ones, then learn from them.

        Parameters
        ----------
        slot, ts, share
            As of `Detector.score`. A block in which the share changes must begin at a multiple of
            `CALIBRATION_BUCKET_NS`.
        scores : float64[>= 2, n]
            Raw onset and state in the first two rows, as a `Scorer` gives them.
        """
        own, pool = self._slots, self._pool
        hush_rows(slot, scores[0], own["peak"], own["peak_age"])
        bucket = ts // CALIBRATION_BUCKET_NS
        order = np.arange(len(bucket))
        if len(bucket) and bucket.min() != bucket.max():
            order = np.argsort(bucket, kind="stable")
        alarms = self._alarms_per_bucket * share
        calibrate(
            pool["clock"],
            pool["counts"],
            pool["control"],
            self._default,
            pool["boundary"],
            order,
            ts,
            scores,
            alarms,
        )


class CalibratedDetector:
    """A scorer whose raw scores are brought to the common scale (see `Detector`).

    Parameters
    ----------
    scorer : Scorer
    false_alarms_per_day : float
        What the user allows for the whole match.
    slots : int
        Series to make room for.
    """

    def __init__(self, scorer: Scorer, *, false_alarms_per_day: float, slots: int = 0) -> None:
        self.scorer = scorer
        self.name: Final = scorer.name
        self.version: Final = scorer.version
        self.signals: Final = scorer.signals
        self._calibration = Calibration(false_alarms_per_day, scorer.default_boundary)
        self.grow(slots)

    def tables(self) -> list[Table]:
        """Live state of the slots."""
        return [*self.scorer.tables(), *self._calibration.tables()]

    def pooled(self) -> dict[str, NDArray[Any]]:
        """Live state of all together."""
        return self._calibration.pooled() | self.scorer.pooled()

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take over copies of a snapshot's arrays.

        Raises
        ------
        StateError
            If a name, a type or a shape is not that of this version.
        """
        try:
            self.scorer.restore(self._calibration.restore(arrays))
        except ValueError as error:
            raise StateError(f"detector {self.name}: the snapshot holds {error}") from error

    def grow(self, slots: int, limit: int = 0) -> None:
        """Make room for at least so many slots; new ones have seen nothing."""
        self._calibration.grow(slots, limit)
        self.scorer.grow(slots, limit)

    def warming_up(self) -> int:
        """How many slots have not had a verdict yet."""
        return self._calibration.warming_up()

    def score(
        self,
        slot: NDArray[np.int32],
        ts: NDArray[np.int64],
        value: NDArray[np.float64],
        share: float = 1.0,
    ) -> Scores:
        """Score a block of samples, then learn them (see `Detector.score` and `Calibration`)."""
        scores = np.full((SCORE_ROWS, len(slot)), np.nan)
        signals = np.zeros((len(self.signals), len(slot)), np.float32)
        failures = self.scorer.score(slot, ts, value, scores, signals)
        self._calibration.apply(slot, ts, scores, share)
        for failure in failures:
            scores[:2, failure.row] = np.nan
        return Scores.of(scores, signals, failures)
