"""Distance from a streaming median-like level, in robust deviations: 64 bytes a series."""

import math
from typing import Annotated, Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.detectors.echo_kernels import echo_after, is_news
from engine.detectors.protocol import DEVIATION, NOT_JUDGED, Failure
from engine.detectors.slot_state import SlotState
from engine.detectors.spread_kernels import (
    COUNT,
    LARGEST,
    LEVEL,
    NORMAL_SPREADS,
    distance_in_deviations,
    learn_value,
    spread_of,
)
from engine.kernels.jit import in_place

# The other columns of a row.
ORIGIN = 4  # the first value; all else is relative to it
STATE = 5
ECHO = 6  # of distances in deviations
ROW_WIDTH = 8  # one cache line

MOST_DEVIATIONS = 1e6
"""Distances count for no more; a constant series' first change has this one."""

TAIL_FREEDOM = 3.0
"""Degrees of freedom of the Student law by which distances are weighed."""

ONSET_SCALE = 0.2
"""Six deviations have an onset of about one half."""

BAND_DEVIATIONS = 4.0
"""Half width of the band that counts as usual."""

STATE_WEIGHT = 0.1
"""Of a row in the state, a moving mean of distances in deviations, less one."""

STATE_LIMIT = 12.0
"""Distances count for no more in the state, so that it ends soon after its cause."""


class RobustZParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters in the configuration.

    Attributes
    ----------
    memory_rows : int
        Level and spread are plain means of up to so many samples, then forget at this rate.
    warm_up_rows : int
        Samples of a series that are learned before one is judged.
    """

    memory_rows: Annotated[int, msgspec.Meta(ge=16, le=10_000_000)] = 1000
    warm_up_rows: Annotated[int, msgspec.Meta(ge=16, le=10_000_000)] = 128

    def __post_init__(self) -> None:
        """Refuse a warm-up that would never end: rows are counted up to the memory."""
        if self.warm_up_rows > self.memory_rows:
            raise ValueError("`warm_up_rows` must not exceed `memory_rows`")


@in_place
def score_robust_z(
    rows: NDArray[np.float64],
    slot: NDArray[np.int32],
    value: NDArray[np.float64],
    memory: float,
    warm_up: float,
    scores: NDArray[np.float64],
    signals: NDArray[np.float32],
) -> None:
    """Score samples by what was known before each, then learn it.

    Parameters
    ----------
    rows : float64[slots, ROW_WIDTH]
        State; changed.
    slot, value : int32[n], float64[n]
        Samples; those of a slot in order of time.
    memory, warm_up : float
        See `RobustZParams`.
    scores, signals : float64[SCORE_ROWS, n], float32[1, n]
        Filled, see `Scorer.score`.
    """
    for i in range(len(slot)):
        scores[0, i] = NOT_JUDGED
        scores[1, i] = 0.0
        scores[2, i] = scores[3, i] = scores[4, i] = np.nan
        sample = value[i]
        if not abs(sample) <= LARGEST:
            continue
        row = rows[slot[i]]
        if row[COUNT] == 0.0:
            row[ORIGIN] = sample
        offset = sample - row[ORIGIN]
        if row[COUNT] >= warm_up:
            spread = spread_of(row)
            expected = row[ORIGIN] + row[LEVEL]
            reach = BAND_DEVIATIONS * NORMAL_SPREADS * spread
            deviation = offset - row[LEVEL]
            distance = distance_in_deviations(abs(deviation), spread, MOST_DEVIATIONS)
            onset = 0.0
            if is_news(distance, row[ECHO]):
                onset = ONSET_SCALE * math.log1p(distance * distance / TAIL_FREEDOM)
            row[ECHO] = echo_after(distance, row[ECHO])
            row[STATE] += STATE_WEIGHT * (min(distance, STATE_LIMIT) - 1.0 - row[STATE])
            scores[0, i] = onset
            scores[1, i] = max(row[STATE], 0.0)
            scores[2, i] = expected
            scores[3, i] = expected - reach
            scores[4, i] = expected + reach
            scores[DEVIATION, i] = math.copysign(min(distance, STATE_LIMIT), deviation)
            signals[0, i] = onset
        learn_value(row, offset, memory)


_EMPTY: dict[str, NDArray[Any]] = {"rows": np.zeros(ROW_WIDTH)}

BYTES_PER_SERIES: Final = _EMPTY["rows"].nbytes
"""Memory of one series, calibration aside."""


class RobustZScorer(SlotState):
    """Distance from a robust level in robust deviations; 64 bytes for each series.

    Level and spread are recursive M-estimates (see `engine.detectors.spread_kernels`). The raw
    onset is the surprise of a Student law with three degrees of freedom, ``log(1 + z**2 / 3)``:
    quadratic for usual distances, logarithmic for far ones, so that the tails of normal and of
    heavy-tailed series both stay within one scale; it is 0 for a distance that does not stand out
    from those just before it. The raw state is a moving mean of the distance.

    Parameters
    ----------
    params : RobustZParams

    References
    ----------
    Iglewicz, Hoaglin, "How to detect and handle outliers", ASQC 1993 (distance from the median in
    median absolute deviations).
    """

    name: Final = "robust_z"
    version: Final = 1
    signals: Final = ("deviation",)
    default_boundary: Final = (0.5, 3.0)

    def __init__(self, params: RobustZParams) -> None:
        super().__init__(_EMPTY)
        self._params = params

    def score(
        self,
        slot: NDArray[np.int32],
        ts: NDArray[np.int64],  # noqa: ARG002  (the protocol's; this scorer knows no time)
        value: NDArray[np.float64],
        scores: NDArray[np.float64],
        signals: NDArray[np.float32],
    ) -> tuple[Failure, ...]:
        """Score a block of samples, then learn them (see `Scorer.score`)."""
        memory, warm_up = float(self._params.memory_rows), float(self._params.warm_up_rows)
        score_robust_z(self.slots["rows"], slot, value, memory, warm_up, scores, signals)
        return ()
