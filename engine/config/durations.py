"""Durations as Prometheus writes them: ``5s``, ``1m30s``, ``1d``, ``500ms``, ``0``."""

import re

MILLISECOND_NS = 1_000_000
SECOND_NS = 1_000 * MILLISECOND_NS
MINUTE_NS = 60 * SECOND_NS
HOUR_NS = 60 * MINUTE_NS
DAY_NS = 24 * HOUR_NS

_UNITS_NS = {
    "y": 365 * DAY_NS,
    "w": 7 * DAY_NS,
    "d": DAY_NS,
    "h": HOUR_NS,
    "m": MINUTE_NS,
    "s": SECOND_NS,
    "ms": MILLISECOND_NS,
}
DURATION_PATTERN = "(?=[0-9])" + "".join(f"([0-9]+{unit})?" for unit in _UNITS_NS)
_DURATION = re.compile(DURATION_PATTERN, re.ASCII)
_PART = re.compile("([0-9]+)([a-z]+)", re.ASCII)
_INT64_MAX = 2**63 - 1


def parse_duration(text: str) -> int:
    """Read a duration.

    Parameters
    ----------
    text : str
        Whole numbers with units in falling order (y = 365 d, w, d, h, m, s, ms), or ``0``.

    Returns
    -------
    int
        Nanoseconds, from 0 to what fits into 64 bits (292 years).

    Raises
    ------
    ValueError
        If `text` is anything else. The message does not repeat `text`.

    References
    ----------
    Prometheus, ``model.ParseDuration`` (prometheus/common, ``model/time.go``).
    """
    if text == "0":
        return 0
    if not _DURATION.fullmatch(text):
        raise ValueError("it takes whole numbers, the largest unit first")
    duration_ns = sum(int(number) * _UNITS_NS[unit] for number, unit in _PART.findall(text))
    if duration_ns > _INT64_MAX:
        raise ValueError("it takes 292 years at most")
    return duration_ns


def format_duration(duration_ns: int) -> str:
    """Write a duration in its shortest form that `parse_duration` reads back to the same value.

    Weeks and years are used only where they say it all, as Prometheus does.

    Raises
    ------
    ValueError
        If `duration_ns` is negative or no whole number of milliseconds.
    """
    if duration_ns < 0 or duration_ns % MILLISECOND_NS:
        raise ValueError("a duration is a whole number of milliseconds, not negative")
    parts = []
    rest_ns = duration_ns
    for unit, unit_ns in _UNITS_NS.items():
        if unit in {"y", "w"} and rest_ns % unit_ns:
            continue
        count, rest_ns = divmod(rest_ns, unit_ns)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0"
