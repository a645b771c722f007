"""From raw scores to the asked number of false alarms: the pooled tail of a shard's scores.

Every hushed raw score of every warmed-up series is counted (see `engine.detectors.pareto_kernels`).
The boundary is the score that this pool exceeds as often as the user allows. What no tail can
foresee is corrected by what became of it: each alarm lowers the number that is allowed, each time
without one raises it, as in adaptive conformal inference (Gibbs and Candes, "Adaptive conformal
inference under distribution shift", NeurIPS 2021), so that in the long run it comes true.

Incidents are no clean data. Hours with more alarms than there is credit for weigh little, with all
their time and scores, and an alarm counts as one that was not far above its boundary. What lasts,
or comes back every night, counts in the end.

All counts are integers and are added, so neither the order of series nor the cut into blocks can
change them; boundaries move only between hours of event time, in the first one between buckets.
"""

import math

import numpy as np
from numpy.typing import NDArray

from engine.detectors.pareto_kernels import (
    FEWEST_SCORES,
    HISTOGRAM_BINS,
    ONE,
    histogram_bin,
    quantile,
    tail_boundary,
)
from engine.detectors.protocol import UNTOLD
from engine.kernels.jit import in_place

CALIBRATION_BUCKET_NS = 60_000_000_000
"""Time is counted in these; the allowed number of alarms may change between them."""

BUCKETS_PER_HOUR = 60
BUCKETS_PER_DAY = 1440
FORGET_SHIFT = 3
"""The pool forgets 1 / 2**FORGET_SHIFT at the end of every day (UTC)."""

YOUNG_HOURS = 128
"""Until this age the pool forgets half whenever its age in hours passes a power of two: scores of
series that have just warmed up are larger than they will be."""

KEPT_SCORES = 512
"""A pool of fewer scores forgets nothing."""

LONGEST_PAUSE_BUCKETS = BUCKETS_PER_DAY
"""A pause counts as no more time than this: an outage is no sign of quiet series."""

PRIOR_SCORES = (12.0, 8.0)
"""Evidence, in scores, that a default boundary counts for against a lower and a higher one."""

FEWEST_UNAIDED = 64.0
"""Scores that an onset's boundary needs where there is no default."""

DEFAULT_RATE = 1.0 / 2880.0
DEFAULT_GROWTH = 0.25
"""A default boundary is for one alarm in 2880 judged rows (ten days, a sample each five minutes);
where fewer are allowed, it is larger by this part for each factor of e."""

LEAST_PART = (0.125, 0.5)
"""No boundary is lower than this part of its default: that is no news, however often said."""

SUSPECT_SCALED = (1.5, 1.5)
SUSPECT_UNSETTLED = 4.0
"""Onset and state on the common scale, beyond which they are counted as no larger; the onset until
its pool has FEWEST_UNAIDED scores."""

SUSPECT_STATE_WEIGHT = 16
"""Of ONE: an incident has one onset but hundreds of rows of high state."""

STATE_ROWS_PER_ONSET = 8.0
"""The state may pass its boundary on this many clean rows for each allowed false alarm: it
stays high for some rows where the onset is reported once."""

STATE_LEAST_ROWS = 1.0
"""It is not extrapolated to fewer: high states come in runs, which say less about a tail than as
many single scores."""

LEAST_ALLOWED = 1e-12
"""Alarms; a share may be 0."""

CREDIT_ALARMS = 3.0
CREDIT_HOURS = 6.0
CREDIT_PACE = 2.0
"""Alarms count in full as far as there is credit: it grows at CREDIT_PACE times the allowed rate,
up to CREDIT_ALARMS and those allowed in CREDIT_HOURS."""

BEYOND_CREDIT_PART = 1.0 / 32.0
PATIENCE_HOURS = 24
"""Alarms without credit count for little, unless it has lacked in each of so many hours: what
lasts so long is how things are now."""

DEBT_DAYS = 1.0
RECURRENCE_HOURS = (12, 192)
"""What looks like an incident every night has to come true in the long run: if credit lacks again
after so many hours (at least, at most), the alarms that were beyond it the last time are counted
after all, those allowed in DEBT_DAYS at most, no faster than at the allowed rate."""

CORRECTION_STEP = 0.1
SLOWEST_ALARMS = 10.0
"""An alarm changes the allowed number by this part, or less: the correction takes no less than a
day, and no fewer than SLOWEST_ALARMS alarms."""

MOST_CORRECTION = (-2.0, 4.0)
"""Natural logarithm by which the allowed number may be raised (negative) or lowered."""

# Entries of `clock`.
BUCKET = 0  # the bucket being filled
AGE = 1  # buckets elapsed; 0: nothing seen
TIME = 2  # buckets times ONE that the pool's onsets are from; the next entry: its states
ROWS = 4  # judged rows times ONE in the time of the pool's onsets
RECENT = 5  # buckets of the hour being filled
RECENT_ROWS = 6  # judged rows in it
ALARMS = 7  # alarms in it
LOUD_HOURS = 8  # hours up to now with more alarms than there was credit for
QUIET_HOURS = 9  # hours since the last such one
SETTLED = 10  # 1 if the pool's onsets are many
CLOCK_WIDTH = 11

# Entries of `control`.
CREDIT = 0
BEYOND_CREDIT = 1  # alarms of the last incident
DEBT = 2  # of those before it, to be counted still
CORRECTION = 3
CONTROL_WIDTH = 4

HOUR_COUNTS = 2
COUNTS_ROWS = 4
"""Rows of `counts`: the pool's onsets and states, then those of the hour being filled."""


@in_place
def likely(default: float, allowed: float, rows: float) -> float:
    """A default boundary as it is when so many alarms are allowed in so many rows."""
    if allowed <= 0.0 or allowed >= DEFAULT_RATE * rows:
        return default
    return default * (1.0 + DEFAULT_GROWTH * math.log(DEFAULT_RATE * rows / allowed))


@in_place
def onset_boundary(
    clock: NDArray[np.int64],
    onsets: NDArray[np.int64],
    correction: float,
    default: float,
    alarms_per_bucket: float,
) -> float:
    """Compute the boundary of onsets from the pool of them."""
    allowed = max(alarms_per_bucket * clock[TIME] / ONE, LEAST_ALLOWED)
    start = likely(default, allowed, clock[ROWS] / ONE)
    allowed *= math.exp(-correction)
    # One score more than allowed may be chance; what lies lower than more of them is too low.
    observed = quantile(onsets, allowed + 0.5 * (1.0 + math.sqrt(allowed)))
    seen = onsets.sum() / ONE
    if seen < (FEWEST_SCORES if start < np.inf else FEWEST_UNAIDED):
        return max(start, observed)
    found = tail_boundary(onsets, seen, allowed)
    if start < np.inf:
        prior = PRIOR_SCORES[0] if found < start else PRIOR_SCORES[1]
        found = max(found, LEAST_PART[0] * default)
        found += prior**2 / (seen**2 + prior**2) * (start - found)
    return max(found, observed)


@in_place
def state_boundary(
    clock: NDArray[np.int64],
    states: NDArray[np.int64],
    default: float,
    alarms_per_bucket: float,
) -> float:
    """Compute the boundary of states from the pool of them."""
    seen = states.sum() / ONE
    if seen < FEWEST_SCORES:
        return default
    rows = STATE_ROWS_PER_ONSET * alarms_per_bucket * clock[TIME + 1] / ONE
    found = tail_boundary(states, seen, max(rows, STATE_LEAST_ROWS))
    if default < np.inf:
        found = max(found, LEAST_PART[1] * default)
        prior = PRIOR_SCORES[0]
        found += prior**2 / (seen**2 + prior**2) * (default - found)
    return found


@in_place
def pay_debt(
    clock: NDArray[np.int64],
    control: NDArray[np.float64],
    beyond: float,
    expected: float,
    most: float,
) -> float:
    """Number of earlier alarms that an hour has to count, given its own beyond the credit."""
    is_loud = clock[LOUD_HOURS] > 0
    if is_loud and clock[QUIET_HOURS] >= RECURRENCE_HOURS[0]:
        if clock[QUIET_HOURS] <= RECURRENCE_HOURS[1]:
            control[DEBT] = min(control[DEBT] + control[BEYOND_CREDIT], most)
        control[BEYOND_CREDIT] = 0.0
    control[BEYOND_CREDIT] += beyond
    clock[QUIET_HOURS] = 0 if is_loud else clock[QUIET_HOURS] + 1
    paid = min(control[DEBT], expected)
    control[DEBT] -= paid
    return paid


@in_place
def weigh_hour(
    clock: NDArray[np.int64],
    control: NDArray[np.float64],
    alarms_per_bucket: float,
    seen: float,
) -> int:
    """Weight, up to ONE, of the hour that has ended; what its alarms say is learned."""
    if seen < FEWEST_SCORES:
        return ONE  # alarms say something about the boundary only if it has been found
    expected = alarms_per_bucket * clock[RECENT]
    alarms = float(clock[ALARMS])
    most = CREDIT_ALARMS + CREDIT_HOURS * BUCKETS_PER_HOUR * alarms_per_bucket
    credit = min(control[CREDIT] + CREDIT_PACE * expected, most)
    counted = min(alarms, credit)
    control[CREDIT] = credit - counted
    clock[LOUD_HOURS] = clock[LOUD_HOURS] + 1 if alarms > counted else 0
    lasting = clock[LOUD_HOURS] > PATIENCE_HOURS
    counted += (alarms - counted) * (1.0 if lasting else BEYOND_CREDIT_PART)
    per_day = alarms_per_bucket * BUCKETS_PER_DAY
    late = pay_debt(clock, control, alarms - counted, expected, DEBT_DAYS * per_day)
    step = CORRECTION_STEP * min(SLOWEST_ALARMS / per_day, 1.0)
    correction = control[CORRECTION] + step * (counted + late - expected)
    control[CORRECTION] = min(max(correction, MOST_CORRECTION[0]), MOST_CORRECTION[1])
    return ONE if alarms == 0.0 else int(ONE * counted / alarms)


@in_place
def forget(clock: NDArray[np.int64], counts: NDArray[np.int64], shift: int) -> None:
    """Forget 1 / 2**shift of what is in the pool."""
    for kind in range(2):
        if counts[kind].sum() < KEPT_SCORES * ONE:
            continue
        clock[TIME + kind] -= clock[TIME + kind] >> shift
        if kind == 0:
            clock[ROWS] -= clock[ROWS] >> shift
        for index in range(HISTOGRAM_BINS):
            counts[kind, index] -= counts[kind, index] >> shift


@in_place
def end_hour(
    clock: NDArray[np.int64],
    counts: NDArray[np.int64],
    control: NDArray[np.float64],
    alarms_per_bucket: float,
) -> None:
    """Take the hour's scores into the pool."""
    weight = weigh_hour(clock, control, alarms_per_bucket, counts[0].sum() / ONE)
    clock[ROWS] += clock[RECENT_ROWS] * weight
    for kind in range(2):
        clock[TIME + kind] += clock[RECENT] * weight
        hour = counts[HOUR_COUNTS + kind]
        for index in range(HISTOGRAM_BINS):
            if hour[index]:
                counts[kind, index] += hour[index] * weight // ONE
                hour[index] = 0
    clock[RECENT] = clock[RECENT_ROWS] = clock[ALARMS] = 0


@in_place
def begin_bucket(
    clock: NDArray[np.int64],
    counts: NDArray[np.int64],
    control: NDArray[np.float64],
    default: NDArray[np.float64],
    boundary: NDArray[np.float64],
    bucket: int,
    alarms_per_bucket: float,
) -> None:
    """Let time go on to a later bucket; between hours learn the last one and set boundaries."""
    before = clock[BUCKET]
    clock[BUCKET] = bucket
    if clock[AGE] == 0:
        control[CREDIT] = CREDIT_ALARMS
        clock[AGE] = clock[RECENT] = 1
        return
    elapsed = min(bucket - before, LONGEST_PAUSE_BUCKETS)
    is_young = clock[AGE] < BUCKETS_PER_HOUR  # then every bucket is an hour
    if is_young or bucket // BUCKETS_PER_HOUR > before // BUCKETS_PER_HOUR:
        age = clock[AGE] // BUCKETS_PER_HOUR
        end_hour(clock, counts, control, alarms_per_bucket)
        older = (clock[AGE] + elapsed) // BUCKETS_PER_HOUR
        if age < YOUNG_HOURS and math.frexp(older)[1] > math.frexp(age)[1]:
            forget(clock, counts, 1)
        if bucket // BUCKETS_PER_DAY > before // BUCKETS_PER_DAY:
            # A pause of weeks forgets no more than one day: the series are the same ones.
            forget(clock, counts, FORGET_SHIFT)
        clock[SETTLED] = counts[0].sum() >= FEWEST_UNAIDED * ONE
        correction = control[CORRECTION]
        boundary[0] = onset_boundary(clock, counts[0], correction, default[0], alarms_per_bucket)
        boundary[1] = state_boundary(clock, counts[1], default[1], alarms_per_bucket)
    clock[AGE] += elapsed
    clock[RECENT] += elapsed


@in_place
def calibrate(
    clock: NDArray[np.int64],
    counts: NDArray[np.int64],
    control: NDArray[np.float64],
    default: NDArray[np.float64],
    boundary: NDArray[np.float64],
    order: NDArray[np.int64],
    ts: NDArray[np.int64],
    scores: NDArray[np.float64],
    alarms_per_bucket: float,
) -> None:
    """Bring onset and state to the common scale, 1.0 = boundary, and count them.

    Parameters
    ----------
    clock : int64[CLOCK_WIDTH]
        State, as are `counts` (int64[COUNTS_ROWS, HISTOGRAM_BINS]), `control`
        (float64[CONTROL_WIDTH]) and `boundary` (float64[2]).
    default : float64[2]
        Boundaries of onset and state before there is evidence.
    order : int64[n]
        Rows by bucket of event time.
    ts : int64[n]
        Nanoseconds since the epoch.
    scores : float64[5, n]
        Raw onset (hushed) and raw state in its first two rows, as a `Scorer` gives them; divided by
        their boundaries here, 0 where not judged or untold.
    alarms_per_bucket : float
        False alarms that the shard's series may raise in a bucket of time.
    """
    for i in order:
        is_told = scores[0, i] > UNTOLD
        if not is_told:
            scores[0, i] = UNTOLD - scores[0, i]
        elif scores[0, i] < 0.0:
            scores[0, i] = 0.0
            continue
        bucket = ts[i] // CALIBRATION_BUCKET_NS
        if clock[AGE] == 0 or bucket > clock[BUCKET]:
            begin_bucket(clock, counts, control, default, boundary, bucket, alarms_per_bucket)
        clock[RECENT_ROWS] += 1
        for kind in range(2):
            raw = scores[kind, i]
            if raw <= 0.0:
                continue
            scaled = raw / boundary[kind]
            weight = ONE
            most = SUSPECT_SCALED[kind]
            if kind == 0 and clock[SETTLED] == 0:
                most = SUSPECT_UNSETTLED
            if scaled > most:
                raw = most * boundary[kind]
                weight = ONE if kind == 0 else SUSPECT_STATE_WEIGHT
            counts[HOUR_COUNTS + kind, histogram_bin(raw)] += weight
            if kind == 0 and not is_told:
                scaled = 0.0
            if kind == 0 and scaled > 1.0:
                clock[ALARMS] += 1
            scores[kind, i] = scaled
