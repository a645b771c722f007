"""Numbers for people: the humanize family of Prometheus' templates.

Source: Prometheus' `template/template.go` and `prometheus/common/helpers/templates`, whose
outputs are reproduced to the character.
"""

import math

from engine.rules.go_format import Value, print_value, quote, type_name
from engine.rules.go_literals import parse_float
from engine.rules.template_values import Duration, Moment

_DECIMAL_LARGE = ("k", "M", "G", "T", "P", "E", "Z", "Y")
_DECIMAL_SMALL = ("m", "u", "n", "p", "f", "a", "z", "y")
_BINARY_LARGE = ("ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi")
_INT64_MIN = -(2**63)


def humanize(value: Value) -> str:
    """Shorten with a decimal prefix: 1234567 is ``1.235M``."""
    number = to_float(value)
    if number == 0 or not math.isfinite(number):
        return _four_digits(number)
    if abs(number) >= 1:
        return _with_large_prefix(number, 1000, _DECIMAL_LARGE)
    return _with_small_prefix(number)


def humanize1024(value: Value) -> str:
    """Shorten with a binary prefix: 1234567 is ``1.177Mi``."""
    number = to_float(value)
    if abs(number) <= 1 or not math.isfinite(number):
        return _four_digits(number)
    return _with_large_prefix(number, 1024, _BINARY_LARGE)


def humanize_percentage(value: Value) -> str:
    """Write a ratio in percent: 0.5 is ``50%``."""
    return _four_digits(to_float(value) * 100) + "%"


def humanize_duration(value: Value) -> str:
    """Write seconds as days, hours, minutes and seconds: 90061 is ``1d 1h 1m 1s``."""
    number = to_float(value)
    if not math.isfinite(number):
        return _four_digits(number)
    if number == 0:
        return _four_digits(number) + "s"
    if abs(number) < 1:
        return _with_small_prefix(number) + "s"
    sign = "-" if number < 0 else ""
    whole = _to_int64(abs(number))
    minutes, seconds = _divided(whole, 60)
    hours, minutes = _divided(minutes, 60)
    days, hours = _divided(hours, 24)
    if days:
        return f"{sign}{days}d {hours}h {minutes}m {seconds}s"
    if hours:
        return f"{sign}{hours}h {minutes}m {seconds}s"
    if minutes:
        return f"{sign}{minutes}m {seconds}s"
    return f"{sign}{_four_digits(abs(number))}s"


def humanize_timestamp(value: Value) -> str:
    """Write seconds since the epoch as UTC time, ``2026-01-31 12:00:00.5 +0000 UTC``."""
    number = to_float(value)
    if not math.isfinite(number):
        return _four_digits(number)
    return str(to_time(number))


def to_time(value: Value) -> Moment:
    """Read seconds since the epoch as a time; Prometheus cuts it to milliseconds, towards zero."""
    number = to_float(value)
    if not math.isfinite(number):
        raise ValueError("value is NaN or Inf")
    timestamp_ns = number * 1e9
    if not _INT64_MIN <= timestamp_ns <= -_INT64_MIN:
        raise ValueError(
            f"{print_value(number)} cannot be represented as a nanoseconds timestamp "
            "since it overflows int64"
        )
    milliseconds, _ = _divided(_to_int64(timestamp_ns), 1_000_000)
    return Moment(milliseconds)


def to_duration(value: Value) -> Duration:
    """Read seconds as a duration."""
    return Duration(_to_int64(to_float(value) * 1e9))


def to_float(value: Value) -> float:
    """Read a value as a number, as Go's `strconv.ParseFloat` does with text.

    Raises
    ------
    ValueError
        In the words of Go and Prometheus.
    """
    kind = type_name(value)
    if kind in {"int", "float64"} and isinstance(value, int | float):
        return float(value)
    if kind != "string" or not isinstance(value, str):
        raise ValueError(f"can't convert {kind} to float")
    try:
        number = parse_float(value)
    except ValueError:
        reason = f"strconv.ParseFloat: parsing {quote(value)}: invalid syntax"
        raise ValueError(reason) from None
    if math.isinf(number) and "inf" not in value.lower():
        raise ValueError(f"strconv.ParseFloat: parsing {quote(value)}: value out of range")
    return number


def _with_large_prefix(number: float, base: int, prefixes: tuple[str, ...]) -> str:
    unit = ""
    for prefix in prefixes:
        if abs(number) < base:
            break
        unit = prefix
        number /= base
    return _four_digits(number) + unit


def _with_small_prefix(number: float) -> str:
    unit = ""
    for prefix in _DECIMAL_SMALL:
        if abs(number) >= 1:
            break
        unit = prefix
        number *= 1000
    return _four_digits(number) + unit


def _four_digits(number: float) -> str:
    """Format with Go's ``%.4g``."""
    if math.isfinite(number):
        return f"{number:.4g}"
    return print_value(number)


def _to_int64(number: float) -> int:
    """Convert as Go does on amd64: what doesn't fit becomes the smallest integer."""
    return int(number) if _INT64_MIN <= number < -_INT64_MIN else _INT64_MIN


def _divided(dividend: int, divisor: int) -> tuple[int, int]:
    """Divide towards zero, as Go does."""
    quotient = abs(dividend) // divisor * (1 if dividend >= 0 else -1)
    return quotient, dividend - quotient * divisor
