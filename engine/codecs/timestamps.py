"""Timestamps as text or decimal numbers to nanoseconds since the epoch, exactly."""

from decimal import ROUND_FLOOR, Context, Decimal, InvalidOperation
from typing import Any

import numpy as np

from engine.kernels.jit import in_place

MILLISECOND_NS = 1_000_000
SECOND_NS = 1_000_000_000
TIMESTAMP_NS_MAX = 2**63 - 1
"""The last nanosecond that an int64 holds, in the year 2262; the first allowed one is 0."""

_DAY_S = 86_400
_BAD = -1
_NO_TIME = -(1 << 62)
_SHORTEST = len("1970-01-01T00:00:00Z")

_ZERO, _NINE = ord("0"), ord("9")
_DASH, _COLON, _POINT, _PLUS, _SPACE = (ord(character) for character in "-:.+ ")
_UPPER_T, _LOWER_T, _UPPER_Z, _LOWER_Z = (ord(character) for character in "TtZz")

_CONTEXT = Context(prec=40, rounding=ROUND_FLOOR)
_NANOSECOND_MS = Decimal("1e-6")


@in_place
def _number(buffer: Any, position: int, digits: int) -> int:
    """Read exactly `digits` decimal digits; -1 if one of the bytes is none."""
    number = 0
    for index in range(position, position + digits):
        character = buffer[index]
        if character < _ZERO or character > _NINE:
            return _BAD
        number = number * 10 + character - _ZERO
    return number


@in_place
def days_from_civil(year: int, month: int, day: int) -> int:
    """Days from 1970-01-01 to a date of the Gregorian calendar (H. Hinnant's algorithm)."""
    if month <= 2:
        year -= 1
    era = year // 400
    year_of_era = year - era * 400
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return (
        era * 146_097
        + year_of_era * 365
        + year_of_era // 4
        - year_of_era // 100
        + day_of_year
        - 719_468
    )


@in_place
def _days_in_month(year: int, month: int) -> int:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31


@in_place
def _offset_s(buffer: Any, position: int, end: int) -> int:
    """Read ``Z`` or ``+hh:mm`` up to `end`; a day in seconds, which no offset is, if malformed."""
    if end - position == 1:
        return 0 if buffer[position] == _UPPER_Z or buffer[position] == _LOWER_Z else _DAY_S
    if end - position != 6 or buffer[position + 3] != _COLON:
        return _DAY_S
    hour, minute = _number(buffer, position + 1, 2), _number(buffer, position + 4, 2)
    if not (0 <= hour <= 23 and 0 <= minute <= 59):
        return _DAY_S
    if buffer[position] == _PLUS:
        return hour * 3600 + minute * 60
    return -(hour * 3600 + minute * 60) if buffer[position] == _DASH else _DAY_S


@in_place
def _civil_s(buffer: Any, start: int) -> int:
    """Read ``yyyy-mm-ddThh:mm:ss`` as seconds since the epoch; `_NO_TIME` if malformed."""
    year = _number(buffer, start, 4)
    month = _number(buffer, start + 5, 2)
    day = _number(buffer, start + 8, 2)
    hour = _number(buffer, start + 11, 2)
    minute = _number(buffer, start + 14, 2)
    second = _number(buffer, start + 17, 2)
    if not (year >= 0 and 1 <= month <= 12 and 1 <= day <= _days_in_month(year, month)):
        return _NO_TIME
    if not (0 <= hour <= 23 and 0 <= minute <= 59 and 0 <= second <= 60):
        return _NO_TIME
    if buffer[start + 4] != _DASH or buffer[start + 7] != _DASH:
        return _NO_TIME
    if buffer[start + 13] != _COLON or buffer[start + 16] != _COLON:
        return _NO_TIME
    if buffer[start + 10] not in (_UPPER_T, _LOWER_T, _SPACE):
        return _NO_TIME
    return days_from_civil(year, month, day) * _DAY_S + hour * 3600 + minute * 60 + second


@in_place
def _fraction_ns(buffer: Any, position: int, end: int) -> tuple[int, int]:
    """Read the digits behind a point; gives the next position (-1 if there is none) and ns."""
    begin = position
    fraction_ns = 0
    unit_ns = SECOND_NS
    while position < end and _ZERO <= buffer[position] <= _NINE:
        unit_ns //= 10
        fraction_ns += unit_ns * (buffer[position] - _ZERO)
        position += 1
    return (position if position > begin else _BAD), fraction_ns


@in_place
def parse_rfc3339(buffer: Any, start: int, end: int) -> int:
    """Read a date and time of RFC 3339 section 5.6.

    ``T`` may be lower case or a space; a leap second counts as the second after it; digits beyond
    nanoseconds are dropped.

    Parameters
    ----------
    buffer : uint8[n]
        Text.
    start, end : int64
        The span of `buffer` that must be one timestamp.

    Returns
    -------
    int64
        Nanoseconds since the epoch; -1 if malformed or outside 0 .. `TIMESTAMP_NS_MAX`.
    """
    if end - start < _SHORTEST:
        return _BAD
    civil_s = _civil_s(buffer, start)
    position = start + 19
    fraction_ns = 0
    if buffer[position] == _POINT:
        position, fraction_ns = _fraction_ns(buffer, position + 1, end)
        if position < 0:
            return _BAD
    offset_s = _offset_s(buffer, position, end)
    if civil_s == _NO_TIME or offset_s == _DAY_S:
        return _BAD
    epoch_s = civil_s - offset_s
    if _number(buffer, start + 17, 2) == 60 and epoch_s % _DAY_S != 0:
        return _BAD  # leap seconds end a day of UTC
    if epoch_s < 0 or epoch_s > TIMESTAMP_NS_MAX // SECOND_NS:
        return _BAD
    if epoch_s == TIMESTAMP_NS_MAX // SECOND_NS and fraction_ns > TIMESTAMP_NS_MAX % SECOND_NS:
        return _BAD
    return epoch_s * SECOND_NS + fraction_ns


def rfc3339_ns(text: str) -> int | None:
    """Give the nanoseconds since the epoch of an RFC 3339 text, None if it is none or out of range.

    See `parse_rfc3339`.
    """
    raw = text.encode()
    timestamp_ns = parse_rfc3339(np.frombuffer(raw, np.uint8), 0, len(raw))
    return None if timestamp_ns == _BAD else int(timestamp_ns)


def epoch_ms_ns(text: str) -> int | None:
    """Give the nanoseconds of a JSON number of epoch milliseconds, None if it is out of range.

    Exact: the decimal text is never a float; what lies below a nanosecond is dropped.
    """
    try:
        milliseconds = Decimal(text)
        if not 0 <= milliseconds <= TIMESTAMP_NS_MAX // MILLISECOND_NS + 1:
            return None
        rounded = milliseconds.quantize(_NANOSECOND_MS, context=_CONTEXT)
    except InvalidOperation:  # no number, or an exponent beyond what a Decimal holds
        return None
    timestamp_ns = int(rounded.scaleb(6, context=_CONTEXT))
    return timestamp_ns if timestamp_ns <= TIMESTAMP_NS_MAX else None
