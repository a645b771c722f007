"""How new a value is to a channel: the one test that all signals of the detector share.

A channel is a quantity watched over time (the value itself, its moving mean, its residual to the
daily rhythm, ...). It keeps a robust level and spread and the extremes of three blocks of rows, so
that "outside the range of the last 4096 to 6144 values" costs eight numbers of memory.

Ranges as a signal: Ahmad et al., "Unsupervised real-time anomaly detection for streaming data",
Neurocomputing 2017 (spatial anomalies).
"""

import math

import numpy as np
from numpy.typing import NDArray

from engine.kernels.jit import in_place

LEVEL, SPREAD, COUNT = 0, 1, 2
BLOCKS = 3
LOW = 3  # and the next two: minimum of the block being filled and of the two before it
HIGH = LOW + BLOCKS  # and the next two: maximum
CHANNEL_WIDTH = HIGH + BLOCKS

WARM_UP_ROWS = 128
"""Rows that a channel learns from before it judges."""

BLOCK_ROWS = 2048
"""Rows of one block of extremes."""

MEMORY_ROWS = 4096.0
"""Memory of level and spread: plain means up to so many rows, then exponential forgetting."""

OUTLIER_SPREADS = 4.0
"""Level and spread learn a value no farther from the level than this."""

REACH_SPREADS = 1e6
"""Extremes learn a value no farther outside the range than this, so that one wild value does
not blind the channel for a whole memory."""

RANGE_ROWS = 2.5 * BLOCK_ROWS
LOG_RANGE_ROWS = math.log(RANGE_ROWS)
GROWTH = 0.25
"""Part of a young channel's range by which it is widened, times log(RANGE_ROWS)/log(rows) - 1."""

SOFTNESS_SPREADS = 2.0
"""Distance outside the range at which novelty is one half."""


@in_place
def low_of(row: NDArray[np.float64], channel: int) -> float:
    """Smallest value remembered; inf for an empty channel."""
    return min(
        row[channel + LOW],
        row[channel + LOW + 1],
        row[channel + LOW + 2],
    )


@in_place
def high_of(row: NDArray[np.float64], channel: int) -> float:
    """Largest value remembered; -inf for an empty channel."""
    return max(
        row[channel + HIGH],
        row[channel + HIGH + 1],
        row[channel + HIGH + 2],
    )


@in_place
def tame(row: NDArray[np.float64], channel: int, value: float) -> float:
    """Bring a wild value back to REACH_SPREADS outside the range of a warm channel."""
    spread = row[channel + SPREAD]
    if row[channel + COUNT] < WARM_UP_ROWS or spread == 0.0:
        return value
    reach = REACH_SPREADS * spread
    return min(
        max(value, low_of(row, channel) - reach),
        high_of(row, channel) + reach,
    )


@in_place
def novelty_of(row: NDArray[np.float64], channel: int, value: float) -> float:
    """How far a value is outside the remembered range.

    Parameters
    ----------
    row : float64[...]
        A series' state.
    channel : int
        Where the channel's CHANNEL_WIDTH numbers begin in it.
    value : float
        Finite.

    Returns
    -------
    float
        0 inside the range and while warming up, towards 1 far outside; 1 if the spread is 0.
    """
    if row[channel + COUNT] < WARM_UP_ROWS:
        return 0.0
    low, high = low_of(row, channel), high_of(row, channel)
    excess = max(value - high, low - value)
    if excess <= 0.0:
        return 0.0
    if row[channel + COUNT] < RANGE_ROWS:
        # What the extremes of RANGE_ROWS values of an exponential tail would have added by now.
        seen = math.log(row[channel + COUNT])
        excess -= GROWTH * (high - low) * (LOG_RANGE_ROWS / seen - 1.0)
        if excess <= 0.0:
            return 0.0
    return excess / (excess + SOFTNESS_SPREADS * row[channel + SPREAD])


@in_place
def learn(row: NDArray[np.float64], channel: int, value: float, pace: float) -> None:
    """Move a channel's level, spread and extremes.

    Parameters
    ----------
    row : float64[...]
        A series' state.
    channel : int
        Where the channel's CHANNEL_WIDTH numbers begin in it.
    value : float
        Finite; what is far from the level moves level and spread as a value at
        OUTLIER_SPREADS would.
    pace : float
        Speed at which level and spread adapt; 1 is the usual one.
    """
    count = row[channel + COUNT]
    if int(count) % BLOCK_ROWS == 0 and count > 0.0:
        for block in (2, 1):
            row[channel + LOW + block] = row[channel + LOW + block - 1]
            row[channel + HIGH + block] = row[channel + HIGH + block - 1]
        row[channel + LOW] = np.inf
        row[channel + HIGH] = -np.inf
    row[channel + LOW] = min(row[channel + LOW], value)
    row[channel + HIGH] = max(row[channel + HIGH], value)
    level = row[channel + LEVEL] if count > 0.0 else value
    spread = row[channel + SPREAD]
    weight = 1.0 / (count + 1.0) if count < MEMORY_ROWS else 1.0 / MEMORY_ROWS
    deviation = value - level
    if count >= WARM_UP_ROWS:
        weight *= pace
        limit = OUTLIER_SPREADS * spread
        if limit > 0.0:
            deviation = min(max(deviation, -limit), limit)
    row[channel + LEVEL] = level + weight * deviation
    row[channel + SPREAD] = spread + weight * (abs(deviation) - spread)
    row[channel + COUNT] = count + 1.0


@in_place
def observe(row: NDArray[np.float64], channel: int, value: float, pace: float) -> float:
    """Novelty of a value by what was known before; then learn it (see `learn`)."""
    novelty = novelty_of(row, channel, value)
    learn(row, channel, tame(row, channel, value), pace)
    return novelty
