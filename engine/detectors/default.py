"""The default detector: novelty of six signals, with daily and weekly rhythm, calibrated."""

from typing import Annotated, Any, Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.detectors.calibrated import CALIBRATION_BYTES, CalibratedDetector
from engine.detectors.default_kernels import NEVER_NS, score_rows
from engine.detectors.protocol import Failure
from engine.detectors.recent_kernels import RECENT_WIDTH, SCRATCH_WIDTH
from engine.detectors.rhythm_kernels import HOURS_WIDTH, OLDER_WEEKS, RHYTHM_WIDTH, WEEK_HOURS
from engine.detectors.signal_kernels import EMPTY_ROW, TALLIES
from engine.detectors.surprise_kernels import FOLLOWED, TAIL_BINS
from engine.series.reserved import SlotArrays
from engine.series.snapshot import Table

_EMPTY: dict[str, NDArray[Any]] = {
    "rows": EMPTY_ROW,
    "tallies": np.zeros(TALLIES, np.int16),
    "rhythm": np.zeros(RHYTHM_WIDTH),
    "recent": np.zeros(RECENT_WIDTH),
    "hours": np.zeros(HOURS_WIDTH, np.int16),
    "tail": np.zeros(TAIL_BINS, np.uint16),
    "followed": np.zeros(FOLLOWED, np.int16),
    "last_ts": np.array(NEVER_NS),
    "older_row": np.array(-1, np.int32),
}

_EMPTY_OLDER: dict[str, NDArray[Any]] = {"older": np.zeros((OLDER_WEEKS, WEEK_HOURS), np.int16)}

BYTES_PER_SERIES: Final = CALIBRATION_BYTES + sum(row.nbytes for row in _EMPTY.values())
"""Memory of one series."""

WEEKLY_BYTES: Final = sum(row.nbytes for row in _EMPTY_OLDER.values())
"""Further memory of one series that has seen a week, if it remembers the weeks before it."""


class DefaultParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters in the configuration.

    Attributes
    ----------
    rhythm : str
        "weekly": a series that has seen a week remembers three more besides the last one; "daily":
        the last week is all.
    weekly_series : int
        Only so many series remember them, those that saw a week first; 1 KB each.
    """

    rhythm: Literal["daily", "weekly"] = "weekly"
    weekly_series: Annotated[int, msgspec.Meta(ge=0, le=100_000_000)] = 100_000


_DEFAULTS: Final = DefaultParams()


class DefaultScorer:
    """One robust scorer for every univariate series, without a parameter per series.

    Six quantities are watched per series: the value; its residuals to what is usual at this hour of
    the day, to what earlier weeks and the last rows say of this hour of the week, and to the level
    of the last hours; its moving mean; and the drift of the weekly residual. Each says how far it
    is outside the range it kept to so far; the sum, damped by the series' own usual loudness, is
    the raw onset. The raw state is a moving mean of how rare the distance from the expected value
    is for the series. A counter (a series that only rises but for resets) is watched by its rate.

    Parameters
    ----------
    params : DefaultParams

    References
    ----------
    Ahmad, Lavin, Purdy, Agha, "Unsupervised real-time anomaly detection for streaming data",
    Neurocomputing 2017 (values beyond the range seen so far); Page, "Continuous inspection
    schemes", Biometrika 1954 (the drift).
    """

    name: Final = "default"
    version: Final = 4
    signals: Final = ("range", "daily rhythm", "weekly rhythm", "level", "step", "trend")
    default_boundary: Final = (0.25, 3.0)

    def __init__(self, params: DefaultParams = _DEFAULTS) -> None:
        self._budget = params.weekly_series if params.rhythm == "weekly" else 0
        self._slots = SlotArrays(_EMPTY)
        self._older = SlotArrays(_EMPTY_OLDER)
        self._older.grow(1)
        self._older_used = np.zeros(1, np.int64)
        self._scratch = np.zeros(SCRATCH_WIDTH)

    def tables(self) -> list[Table]:
        """Live state: of all slots, and the older weeks of those that have some."""
        used = int(self._older_used[0])
        slots = Table(self._slots.arrays())
        if used == 0:
            return [slots]
        return [slots, Table({"older": self._older["older"][:used]}, self._slots["older_row"])]

    def pooled(self) -> dict[str, NDArray[Any]]:
        """Nothing: series know nothing of each other."""
        return {}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take over copies of a snapshot's arrays.

        Raises
        ------
        ValueError
            If a name, a type or a shape is not as it should be, or older weeks are missing.
        """
        older = {name: array for name, array in arrays.items() if name in _EMPTY_OLDER}
        if older:
            self._older.restore(older)
        self._slots.restore({name: arrays[name] for name in arrays if name not in older})
        used = int(self._slots["older_row"].max(initial=-1)) + 1
        if used > len(older.get("older", ())):
            raise ValueError("rows of older weeks are missing")
        self._older_used[0] = used

    def grow(self, slots: int, limit: int = 0) -> None:
        """Make room for at least so many slots; new ones have seen nothing."""
        self._slots.grow(slots, limit)

    def score(
        self,
        slot: NDArray[np.int32],
        ts: NDArray[np.int64],
        value: NDArray[np.float64],
        scores: NDArray[np.float64],
        signals: NDArray[np.float32],
    ) -> tuple[Failure, ...]:
        """Score a block of samples, then learn them (see `Scorer.score`)."""
        series = int(np.count_nonzero(slot[1:] != slot[:-1])) + 1
        self._older.grow(min(int(self._older_used[0]) + series, self._budget), self._budget)
        own = self._slots
        score_rows(
            own["rows"],
            own["tallies"],
            own["rhythm"],
            own["recent"],
            own["hours"],
            own["tail"],
            own["followed"],
            own["last_ts"],
            own["older_row"],
            self._older["older"],
            self._older_used,
            self._budget,
            slot,
            ts,
            value,
            self._scratch,
            scores,
            signals,
        )
        return ()


def default_detector(
    params: DefaultParams = _DEFAULTS, *, false_alarms_per_day: float, slots: int = 0
) -> CalibratedDetector:
    """Make the default detector (see `CalibratedDetector`)."""
    scorer = DefaultScorer(params)
    return CalibratedDetector(scorer, false_alarms_per_day=false_alarms_per_day, slots=slots)
