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

VISITS_WIDTH = BINS // 2
"""Bytes of a series' visits: a bin's number takes half a byte, the lower half if it is even."""

LARGEST_UNITS = 1e30
"""Bins are float32: their means are held within so many units."""


@in_place
def visits_of(visits: NDArray[np.uint8], own: int) -> int:
    """Days seen by a bin."""
    return int(visits[own >> 1]) >> ((own & 1) << 2) & 15


@in_place
def set_visits(visits: NDArray[np.uint8], own: int, days: int) -> None:
    """Write the days seen by a bin."""
    shift = (own & 1) << 2
    visits[own >> 1] = int(visits[own >> 1]) & (240 >> shift) | days << shift


@in_place
def rhythm_at(
    rhythm: NDArray[np.float32], visits: NDArray[np.uint8], ts: int, period: int
) -> float:
    """Expected value by the time of day, or NaN where it was never visited.

    Parameters
    ----------
    rhythm : float32[BINS]
        Mean value of each bin, in units of the series.
    visits : uint8[VISITS_WIDTH]
        Days seen by each bin, at most MEMORY_VISITS; two bins to a byte.
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
    if visits_of(visits, own) == 0:
        return np.nan
    centre = np.float64(rhythm[own])
    offset = np.float64(ts - period * BIN_NS) * (1.0 / BIN_NS) - 0.5
    other = own + 1 if offset > 0.0 else own - 1
    if other == BINS:
        other = 0
    elif other < 0:
        other = BINS - 1
    if visits_of(visits, other) == 0:
        return centre
    return centre + abs(offset) * (np.float64(rhythm[other]) - centre)


@in_place
def end_visit(
    rhythm: NDArray[np.float32], visits: NDArray[np.uint8], period: int, mean: float
) -> None:
    """Fold the mean of a visit that is over (in units) into its bin."""
    own = period % BINS
    seen = min(visits_of(visits, own) + 1, MEMORY_VISITS)
    set_visits(visits, own, seen)
    before = np.float64(rhythm[own])
    held = min(max(mean, -LARGEST_UNITS), LARGEST_UNITS)
    rhythm[own] = np.float32(before + (held - before) / seen)
