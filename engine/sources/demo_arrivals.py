"""When predictions and calls of the demo happen, and the form of their rows."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.sources.demo_plan import START, WEEKEND_DAYS

Row = tuple[int, dict[str, Any]]
"""A native message: its time in milliseconds since the epoch, and what else it says."""

DAY_MS = 86_400_000
START_MS = round(START.timestamp() * 1000)

_STEPS_PER_DAY = 24 * 60
_NIGHT = 0.3  # of the busiest hour's rate
_WEEKEND = 0.6
_PEAK_HOUR = 15.0


def arrivals(rng: np.random.Generator, count: int, days: int) -> NDArray[np.int64]:
    """Draw times with a daily and weekly rhythm.

    Returns
    -------
    int64[count]
        Milliseconds since the epoch, ascending, from `START` on.
    """
    day = np.arange(days * _STEPS_PER_DAY + 1) / _STEPS_PER_DAY
    rhythm = 0.5 + 0.5 * np.cos(2 * np.pi * (day - _PEAK_HOUR / 24))
    working = np.where(day % 7 < WEEKEND_DAYS, _WEEKEND, 1.0)
    expected = np.concatenate([[0.0], np.cumsum((_NIGHT + (1 - _NIGHT) * rhythm) * working)[:-1]])
    drawn = np.interp(np.sort(rng.random(count)) * expected[-1], expected, day)
    return START_MS + np.floor(drawn * DAY_MS).astype(np.int64)


def day_of(ts_ms: NDArray[np.int64]) -> NDArray[np.float64]:
    """Give days since the start, float64[n]."""
    return (ts_ms - START_MS) / DAY_MS


def moment(day: float) -> datetime:
    """Give the time of some days since the start."""
    return START + timedelta(days=day)


def chosen(
    rng: np.random.Generator, shares: Sequence[tuple[str, float]], count: int
) -> NDArray[np.str_]:
    """Draw values that have these shares, str[count]."""
    values, weights = zip(*shares, strict=True)
    return np.asarray(values)[rng.choice(len(values), count, p=weights)]


def in_order(rows: Iterable[Row]) -> list[Row]:
    """Sort rows by time; what is of one time keeps its order."""
    return sorted(rows, key=lambda row: row[0])


def sigmoid(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the logistic function of float64[n]."""
    result: NDArray[np.float64] = 1 / (1 + np.exp(-values))
    return result
