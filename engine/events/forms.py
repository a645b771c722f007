"""Forms that all output records share: times, numbers and ids."""

import math
from datetime import UTC, datetime, timedelta
from hashlib import sha256

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def rfc3339(ts: int) -> str:
    """Write nanoseconds since the epoch as RFC 3339 in UTC, with as many digits as needed."""
    seconds, fraction = divmod(ts, 1_000_000_000)
    text = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    digits = f".{fraction:09d}".rstrip("0") if fraction else ""
    return f"{text}{digits}Z"


def weekday_and_time(ts: int) -> str:
    """Say which hour of the week a timestamp is in, such as ``Tuesday 14:05`` (UTC)."""
    return (_EPOCH + timedelta(seconds=ts // 1_000_000_000)).strftime("%A %H:%M")


def number(value: float) -> float | str:
    """Give a number that JSON can carry: NaN and infinities become text, as in Prometheus' API."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"


def event_id(*parts: object) -> str:
    """32 hex digits of SHA-256 over the parts, which say all that the record says."""
    return sha256("|".join(map(str, parts)).encode()).hexdigest()[:32]
