"""How new a value is to a channel: the one test that all signals of the detector share.

A channel is a quantity watched over time (the value itself, its moving mean, its residual to the
daily rhythm, ...). It keeps a robust level and spread and the extremes of three blocks of rows, so
that "outside the range of the last 5460 to 8190 values" costs nine numbers of memory.

Ranges as a signal: Ahmad et al., "Unsupervised real-time anomaly detection for streaming data",
Neurocomputing 2017 (spatial anomalies).
"""

import math

import numpy as np
from numpy.typing import NDArray

from engine.kernels.jit import in_place

# Columns of a channel; its count is among the series' tallies, at the channel's number.
LEVEL, SPREAD = 0, 1
BLOCKS = 3
LOW = 2  # and the next two: minimum of the block being filled and of the two before it
HIGH = LOW + BLOCKS  # and the next two: maximum
CHANNEL_WIDTH = HIGH + BLOCKS

WARM_UP_ROWS = 128
"""Rows that a channel learns from before it judges."""

BLOCK_ROWS = 2730
"""Rows of one block of extremes."""

COUNT_MAX = 4 * BLOCK_ROWS
"""Counts start again a block below this, for beyond every limit only whole blocks matter."""

MEMORY_ROWS = 2000.0
"""Memory of level and spread: plain means up to so many rows, then exponential forgetting."""

OUTLIER_SPREADS = 4.0
"""Level and spread learn a value no farther from the level than this."""

REACH_SPREADS = 1e6
"""Extremes learn a value no farther outside the range than this, so that one wild value does
not blind the channel for a whole memory."""

RANGE_ROWS = 2.5 * BLOCK_ROWS
LOG_RANGE_ROWS = math.log(RANGE_ROWS)
GROWTH = 0.1
"""Part of a young channel's range by which it is widened, times log(RANGE_ROWS)/log(rows) - 1."""

SOFTNESS_SPREADS = 2.0
"""Distance outside the range at which novelty is one half."""


@in_place
def low_of(row: NDArray[np.float64], channel: int) -> float:
    """Smallest value remembered; inf for an empty channel."""
    at = channel * CHANNEL_WIDTH + LOW
    return min(row[at], row[at + 1], row[at + 2])


@in_place
def high_of(row: NDArray[np.float64], channel: int) -> float:
    """Largest value remembered; -inf for an empty channel."""
    at = channel * CHANNEL_WIDTH + HIGH
    return max(row[at], row[at + 1], row[at + 2])


@in_place
def tame(row: NDArray[np.float64], tallies: NDArray[np.int16], channel: int, value: float) -> float:
    """Bring a wild value back to REACH_SPREADS outside the range of a warm channel."""
    spread = row[channel * CHANNEL_WIDTH + SPREAD]
    if tallies[channel] < WARM_UP_ROWS or spread == 0.0:
        return value
    reach = REACH_SPREADS * spread
    return min(
        max(value, low_of(row, channel) - reach),
        high_of(row, channel) + reach,
    )


@in_place
def novelty_of(
    row: NDArray[np.float64],
    tallies: NDArray[np.int16],
    channel: int,
    value: float,
    least_spread: float,
) -> float:
    """How far a value is outside the remembered range.

    Parameters
    ----------
    row : float64[...]
        A series' state; its channels, CHANNEL_WIDTH numbers each, come first.
    tallies : int16[...]
        Its small whole numbers; the channels' counts come first.
    channel : int
        Number of the channel.
    value : float
        Finite.
    least_spread : float
        Novelty is measured by at least this: a channel that is all but constant must not shout
        about rounding.

    Returns
    -------
    float
        0 inside the range and while warming up, towards 1 far outside; 1 if the spread is 0.
    """
    count = tallies[channel]
    if count < WARM_UP_ROWS:
        return 0.0
    low, high = low_of(row, channel), high_of(row, channel)
    excess = max(value - high, low - value)
    if excess <= 0.0:
        return 0.0
    if count < RANGE_ROWS:
        # What the extremes of RANGE_ROWS values of an exponential tail would have added by now.
        seen = math.log(np.float64(count))
        excess -= GROWTH * (high - low) * (LOG_RANGE_ROWS / seen - 1.0)
        if excess <= 0.0:
            return 0.0
    spread = max(row[channel * CHANNEL_WIDTH + SPREAD], least_spread)
    return excess / (excess + SOFTNESS_SPREADS * spread)


@in_place
def learn_extremes(row: NDArray[np.float64], channel: int, count: int, value: float) -> None:
    """Let a value widen the block being filled; at a block's end let all blocks grow older."""
    low, high = channel * CHANNEL_WIDTH + LOW, channel * CHANNEL_WIDTH + HIGH
    if count % BLOCK_ROWS == 0 and count > 0:
        for block in (2, 1):
            row[low + block] = row[low + block - 1]
            row[high + block] = row[high + block - 1]
        row[low] = np.inf
        row[high] = -np.inf
    row[low] = min(row[low], value)
    row[high] = max(row[high], value)


@in_place
def learn(
    row: NDArray[np.float64],
    tallies: NDArray[np.int16],
    channel: int,
    value: float,
    pace: float,
) -> None:
    """Move a channel's level, spread and extremes.

    Parameters
    ----------
    row, tallies, channel
        As of `novelty_of`.
    value : float
        Finite; what is far from the level moves level and spread as a value at
        OUTLIER_SPREADS would.
    pace : float
        Speed at which level and spread adapt; 1 is the usual one.
    """
    count = int(tallies[channel])
    learn_extremes(row, channel, count, value)
    at = channel * CHANNEL_WIDTH
    level = row[at + LEVEL] if count > 0 else value
    spread = row[at + SPREAD]
    weight = 1.0 / (count + 1.0) if count < MEMORY_ROWS else 1.0 / MEMORY_ROWS
    deviation = value - level
    if count >= WARM_UP_ROWS:
        weight *= pace
        limit = OUTLIER_SPREADS * spread
        if limit > 0.0:
            deviation = min(max(deviation, -limit), limit)
    row[at + LEVEL] = level + weight * deviation
    row[at + SPREAD] = spread + weight * (abs(deviation) - spread)
    count += 1
    tallies[channel] = count if count < COUNT_MAX else COUNT_MAX - BLOCK_ROWS


@in_place
def observe(
    row: NDArray[np.float64],
    tallies: NDArray[np.int16],
    channel: int,
    value: float,
    least_spread: float,
    pace: float,
) -> float:
    """Novelty of a value by what was known before; then learn it (see `novelty_of`, `learn`)."""
    novelty = novelty_of(row, tallies, channel, value, least_spread)
    learn(row, tallies, channel, tame(row, tallies, channel, value), pace)
    return novelty
