"""HDDM_A and HDDM_W, value by value over a batch, with River's arithmetic.

Source: Frias-Blanco et al. 2015, Online and Non-Parametric Drift Detection Methods Based on
Hoeffding's Bounds. Every operation is done in the order of River 0.26, so that alarms are equal to
River's and not merely near them; logarithms of the confidences are taken once.
"""

import math

import numpy as np
from numpy.typing import NDArray

from engine.kernels.jit import in_place

# Columns of HDDM_A's state. A mean is a pair: its number of values, then its value.
TOTAL = 0
LOWEST = 2  # the total where its upper bound was least
HIGHEST = 4  # the total where its lower bound was largest
AVERAGES_WIDTH = 6

# Columns of HDDM_W's state. A moving mean is a triple: mean, bound condition, number of values.
MOVING = 0
BEFORE_RISE = 3
AFTER_RISE = 6
BEFORE_FALL = 9
AFTER_FALL = 12
RISE_CUT = 15
FALL_CUT = 16
WEIGHTED_WIDTH = 17

ONE_SIDED = 0
TWO_SIDED = 1


@in_place
def average_bound(count: float, log_drift: float) -> float:
    """Hoeffding's bound of a mean of so many values."""
    return math.sqrt(1.0 / (2.0 * count) * log_drift)


@in_place
def change_bound(before: float, count: float, log_twice: float) -> float:
    """Hoeffding's bound of the difference between a mean and that of its first values."""
    return math.sqrt((count - before) / before * (1.0 / count) / 2.0 * log_twice)


@in_place
def watch_averages(
    values: NDArray[np.float64],
    state: NDArray[np.float64],
    logs: NDArray[np.float64],
    sides: int,
    alarms: NDArray[np.int64],
    onsets: NDArray[np.int64],
    warnings: NDArray[np.int64],
) -> tuple[int, int]:
    """Go on with HDDM_A.

    Parameters
    ----------
    values : float64[n]
    state : float64[AVERAGES_WIDTH]
        Zeros before the first value and after an alarm.
    logs : float64[3]
        ln(1 / drift), ln(2 / drift) and ln(2 / warning) of the two confidences.
    sides : int
        ONE_SIDED (increases) or TWO_SIDED.
    alarms, onsets, warnings : int64[n]
        Filled from the start: rows of alarms, first rows of what is new, rows of warnings. Onsets
        are negative where a drift began in an earlier batch.

    Returns
    -------
    alarms, warnings : int
        How many there are.
    """
    found = warned = 0
    count, mean = state[TOTAL], state[TOTAL + 1]
    low_count, low = state[LOWEST], state[LOWEST + 1]
    high_count, high = state[HIGHEST], state[HIGHEST + 1]
    low_edge = low + average_bound(low_count, logs[0]) if low_count > 0.0 else math.inf
    high_edge = high - average_bound(high_count, logs[0]) if high_count > 0.0 else -math.inf
    for row in range(len(values)):
        count += 1.0
        mean += (1.0 / count) * (values[row] - mean)
        bound = average_bound(count, logs[0])
        if low_edge >= mean + bound:
            low_count, low, low_edge = count, mean, mean + bound
        drift = warning = False
        start = low_count
        if low_count != count:
            rise = mean - low
            warning = rise >= change_bound(low_count, count, logs[2])
            drift = warning and rise >= change_bound(low_count, count, logs[1])
            warning = warning and not drift
        if sides == TWO_SIDED:
            if high_edge <= mean - bound:
                high_count, high, high_edge = count, mean, mean - bound
            if high_count != count:
                fall = high - mean
                if fall >= change_bound(high_count, count, logs[1]):
                    start = start if drift else high_count
                    drift = True
                elif fall >= change_bound(high_count, count, logs[2]):
                    warning = True
        if warning:
            warnings[warned] = row
            warned += 1
        if drift:
            alarms[found] = row
            onsets[found] = row + 1 - int(count - start)
            found += 1
            count = mean = low_count = low = high_count = high = 0.0
            low_edge, high_edge = math.inf, -math.inf
    state[TOTAL], state[TOTAL + 1] = count, mean
    state[LOWEST], state[LOWEST + 1] = low_count, low
    state[HIGHEST], state[HIGHEST + 1] = high_count, high
    return found, warned


@in_place
def move(
    state: NDArray[np.float64], at: int, value: float, weight: float, gain: float, keep: float
) -> None:
    """Take a value into the moving mean whose triple begins at a column."""
    if state[at + 2] == 0.0:
        state[at] = value
    else:
        state[at] = weight * value + (1.0 - weight) * state[at]
    state[at + 1] = gain + keep * state[at + 1]
    state[at + 2] += 1.0


@in_place
def clear_weighted(state: NDArray[np.float64]) -> None:
    """Forget all that HDDM_W has seen."""
    state[:] = 0.0
    for moving in range(MOVING, RISE_CUT, 3):
        state[moving + 1] = 1.0
    state[RISE_CUT], state[FALL_CUT] = math.inf, -math.inf


@in_place
def watch_weighted(
    values: NDArray[np.float64],
    state: NDArray[np.float64],
    logs: NDArray[np.float64],
    weight: float,
    sides: int,
    alarms: NDArray[np.int64],
    onsets: NDArray[np.int64],
    warnings: NDArray[np.int64],
) -> tuple[int, int]:
    """Go on with HDDM_W.

    Parameters
    ----------
    values : float64[n]
    state : float64[WEIGHTED_WIDTH]
        See `clear_weighted`.
    logs : float64[2]
        ln(1 / drift) and ln(1 / warning) of the two confidences.
    weight : float
        Weight of the newest value in a moving mean.
    sides : int
        ONE_SIDED (increases) or TWO_SIDED.
    alarms, onsets, warnings : int64[n]
        As in `watch_averages`.

    Returns
    -------
    alarms, warnings : int
        How many there are.
    """
    found = warned = 0
    gain, keep = weight * weight, (1.0 - weight) ** 2
    for row in range(len(values)):
        value = values[row]
        move(state, MOVING, value, weight, gain, keep)
        mean, condition = state[MOVING], state[MOVING + 1]
        bound = math.sqrt(condition * logs[0] / 2.0)
        drift = warning = False
        since = 0.0
        if mean + bound < state[RISE_CUT]:
            state[RISE_CUT] = mean + bound
            state[BEFORE_RISE], state[BEFORE_RISE + 1] = mean, condition
            state[AFTER_RISE], state[AFTER_RISE + 1], state[AFTER_RISE + 2] = 0.0, 1.0, 0.0
        else:
            move(state, AFTER_RISE, value, weight, gain, keep)
            both = state[BEFORE_RISE + 1] + state[AFTER_RISE + 1]
            rise = state[AFTER_RISE] - state[BEFORE_RISE]
            warning = rise > math.sqrt(both * logs[1] / 2.0)
            drift = warning and rise > math.sqrt(both * logs[0] / 2.0)
            warning = warning and not drift
            since = state[AFTER_RISE + 2]
        if sides == TWO_SIDED:
            if mean - bound > state[FALL_CUT]:
                state[FALL_CUT] = mean - bound
                state[BEFORE_FALL], state[BEFORE_FALL + 1] = mean, condition
                state[AFTER_FALL], state[AFTER_FALL + 1], state[AFTER_FALL + 2] = 0.0, 1.0, 0.0
            else:
                move(state, AFTER_FALL, value, weight, gain, keep)
                both = state[BEFORE_FALL + 1] + state[AFTER_FALL + 1]
                fall = state[BEFORE_FALL] - state[AFTER_FALL]
                if fall > math.sqrt(both * logs[0] / 2.0):
                    since = since if drift else state[AFTER_FALL + 2]
                    drift = True
                elif fall > math.sqrt(both * logs[1] / 2.0):
                    warning = True
        if warning:
            warnings[warned] = row
            warned += 1
        if drift:
            alarms[found] = row
            onsets[found] = row + 1 - int(since)
            found += 1
            clear_weighted(state)
    return found, warned
