"""The plainest detector: distance from an exponentially weighted mean, in weighted deviations."""

from typing import Annotated, Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.detectors.protocol import SCORE_ROWS, Scores
from engine.errors import StateError
from engine.kernels.jit import in_place
from engine.series.reserved import SlotArrays
from engine.series.snapshot import Table

_EMPTY = {"mean": np.zeros(()), "variance": np.zeros(()), "seen": np.zeros((), np.int64)}


class EwmaParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters in the configuration.

    Attributes
    ----------
    weight : float
        Of a new sample, 0 to 1; the past is forgotten at this rate.
    threshold : float
        Deviations from the mean at which the score is 1.0. It is fixed: `false_alarms_per_day`
        does not move it.
    initial_deviation : float or None
        A series' deviation before its own is known, in the sample's unit; None: a series is quiet
        for its first ``1 / weight`` samples.
    """

    weight: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.01
    threshold: Annotated[float, msgspec.Meta(gt=0)] = 6.0
    initial_deviation: Annotated[float, msgspec.Meta(gt=0)] | None = None


@in_place
def score_ewma(
    slot: Any,
    value: Any,
    mean: Any,
    variance: Any,
    seen: Any,
    weight: float,
    threshold: float,
    initial_variance: float,
    quiet: int,
    scores: Any,
) -> None:
    """Score samples by what was known before each, then learn it (Finch 2009, equation 143).

    Parameters
    ----------
    slot : int32[n]
    value : float64[n]
    mean, variance : float64[slots]
    seen : int64[slots]
        Samples learned, up to `quiet`.
    weight, threshold, initial_variance : float
    quiet : int
        Samples of a series that get no score, at least 1.
    scores : float64[>= 5, n]
        Out: onset, state, expected, lower, upper.
    """
    for row in range(len(slot)):
        place = slot[row]
        sample = value[row]
        scores[0, row] = 0.0
        scores[1, row] = 0.0
        known = seen[place] > 0
        wide = threshold * np.sqrt(variance[place])
        scores[2, row] = mean[place] if known else np.nan
        scores[3, row] = mean[place] - wide if known else np.nan
        scores[4, row] = mean[place] + wide if known else np.nan
        if not np.isfinite(sample):
            continue
        if not known:
            mean[place] = sample
            variance[place] = initial_variance
            seen[place] = 1
            continue
        off = sample - mean[place]
        if seen[place] < quiet:
            seen[place] += 1
        elif off != 0.0:
            scores[0, row] = abs(off) / wide
            scores[1, row] = scores[0, row]
        mean[place] += weight * off
        variance[place] = (1.0 - weight) * (variance[place] + weight * off * off)


class EwmaDetector:
    """Exponentially weighted mean and variance of every series; 24 bytes for each.

    For comparison and for series of which nothing else is to be known: it has no rhythm, no
    memory of ranges, and a boundary that follows from no false-alarm rate.

    Parameters
    ----------
    params : EwmaParams

    References
    ----------
    T. Finch, "Incremental calculation of weighted mean and variance", University of Cambridge 2009.
    """

    name: Final = "ewma"
    version: Final = 1
    signals: Final = ()

    def __init__(self, params: EwmaParams) -> None:
        self._params = params
        self._state = SlotArrays(_EMPTY)

    def tables(self) -> list[Table]:
        """Live state of the slots: ``mean, variance, seen``."""
        return [Table(self._state.arrays())]

    def pooled(self) -> dict[str, NDArray[Any]]:
        """Nothing: series know nothing of each other."""
        return {}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take over copies of a snapshot's arrays.

        Raises
        ------
        StateError
            If they are of another layout.
        """
        try:
            self._state.restore(arrays)
        except ValueError as error:
            raise StateError(f"detector {self.name}: the snapshot holds {error}") from error

    def grow(self, slots: int, limit: int = 0) -> None:
        """Make room for at least so many slots; new ones have seen nothing."""
        self._state.grow(slots, limit)

    def warming_up(self) -> int:
        """How many slots have not had a verdict yet."""
        return int((self._state["seen"] < self._quiet_samples).sum())

    @property
    def _quiet_samples(self) -> int:
        params = self._params
        return round(1 / params.weight) if params.initial_deviation is None else 1

    def score(
        self,
        slot: NDArray[np.int32],
        ts: NDArray[np.int64],  # noqa: ARG002  (the protocol's; this detector knows no time)
        value: NDArray[np.float64],
        share: float,  # noqa: ARG002
    ) -> Scores:
        """Score a block of samples, then learn them (see `Detector.score`)."""
        params, state = self._params, self._state
        deviation = params.initial_deviation
        scores = np.full((SCORE_ROWS, len(slot)), np.nan)
        score_ewma(
            slot,
            value,
            state["mean"],
            state["variance"],
            state["seen"],
            params.weight,
            params.threshold,
            0.0 if deviation is None else deviation * deviation,
            self._quiet_samples,
            scores,
        )
        return Scores.of(scores, np.zeros((0, len(slot)), np.float32))
