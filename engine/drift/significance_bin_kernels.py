"""Bins joined until they hold enough rows to say something, and the screens before costly tails.

Which bins are joined depends on the rows of both samples together, never on how they are split:
the null distribution given these stays exact.
"""

import math

import numpy as np
from numpy.typing import NDArray

from engine.drift.significance_path_kernels import mean_height
from engine.kernels.jit import in_place

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]


@in_place
def join_rare(reference: Counts, window: Counts, least: float, joined: Counts) -> int:
    """Join bins of few rows, in their order, until each has enough.

    Parameters
    ----------
    reference, window : int64[k]
    least : float
        Rows of both samples that a bin needs.
    joined : int64[2, k]
        Receives both samples' counts.

    Returns
    -------
    int
        Number of bins, at least 2 if two are filled.
    """
    bins, smallest, filled = 0, -1, 0
    rest, other_rest = 0, 0
    for place in range(len(reference)):
        own, other = reference[place], window[place]
        filled += own + other > 0
        if own + other < least:
            rest += own
            other_rest += other
            own, other = rest, other_rest
            if own + other < least:
                continue
            rest, other_rest = 0, 0
        joined[0, bins], joined[1, bins] = own, other
        if smallest < 0 or own + other < joined[0, smallest] + joined[1, smallest]:
            smallest = bins
        bins += 1
    if rest + other_rest == 0:
        return bins
    if bins < 2:  # two bins have an exact test, however few their rows
        joined[0, bins], joined[1, bins] = rest, other_rest
        return bins + 1
    joined[0, smallest] += rest
    joined[1, smallest] += other_rest
    return bins


@in_place
def join_near(
    reference: Counts,
    window: Counts,
    positions: Floats,
    part: float,
    largest: float,
    pooled: Counts,
    widths: Floats,
) -> int:
    """Join neighbouring bins over which the distribution functions hardly change.

    Parameters
    ----------
    reference, window : int64[k]
    positions : float64[k], ascending
    part, largest : float
        A bin is joined to those before it while together they have at most this part of the rows
        on the nearer side of the distribution, and of all rows.
    pooled : int64[k]
        Receives the rows of both samples.
    widths : float64[k]
        Receives the distance for which the path keeps its height after each bin; the last is 0.

    Returns
    -------
    int
        Number of bins, none empty.
    """
    total = 0
    for place in range(len(reference)):
        total += reference[place] + window[place]
    bins, before, last = 0, 0, 0.0
    for place in range(len(reference)):
        count = reference[place] + window[place]
        if count == 0:
            continue
        gap = positions[place] - last
        last = positions[place]
        if bins > 0:
            nearer = min(before, total - before)
            own = pooled[bins - 1] + count
            if own <= part * nearer and own <= largest * total:
                # The height changes from one end's to the other's on the way.
                pooled[bins - 1] = own
                widths[bins - 1] += 0.5 * gap
                widths[max(bins - 2, 0)] += 0.5 * gap
                before += count
                continue
            widths[bins - 1] += gap
        pooled[bins], widths[bins] = count, 0.0
        bins += 1
        before += count
    return bins


@in_place
def area_moments(
    pooled: Counts, widths: Floats, rows: int, reference_rows: int
) -> tuple[float, float]:
    """Mean and variance of the area under a path's absolute heights, taken for normal.

    Parameters
    ----------
    pooled : int64[k]
    widths : float64[k]
    rows, reference_rows : int

    Notes
    -----
    Two normal heights of correlation r have absolute values whose product has the mean
    ``2 / pi (sqrt(1 - r^2) + r asin r)`` times their deviations.
    """
    total = float(rows + reference_rows)
    scale = rows * reference_rows / total
    mean, variance, before = 0.0, 0.0, 0.0
    for place in range(len(pooled) - 1):
        before += pooled[place]
        share = before / total
        height = mean_height(share * (1.0 - share) * scale)
        mean += widths[place] * height
        later_before = before
        for later in range(place, len(pooled) - 1):
            later_before += pooled[later] if later > place else 0
            other = later_before / total
            correlation = math.sqrt(share * (1.0 - other) / (other * (1.0 - share)))
            correlation = min(correlation, 1.0)
            joint = math.sqrt(1.0 - correlation * correlation)
            joint += correlation * math.asin(correlation) - 1.0
            term = widths[place] * widths[later] * height * joint
            term *= mean_height(other * (1.0 - other) * scale)
            variance += term if later == place else 2.0 * term
    return mean, variance
