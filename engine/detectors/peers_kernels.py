"""Siblings: the same metric of many hosts, each compared with what the others do at the time.

At an instant the group has a middle (median) and a width (median absolute deviation). A sibling's
departure is its signed distance from the middle. Hosts differ for good reasons, so a departure
counts only as far as it is unusual for this sibling, in its own usual spread and the group's width:
one that always is apart is not apart. Whatever moves all siblings moves the middle with them, and
nothing is reported.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.detectors.protocol import NOT_JUDGED
from engine.detectors.surprise_kernels import QUIET_SURPRISE, follow, is_patient
from engine.kernels.jit import in_place

SIBLINGS_MIN = 3
"""Fewer have no middle to speak of: which of two is apart?"""

WIDTH_MEMORY_ROWS = 64.0
WIDTH_GROWTH = 4.0
"""Memory of a group's usual width, and how many times it a width counts for at most. A moment of
agreement does not make it smaller: the smallest difference would be a departure."""

DEPARTURE_MEMORY_ROWS = 2048.0
"""Memory of usual departures: a plain mean up to so many rows, then exponential forgetting."""

USUAL_ROWS = 64
"""Instants after which a sibling's usual departure is known."""

WIDTH_PART = 0.25
"""Part of the group's width that is granted to every sibling's own spread of departures."""

OUTLIER_SPREADS = 4.0
"""Usual departures learn no more than this at once."""

SLOW_PACE = 0.125
"""Speed of learning while a sibling's state is high."""

LARGEST = 1e6
"""Deviations are held within so many usual ones."""

LARGEST_VALUE = 1e300
"""Larger values are treated as no number: their differences could overflow."""

# Columns of a sibling's usual departure.
MEAN, SPREAD = 0, 1
USUAL = 2


@in_place
def select(values: NDArray[np.float64], length: int, rank: int) -> float:
    """Value of a rank among the first `length`, which are put in another order (Hoare 1961)."""
    low, high = 0, length - 1
    while low < high:
        pivot = values[(low + high) // 2]
        left, right = low, high
        while left <= right:
            while values[left] < pivot:
                left += 1
            while values[right] > pivot:
                right -= 1
            if left <= right:
                values[left], values[right] = values[right], values[left]
                left += 1
                right -= 1
        if rank <= right:
            high = right
        elif rank >= left:
            low = left
        else:
            break
    return values[rank]


@in_place
def median(values: NDArray[np.float64], length: int) -> float:
    """Median of the first `length` values, which are put in another order."""
    upper = select(values, length, length // 2)
    if length % 2 == 1:
        return upper
    lower = values[0]
    for place in range(1, length // 2):
        lower = max(lower, values[place])
    return 0.5 * lower + 0.5 * upper


@in_place
def middle_and_width(
    value: NDArray[np.float64], begin: int, end: int, room: NDArray[np.float64]
) -> tuple[int, float, float]:
    """How many siblings have a value, their median, and how far they are apart.

    Parameters
    ----------
    value : float64[rows]
        Those of the instant are ``begin:end``.
    room : float64[>= end - begin]
        Room to work in.

    Returns
    -------
    tuple of int, float, float
        The width is the median absolute deviation, or the mean one where most siblings agree.
    """
    count = 0
    for row in range(begin, end):
        if abs(value[row]) <= LARGEST_VALUE:
            room[count] = value[row]
            count += 1
    if count == 0:
        return 0, np.nan, 0.0
    middle = median(room, count)
    mean, count = 0.0, 0
    for row in range(begin, end):
        if abs(value[row]) <= LARGEST_VALUE:
            room[count] = abs(value[row] - middle)
            count += 1
            mean += (room[count - 1] - mean) / count
    width = median(room, count)
    return count, middle, width if width > 0.0 else mean


@in_place
def width_of(
    usual_width: NDArray[np.float64], instants: NDArray[np.int16], group: int, width: float
) -> float:
    """The larger one of a width and the group's usual one; learns the usual one."""
    seen, usual = instants[group], usual_width[group]
    learned = width
    if seen == 0:
        usual = width
    elif usual > 0.0:
        learned = min(width, WIDTH_GROWTH * usual)
    usual_width[group] = usual + (learned - usual) / min(seen + 1.0, WIDTH_MEMORY_ROWS)
    instants[group] = min(seen + 1, int(WIDTH_MEMORY_ROWS))
    return max(usual, width)


@in_place
def in_spreads(distance: float, spread: float) -> float:
    """Signed distance in spreads, within LARGEST; 0 for no distance."""
    if abs(distance) >= LARGEST * spread:
        return math.copysign(LARGEST, distance) if distance != 0.0 else 0.0
    return distance / spread


@in_place
def learn_departure(
    usual: NDArray[np.float64],
    rows: NDArray[np.int16],
    place: int,
    departure: float,
    limit: float,
    pace: float,
) -> None:
    """Move a sibling's usual departure and its spread, no farther off than `limit` once known."""
    known = rows[place]
    if known == 0:
        usual[MEAN] = departure
    weight = 1.0 / min(known + 1.0, DEPARTURE_MEMORY_ROWS)
    deviation = departure - usual[MEAN]
    if known >= USUAL_ROWS:
        weight *= pace
        if limit > 0.0:
            deviation = min(max(deviation, -limit), limit)
    usual[MEAN] += weight * deviation
    usual[SPREAD] += weight * (abs(deviation) - usual[SPREAD])
    rows[place] = min(known + 1, int(DEPARTURE_MEMORY_ROWS))


@in_place
def score_siblings(
    usual_width: NDArray[np.float64],
    instants: NDArray[np.int16],
    usual: NDArray[np.float64],
    rows: NDArray[np.int16],
    tail: NDArray[np.uint16],
    followed: NDArray[np.int16],
    level: NDArray[np.float64],
    group: NDArray[np.int32],
    start: NDArray[np.int64],
    slot: NDArray[np.int32],
    value: NDArray[np.float64],
    scores: Any,
    room: NDArray[np.float64],
) -> None:
    """Compare siblings at instants in order, by what was known before each, and learn them.

    Parameters
    ----------
    usual_width, instants : float64[groups], int16[groups]
        State of the groups.
    usual, rows, tail, followed, level : float64[slots, USUAL], int16[slots], ...
        State of the siblings; the last three as of `follow`.
    group, start, slot, value
        See `PeerScorer.score`.
    scores : float64[6, m]
        Filled: raw onset (NOT_JUDGED: no verdict), raw state, expected, lower, upper, deviation.
    room : float64[...]
        Room for the values of one instant.
    """
    for i in range(len(group)):
        g = group[i]
        begin, end = start[i], start[i + 1]
        count, middle, width = middle_and_width(value, begin, end, room)
        if count >= SIBLINGS_MIN:
            width = width_of(usual_width, instants, g, width)
        for row in range(begin, end):
            s = slot[row]
            scores[0, row], scores[1, row] = NOT_JUDGED, 0.0
            for column in range(2, 6):
                scores[column, row] = np.nan
            if count < SIBLINGS_MIN or not abs(value[row]) <= LARGEST_VALUE:
                continue
            departure = value[row] - middle
            spread = usual[s, SPREAD] + WIDTH_PART * width
            band = OUTLIER_SPREADS * spread
            if rows[s] >= USUAL_ROWS:
                deviation = in_spreads(departure - usual[s, MEAN], spread)
                rarity = follow(tail[s], followed[s], level, s, abs(deviation))
                if rarity >= 0.0:
                    expected = middle + usual[s, MEAN]
                    scores[0, row] = max(rarity - QUIET_SURPRISE, 0.0)
                    scores[1, row] = level[s]
                    scores[2, row] = expected
                    scores[3, row], scores[4, row] = expected - band, expected + band
                    scores[5, row] = deviation
            pace = SLOW_PACE if is_patient(followed[s]) else 1.0
            learn_departure(usual[s], rows, s, departure, band, pace)
