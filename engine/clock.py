"""The one module that reads the wall clock; everything else takes time as a parameter."""

import time
from datetime import UTC, datetime, timedelta

SECOND_NS = 1_000_000_000


def now_ns() -> int:
    """Wall time in nanoseconds since the epoch."""
    return time.time_ns()


def elapsed_ns() -> int:
    """Monotonic time in nanoseconds, for ages and durations."""
    return time.monotonic_ns()


def sleep(duration_s: float) -> None:
    """Wait for `duration_s` seconds."""
    time.sleep(duration_s)


def utc_after(delay_s: float) -> datetime:
    """Wall time in `delay_s` seconds from now, with its zone."""
    return datetime.now(UTC) + timedelta(seconds=delay_s)
