"""The default detector, row by row: signals, their sum, and the state.

Everything is scored with what was known before the row, then learned. All quantities are
differences from the series' first value or ratios of such, so scores do not change under
``a * x + b``; no squares are taken, so values of any finite size are safe.
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
    WARM_UP_ROWS,
    high_of,
    low_of,
    observe,
    tame,
)
from engine.detectors.protocol import DEVIATION, NOT_JUDGED
from engine.detectors.rhythm_kernels import BIN_NS, end_visit, rhythm_at
from engine.kernels.jit import in_place

NEVER_NS = np.iinfo(np.int64).min
"""`last_ts` of a slot that has seen nothing."""

# Channels, by number: they come first in a series' row, and their counts in its tallies.
VALUE, RESIDUAL, MOVING_MEAN, MOVING_DEVIATION, STEP = range(5)
CHANNELS = 5

# The other columns of a row.
ORIGIN = CHANNELS * CHANNEL_WIDTH  # the first value; all else is relative to it
UNIT = ORIGIN + 1  # power of two near the spread, which rhythms are multiples of; 0: unknown
PREVIOUS_VALUE = ORIGIN + 2  # relative to the origin
PREVIOUS = ORIGIN + 3  # the last watched quantity: the value, or a counter's rate
FAST_MEAN = ORIGIN + 4
FAST_DEVIATION = ORIGIN + 5
INTERVAL = ORIGIN + 6  # running mean of the time between rows, ns
VISIT_SUM = ORIGIN + 7  # of the time-of-day bin being visited
VISIT_ROWS = ORIGIN + 8
VISIT_PERIOD = ORIGIN + 9  # its number since the epoch
LOUDNESS = ORIGIN + 10  # running mean of the summed signals
STATE = ORIGIN + 11
CLIMB = ORIGIN + 12  # evidence for a counter: rises minus penalties for falls
ROW_WIDTH = ORIGIN + 13

# The other tally; it stops where more would mean the same.
STATE_ROWS = CHANNELS  # rows for which the state has been high
TALLIES = CHANNELS + 1

EMPTY_ROW = np.zeros(ROW_WIDTH)
"""State of a series that has seen nothing; its tallies are 0."""
for _channel in range(CHANNELS):
    _at = _channel * CHANNEL_WIDTH
    EMPTY_ROW[_at + LOW : _at + LOW + BLOCKS] = np.inf
    EMPTY_ROW[_at + HIGH : _at + HIGH + BLOCKS] = -np.inf

LARGEST = 1e300
"""Larger values are treated as no number: their sums and multiples could overflow."""

FAST_WEIGHT = 1.0 / 12.0
"""Of a row in the moving mean and deviation."""

INTERVAL_WEIGHT = 1.0 / 32.0
GAP_INTERVALS = 4.0
"""A pause longer than this many usual intervals is a gap: steps across it are skipped."""

RHYTHM_GAIN = 0.8
"""The rhythm counts when its errors are below this part of the level's."""

LOUDNESS_WEIGHT = 1.0 / 430.0
"""Of a row in the usual loudness: a half-life of 300 rows."""

DAMPING = 3.0
"""A score is the summed signals divided by 1 + DAMPING * loudness."""

STATE_WEIGHT = 0.1
"""Of a row in the state, a moving mean of deviations in spreads, less the usual one."""

STATE_LIMIT = 12.0
"""Deviations count for no more than so many spreads, so that a state ends soon after its cause."""

STATE_HIGH = 3.0
SLOW_PACE = 0.125
STATE_PATIENCE_ROWS = 1000
CATCH_UP_PACE = 16.0
"""While the state is at least STATE_HIGH, level and spread adapt at SLOW_PACE, lest they absorb an
incident; after STATE_PATIENCE_ROWS at CATCH_UP_PACE, for it is the new normal."""

CLIMB_ENTER = 64.0
CLIMB_LIMIT = 128.0
CLIMB_PENALTY = 32.0
CLIMB_FLOOR = -4096.0
"""A rise is worth 1, a fall -CLIMB_PENALTY, within CLIMB_FLOOR and CLIMB_LIMIT. At CLIMB_ENTER a
series becomes a counter, below 0 a gauge again; thousands of rises make a settled gauge one."""


@in_place
def clear_slot(
    row: NDArray[np.float64],
    tallies: NDArray[np.int16],
    rhythm: NDArray[np.float32],
    visits: NDArray[np.uint8],
) -> None:
    """Start a series anew, keeping only the origin and the evidence for a counter."""
    for column in range(ROW_WIDTH):
        if column not in (ORIGIN, CLIMB):
            row[column] = EMPTY_ROW[column]
    tallies[:] = 0
    visits[:] = 0
    rhythm[:] = 0.0


@in_place
def watch_climb(row: NDArray[np.float64], step: float) -> bool:
    """Weigh a step as evidence for a counter; True if the verdict changed."""
    before = row[CLIMB]
    climb = before
    if step > 0.0:
        climb = min(climb + 1.0, CLIMB_LIMIT)
    elif step < 0.0:
        climb = max(climb - CLIMB_PENALTY, CLIMB_FLOOR)
    was_counter = is_counter(before)
    # Between zero and the entry level a series stays what it was: the fraction remembers which.
    counter = climb >= CLIMB_ENTER or (was_counter and climb > 0.0)
    row[CLIMB] = math.floor(climb) + (0.5 if counter else 0.0)
    return counter != was_counter


@in_place
def is_counter(climb: float) -> bool:
    """Whether the evidence says counter: its fraction is one half."""
    return climb - math.floor(climb) > 0.25


@in_place
def learn_rhythm(
    row: NDArray[np.float64],
    rhythm: NDArray[np.float32],
    visits: NDArray[np.uint8],
    period: int,
    watched: float,
    spread: float,
) -> None:
    """Gather a value into the visit of its time-of-day bin; close the visit before it."""
    if row[UNIT] == 0.0:
        if spread == 0.0:
            return
        row[UNIT] = math.ldexp(1.0, math.frexp(spread)[1])
    if row[VISIT_PERIOD] != period:
        if row[VISIT_ROWS] > 0.0:
            mean = row[VISIT_SUM] / row[VISIT_ROWS] / row[UNIT]
            end_visit(rhythm, visits, int(row[VISIT_PERIOD]), mean)
        row[VISIT_PERIOD] = period
        row[VISIT_SUM] = row[VISIT_ROWS] = 0.0
    row[VISIT_SUM] += watched
    row[VISIT_ROWS] += 1.0


@in_place
def deviation_in_spreads(row: NDArray[np.float64], channel: int, value: float) -> float:
    """Distance from the channel's level in spreads, within STATE_LIMIT."""
    distance = value - row[channel * CHANNEL_WIDTH + LEVEL]
    spread = row[channel * CHANNEL_WIDTH + SPREAD]
    if abs(distance) >= STATE_LIMIT * spread:
        return math.copysign(STATE_LIMIT, distance) if distance != 0.0 else 0.0
    return distance / spread


@in_place
def watch_state(row: NDArray[np.float64], tallies: NDArray[np.int16], deviation: float) -> float:
    """Follow the deviation with the state; give the pace to learn."""
    row[STATE] += STATE_WEIGHT * (deviation - 1.0 - row[STATE])
    if row[STATE] < STATE_HIGH:
        tallies[STATE_ROWS] = 0
        return 1.0
    tallies[STATE_ROWS] = min(tallies[STATE_ROWS] + 1, STATE_PATIENCE_ROWS)
    return SLOW_PACE if tallies[STATE_ROWS] < STATE_PATIENCE_ROWS else CATCH_UP_PACE


@in_place
def watch(
    row: NDArray[np.float64],
    tallies: NDArray[np.int16],
    rhythm: NDArray[np.float32],
    visits: NDArray[np.uint8],
    last_ts: int,
    ts: int,
    watched: float,
    signals: NDArray[np.float32],
) -> tuple[float, float, float, float, float]:
    """Score a quantity and learn it: onset, expected, lower, upper, deviation; fills `signals`."""
    warm = tallies[VALUE] >= WARM_UP_ROWS
    spread = row[VALUE * CHANNEL_WIDTH + SPREAD]
    period = ts // BIN_NS
    base = rhythm_at(rhythm, visits, ts, period) * row[UNIT]
    rhythmic = (
        tallies[RESIDUAL] >= WARM_UP_ROWS
        and row[RESIDUAL * CHANNEL_WIDTH + SPREAD] < RHYTHM_GAIN * spread
        and not math.isnan(base)
    )
    if rhythmic:
        expected = base
        lower, upper = base + low_of(row, RESIDUAL), base + high_of(row, RESIDUAL)
        deviation = deviation_in_spreads(row, RESIDUAL, watched - base)
    else:
        expected = row[VALUE * CHANNEL_WIDTH + LEVEL]
        lower, upper = low_of(row, VALUE), high_of(row, VALUE)
        deviation = deviation_in_spreads(row, VALUE, watched)
    pace = watch_state(row, tallies, abs(deviation)) if warm else 1.0
    tamed = tame(row, tallies, VALUE, watched)
    learn_rhythm(row, rhythm, visits, period, tamed, spread)
    signals[VALUE] = observe(row, tallies, VALUE, watched, pace)
    if not math.isnan(base):
        residual_novelty = observe(row, tallies, RESIDUAL, tamed - base, pace)
        if rhythmic:
            signals[RESIDUAL] = residual_novelty
    watch_neighbours(row, tallies, ts - last_ts, tamed, signals)
    total = 0.0
    for channel in range(CHANNELS):
        total += np.float64(signals[channel])
    score = total / (1.0 + DAMPING * row[LOUDNESS])
    row[LOUDNESS] += LOUDNESS_WEIGHT * (total - row[LOUDNESS])
    if not warm:
        return NOT_JUDGED, np.nan, np.nan, np.nan, np.nan
    return score, expected, lower, upper, deviation


@in_place
def watch_neighbours(
    row: NDArray[np.float64],
    tallies: NDArray[np.int16],
    pause: int,
    watched: float,
    signals: NDArray[np.float32],
) -> None:
    """Novelty of what compares a row with the rows just before: step, moving mean, deviation.

    The row's value has been learned already: a count of one says that it is the first.
    """
    step = watched - row[PREVIOUS]
    row[PREVIOUS] = watched
    if tallies[VALUE] == 1:
        row[FAST_MEAN] = watched
        return
    gap = row[INTERVAL] > 0.0 and pause > GAP_INTERVALS * row[INTERVAL]
    if row[INTERVAL] == 0.0:
        row[INTERVAL] = pause
    row[INTERVAL] += INTERVAL_WEIGHT * (
        min(np.float64(pause), 2.0 * GAP_INTERVALS * row[INTERVAL]) - row[INTERVAL]
    )
    deviation = watched - row[FAST_MEAN]
    row[FAST_MEAN] += FAST_WEIGHT * deviation
    row[FAST_DEVIATION] += FAST_WEIGHT * (abs(deviation) - row[FAST_DEVIATION])
    signals[MOVING_MEAN] = observe(row, tallies, MOVING_MEAN, row[FAST_MEAN], 1.0)
    signals[MOVING_DEVIATION] = observe(row, tallies, MOVING_DEVIATION, row[FAST_DEVIATION], 1.0)
    if not gap:
        signals[STEP] = observe(row, tallies, STEP, step, 1.0)


@in_place
def score_row(
    row: NDArray[np.float64],
    tallies: NDArray[np.int16],
    rhythm: NDArray[np.float32],
    visits: NDArray[np.uint8],
    last_ts: int,
    ts: int,
    value: float,
    signals: NDArray[np.float32],
) -> tuple[float, float, float, float, float]:
    """Score one sample of one series and learn it: onset, expected, lower, upper, deviation.

    The onset is raw; NOT_JUDGED while warming up and for the first after a counter's reset.
    """
    if last_ts == NEVER_NS:
        row[ORIGIN] = value
        last_ts = ts
    offset = value - row[ORIGIN]
    previous = row[PREVIOUS_VALUE]
    step = offset - previous
    if watch_climb(row, step):
        clear_slot(row, tallies, rhythm, visits)
    row[PREVIOUS_VALUE] = offset
    if not is_counter(row[CLIMB]):
        onset, expected, lower, upper, deviation = watch(
            row, tallies, rhythm, visits, last_ts, ts, offset, signals
        )
        shift = row[ORIGIN]
        return onset, shift + expected, shift + lower, shift + upper, deviation
    seconds = (ts - last_ts) * 1e-9
    if step < 0.0 or seconds <= 0.0 or step > LARGEST * seconds:
        return NOT_JUDGED, np.nan, np.nan, np.nan, np.nan
    onset, expected, lower, upper, deviation = watch(
        row, tallies, rhythm, visits, last_ts, ts, step / seconds, signals
    )
    shift = row[ORIGIN] + previous
    expected, lower, upper = seconds * expected, seconds * lower, seconds * upper
    return onset, shift + expected, shift + lower, shift + upper, deviation


@in_place
def score_rows(
    rows: NDArray[np.float64],
    tallies: NDArray[np.int16],
    rhythm: NDArray[np.float32],
    visits: NDArray[np.uint8],
    last_ts: NDArray[np.int64],
    slot: NDArray[np.int32],
    ts: NDArray[np.int64],
    value: NDArray[np.float64],
    scores: NDArray[np.float64],
    signals: NDArray[np.float32],
) -> None:
    """Score a block of samples in order and learn them.

    Parameters
    ----------
    rows : float64[slots, ROW_WIDTH]
        State, as are `tallies` (int16[slots, TALLIES]), `rhythm` (float32[slots, BINS]), `visits`
        (uint8[slots, VISITS_WIDTH]) and `last_ts` (int64[slots], NEVER_NS at first).
    slot, ts, value : int32[n], int64[n], float64[n]
        Samples; those of a slot in order of time (ns since the epoch).
    scores : float64[5, n]
        Filled: raw onset (NOT_JUDGED where it is not), raw state, expected, lower, upper (NaN:
        unknown).
    signals : float32[CHANNELS, n]
        Filled: the channels' novelties; zeros at first.
    """
    for i in range(len(slot)):
        s = slot[i]
        scores[0, i] = NOT_JUDGED
        scores[1, i] = 0.0
        scores[2, i] = scores[3, i] = scores[4, i] = np.nan
        if abs(value[i]) <= LARGEST:
            onset, expected, lower, upper, deviation = score_row(
                rows[s],
                tallies[s],
                rhythm[s],
                visits[s],
                last_ts[s],
                ts[i],
                value[i],
                signals[:, i],
            )
            last_ts[s] = ts[i]
            scores[0, i] = onset
            if onset >= 0.0:
                scores[1, i] = max(rows[s, STATE], 0.0)
            scores[2, i], scores[3, i], scores[4, i] = expected, lower, upper
            scores[DEVIATION, i] = deviation
