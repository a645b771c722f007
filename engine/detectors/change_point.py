"""When a level changes: a self-starting two-sided CUSUM that knows of autocorrelation."""

from typing import Annotated, Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.detectors.change_point_kernels import ROW_WIDTH, score_change_points
from engine.detectors.protocol import Failure
from engine.detectors.slot_state import SlotState


class ChangePointParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters in the configuration.

    Attributes
    ----------
    allowance : float
        In standard deviations, half the shift that is to be found fastest (Page's reference
        value).
    limit : float
        Sum of deviations beyond the allowance at which the level has changed and is learned anew,
        for independent samples; others are held to more (see `ChangePointScorer`).
    memory_rows : int
        Level, spread and autocorrelation are plain means of up to so many samples, then forget at
        this rate.
    warm_up_rows : int
        Samples of a series that are learned before one is judged.
    """

    allowance: Annotated[float, msgspec.Meta(gt=0, le=2)] = 0.5
    limit: Annotated[float, msgspec.Meta(ge=1, le=1000)] = 12.0
    memory_rows: Annotated[int, msgspec.Meta(ge=16, le=10_000_000)] = 2000
    warm_up_rows: Annotated[int, msgspec.Meta(ge=16, le=10_000_000)] = 256

    def __post_init__(self) -> None:
        """Refuse a warm-up that would never end: rows are counted up to the memory."""
        if self.warm_up_rows > self.memory_rows:
            raise ValueError("`warm_up_rows` must not exceed `memory_rows`")


_EMPTY: dict[str, NDArray[Any]] = {"rows": np.zeros(ROW_WIDTH)}

BYTES_PER_SERIES: Final = _EMPTY["rows"].nbytes
"""Memory of one series, calibration aside."""


class ChangePointScorer(SlotState):
    """Two-sided CUSUM on robustly standardised values; 128 bytes for each series.

    A value is standardised by the mean of its level so far, with the allowance for that mean's own
    error that makes a self-starting CUSUM, and winsorised, so that one outlier is no change of
    level. A series' autocorrelation at lag one divides what its sums are worth, as its long-run
    variance would. An excursion of a sum is weighed by the log-likelihood ratio of its mean to the
    level's; it is told once: at the row in which it reaches the limit, or else when it has come to
    nothing. At the
    limit the level is learned anew from that row on; sums then start from zero without Lucas and
    Crosier's head start, for a new level is no suspect.

    The raw state is the current evidence, which fades at a weight of 1/32 a row.

    Parameters
    ----------
    params : ChangePointParams

    References
    ----------
    Page, "Continuous inspection schemes", Biometrika 1954; Hawkins, "Self-starting CUSUM charts for
    location and scale", The Statistician 1987; Lucas, Crosier, "Robust CUSUM", Communications in
    Statistics 1982 (winsorising), and "Fast initial response for CUSUM quality-control schemes",
    Technometrics 1982.
    """

    name: Final = "change_point"
    version: Final = 1
    signals: Final = ("level",)
    default_boundary: Final = (0.5, 3.0)

    def __init__(self, params: ChangePointParams) -> None:
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
        params = self._params
        score_change_points(
            self.slots["rows"],
            slot,
            value,
            params.allowance,
            params.limit,
            float(params.memory_rows),
            float(params.warm_up_rows),
            scores,
            signals,
        )
        return ()
