"""The default detector: range novelty of five signals, with daily rhythm, calibrated."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.detectors.calibrated import CALIBRATION_BYTES, CalibratedDetector
from engine.detectors.default_kernels import EMPTY_ROW, NEVER_NS, TALLIES, score_rows
from engine.detectors.protocol import Failure
from engine.detectors.rhythm_kernels import BINS, VISITS_WIDTH
from engine.detectors.slot_state import SlotState

_EMPTY: dict[str, NDArray[Any]] = {
    "rows": EMPTY_ROW,
    "tallies": np.zeros(TALLIES, np.int16),
    "rhythm": np.zeros(BINS, np.float32),
    "visits": np.zeros(VISITS_WIDTH, np.uint8),
    "last_ts": np.array(NEVER_NS),
}


class DefaultScorer(SlotState):
    """One robust scorer for every univariate series, without a parameter per series.

    Five quantities are watched per series: the value, its residual to the daily rhythm, its
    moving mean, its moving deviation and its steps. Each says how far it is outside the range it
    kept to so far; the sum, damped by the series' own usual loudness, is the raw onset. The raw
    state is a moving mean of the distance from the expected value. A counter (a series that only
    rises but for resets) is watched by its rate.

    References
    ----------
    Ahmad, Lavin, Purdy, Agha, "Unsupervised real-time anomaly detection for streaming data",
    Neurocomputing 2017.
    """

    name: Final = "default"
    version: Final = 3
    signals: Final = ("range", "daily rhythm", "level", "spread", "step")
    default_boundary: Final = (0.5, 3.0)

    def __init__(self) -> None:
        super().__init__(_EMPTY)

    def score(
        self,
        slot: NDArray[np.int32],
        ts: NDArray[np.int64],
        value: NDArray[np.float64],
        scores: NDArray[np.float64],
        signals: NDArray[np.float32],
    ) -> tuple[Failure, ...]:
        """Score a block of samples, then learn them (see `Scorer.score`)."""
        own = self.slots
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
            signals,
        )
        return ()


def default_detector(*, false_alarms_per_day: float, slots: int = 0) -> CalibratedDetector:
    """Make the default detector (see `CalibratedDetector`)."""
    return CalibratedDetector(
        DefaultScorer(), false_alarms_per_day=false_alarms_per_day, slots=slots
    )


BYTES_PER_SERIES: Final = CALIBRATION_BYTES + sum(row.nbytes for row in _EMPTY.values())
"""Memory of one series."""
