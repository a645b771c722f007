"""What a series is held against: six quantities, each new if it leaves the range it kept to.

The value; its residuals to what is usual at this hour of the day, to what earlier weeks and the
last rows say of this hour of the week, and to the level of the last hours; its moving mean; and the
drift of the weekly residual.
"""

import math

import numpy as np
from numpy.typing import NDArray

from engine.detectors.channel_kernels import (
    BLOCKS,
    CHANNEL_WIDTH,
    HIGH,
    LEVEL,
    LOW,
    SPREAD,
    observe,
    tame,
)
from engine.detectors.recent_kernels import (
    PLACES_WIDTH,
    learn_recent,
    moving_mean,
    recent_level,
    usual_by_week,
)
from engine.detectors.rhythm_kernels import learn_visit
from engine.kernels.jit import in_place

# Channels, by number: they come first in a series' row, and their counts in its tallies.
VALUE, BY_DAY, BY_WEEK, MOVING_MEAN, BY_RECENT, DRIFT = range(6)
CHANNELS = 6

# The other columns of a row.
ORIGIN = CHANNELS * CHANNEL_WIDTH  # the first value; all else is relative to it
PREVIOUS_VALUE = ORIGIN + 1  # relative to the origin
DRIFT_UP = ORIGIN + 2
DRIFT_DOWN = ORIGIN + 3
LOUDNESS = ORIGIN + 4  # running mean of the summed signals
STATE = ORIGIN + 5
CLIMB = ORIGIN + 6  # evidence for a counter: rises minus penalties for falls
ROW_WIDTH = ORIGIN + 7

PLACES = CHANNELS  # the other tallies: see `recent_kernels`
TALLIES = PLACES + PLACES_WIDTH

EMPTY_ROW = np.zeros(ROW_WIDTH)
"""State of a series that has seen nothing; its tallies are 0."""
for _channel in range(CHANNELS):
    _at = _channel * CHANNEL_WIDTH
    EMPTY_ROW[_at + LOW : _at + LOW + BLOCKS] = np.inf
    EMPTY_ROW[_at + HIGH : _at + HIGH + BLOCKS] = -np.inf

DRIFT_ROWS = 64
"""Rows of the weekly residual before its drift is followed."""

DRIFT_SLACK = 3.0
DRIFT_LIMIT = 12.0
"""Each row's residual in spreads, within the limit and less the slack, adds to the drift: a CUSUM
(Page, "Continuous inspection schemes", Biometrika 1954)."""

DRIFT_LEAST_SPREAD = 1.0
"""Novelty of the drift, which is 0 most of the time, is measured by at least this."""

DRIFT_SHARE = 0.5
"""Novelty of the drift counts for so much."""

LEAST_SPREAD = 1.0 / 64.0
"""Other novelties are measured by at least this part of the values' spread."""

LARGEST_SPREADS = 1e6
"""Deviations count for no more spreads."""


@in_place
def deviation_in_spreads(row: NDArray[np.float64], channel: int, value: float) -> float:
    """Distance from the channel's level in spreads, within LARGEST_SPREADS."""
    distance = value - row[channel * CHANNEL_WIDTH + LEVEL]
    spread = row[channel * CHANNEL_WIDTH + SPREAD]
    if abs(distance) >= LARGEST_SPREADS * spread:
        return math.copysign(LARGEST_SPREADS, distance) if distance != 0.0 else 0.0
    return distance / spread


@in_place
def watch_drift(row: NDArray[np.float64], residual: float) -> float:
    """Add a residual to the weekly rhythm to the drift; give the larger side of it."""
    deviation = deviation_in_spreads(row, BY_WEEK, residual)
    held = min(max(deviation, -DRIFT_LIMIT), DRIFT_LIMIT)
    row[DRIFT_UP] = max(row[DRIFT_UP] + held - DRIFT_SLACK, 0.0)
    row[DRIFT_DOWN] = max(row[DRIFT_DOWN] - held - DRIFT_SLACK, 0.0)
    return max(row[DRIFT_UP], row[DRIFT_DOWN])


@in_place
def watch_signals(
    row: NDArray[np.float64],
    tallies: NDArray[np.int16],
    rhythm: NDArray[np.float64],
    recent: NDArray[np.float64],
    hours: NDArray[np.int16],
    by_day: float,
    value: float,
    pace: float,
    scratch: NDArray[np.float64],
    signals: NDArray[np.float32],
) -> float:
    """Hold a value against all that it may be new to and learn it; give the sum of the signals."""
    least = LEAST_SPREAD * row[VALUE * CHANNEL_WIDTH + SPREAD]
    places = tallies[PLACES:]
    tamed = tame(row, tallies, VALUE, value)
    signals[VALUE] = observe(row, tallies, VALUE, value, least, pace)
    if not math.isnan(by_day):
        signals[BY_DAY] = observe(row, tallies, BY_DAY, tamed - by_day, least, pace)
    by_week = usual_by_week(rhythm, hours, recent, places, scratch)
    if not math.isnan(by_week):
        if tallies[BY_WEEK] >= DRIFT_ROWS:
            drift = watch_drift(row, tamed - by_week)
            signals[DRIFT] = DRIFT_SHARE * observe(
                row, tallies, DRIFT, drift, DRIFT_LEAST_SPREAD, 1.0
            )
        signals[BY_WEEK] = observe(row, tallies, BY_WEEK, tamed - by_week, least, 1.0)
    level = recent_level(recent, places)
    if not math.isnan(level):
        signals[BY_RECENT] = observe(row, tallies, BY_RECENT, tamed - level, least, 1.0)
    learn_recent(recent, places, tamed, scratch)
    learn_visit(rhythm, hours, tamed)
    mean = moving_mean(recent, places)
    if not math.isnan(mean):
        signals[MOVING_MEAN] = observe(row, tallies, MOVING_MEAN, mean, least, 1.0)
    total = 0.0
    for channel in range(CHANNELS):
        total += np.float64(signals[channel])
    return total
