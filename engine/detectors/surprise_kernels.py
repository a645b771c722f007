"""How rare a distance is for its own series: the tail of all distances seen so far.

A distance in usual deviations says little by itself: some series go ten deviations off every
hour. So distances are counted in bins of half octaves, and what counts is the part of past ones
that were at least as large, in nats. Beyond everything seen, a tail that falls as 1 / distance is
assumed, so that larger always means rarer and scores keep their resolution.
"""

import math

import numpy as np
from numpy.typing import NDArray

from engine.detectors.protocol import NOT_JUDGED
from engine.kernels.jit import in_place

TAIL_BINS = 24

LOW_EXPONENT = -1
"""Bins begin at ``2 ** LOW_EXPONENT``: what is smaller is no surprise."""

TAIL_ROWS = 30_000
"""Counts are halved when so many distances have been counted: they fit into 16 bits."""

PRIOR_ROWS = 1.0
"""Weight, in distances, of the assumed tail."""

TAIL_WARM_UP_ROWS = 128
"""Distances to be counted before any is judged."""

SURPRISE_UNIT = 3.0
STATE_WEIGHT = 0.15
"""The state is a moving mean of ``(surprise / SURPRISE_UNIT) ** 3``: a row of 5 % counts one."""

STATE_HIGH = 3.0
PATIENCE_ROWS = 1000
YOUNG_ROWS = 2048
HIGH_SHARE = 4
"""While the state is at least STATE_HIGH, only every HIGH_SHARE-th row is counted, lest an
incident becomes usual: for PATIENCE_ROWS, and not before YOUNG_ROWS were counted."""

QUIET_SURPRISE = 3.0
"""A surprise below this (5 %) is no onset."""

# Entries of `followed`.
COUNTED = 0  # distances in the tail
HIGH_ROWS = 1  # rows for which the state has been high, at most PATIENCE_ROWS
FOLLOWED = 2


@in_place
def tail_place(distance: float) -> float:
    """Position of a distance in bins, two to an octave and linear inside; negative: below all."""
    if distance <= 0.0:
        return -1.0
    mantissa, exponent = math.frexp(distance)
    return 2.0 * (exponent - 1 - LOW_EXPONENT) + 4.0 * mantissa - 2.0


@in_place
def surprise(tail: NDArray[np.uint16], rows: int, distance: float) -> float:
    """How rare it is to be at least so far off.

    Parameters
    ----------
    tail : uint16[TAIL_BINS]
        Counts of past distances.
    rows : int
        Number of distances that were counted, those below all bins, too.
    distance : float
        At least 0, finite.

    Returns
    -------
    float
        Minus the logarithm of the part of past distances beyond this one, in nats; 0 below all
        bins.
    """
    place = tail_place(distance)
    if place < 0.0:
        return 0.0
    own = min(int(place), TAIL_BINS - 1)
    beyond = tail[own] * (1.0 - min(place - own, 1.0))
    for index in range(own + 1, TAIL_BINS):
        beyond += tail[index]
    beyond += PRIOR_ROWS * 2.0 ** (-0.5 * place)
    return math.log((rows + PRIOR_ROWS) / beyond)


@in_place
def count_distance(tail: NDArray[np.uint16], rows: int, distance: float) -> int:
    """Count a distance; give the new number of rows."""
    if rows >= TAIL_ROWS:
        for index in range(TAIL_BINS):
            tail[index] >>= 1
        rows >>= 1
    place = tail_place(distance)
    if place >= 0.0:
        tail[min(int(place), TAIL_BINS - 1)] += 1
    return rows + 1


@in_place
def follow(
    tail: NDArray[np.uint16],
    followed: NDArray[np.int16],
    level: NDArray[np.float64],
    place: int,
    distance: float,
) -> float:
    """Let a state follow the surprise of a distance; count the distance.

    Parameters
    ----------
    tail : uint16[TAIL_BINS]
        As of `surprise`.
    followed : int16[FOLLOWED]
        Counts of rows.
    level : float64[...]
        States; the one at `place` is changed.
    place : int
    distance : float
        At least 0, finite.

    Returns
    -------
    float
        The surprise, or NOT_JUDGED while too few distances have been counted.
    """
    rarity = NOT_JUDGED
    counted, high = int(followed[COUNTED]), int(followed[HIGH_ROWS])
    if counted >= TAIL_WARM_UP_ROWS:
        rarity = surprise(tail, counted, distance)
        unit = rarity / SURPRISE_UNIT
        level[place] += STATE_WEIGHT * (unit * unit * unit - level[place])
    high = min(high + 1, PATIENCE_ROWS) if level[place] >= STATE_HIGH else 0
    followed[HIGH_ROWS] = high
    if high == PATIENCE_ROWS or counted < YOUNG_ROWS or high % HIGH_SHARE == 0:
        followed[COUNTED] = count_distance(tail, counted, distance)
    return rarity


@in_place
def is_patient(followed: NDArray[np.int16]) -> bool:
    """Whether the state is high and this is not yet taken for the new normal."""
    return 0 < followed[HIGH_ROWS] < PATIENCE_ROWS
