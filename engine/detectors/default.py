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
from engine.detectors.default_kernels import EMPTY_ROW, NEVER_NS, ROW_WIDTH, score_rows
from engine.detectors.protocol import Scores
from engine.detectors.rhythm_kernels import BINS
from engine.errors import StateError


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
    version: Final = 1

    def __init__(self, *, false_alarms_per_day: float, slots: int = 0) -> None:
        self._alarms_per_bucket = false_alarms_per_day / BUCKETS_PER_DAY
        self._slots: dict[str, NDArray[Any]] = _empty_slots(slots)
        self._pool: dict[str, NDArray[Any]] = {
            "clock": np.zeros(CLOCK_WIDTH, np.int64),
            "counts": np.zeros((2, HISTOGRAM_BINS), np.int64),
            "boundary": np.array(DEFAULT_BOUNDARY),
        }

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Live state: by slot ``rows, rhythm, visits, last_ts``; pooled the rest."""
        return {**self._slots, **self._pool}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take over copies of a snapshot's arrays.

        Raises
        ------
        StateError
            If a name, a type or a shape is not that of this version.
        """
        own = self.arrays()
        if arrays.keys() != own.keys():
            raise StateError(f"detector {self.name}: the snapshot holds {sorted(arrays)}")
        lengths = {len(arrays[name]) for name in self._slots}
        for name, array in arrays.items():
            shape = array.shape[1:] if name in self._slots else array.shape
            wanted = own[name].shape[1:] if name in self._slots else own[name].shape
            if array.dtype != own[name].dtype or shape != wanted or len(lengths) != 1:
                raise StateError(f"detector {self.name}: {name} is {array.dtype}{array.shape}")
        self._slots = {name: arrays[name].copy() for name in self._slots}
        self._pool = {name: arrays[name].copy() for name in self._pool}

    def grow(self, slots: int) -> None:
        """Make room for at least so many slots; new ones have seen nothing."""
        missing = slots - len(self._slots["last_ts"])
        if missing > 0:
            more = _empty_slots(missing)
            self._slots = {
                name: np.concatenate([array, more[name]]) for name, array in self._slots.items()
            }

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
            own["rows"], own["rhythm"], own["visits"], own["last_ts"], slot, ts, value, scores
        )
        order = np.argsort(ts // CALIBRATION_BUCKET_NS, kind="stable")
        alarms = self._alarms_per_bucket * share
        calibrate(pool["clock"], pool["counts"], pool["boundary"], order, ts, scores, alarms)
        return Scores(*scores)


def _empty_slots(slots: int) -> dict[str, NDArray[Any]]:
    return {
        "rows": np.tile(EMPTY_ROW, (slots, 1)),
        "rhythm": np.zeros((slots, BINS), np.float32),
        "visits": np.zeros((slots, BINS), np.uint8),
        "last_ts": np.full(slots, NEVER_NS, np.int64),
    }


BYTES_PER_SERIES: Final = 8 * ROW_WIDTH + 5 * BINS + 8
"""Memory of one series: its row, its rhythm, its last timestamp."""
