"""Evidence for a change of a rate or a level at an unknown moment, event by event.

The evidence of a moment is the log of the likelihood ratio of two rates, before and since, against
one, less the log of the events since: a change may be of any age, and no scale of age is likelier
than another. It lets what is fresh and large through early, and keeps slow wander out. An alarm is
raised when the largest evidence over all moments passes a threshold that stands for an expected
number of events between false alarms (`run_length_thresholds.py`). Dependence between neighbours
divides the likelihood ratio by the inflation of the variance of sums. Source: Siegmund and
Venkatraman 1995 for the statistic; Ross et al. 2012 for thresholds by run time.
"""

import math

import numpy as np
from numpy.typing import NDArray

from engine.drift.run_length_hull import EVENTS, SUM, add_vertex
from engine.kernels.jit import in_place

RISE = 0
FALL = 1

# Columns of the head of a side's state; its hull is an array of its own.
SEEN = 0  # events, those of the settling time included
COUNT = 1  # events since
TOTAL = 2  # their sum
VERTICES = 3
LAST = 4
LAST_BUT_ONE = 5
# Sums since dependence was last estimated, and what came of it.
PART_COUNT = 6
PART_TOTAL = 7
SQUARES = 8
PRODUCT_1 = 9  # of neighbours
PRODUCT_2 = 10  # two events apart
INDEPENDENCE = 11  # variance of sums of independent events over theirs; 0 before the first estimate
NEXT_INDEPENDENCE = 12  # the newest estimate, in use from the next one on
HEAD_WIDTH = 13

REFERENCE_MIN = 200
"""A moment needs so many events before it."""

NEWS_MIN = 30
"""An alarm needs so many events after the change: a short burst of errors is none."""

RATE_FLOOR = 0.01
"""Rates below count as this: a single error where there was none is no change of a rate."""

RATE_STEP_MIN = 0.02
"""Smaller changes of a rate are none."""

SIGNIFICANT_DEPENDENCE = 2.5
"""Correlation of neighbours is believed from so many standard errors on."""

MOST_DEPENDENCE = 0.95

SKEWED_DEPENDENCE = 0.13
"""Dependence counts for so much more by unit of skewness: clusters have heavy tails."""


@in_place
def divergence(rate: float, other: float) -> float:
    """Kullback-Leibler divergence between two Bernoulli distributions, in nats."""
    total = 0.0
    if rate > 0.0:
        total += rate * math.log(rate / other)
    if rate < 1.0:
        total += (1.0 - rate) * math.log((1.0 - rate) / (1.0 - other))
    return total


@in_place
def inflation(head: NDArray[np.float64], rate: float) -> float:
    """Variance of sums over that of sums of independent events, from those since the last estimate.

    Of events as skewed as ones at a `rate`, clusters count for more than their variance.

    Correlations are taken to fall geometrically from the first on, at the rate of the second to
    the first: exact for a first-order autoregression, near for one that is cut into two values.
    """
    count = head[PART_COUNT]
    mean = head[PART_TOTAL] / count
    variance = head[SQUARES] / count - mean * mean
    if variance <= 0.0:
        return 1.0
    first = (head[PRODUCT_1] / count - mean * mean) / variance
    if first * math.sqrt(count) < SIGNIFICANT_DEPENDENCE:
        return 1.0
    second = (head[PRODUCT_2] / count - mean * mean) / variance
    fall = min(max(first, second / first), MOST_DEPENDENCE)
    skewness = (1.0 - 2.0 * rate) / math.sqrt(rate * (1.0 - rate))
    margin = 1.0 + SKEWED_DEPENDENCE * max(skewness, 0.0)
    return 1.0 + margin * 2.0 * first / (1.0 - fall)


@in_place
def estimate(head: NDArray[np.float64], rate: float) -> None:
    """Estimate dependence from the newer half of the events, whenever they have doubled.

    The estimate before the newest is used: a change that is under way looks like dependence.
    """
    newest = 1.0 / inflation(head, rate)
    head[INDEPENDENCE] = head[NEXT_INDEPENDENCE] if head[NEXT_INDEPENDENCE] > 0.0 else newest
    head[NEXT_INDEPENDENCE] = newest
    head[PART_COUNT] = head[PART_TOTAL] = 0.0
    head[SQUARES] = head[PRODUCT_1] = head[PRODUCT_2] = 0.0


@in_place
def learn(
    head: NDArray[np.float64], hull: NDArray[np.float64], value: float, skew_rate: float
) -> None:
    """Take the moment before a value into the hull, and the value into the sums."""
    vertices = add_vertex(hull, int(head[VERTICES]), head[COUNT], head[TOTAL])
    head[VERTICES] = vertices
    head[COUNT] += 1.0
    head[TOTAL] += value
    head[PART_COUNT] += 1.0
    head[PART_TOTAL] += value
    head[SQUARES] += value * value
    head[PRODUCT_1] += value * head[LAST]
    head[PRODUCT_2] += value * head[LAST_BUT_ONE]
    head[LAST_BUT_ONE] = head[LAST]
    head[LAST] = value
    if head[PART_COUNT] >= max(REFERENCE_MIN, 0.5 * head[COUNT]):
        estimate(head, skew_rate)


@in_place
def rate_evidence(
    head: NDArray[np.float64], hull: NDArray[np.float64], least: float
) -> tuple[float, float]:
    """Evidence that the rate of ones has risen, if it is at least so much.

    Parameters
    ----------
    head : float64[HEAD_WIDTH]
    hull : float64[VERTICES_MAX, 2]
    least : float
        Moments that cannot reach it are passed over.

    Returns
    -------
    evidence : float
        0 if it is less.
    moment : float
        Events before the change.
    """
    count, total = head[COUNT], head[TOTAL]
    found, moment = 0.0, 0.0
    for vertex in range(int(head[VERTICES]) - 1, -1, -1):
        before = hull[vertex, EVENTS]
        if before < REFERENCE_MIN:
            break
        since = count - before
        if since < NEWS_MIN:
            continue
        old = max(hull[vertex, SUM] / before, RATE_FLOOR)
        new = (total - hull[vertex, SUM]) / since
        step = new - old
        # The likelihood ratio is at most the chi-square distance from the old rate.
        if step < RATE_STEP_MIN or since * step * step < least * old * (1.0 - old):
            continue
        pooled = (before * old + since * new) / count
        ratio = before * divergence(old, pooled) + since * divergence(new, pooled)
        evidence = head[INDEPENDENCE] * ratio - math.log(since)
        if evidence >= least and evidence > found:
            found, moment = evidence, before
    return found, moment


@in_place
def level_evidence(
    head: NDArray[np.float64], hull: NDArray[np.float64], rate: float, least: float
) -> tuple[float, float]:
    """Evidence that scores of mean 0 and variance 1 have risen; see `rate_evidence`.

    Their means are as likely as those of the Bernoulli distribution of the same skewness, whose
    `rate` is given: close to normal where they are not skewed, and honest where they are.
    """
    count, total = head[COUNT], head[TOTAL]
    found, moment = 0.0, 0.0
    spread = math.sqrt(rate * (1.0 - rate))
    for vertex in range(int(head[VERTICES]) - 1, -1, -1):
        before = hull[vertex, EVENTS]
        if before < REFERENCE_MIN:
            break
        since = count - before
        rise = total - hull[vertex, SUM]
        if since < NEWS_MIN or rise <= 0.0 or rise * rise < least * since:
            continue
        new = min(rate + rise / since * spread, 1.0)
        ratio = since * divergence(new, rate)
        evidence = head[INDEPENDENCE] * ratio - math.log(since)
        if evidence >= least and evidence > found:
            found, moment = evidence, before
    return found, moment


@in_place
def threshold_at(rate: float, rates: NDArray[np.float64], thresholds: NDArray[np.float64]) -> float:
    """Threshold at a rate, between those that are given."""
    if rate <= rates[0]:
        return thresholds[0]
    for at in range(1, len(rates)):
        if rate <= rates[at]:
            part = (rate - rates[at - 1]) / (rates[at] - rates[at - 1])
            return thresholds[at - 1] + part * (thresholds[at] - thresholds[at - 1])
    return thresholds[len(rates) - 1]


@in_place
def watch_rate(
    values: NDArray[np.float64],
    side: int,
    settle: float,
    rates: NDArray[np.float64],
    thresholds: NDArray[np.float64],
    head: NDArray[np.float64],
    hull: NDArray[np.float64],
    warnings: NDArray[np.int64],
) -> tuple[int, int, int]:
    """Go on until the next alarm for a change of the rate of ones.

    Parameters
    ----------
    values : float64[n]
        0 or 1.
    side : int
        RISE, or FALL for a rise of the rate of zeros.
    settle : float
        So many events are passed over first, while a model that starts anew learns.
    rates : float64[r]
        Rates that thresholds are given for, ascending.
    thresholds : float64[2, r]
        Evidence of warnings and of alarms at those rates.
    head : float64[HEAD_WIDTH]
        Zeros before the first value; changes.
    hull : float64[VERTICES_MAX, 2]
        Changes.
    warnings : int64[n]
        Filled from the start: rows of warnings.

    Returns
    -------
    rows : int
        Rows taken: all, or those up to the alarm.
    warnings : int
        How many there are.
    news : int
        Rows since the change, if there is an alarm, otherwise 0.
    """
    warned = 0
    for row in range(len(values)):
        head[SEEN] += 1.0
        if head[SEEN] <= settle:
            continue
        value = values[row] if side == RISE else 1.0 - values[row]
        learn(head, hull, value, max(head[TOTAL] / max(head[COUNT], 1.0), RATE_FLOOR))
        if value == 0.0:  # evidence of a rise only grows with a one
            continue
        rate = head[TOTAL] / head[COUNT]
        evidence, moment = rate_evidence(head, hull, threshold_at(rate, rates, thresholds[0]))
        if evidence > 0.0:
            if evidence >= threshold_at(rate, rates, thresholds[1]):
                return row + 1, warned, int(head[COUNT] - moment)
            warnings[warned] = row
            warned += 1
    return len(values), warned, 0


@in_place
def watch_level(
    scores: NDArray[np.float64],
    skew_rates: NDArray[np.float64],
    side: int,
    settle: float,
    rates: NDArray[np.float64],
    thresholds: NDArray[np.float64],
    head: NDArray[np.float64],
    hull: NDArray[np.float64],
    warnings: NDArray[np.int64],
) -> tuple[int, int, int]:
    """Go on until the next alarm for a change of level; see `watch_rate`.

    Parameters
    ----------
    scores, skew_rates : float64[n]
        Sequential ranks and the rates of their skewness, see `run_length_ranks.py`.
    side : int
        RISE or FALL.
    settle : float
        So many scores are passed over first, while ranks become known.
    rates, thresholds, head, hull, warnings
        As in `watch_rate`, and so is what is returned.
    """
    warned = 0
    for row in range(len(scores)):
        head[SEEN] += 1.0
        if head[SEEN] <= settle:
            continue
        score = scores[row] if side == RISE else -scores[row]
        rate = skew_rates[row] if side == RISE else 1.0 - skew_rates[row]
        learn(head, hull, score, rate)
        if score <= 0.0:
            continue
        least = threshold_at(rate, rates, thresholds[0])
        evidence, moment = level_evidence(head, hull, rate, least)
        if evidence > 0.0:
            if evidence >= threshold_at(rate, rates, thresholds[1]):
                return row + 1, warned, int(head[COUNT] - moment)
            warnings[warned] = row
            warned += 1
    return len(scores), warned, 0
