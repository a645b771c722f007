"""The default detector: range novelty of five signals, with daily rhythm, calibrated."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.detectors.calibration_kernels import (
    BUCKETS_PER_DAY,
    CALIBRATION_BUCKET_NS,
    CLOCK_WIDTH,
    DEFAULT_BOUNDARY,
    HISTOGRAM_BINS,
    calibrate,
)
from engine.detectors.default_kernels import EMPTY_ROW, NEVER_NS, TALLIES, score_rows
from engine.detectors.protocol import Scores
from engine.detectors.rhythm_kernels import BINS, VISITS_WIDTH
from engine.errors import StateError
from engine.series.reserved import SlotArrays

_EMPTY: dict[str, NDArray[Any]] = {
    "rows": EMPTY_ROW,
    "tallies": np.zeros(TALLIES, np.int16),
    "rhythm": np.zeros(BINS, np.float32),
    "visits": np.zeros(VISITS_WIDTH, np.uint8),
    "last_ts": np.array(NEVER_NS),
}


class DefaultDetector:
    """One robust detector for every univariate series, without a parameter per series.

    Five quantities are watched per series: the value, its residual to the daily rhythm, its
    moving mean, its moving deviation and its steps. Each says how far it is outside the range it
    kept to so far; the sum, damped by the series' own usual loudness, is the raw onset. The raw
    state is a moving mean of the distance from the expected value. Both are brought to the common
    scale by the pooled tail of all series. A counter (a series that only rises but for resets) is
    watched by its rate. A series takes `BYTES_PER_SERIES` of memory.

    Parameters
    ----------
    false_alarms_per_day : float
        What the user allows for the whole match.
    slots : int
        Series to make room for.

    References
    ----------
    Ahmad, Lavin, Purdy, Agha, "Unsupervised real-time anomaly detection for streaming data",
    Neurocomputing 2017; Siffer et al., "Anomaly detection in streams with extreme value theory",
    KDD 2017.
    """

    name: Final = "default"
    version: Final = 2

    def __init__(self, *, false_alarms_per_day: float, slots: int = 0) -> None:
        self._alarms_per_bucket = false_alarms_per_day / BUCKETS_PER_DAY
        self._slots = SlotArrays(_EMPTY)
        self._slots.grow(slots)
        self._pool: dict[str, NDArray[Any]] = {
            "clock": np.zeros(CLOCK_WIDTH, np.int64),
            "counts": np.zeros((2, HISTOGRAM_BINS), np.int64),
            "boundary": np.array(DEFAULT_BOUNDARY),
        }

    def by_slot(self) -> dict[str, NDArray[Any]]:
        """Live state of the slots: ``rows, tallies, rhythm, visits, last_ts``."""
        return self._slots.arrays()

    def pooled(self) -> dict[str, NDArray[Any]]:
        """Live state of all together: ``clock, counts, boundary``."""
        return dict(self._pool)

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take over copies of a snapshot's arrays.

        Raises
        ------
        StateError
            If a name, a type or a shape is not that of this version.
        """
        pool = {name: arrays[name] for name in self._pool if name in arrays}
        shapes = {name: (array.dtype, array.shape) for name, array in pool.items()}
        if shapes != {name: (array.dtype, array.shape) for name, array in self._pool.items()}:
            raise StateError(f"detector {self.name}: the snapshot holds {sorted(arrays)}")
        try:
            self._slots.restore({name: arrays[name] for name in arrays if name not in pool})
        except ValueError as error:
            raise StateError(f"detector {self.name}: the snapshot holds {error}") from error
        self._pool = {name: array.copy() for name, array in pool.items()}

    def grow(self, slots: int, limit: int = 0) -> None:
        """Make room for at least so many slots; new ones have seen nothing."""
        self._slots.grow(slots, limit)

    def score(
        self,
        slot: NDArray[np.int32],
        ts: NDArray[np.int64],
        value: NDArray[np.float64],
        share: float = 1.0,
    ) -> Scores:
        """Score a block of samples, then learn them (see `Detector.score`).

        A block in which the share changes must begin at a multiple of `CALIBRATION_BUCKET_NS`.
        """
        scores = np.empty((5, len(slot)))
        own, pool = self._slots, self._pool
        score_rows(
            own["rows"],
            own["tallies"],
            own["rhythm"],
            own["visits"],
            own["last_ts"],
            slot,
            ts,
            value,
            scores,
        )
        order = np.argsort(ts // CALIBRATION_BUCKET_NS, kind="stable")
        alarms = self._alarms_per_bucket * share
        calibrate(pool["clock"], pool["counts"], pool["boundary"], order, ts, scores, alarms)
        return Scores(*scores)


BYTES_PER_SERIES: Final = sum(row.nbytes for row in _EMPTY.values())
"""Memory of one series."""
