"""Daily and weekly rhythm: the mean value of each hour of the last week (UTC), and of weeks before.

An hour's samples are gathered while it lasts; its mean takes the place of the same hour a week ago
when it is over, so what is expected of a sample comes from earlier hours alone, whatever the
sampling interval. From these 168 means come, as medians, what is usual at an hour of the day (of
the last seven days) and what was seen around an hour of the week. Means are kept as 16-bit codes:
whole multiples of a unit that doubles when a mean does not fit, so no trend can leave the scale.
"""

import math

import numpy as np
from numpy.typing import NDArray

from engine.kernels.jit import in_place

HOUR_NS = 3_600_000_000_000
DAY_HOURS = 24
WEEK_HOURS = 7 * DAY_HOURS

OLDER_WEEKS = 3
"""Weeks before the last one that a series may remember besides."""

# Columns of `rhythm`.
BASE = 0  # the value that codes count from
UNIT = 1  # the value of one code; 0: not known yet
BEFORE, OWN, AFTER = 2, 3, 4  # usual at the hour of the day before this, at this, after it; or NaN
VISIT_SUM = 5  # of the present hour
VISIT_ROWS = 6
VISIT_HOUR = 7  # its number since the epoch
RHYTHM_WIDTH = 8

# Columns of `hours`: the codes of the week by hour since the epoch, modulo 168, then:
NEARBY = WEEK_HOURS  # codes of the hours around this one in earlier weeks, ascending
NEARBY_MAX = 3 * (1 + OLDER_WEEKS)
NEARBY_COUNT = NEARBY + NEARBY_MAX
ROWS_NOW, ROWS_BEFORE, ROWS_EARLIER = NEARBY_COUNT + 1, NEARBY_COUNT + 2, NEARBY_COUNT + 3
STAGE = NEARBY_COUNT + 4  # 0: no base yet, 1: a first base and unit, 2: settled ones
DISPLACED = NEARBY_COUNT + 5  # code of the hour before this one in the last week
HOURS_WIDTH = NEARBY_COUNT + 6

UNKNOWN = 0
"""Code of an hour that was never seen. Others: n + 1 for n >= 0 units, n below."""

LARGEST_NUMBER = 32_000
FIRST_UNITS = 1618.0339887498949
"""The first mean that differs from the base is so many units off. No rational number, nor is
`SPREAD_UNITS`: means of simple proportions are then never half-way between two codes."""

SPREAD_UNITS = 261.8033988749895
"""Units in a spread once a series has warmed up."""

HELD_SPREADS = 8000.0
"""From then on means are held within so many spreads of the level: one wild hour does not make
the unit coarse for ever."""

SMALLEST = 5e-324

ROWS_MAX = 12
"""Counts of an hour's rows stop here."""


@in_place
def number_of(code: int) -> int:
    """Units from the base of a known code."""
    return code - 1 if code > 0 else code


@in_place
def code_of(number: int) -> int:
    """Code of a number of units."""
    return number + 1 if number >= 0 else number


@in_place
def halve_codes(codes: NDArray[np.int16]) -> None:
    """Write known codes in units of twice the size."""
    for i in range(WEEK_HOURS):
        if codes[i] != UNKNOWN:
            codes[i] = code_of(int(number_of(int(codes[i])) / 2))


@in_place
def encode(
    rhythm: NDArray[np.float64],
    hours: NDArray[np.int16],
    older: NDArray[np.int16],
    mean: float,
) -> int:
    """Code of a mean; makes the unit larger, and all codes smaller, if it has to."""
    distance = mean - rhythm[BASE]
    if distance == 0.0:
        return code_of(0)
    if rhythm[UNIT] == 0.0:
        rhythm[UNIT] = max(abs(distance) / FIRST_UNITS, SMALLEST)
    while abs(distance) > LARGEST_NUMBER * rhythm[UNIT]:
        rhythm[UNIT] *= 2.0
        halve_codes(hours)
        for week in range(len(older)):
            halve_codes(older[week])
    return code_of(int(np.rint(distance / rhythm[UNIT])))


@in_place
def largest_distance(
    codes: NDArray[np.int16], base: float, unit: float, level: float, reach: float
) -> float:
    """Of known codes' means from the level, at most `reach`."""
    largest = 0.0
    for i in range(WEEK_HOURS):
        if codes[i] != UNKNOWN:
            largest = max(largest, abs(base + unit * number_of(int(codes[i])) - level))
    return min(largest, reach)


@in_place
def recode(
    codes: NDArray[np.int16],
    base: float,
    unit: float,
    level: float,
    new_unit: float,
    reach: float,
) -> None:
    """Write known codes in another unit from another base, their means within `reach` of it."""
    for i in range(WEEK_HOURS):
        if codes[i] != UNKNOWN:
            distance = base + unit * number_of(int(codes[i])) - level
            codes[i] = code_of(int(np.rint(min(max(distance, -reach), reach) / new_unit)))


@in_place
def settle(
    rhythm: NDArray[np.float64],
    hours: NDArray[np.int16],
    older: NDArray[np.int16],
    level: float,
    spread: float,
) -> None:
    """Change to a base and a unit that fit the series, now that it has warmed up."""
    base, unit = rhythm[BASE], rhythm[UNIT]
    reach = HELD_SPREADS * spread
    largest = largest_distance(hours, base, unit, level, reach)
    for week in range(len(older)):
        largest = max(largest, largest_distance(older[week], base, unit, level, reach))
    new_unit = max(spread / SPREAD_UNITS, SMALLEST)
    while largest > LARGEST_NUMBER * new_unit:
        new_unit *= 2.0
    recode(hours, base, unit, level, new_unit, reach)
    for week in range(len(older)):
        recode(older[week], base, unit, level, new_unit, reach)
    rhythm[BASE], rhythm[UNIT] = level, new_unit
    hours[STAGE] = 2


@in_place
def insert(ascending: NDArray[np.float64], count: int, number: float) -> int:
    """Put a number in its place among the first `count`; give how many there are now."""
    place = count
    while place > 0 and ascending[place - 1] > number:
        ascending[place] = ascending[place - 1]
        place -= 1
    ascending[place] = number
    return count + 1


@in_place
def median_of(ascending: NDArray[np.float64], count: int) -> float:
    """Median of the first `count` numbers, at least one."""
    return 0.5 * (ascending[(count - 1) // 2] + ascending[count // 2])


@in_place
def usual_at(
    rhythm: NDArray[np.float64], hours: NDArray[np.int16], hour: int, scratch: NDArray[np.float64]
) -> float:
    """Median of the last seven days' means at an hour of the day, or NaN."""
    count = 0
    for day in range(7):
        code = int(hours[(hour + DAY_HOURS * day) % WEEK_HOURS])
        if code != UNKNOWN:
            count = insert(scratch, count, np.float64(number_of(code)))
    if count == 0:
        return np.nan
    return rhythm[BASE] + rhythm[UNIT] * median_of(scratch, count)


@in_place
def gather_nearby(
    hours: NDArray[np.int16], older: NDArray[np.int16], hour: int, scratch: NDArray[np.float64]
) -> None:
    """Sort what earlier weeks saw at this hour of the week, the one before and the one after."""
    count = 0
    for near in range(hour - 1, hour + 2):
        place = near % WEEK_HOURS
        newest = int(hours[place]) if near >= hour else int(hours[DISPLACED])
        if newest != UNKNOWN:
            count = insert(scratch, count, np.float64(newest))
        for week in range(len(older)):
            if older[week, place] != UNKNOWN:
                count = insert(scratch, count, np.float64(older[week, place]))
    for i in range(count):
        hours[NEARBY + i] = int(scratch[i])
    hours[NEARBY_COUNT] = count


@in_place
def end_visit(
    rhythm: NDArray[np.float64],
    hours: NDArray[np.int16],
    older: NDArray[np.int16],
    level: float,
    spread: float,
) -> None:
    """Let the mean of the hour that is over take its place.

    Parameters
    ----------
    rhythm, hours, older, level, spread
        As of `turn_hour`.
    """
    mean = rhythm[VISIT_SUM] / rhythm[VISIT_ROWS]
    if hours[STAGE] == 0:
        rhythm[BASE] = mean
        hours[STAGE] = 1
    elif hours[STAGE] == 1 and spread > 0.0:
        settle(rhythm, hours, older, level, spread)
    if hours[STAGE] == 2:
        reach = HELD_SPREADS * spread
        mean = min(max(mean, level - reach), level + reach)
    code = encode(rhythm, hours, older, mean)
    place = int(rhythm[VISIT_HOUR]) % WEEK_HOURS
    if len(older) > 0 and hours[place] != UNKNOWN:
        for week in range(len(older) - 1, 0, -1):
            older[week, place] = older[week - 1, place]
        older[0, place] = hours[place]
    hours[DISPLACED] = UNKNOWN if len(older) > 0 else hours[place]
    hours[place] = code


@in_place
def turn_hour(
    rhythm: NDArray[np.float64],
    hours: NDArray[np.int16],
    older: NDArray[np.int16],
    hour: int,
    level: float,
    spread: float,
    scratch: NDArray[np.float64],
) -> None:
    """Close the hour before and look up what is usual at this one.

    Parameters
    ----------
    rhythm : float64[RHYTHM_WIDTH]
        State, as are `hours` (int16[HOURS_WIDTH]) and `older` (int16[OLDER_WEEKS, WEEK_HOURS], or
        of length 0: codes of the weeks before the last, the newest first).
    hour : int
        Hours since the epoch.
    level, spread : float
        Of the series; spread 0: not known yet.
    scratch : float64[>= NEARBY_MAX]
        Room.
    """
    if rhythm[VISIT_ROWS] > 0.0:
        end_visit(rhythm, hours, older, level, spread)
        passed = hour - int(rhythm[VISIT_HOUR])
        hours[ROWS_EARLIER] = 0
        if passed == 1:
            hours[ROWS_EARLIER] = hours[ROWS_BEFORE]
        elif passed == 2:
            hours[ROWS_EARLIER] = hours[ROWS_NOW]
        hours[ROWS_BEFORE] = hours[ROWS_NOW] if passed == 1 else 0
        if passed != 1:
            hours[DISPLACED] = hours[(hour - 1) % WEEK_HOURS]
    rhythm[VISIT_HOUR] = hour
    rhythm[VISIT_SUM] = rhythm[VISIT_ROWS] = 0.0
    hours[ROWS_NOW] = 0
    rhythm[BEFORE] = usual_at(rhythm, hours, hour - 1, scratch)
    rhythm[OWN] = usual_at(rhythm, hours, hour, scratch)
    rhythm[AFTER] = usual_at(rhythm, hours, hour + 1, scratch)
    gather_nearby(hours, older, hour, scratch)


@in_place
def learn_visit(rhythm: NDArray[np.float64], hours: NDArray[np.int16], value: float) -> None:
    """Gather a value into the present hour."""
    rhythm[VISIT_SUM] += value
    rhythm[VISIT_ROWS] += 1.0
    hours[ROWS_NOW] = min(hours[ROWS_NOW] + 1, ROWS_MAX)


@in_place
def usual_by_day(rhythm: NDArray[np.float64], ts: int) -> float:
    """What is usual at a time of the day (ns since the epoch, in the present hour), or NaN.

    Linear between the centres of this hour and the nearer neighbour, if both are known.
    """
    own = rhythm[OWN]
    offset = np.float64(ts % HOUR_NS) * (1.0 / HOUR_NS) - 0.5
    other = rhythm[AFTER] if offset > 0.0 else rhythm[BEFORE]
    if math.isnan(other):
        return own
    return own + abs(offset) * (other - own)


@in_place
def is_week_old(rhythm: NDArray[np.float64], hours: NDArray[np.int16], ts: int) -> bool:
    """Whether the hour under way was seen a week ago, so that its end will overwrite something.

    Asked before a row is scored: true of rows that begin another hour.
    """
    hour = int(rhythm[VISIT_HOUR])
    return (
        rhythm[VISIT_ROWS] > 0.0 and ts // HOUR_NS != hour and hours[hour % WEEK_HOURS] != UNKNOWN
    )
