"""The default detector, row by row: the score of the signals, the state, and what was expected.

Everything is scored with what was known before the row, then learned. All quantities are
differences from the series' first value or ratios of such, so scores do not change under
``a * x + b``; no squares are taken, so values of any finite size are safe.
"""

import math

import numpy as np
from numpy.typing import NDArray

from engine.detectors.channel_kernels import (
    CHANNEL_WIDTH,
    LEVEL,
    SPREAD,
    WARM_UP_ROWS,
    high_of,
    low_of,
)
from engine.detectors.counter_kernels import is_counter, weighed
from engine.detectors.protocol import DEVIATION, NOT_JUDGED, UNTOLD
from engine.detectors.rhythm_kernels import (
    HOUR_NS,
    OLDER_WEEKS,
    VISIT_HOUR,
    VISIT_ROWS,
    is_week_old,
    turn_hour,
    usual_by_day,
)
from engine.detectors.signal_kernels import (
    BY_DAY,
    CLIMB,
    EMPTY_ROW,
    LOUDNESS,
    ORIGIN,
    PREVIOUS_VALUE,
    ROW_WIDTH,
    STATE,
    VALUE,
    deviation_in_spreads,
    watch_signals,
)
from engine.detectors.surprise_kernels import HIGH_ROWS, follow, is_patient
from engine.kernels.jit import in_place

NEVER_NS = np.iinfo(np.int64).min
"""`last_ts` of a slot that has seen nothing."""

LARGEST = 1e300
"""Larger values are treated as no number: their sums and multiples could overflow."""

RHYTHM_GAIN = 0.8
"""The daily rhythm is what is expected when its errors are below this part of the level's."""

LOUDNESS_WEIGHT = 1.0 / 430.0
"""Of a row in the usual loudness: a half-life of 300 rows."""

DAMPING = 8.0
"""A score is the summed signals divided by 1 + DAMPING * loudness."""

FIRST_DAY_LEAST = 1.25
"""Nobody is told of a score below this at an hour of the day that was seen on no day before: the
rise of the first morning is no news yet."""

FOLLOWED_ROWS = 32
"""Rows before the state counts deviations, so that it knows their tail soon after the warm-up."""

SLOW_PACE = 0.125
CATCH_UP_PACE = 16.0
"""While the state is high, level and spread adapt at SLOW_PACE, lest they absorb an incident; when
it has been high for long, at CATCH_UP_PACE, for it is the new normal."""


@in_place
def clear_slot(
    row: NDArray[np.float64],
    tallies: NDArray[np.int16],
    rhythm: NDArray[np.float64],
    recent: NDArray[np.float64],
    hours: NDArray[np.int16],
    older: NDArray[np.int16],
    tail: NDArray[np.uint16],
    followed: NDArray[np.int16],
) -> None:
    """Start a series anew, keeping only the origin and the evidence for a counter."""
    for column in range(ROW_WIDTH):
        if column not in (ORIGIN, CLIMB):
            row[column] = EMPTY_ROW[column]
    tallies[:] = 0
    rhythm[:] = 0.0
    recent[:] = 0.0
    hours[:] = 0
    older[:] = 0
    tail[:] = 0
    followed[:] = 0


@in_place
def watch(
    row: NDArray[np.float64],
    tallies: NDArray[np.int16],
    rhythm: NDArray[np.float64],
    recent: NDArray[np.float64],
    hours: NDArray[np.int16],
    older: NDArray[np.int16],
    tail: NDArray[np.uint16],
    followed: NDArray[np.int16],
    ts: int,
    value: float,
    scratch: NDArray[np.float64],
    signals: NDArray[np.float32],
) -> tuple[float, float, float, float, float]:
    """Score a quantity and learn it: onset, expected, lower, upper, deviation; fills `signals`."""
    is_warm = tallies[VALUE] >= WARM_UP_ROWS
    level, spread = row[VALUE * CHANNEL_WIDTH + LEVEL], row[VALUE * CHANNEL_WIDTH + SPREAD]
    hour = ts // HOUR_NS
    if rhythm[VISIT_ROWS] == 0.0 or rhythm[VISIT_HOUR] != hour:
        known = spread if is_warm else 0.0
        turn_hour(rhythm, hours, older, hour, level, known, scratch)
    by_day = usual_by_day(rhythm, ts)
    rhythmic = (
        tallies[BY_DAY] >= WARM_UP_ROWS
        and row[BY_DAY * CHANNEL_WIDTH + SPREAD] < RHYTHM_GAIN * spread
        and not math.isnan(by_day)
    )
    if rhythmic:
        deviation = deviation_in_spreads(row, BY_DAY, value - by_day)
        expected = by_day
        lower, upper = by_day + low_of(row, BY_DAY), by_day + high_of(row, BY_DAY)
    else:
        deviation = deviation_in_spreads(row, VALUE, value)
        expected = level
        lower, upper = low_of(row, VALUE), high_of(row, VALUE)
    pace = 1.0
    if tallies[VALUE] >= FOLLOWED_ROWS:
        follow(tail, followed, row, STATE, abs(deviation))
        if is_patient(followed):
            pace = SLOW_PACE
        elif followed[HIGH_ROWS] > 0:
            pace = CATCH_UP_PACE
    total = watch_signals(
        row, tallies, rhythm, recent, hours, by_day, value, pace, scratch, signals
    )
    score = total / (1.0 + DAMPING * row[LOUDNESS])
    if math.isnan(by_day) and score < FIRST_DAY_LEAST:
        score = UNTOLD - score
    row[LOUDNESS] += LOUDNESS_WEIGHT * (total - row[LOUDNESS])
    if not is_warm:
        return NOT_JUDGED, np.nan, np.nan, np.nan, np.nan
    return score, expected, lower, upper, deviation


@in_place
def score_row(
    row: NDArray[np.float64],
    tallies: NDArray[np.int16],
    rhythm: NDArray[np.float64],
    recent: NDArray[np.float64],
    hours: NDArray[np.int16],
    older: NDArray[np.int16],
    tail: NDArray[np.uint16],
    followed: NDArray[np.int16],
    last_ts: int,
    ts: int,
    value: float,
    scratch: NDArray[np.float64],
    signals: NDArray[np.float32],
) -> tuple[float, float, float, float, float]:
    """Score one sample of one series and learn it: onset, expected, lower, upper, deviation.

    The onset is raw, see `Scorer.score`; NOT_JUDGED while warming up and for the first after a
    counter's reset.
    """
    if last_ts == NEVER_NS:
        row[ORIGIN] = value
        last_ts = ts
    offset = value - row[ORIGIN]
    previous = row[PREVIOUS_VALUE]
    step = offset - previous
    was_counter = is_counter(row[CLIMB])
    row[CLIMB] = weighed(row[CLIMB], step)
    if is_counter(row[CLIMB]) != was_counter:
        clear_slot(row, tallies, rhythm, recent, hours, older, tail, followed)
    row[PREVIOUS_VALUE] = offset
    shift, scale, watched = row[ORIGIN], 1.0, offset
    if is_counter(row[CLIMB]):
        seconds = (ts - last_ts) * 1e-9
        if step < 0.0 or seconds <= 0.0 or step > LARGEST * seconds:
            return NOT_JUDGED, np.nan, np.nan, np.nan, np.nan
        shift, scale, watched = row[ORIGIN] + previous, seconds, step / seconds
    onset, expected, lower, upper, deviation = watch(
        row, tallies, rhythm, recent, hours, older, tail, followed, ts, watched, scratch, signals
    )
    return (
        onset,
        shift + scale * expected,
        shift + scale * lower,
        shift + scale * upper,
        deviation,
    )


@in_place
def give_older_row(
    rhythm: NDArray[np.float64],
    hours: NDArray[np.int16],
    ts: int,
    older_row: NDArray[np.int32],
    slot: int,
    older: NDArray[np.int16],
    older_used: NDArray[np.int64],
) -> None:
    """Give a slot a row for older weeks if its next row is about to overwrite the last week's."""
    if is_week_old(rhythm, hours, ts):
        row = older_used[0]
        older[row] = 0  # a snapshot may have caught what another series wrote here
        older_row[slot] = row
        older_used[0] = row + 1


@in_place
def score_rows(
    rows: NDArray[np.float64],
    tallies: NDArray[np.int16],
    rhythm: NDArray[np.float64],
    recent: NDArray[np.float64],
    hours: NDArray[np.int16],
    tail: NDArray[np.uint16],
    followed: NDArray[np.int16],
    last_ts: NDArray[np.int64],
    older_row: NDArray[np.int32],
    older: NDArray[np.int16],
    older_used: NDArray[np.int64],
    older_max: int,
    slot: NDArray[np.int32],
    ts: NDArray[np.int64],
    value: NDArray[np.float64],
    scratch: NDArray[np.float64],
    scores: NDArray[np.float64],
    signals: NDArray[np.float32],
) -> None:
    """Score a block of samples in order and learn them.

    Parameters
    ----------
    rows : float64[slots, ROW_WIDTH]
        State, as are `tallies` (int16[slots, TALLIES]), `rhythm` (float64[slots, RHYTHM_WIDTH]),
        `recent` (float64[slots, RECENT_WIDTH]), `hours` (int16[slots, HOURS_WIDTH]), `tail`
        (uint16[slots, TAIL_BINS]), `followed` (int16[slots, FOLLOWED]) and `last_ts`
        (int64[slots], NEVER_NS at first).
    older_row : int32[slots]
        State: the row of each slot in `older`, -1 where it has none.
    older : int16[rows, OLDER_WEEKS, WEEK_HOURS]
        State: the weeks before the last of those series that have seen a week.
    older_used : int64[1]
        State: rows of `older` that have a slot.
    older_max : int
        The next rows, up to this one, go to the first series that have seen a week.
    slot, ts, value : int32[n], int64[n], float64[n]
        Samples; those of a slot in order of time (ns since the epoch).
    scratch : float64[SCRATCH_WIDTH]
        Room.
    scores : float64[SCORE_ROWS, n]
        Filled: raw onset (NOT_JUDGED where it is not), raw state, expected, lower, upper,
        deviation (NaN: unknown).
    signals : float32[CHANNELS, n]
        Filled: the channels' novelties; zeros at first.
    """
    for i in range(len(slot)):
        s = slot[i]
        scores[0, i] = NOT_JUDGED
        scores[1, i] = 0.0
        scores[2, i] = scores[3, i] = scores[4, i] = scores[DEVIATION, i] = np.nan
        if abs(value[i]) <= LARGEST:
            if older_row[s] < 0 and older_used[0] < older_max:
                give_older_row(rhythm[s], hours[s], ts[i], older_row, s, older, older_used)
            own = max(older_row[s], 0)
            onset, expected, lower, upper, deviation = score_row(
                rows[s],
                tallies[s],
                rhythm[s],
                recent[s],
                hours[s],
                older[own, : OLDER_WEEKS if older_row[s] >= 0 else 0],
                tail[s],
                followed[s],
                last_ts[s],
                ts[i],
                value[i],
                scratch,
                signals[:, i],
            )
            last_ts[s] = ts[i]
            scores[0, i] = onset
            if onset != NOT_JUDGED:
                scores[1, i] = rows[s, STATE]
            scores[2, i], scores[3, i], scores[4, i] = expected, lower, upper
            scores[DEVIATION, i] = deviation
