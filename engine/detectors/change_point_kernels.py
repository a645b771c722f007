"""The change-point detector, row by row: standardise, sum up, tell, learn."""

import math

import numpy as np
from numpy.typing import NDArray

from engine.detectors.protocol import DEVIATION, NOT_JUDGED
from engine.detectors.spread_kernels import (
    COUNT,
    LARGEST,
    LEVEL,
    NORMAL_SPREADS,
    distance_in_deviations,
    learn_spread,
    spread_of,
)
from engine.kernels.jit import in_place

# The other columns of a row; pairs are of the sum upwards and of the sum downwards.
ORIGIN = 4  # the first value; all else is relative to it
LEVEL_ROWS = 5  # rows that the level is the mean of
SUM = 6
SUM_ROWS = 8  # rows of the excursion under way
PEAK = 10  # largest evidence of the excursion
PREVIOUS = 12  # the last standardised value
PRODUCT = 13  # moving mean of products of neighbouring standardised values
SQUARE = 14  # moving mean of their squares
STATE = 15
ROW_WIDTH = 16  # two cache lines

MOST_DEVIATIONS = 3.0
"""Standardised values are winsorised here: one outlier is no change of level."""

FARTHEST_DEVIATIONS = 12.0
"""The deviation that joint scores see is held within this."""

MOST_CORRELATION = 0.98
"""Autocorrelation at lag one counts for no more: the sums of a random walk have no limit."""

BROKEN_EVIDENCE = 64.0
"""Evidence of the first change of a constant series: more than any sum comes to."""

ONSET_SCALE = 1.0 / 16.0
"""Evidence of 8, which independent samples reach once in some ten thousand rows, is one half."""

STATE_SCALE = 3.0 / 8.0
STATE_WEIGHT = 1.0 / 32.0
"""Part of the state that is lost with each row."""

BAND_DEVIATIONS = 4.0
"""Half width of the band that counts as usual."""


@in_place
def independence_of(row: NDArray[np.float64]) -> float:
    """Variance over long-run variance, (1 - r) / (1 + r) for a correlation r at lag one."""
    if row[PRODUCT] <= 0.0:
        return 1.0
    correlation = min(row[PRODUCT] / row[SQUARE], MOST_CORRELATION)
    return (1.0 - correlation) / (1.0 + correlation)


@in_place
def follow_sum(
    row: NDArray[np.float64], side: int, step: float, allowance: float, independence: float
) -> tuple[float, float, float]:
    """Let one sum go on by a standardised value.

    Parameters
    ----------
    row : float64[ROW_WIDTH]
        A series' state; SUM, SUM_ROWS and PEAK of this side change.
    side : int
        0 upwards, 1 downwards.
    step : float
        Standardised value in the side's direction.
    allowance, independence : float

    Returns
    -------
    worth : float
        The sum, in deviations of independent samples about a level that is known.
    evidence : float
        Log-likelihood ratio of two means, the excursion's and the level's, against one; 0 outside
        an excursion.
    ended : float
        Largest evidence of the excursion that this row has ended, otherwise 0.
    """
    total = row[SUM + side] + step - allowance
    if total <= 0.0:
        ended = row[PEAK + side]
        row[SUM + side] = row[SUM_ROWS + side] = row[PEAK + side] = 0.0
        return 0.0, 0.0, ended
    rows = row[SUM_ROWS + side] + 1.0
    row[SUM + side] = total
    row[SUM_ROWS + side] = rows
    # Two means of so many rows: the level is no better known than by the rows it was learned from.
    part = independence * row[LEVEL_ROWS] / (row[LEVEL_ROWS] + rows)
    whole = total + allowance * rows
    evidence = 0.5 * part * whole * whole / rows
    row[PEAK + side] = max(row[PEAK + side], evidence)
    return part * total, evidence, 0.0


@in_place
def begin_level(row: NDArray[np.float64], offset: float) -> None:
    """Learn the level anew, from this value on."""
    row[LEVEL] = offset
    row[LEVEL_ROWS] = 1.0
    row[SUM : PEAK + 2] = 0.0


@in_place
def learn(
    row: NDArray[np.float64],
    deviation: float,
    shrinkage: float,
    standardised: float,
    memory: float,
) -> None:
    """Learn a value by its deviation from the level: spread, autocorrelation, level."""
    spread = spread_of(row)
    count = row[COUNT]
    weight = 1.0 / (count + 1.0) if count < memory else 1.0 / memory
    learn_spread(row, shrinkage * abs(deviation), weight)
    row[PRODUCT] += weight * (standardised * row[PREVIOUS] - row[PRODUCT])
    row[SQUARE] += weight * (standardised * standardised - row[SQUARE])
    row[PREVIOUS] = standardised
    row[COUNT] = min(count + 1.0, memory)
    held = deviation
    reach = MOST_DEVIATIONS * NORMAL_SPREADS * spread
    if reach > 0.0:
        held = min(max(deviation, -reach), reach)
    row[LEVEL] += held / (row[LEVEL_ROWS] + 1.0)
    row[LEVEL_ROWS] = min(row[LEVEL_ROWS] + 1.0, memory)


@in_place
def judge(
    row: NDArray[np.float64], standardised: float, allowance: float, limit: float
) -> tuple[float, bool]:
    """Follow both sums; give the evidence to tell, and whether the level has changed."""
    independence = independence_of(row)
    rise, upward, risen = follow_sum(row, 0, standardised, allowance, independence)
    fall, downward, fallen = follow_sum(row, 1, -standardised, allowance, independence)
    evidence = max(upward, downward)
    row[STATE] = max((1.0 - STATE_WEIGHT) * row[STATE], evidence)
    if max(rise, fall) < limit:
        return max(risen, fallen), False
    return evidence, True


@in_place
def score_change_points(
    rows: NDArray[np.float64],
    slot: NDArray[np.int32],
    value: NDArray[np.float64],
    allowance: float,
    limit: float,
    memory: float,
    warm_up: float,
    scores: NDArray[np.float64],
    signals: NDArray[np.float32],
) -> None:
    """Score samples by what was known before each, then learn it.

    Parameters
    ----------
    rows : float64[slots, ROW_WIDTH]
        State; changed.
    slot, value : int32[n], float64[n]
        Samples; those of a slot in order of time.
    allowance, limit, memory, warm_up : float
        See `ChangePointParams`.
    scores, signals : float64[SCORE_ROWS, n], float32[1, n]
        Filled, see `Scorer.score`.
    """
    for i in range(len(slot)):
        scores[0, i] = NOT_JUDGED
        scores[1, i] = 0.0
        scores[2, i] = scores[3, i] = scores[4, i] = np.nan
        if not abs(value[i]) <= LARGEST:
            continue
        row = rows[slot[i]]
        if row[COUNT] == 0.0:
            row[ORIGIN] = value[i]
        offset = value[i] - row[ORIGIN]
        deviation = offset - row[LEVEL]
        spread = spread_of(row)
        shrinkage = math.sqrt(row[LEVEL_ROWS] / (row[LEVEL_ROWS] + 1.0))
        distance = distance_in_deviations(shrinkage * abs(deviation), spread, FARTHEST_DEVIATIONS)
        standardised = math.copysign(min(distance, MOST_DEVIATIONS), deviation)
        changed = False
        if row[COUNT] >= warm_up:
            expected = row[ORIGIN] + row[LEVEL]
            reach = BAND_DEVIATIONS * NORMAL_SPREADS * spread
            if spread == 0.0 and deviation != 0.0:
                told, changed = BROKEN_EVIDENCE, True
                row[STATE] = told
            else:
                told, changed = judge(row, standardised, allowance, limit)
            scores[0, i] = ONSET_SCALE * told
            scores[1, i] = STATE_SCALE * row[STATE]
            scores[2, i] = expected
            scores[3, i] = expected - reach
            scores[4, i] = expected + reach
            scores[DEVIATION, i] = math.copysign(distance, deviation)
            signals[0, i] = scores[0, i]
        learn(row, deviation, shrinkage, standardised, memory)
        if changed:
            begin_level(row, offset)
