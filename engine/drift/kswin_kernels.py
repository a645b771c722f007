"""The Kolmogorov-Smirnov statistic of a sliding window's newest part against all the rest.

The window is kept sorted; a new value moves what lies between its place and that of the value that
leaves, and one pass over the window gives the statistic, in whole numbers. Source: Raab, Heusinger
and Schleif 2020, Reactive Soft Prototype Computing for Concept Drift Streams (KSWIN, which compares
with a random sample of the rest).
"""

import numpy as np
from numpy.typing import NDArray

from engine.kernels.jit import in_place

# Columns of the head of the state.
FILLED = 0
OLDEST = 1  # place in the ring of the oldest value
WIDTH = 2


@in_place
def place_of(ordered: NDArray[np.float64], filled: int, value: float) -> int:
    """First place in the ascending values at which a value could stand."""
    low, high = 0, filled
    while low < high:
        middle = (low + high) // 2
        if ordered[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


@in_place
def largest_gap(ordered: NDArray[np.float64], weight: NDArray[np.int32], filled: int) -> int:
    """Largest absolute sum of weights up to the last of any equal values."""
    total = largest = 0
    for place in range(filled):
        total += weight[place]
        gap = total if total >= 0 else -total
        if gap > largest and (place + 1 == filled or ordered[place + 1] != ordered[place]):
            largest = gap
    return largest


@in_place
def insert(
    ordered: NDArray[np.float64],
    weight: NDArray[np.int32],
    filled: int,
    value: float,
    own: int,
) -> None:
    """Put a value with its weight among so many others."""
    place = place_of(ordered, filled, value)
    for other in range(filled, place, -1):
        ordered[other], weight[other] = ordered[other - 1], weight[other - 1]
    ordered[place], weight[place] = value, own


@in_place
def remove(
    ordered: NDArray[np.float64],
    weight: NDArray[np.int32],
    filled: int,
    value: float,
    own: int,
) -> None:
    """Take out one value of a weight; which of equal ones makes no difference."""
    place = place_of(ordered, filled, value)
    while weight[place] != own:
        place += 1
    for other in range(place, filled - 1):
        ordered[other], weight[other] = ordered[other + 1], weight[other + 1]


@in_place
def watch_window(
    values: NDArray[np.float64],
    newest: int,
    least: int,
    head: NDArray[np.int64],
    ring: NDArray[np.float64],
    ordered: NDArray[np.float64],
    weight: NDArray[np.int32],
    alarms: NDArray[np.int64],
) -> int:
    """Go on with the window.

    Parameters
    ----------
    values : float64[n]
    newest : int
        Size of the newest part.
    least : int
        Smallest statistic that is an alarm, in units of 1 / (newest * rest).
    head : int64[WIDTH]
        Zeros before the first value; changes.
    ring : float64[window]
        The window's values by arrival; changes.
    ordered : float64[window]
    weight : int32[window]
        The values in order, and `rest` for each of the newest and -`newest` for the others; change.
    alarms : int64[n]
        Filled from the start.

    Returns
    -------
    int
        How many alarms there are. The newest part is the next window's beginning.
    """
    window = len(ring)
    rest = window - newest
    filled, oldest = head[FILLED], head[OLDEST]
    found = 0
    for row in range(len(values)):
        if filled == window:
            remove(ordered, weight, filled, ring[oldest], -newest)
            oldest = (oldest + 1) % window
            filled -= 1
        if filled >= newest:  # one of the newest is no longer
            aged = ring[(oldest + filled - newest) % window]
            place = place_of(ordered, filled, aged)
            while weight[place] != rest:
                place += 1
            weight[place] = -newest
        insert(ordered, weight, filled, values[row], rest)
        ring[(oldest + filled) % window] = values[row]
        filled += 1
        if filled == window and largest_gap(ordered, weight, filled) >= least:
            alarms[found] = row
            found += 1
            for _ in range(rest):
                remove(ordered, weight, filled, ring[oldest], -newest)
                oldest = (oldest + 1) % window
                filled -= 1
    head[FILLED], head[OLDEST] = filled, oldest
    return found
