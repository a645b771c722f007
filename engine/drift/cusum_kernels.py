"""The Page-Hinkley test, value by value over a batch, with River's arithmetic.

Source: Page 1954, Continuous Inspection Schemes. Operations are in the order of River 0.26.
"""

import math

import numpy as np
from numpy.typing import NDArray

from engine.kernels.jit import in_place

COUNT = 0
MEAN = 1
RISE = 2
FALL = 3
LEAST_RISE = 4
LARGEST_FALL = 5
RISE_FROM = 6  # values seen where the sum was least
FALL_FROM = 7
WIDTH = 8

UP = 1
DOWN = 2
BOTH = 3


@in_place
def clear(state: NDArray[np.float64]) -> None:
    """Forget all that has been seen."""
    state[:] = 0.0
    state[LEAST_RISE] = math.inf
    state[LARGEST_FALL] = -1.0


@in_place
def watch_sums(
    values: NDArray[np.float64],
    state: NDArray[np.float64],
    count_min: float,
    delta: float,
    threshold: float,
    keep: float,
    mode: int,
    alarms: NDArray[np.int64],
    onsets: NDArray[np.int64],
) -> int:
    """Go on with the test.

    Parameters
    ----------
    values : float64[n]
    state : float64[WIDTH]
        See `clear`; changes.
    count_min : float
        Values before the first test.
    delta : float
        Deviations up to this count for nothing.
    threshold : float
    keep : float
        Factor of the sums at each value.
    mode : int
        UP, DOWN or BOTH.
    alarms, onsets : int64[n]
        Filled from the start; onsets are negative where a drift began in an earlier batch.

    Returns
    -------
    int
        How many alarms there are.
    """
    found = 0
    count, mean = state[COUNT], state[MEAN]
    rise, fall, least, largest = state[RISE], state[FALL], state[LEAST_RISE], state[LARGEST_FALL]
    rise_from, fall_from = state[RISE_FROM], state[FALL_FROM]
    for row in range(len(values)):
        count += 1.0
        mean += (1.0 / count) * (values[row] - mean)
        off = values[row] - mean
        rise = keep * rise + off - delta
        fall = keep * fall + off + delta
        if rise < least:
            least, rise_from = rise, count
        if fall > largest:
            largest, fall_from = fall, count
        if count < count_min:
            continue
        is_up = mode & UP != 0 and rise - least > threshold
        if is_up or (mode & DOWN != 0 and largest - fall > threshold):
            alarms[found] = row
            onsets[found] = row + 1 - int(count - (rise_from if is_up else fall_from))
            found += 1
            count = mean = rise = fall = rise_from = fall_from = 0.0
            least, largest = math.inf, -1.0
    state[COUNT], state[MEAN] = count, mean
    state[RISE], state[FALL], state[LEAST_RISE], state[LARGEST_FALL] = rise, fall, least, largest
    state[RISE_FROM], state[FALL_FROM] = rise_from, fall_from
    return found
