"""The last rows of a series: their moving mean, the level of the last hours, and the weekly rhythm.

The level is the median of the means of blocks of rows. What the weekly rhythm expects is the
median of what earlier weeks saw around this hour and of the rows of the last two to three hours: a
value is unexpected only if it is neither what it was a week ago nor what it has been just now.
"""

import numpy as np
from numpy.typing import NDArray

from engine.detectors.rhythm_kernels import (
    BASE,
    NEARBY,
    NEARBY_COUNT,
    ROWS_BEFORE,
    ROWS_EARLIER,
    ROWS_NOW,
    UNIT,
    insert,
    median_of,
    number_of,
)
from engine.kernels.jit import in_place

RECENT_ROWS = 12
BLOCK_ROWS = 6
RECENT_BLOCKS = 12

# Columns of `recent`: the last rows in a ring, the last blocks' means in a ring, then:
MEANS = RECENT_ROWS
BLOCK_SUM = MEANS + RECENT_BLOCKS
RECENT_LEVEL = BLOCK_SUM + 1  # median of the means
RECENT_WIDTH = BLOCK_SUM + 2

# Columns of `places`.
ROW_AT = 0  # where the next row goes
ROW_COUNT = 1  # rows in the ring
BLOCK_AT = 2
BLOCK_COUNT = 3
BLOCK_FILL = 4  # rows in the block being filled
PLACES_WIDTH = 5

LEAST_EVIDENCE = 2
"""Rows and hours that the weekly rhythm must be made of."""

SCRATCH_WIDTH = 32


SORTING_NETWORK = np.array(
    [
        *((0, 8), (1, 7), (2, 6), (3, 11), (4, 10), (5, 9)),
        *((0, 1), (2, 5), (3, 4), (6, 9), (7, 8), (10, 11)),
        *((0, 2), (1, 6), (5, 10), (9, 11)),
        *((0, 3), (1, 2), (4, 6), (5, 7), (8, 11), (9, 10)),
        *((1, 4), (3, 5), (6, 8), (7, 10)),
        *((1, 3), (2, 5), (6, 9), (8, 10)),
        *((2, 3), (4, 5), (6, 7), (8, 9)),
        *((4, 6), (5, 7)),
        *((3, 4), (5, 6), (7, 8)),
    ],
    np.uint64,
)
"""Pairs of places to put in order one after the other: the smallest network known for twelve
(Knuth, "The Art of Computer Programming" 3, 5.3.4). It has no branches to mispredict."""


@in_place
def sort_rows(rows: NDArray[np.float64]) -> None:
    """Sort the first RECENT_ROWS numbers, which are no NaN."""
    for pair in range(len(SORTING_NETWORK)):
        i, j = SORTING_NETWORK[pair, 0], SORTING_NETWORK[pair, 1]
        low, high = rows[i], rows[j]
        rows[i] = min(high, low)
        rows[j] = max(low, high)


@in_place
def usual_by_week(
    rhythm: NDArray[np.float64],
    hours: NDArray[np.int16],
    recent: NDArray[np.float64],
    places: NDArray[np.int16],
    scratch: NDArray[np.float64],
) -> float:
    """Median of earlier weeks around this hour and of the last rows, or NaN.

    Parameters
    ----------
    rhythm, hours
        State, see `rhythm_kernels`; the present hour has been turned to.
    recent : float64[RECENT_WIDTH]
        State, as is `places` (int16[PLACES_WIDTH]).
    scratch : float64[SCRATCH_WIDTH]
        Room.
    """
    fresh = int(hours[ROWS_NOW]) + int(hours[ROWS_BEFORE]) + int(hours[ROWS_EARLIER])
    fresh = min(fresh, int(places[ROW_COUNT]))
    known = int(hours[NEARBY_COUNT])
    total = fresh + known
    if total < LEAST_EVIDENCE:
        return np.nan
    at = int(places[ROW_AT])
    for i in range(fresh):
        at = at - 1 if at > 0 else RECENT_ROWS - 1
        scratch[i] = recent[at]
    scratch[fresh:RECENT_ROWS] = np.inf
    sort_rows(scratch)
    # Merge both ascending lists up to the middle.
    base, unit = rhythm[BASE], rhythm[UNIT]
    value = before = 0.0
    i = j = 0
    for _ in range(total // 2 + 1):
        before = value
        old = base + unit * number_of(int(hours[NEARBY + j])) if j < known else np.inf
        if i < fresh and scratch[i] <= old:
            value = scratch[i]
            i += 1
        else:
            value = old
            j += 1
    return value if total % 2 == 1 else 0.5 * (before + value)


@in_place
def learn_recent(
    recent: NDArray[np.float64],
    places: NDArray[np.int16],
    value: float,
    scratch: NDArray[np.float64],
) -> None:
    """Remember a row; at the end of a block find the level anew."""
    at = int(places[ROW_AT])
    recent[at] = value
    places[ROW_AT] = at + 1 if at + 1 < RECENT_ROWS else 0
    places[ROW_COUNT] = min(int(places[ROW_COUNT]) + 1, RECENT_ROWS)
    recent[BLOCK_SUM] += value
    places[BLOCK_FILL] += 1
    if places[BLOCK_FILL] < BLOCK_ROWS:
        return
    at = int(places[BLOCK_AT])
    recent[MEANS + at] = recent[BLOCK_SUM] / BLOCK_ROWS
    recent[BLOCK_SUM] = 0.0
    places[BLOCK_FILL] = 0
    places[BLOCK_AT] = at + 1 if at + 1 < RECENT_BLOCKS else 0
    places[BLOCK_COUNT] = min(int(places[BLOCK_COUNT]) + 1, RECENT_BLOCKS)
    if places[BLOCK_COUNT] == RECENT_BLOCKS:
        count = 0
        for i in range(RECENT_BLOCKS):
            count = insert(scratch, count, recent[MEANS + i])
        recent[RECENT_LEVEL] = median_of(scratch, count)


@in_place
def moving_mean(recent: NDArray[np.float64], places: NDArray[np.int16]) -> float:
    """Mean of the last RECENT_ROWS rows, or NaN."""
    if places[ROW_COUNT] < RECENT_ROWS:
        return np.nan
    total = 0.0
    for i in range(RECENT_ROWS):
        total += recent[i]
    return total / RECENT_ROWS


@in_place
def recent_level(recent: NDArray[np.float64], places: NDArray[np.int16]) -> float:
    """Median of the last blocks' means, or NaN."""
    return recent[RECENT_LEVEL] if places[BLOCK_COUNT] == RECENT_BLOCKS else np.nan
