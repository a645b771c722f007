"""Daily rhythm: what a series usually does at this time of day (UTC).

96 bins of 15 minutes. The bin being visited gathers a plain mean; it is folded into the rhythm
only when the visit ends, so the expectation of a sample comes from earlier days alone, whatever
the sampling interval.
"""

import numpy as np
from numpy.typing import NDArray

from engine.kernels.jit import in_place

DAY_NS = 86_400_000_000_000
BINS = 96
BIN_NS = DAY_NS // BINS

MEMORY_VISITS = 8
"""Days that a bin remembers: plain mean up to so many visits, then exponential forgetting."""


LARGEST_UNITS = 1e30
"""Bins are float32: their means are held within so many units."""


@in_place
def rhythm_at(
    rhythm: NDArray[np.float32], visits: NDArray[np.uint8], ts: int, period: int
) -> float:
    """Expected value by the time of day, or NaN where it was never visited.

    Parameters
    ----------
    rhythm : float32[BINS]
        Mean value of each bin, in units of the series.
    visits : uint8[BINS]
        Days seen by each bin, at most MEMORY_VISITS.
    ts : int
        Nanoseconds since the epoch.
    period : int
        ``ts // BIN_NS``.

    Returns
    -------
    float
        Linear between the centres of this bin and the nearer neighbour, if both are known.
    """
    own = period % BINS
    if visits[own] == 0:
        return np.nan
    centre = np.float64(rhythm[own])
    offset = np.float64(ts - period * BIN_NS) * (1.0 / BIN_NS) - 0.5
    other = own + 1 if offset > 0.0 else own - 1
    if other == BINS:
        other = 0
    elif other < 0:
        other = BINS - 1
    if visits[other] == 0:
        return centre
    return centre + abs(offset) * (np.float64(rhythm[other]) - centre)


@in_place
def end_visit(
    rhythm: NDArray[np.float32], visits: NDArray[np.uint8], period: int, mean: float
) -> None:
    """Fold the mean of a visit that is over (in units) into its bin."""
    own = period % BINS
    seen = min(visits[own] + 1, MEMORY_VISITS)
    visits[own] = seen
    before = np.float64(rhythm[own])
    held = min(max(mean, -LARGEST_UNITS), LARGEST_UNITS)
    rhythm[own] = np.float32(before + (held - before) / seen)
