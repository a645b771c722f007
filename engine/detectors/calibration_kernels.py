"""From raw scores to the asked number of false alarms: the pooled tail of a shard's scores.

Every hushed raw score of every warmed-up series is counted in a histogram on a log scale. The
boundary is the score that this pool exceeds as often as the user allows; where the pool has seen
too few such scores, the tail is extrapolated from its largest ones with exponential excesses, as
Siffer et al., "Anomaly detection in streams with extreme value theory", KDD 2017, do with a
generalised Pareto law (an exponential is its case of shape 0, and can't be misled by few excesses).

All counts are integers and are added, so neither the order of series nor the cut into blocks can
change them; boundaries move only between buckets of event time.
"""

import math

import numpy as np
from numpy.typing import NDArray

from engine.kernels.jit import in_place

CALIBRATION_BUCKET_NS = 60_000_000_000
"""Rows of a bucket (a multiple of this since the epoch) share the boundary of those before it."""

BUCKETS_PER_DAY = 1440
FORGET_BUCKETS = BUCKETS_PER_DAY
"""Every so many buckets (multiples since the epoch) the pool forgets 1 / 2**FORGET_SHIFT."""

FORGET_SHIFT = 3
LONGEST_PAUSE_BUCKETS = 120
"""A pause counts as no more time than this: an outage is no sign of quiet series."""

ONE = 1024
"""Weight of a score (and of a bucket of time), so that integers can be forgotten in parts."""

SUSPECT_SCORE = (4.0, 1.5)
SUSPECT_WEIGHT = (128, 16)
"""Onsets and states beyond these on the common scale weigh less than ONE: an incident is no clean
data. States weigh least, for an incident has one onset but hundreds of rows of high state."""

STEPS_PER_OCTAVE = 16
LOWEST_OCTAVE = -12
HISTOGRAM_BINS = 17 * STEPS_PER_OCTAVE

TAIL_SCORES = 32.0
"""Scores that a tail needs; below that it is extrapolated."""

PRIOR_SCORES = 64.0
"""Evidence, in scores, that the frozen default boundaries count for."""

DEFAULT_BOUNDARY = (0.5, 3.0)
"""Boundaries of onset and state before there is evidence."""

LEAST_BOUNDARY = (0.0625, 1.5)
"""No boundary is lower: less than this is no news, however often it may be said."""

STATE_ROWS_PER_ONSET = 8.0
"""The state may pass its boundary on this many clean rows for each allowed false alarm: it
stays high for some rows where the onset is reported once."""

# Entries of `clock`.
BUCKET = 0  # the bucket being filled
TIME = 1  # elapsed buckets times ONE, forgotten like the counts
FRESH = 2  # weight added since the boundaries were last computed
CLOCK_WIDTH = 3


@in_place
def histogram_bin(score: float) -> int:
    """Bin of a positive score; the outer bins take what is beyond."""
    position = math.floor((math.log2(score) - LOWEST_OCTAVE) * STEPS_PER_OCTAVE)
    return int(min(max(position, 0.0), HISTOGRAM_BINS - 1.0))


@in_place
def lower_edge(index: int) -> float:
    """Smallest score of a bin."""
    return 2.0 ** (LOWEST_OCTAVE + index / STEPS_PER_OCTAVE)


@in_place
def tail_boundary(counts: NDArray[np.int64], allowed: float) -> float:
    """The score that the pool exceeds `allowed` times.

    Parameters
    ----------
    counts : int64[HISTOGRAM_BINS]
        Weights of scores.
    allowed : float
        Number of scores (of full weight) that may lie above.

    Returns
    -------
    float
        Inside the observed tail a quantile; beyond, extrapolated from the top TAIL_SCORES.
        0 for an empty pool.
    """
    wanted = max(allowed, TAIL_SCORES) * ONE
    above, excess = 0.0, 0.0
    for index in range(HISTOGRAM_BINS - 1, -1, -1):
        count = counts[index]
        if count == 0:
            continue
        left, right = lower_edge(index), lower_edge(index + 1)
        if above + count >= wanted:
            part = (wanted - above) / count
            level = right - part * (right - left)
            excess += (wanted - above) * 0.5 * (right - level)
            excess -= above * level
            if allowed >= TAIL_SCORES:
                return level
            return level + excess / wanted * math.log(TAIL_SCORES / allowed)
        above += count
        excess += count * 0.5 * (left + right)
    return 0.0


@in_place
def set_boundaries(
    boundary: NDArray[np.float64], counts: NDArray[np.int64], time: int, alarms_per_bucket: float
) -> None:
    """Compute the boundaries of onset and state from the pool (`counts`: int64[2, bins])."""
    buckets = time / ONE
    for kind in range(2):
        allowed = max(alarms_per_bucket * buckets, 1e-9)
        if kind == 1:
            allowed *= STATE_ROWS_PER_ONSET
        seen = counts[kind].sum() / ONE
        default = DEFAULT_BOUNDARY[kind]
        found = max(tail_boundary(counts[kind], allowed), LEAST_BOUNDARY[kind])
        trust = 0.0
        if seen >= TAIL_SCORES:
            trust = seen * seen / (seen * seen + PRIOR_SCORES * PRIOR_SCORES)
        boundary[kind] = trust * found + (1.0 - trust) * default


@in_place
def begin_bucket(
    clock: NDArray[np.int64],
    counts: NDArray[np.int64],
    boundary: NDArray[np.float64],
    bucket: int,
    alarms_per_bucket: float,
) -> None:
    """Let time go on to a later bucket: forget, and set the boundaries anew."""
    if clock[TIME] == 0:
        clock[TIME] = ONE
    else:
        elapsed = bucket - clock[BUCKET]
        clock[TIME] += min(elapsed, LONGEST_PAUSE_BUCKETS) * ONE
        days = bucket // FORGET_BUCKETS - clock[BUCKET] // FORGET_BUCKETS
        if days > 0:
            # A pause of weeks forgets no more than one day: the series are the same ones.
            clock[TIME] -= clock[TIME] >> FORGET_SHIFT
            for kind in range(2):
                for index in range(HISTOGRAM_BINS):
                    counts[kind, index] -= counts[kind, index] >> FORGET_SHIFT
    clock[BUCKET] = bucket
    if clock[FRESH] * 64 >= counts[1].sum():
        clock[FRESH] = 0
        set_boundaries(boundary, counts, clock[TIME], alarms_per_bucket)


@in_place
def calibrate(
    clock: NDArray[np.int64],
    counts: NDArray[np.int64],
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
        State, as are `counts` (int64[2, HISTOGRAM_BINS]) and `boundary` (float64[2]).
    order : int64[n]
        Rows by bucket of event time.
    ts : int64[n]
        Nanoseconds since the epoch.
    scores : float64[5, n]
        Raw onset (hushed; -1: not judged) and raw state in its first two rows; divided by their
        boundaries here, 0 where not judged.
    alarms_per_bucket : float
        False alarms that the shard's series may raise in a bucket of time.
    """
    for i in order:
        if scores[0, i] < 0.0:
            scores[0, i] = 0.0
            continue
        bucket = ts[i] // CALIBRATION_BUCKET_NS
        if clock[TIME] == 0 or bucket > clock[BUCKET]:
            begin_bucket(clock, counts, boundary, bucket, alarms_per_bucket)
        for kind in range(2):
            raw = scores[kind, i]
            if raw > 0.0:
                scaled = raw / boundary[kind]
                weight = ONE if scaled < SUSPECT_SCORE[kind] else SUSPECT_WEIGHT[kind]
                counts[kind, histogram_bin(raw)] += weight
                clock[FRESH] += kind * weight
                scores[kind, i] = scaled
