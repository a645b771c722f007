"""Functions of the calendar, in UTC: ``hour(v)``, ``month()``, ... (promql/functions.go).

A date is computed from the days since 1970-01-01 with whole numbers only: eras of 400 years of
the proleptic Gregorian calendar that begin on a 1st of March (Howard Hinnant, "chrono-compatible
low-level date algorithms").
"""

from typing import cast

import numpy as np
from numpy.typing import NDArray

from engine.kernels.jit import in_place
from engine.promql.matrix import Block, Matrix
from engine.promql.syntax import Call
from engine.promql.values import Unnamed, Value, one_row, seconds_of

MINUTE, HOUR, DAY_OF_WEEK = range(3)
DAY_OF_MONTH, DAY_OF_YEAR, DAYS_IN_MONTH, MONTH, YEAR = range(3, 8)

CODES = {
    "minute": MINUTE,
    "hour": HOUR,
    "day_of_week": DAY_OF_WEEK,
    "day_of_month": DAY_OF_MONTH,
    "day_of_year": DAY_OF_YEAR,
    "days_in_month": DAYS_IN_MONTH,
    "month": MONTH,
    "year": YEAR,
}

_DAY_S = 86_400
_FIRST_S, _LAST_S = -(2.0**63), 2.0**63
# Go counts in 2^64 seconds from a year far away; seconds before that year come round at the end.
_EARLIEST_S = -9_223_372_028_741_760_000
_ROUND_DAYS, _ROUND_S = divmod(2**64, _DAY_S)


class CalendarPart:
    """A part of the date or time of each value, or without argument of the tick.

    Values are seconds since the epoch. A fraction is cut off; what is no 64-bit whole number
    (NaN, too) is the smallest one, as it is in Go on x86-64.
    """

    def __init__(self, call: Call) -> None:
        self._code = CODES[call.function]
        self._unnamed = Unnamed()

    def apply(self, arguments: list[Value], block: Block) -> Matrix:
        """Give the part at each row."""
        matrix = cast("Matrix", arguments[0]) if arguments else one_row(seconds_of(block))
        value = np.empty(matrix.value.shape)
        _parts(self._code, matrix.value, value)
        return self._unnamed(Matrix(matrix.table, value, matrix.present), block)


@in_place
def _parts(code: int, value: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    for row in range(value.shape[0]):
        for k in range(value.shape[1]):
            out[row, k] = _part(code, value[row, k])


@in_place
def _part(code: int, seconds: float) -> float:
    within = _FIRST_S <= seconds < _LAST_S
    whole = int(seconds) if within else -(2**63)
    days = whole // _DAY_S
    second = whole - days * _DAY_S
    if whole < _EARLIEST_S:
        second += _ROUND_S
        days += _ROUND_DAYS + second // _DAY_S
        second %= _DAY_S
    if code == MINUTE:
        return float(second // 60 % 60)
    if code == HOUR:
        return float(second // 3600)
    if code == DAY_OF_WEEK:
        return float((days + 4) % 7)  # the epoch was a Thursday
    return _date_part(code, days)


@in_place
def _date_part(code: int, days: int) -> float:
    days += 719_468  # from 0000-03-01
    era = days // 146_097
    of_era = days - era * 146_097
    year_of_era = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    from_march = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    moved_month = (5 * from_march + 2) // 153  # March is 0
    month_start = (153 * moved_month + 2) // 5
    month = moved_month + 3 if moved_month < 10 else moved_month - 9
    year = year_of_era + era * 400 + (1 if month <= 2 else 0)
    leap = 1 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 0
    if code == YEAR:
        return float(year)
    if code == MONTH:
        return float(month)
    if code == DAY_OF_MONTH:
        return float(from_march - month_start + 1)
    if code == DAY_OF_YEAR:
        return float(from_march + 60 + leap if month > 2 else from_march - 305)
    if month == 2:
        return float(28 + leap)
    return float((153 * moved_month + 155) // 5 - month_start)
