"""Robust location and spread of a series, one value at a time, in four numbers.

Recursive M-estimates: the level moves by Huber's clipped deviation, the spread is a moving mean
absolute deviation of winsorised values. Where most values are the same, every robust spread
vanishes; a second, hardly winsorised one then takes over, so that rare values keep a finite size.

Cameron, Turner, "Recursive location and scale estimators", Communications in Statistics 1993;
Holst, "Recursive estimators of location", the same 1987; Huber, "Robust estimation of a location
parameter", Annals of Mathematical Statistics 1964.
"""

import numpy as np
from numpy.typing import NDArray

from engine.kernels.jit import in_place

# The first columns of a series' row.
LEVEL, SPREAD, WIDE, COUNT = range(4)

LARGEST = 1e300
"""Larger values are treated as no number: their sums and multiples could overflow."""

NORMAL_SPREADS = 1.2533141373155003
"""Standard deviation of a normal law in mean absolute deviations: sqrt(pi / 2)."""

PLAIN_ROWS = 16
"""Rows learned as they are, before there is a spread to hold them against."""

LEVEL_SPREADS = 1.5
"""The level moves as for a value no farther off than this: near a median, and smoother."""

SPREAD_SPREADS = 4.0
"""The spread learns a value no farther off than this."""

WIDE_SPREADS = 1000.0
"""The wide spread learns a value no farther off than this."""

WIDE_PART = 0.25
"""The wide spread counts for this part: where it exceeds four spreads, most values are the same."""


@in_place
def spread_of(row: NDArray[np.float64]) -> float:
    """Mean absolute deviation, in the sample's unit; 0 for a constant series.

    Parameters
    ----------
    row : float64[...]
        A series' state; LEVEL, SPREAD, WIDE and COUNT come first.
    """
    return max(row[SPREAD], WIDE_PART * row[WIDE])


@in_place
def distance_in_deviations(distance: float, spread: float, most: float) -> float:
    """Distance in standard deviations of a normal law with this spread, at most `most`."""
    deviation = NORMAL_SPREADS * spread
    if distance >= most * deviation:
        return most if distance > 0.0 else 0.0
    return distance / deviation


@in_place
def learn_spread(row: NDArray[np.float64], distance: float, weight: float) -> None:
    """Learn a distance from the level with this weight; the row's count decides how wild it may be.

    Parameters
    ----------
    row : float64[...]
        A series' state; SPREAD and WIDE change.
    distance : float
        Finite, at least 0.
    weight : float
    """
    near, far = distance, distance
    if row[COUNT] >= PLAIN_ROWS:
        spread = spread_of(row)
        near = min(distance, SPREAD_SPREADS * spread)
        if spread > 0.0:
            far = min(distance, WIDE_SPREADS * spread)
    row[SPREAD] += weight * (near - row[SPREAD])
    row[WIDE] += weight * (far - row[WIDE])


@in_place
def learn_value(row: NDArray[np.float64], value: float, memory: float) -> None:
    """Learn a finite value, given relative to the series' first.

    Level and spreads are plain means of up to `memory` rows, then forget exponentially.
    """
    count = row[COUNT]
    weight = 1.0 / (count + 1.0) if count < memory else 1.0 / memory
    deviation = value - row[LEVEL]
    reach = abs(deviation)
    if count >= PLAIN_ROWS:
        reach = LEVEL_SPREADS * spread_of(row)
    learn_spread(row, abs(deviation), weight)
    row[LEVEL] += weight * min(max(deviation, -reach), reach)
    row[COUNT] = min(count + 1.0, memory)
