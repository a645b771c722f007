"""Exact p-values for few bins: all ways to split the pooled rows between window and reference.

For two bins, hits and all other rows, the window's hits are hypergeometric (R. A. Fisher, "The
logic of inductive inference", 1935). Two-sided: all numbers count that are as far by the distance.
"""

import math

import numpy as np
from numpy.typing import NDArray

from engine.drift.significance_kernels import CHANCE, OFFSET, TERM, distance_term
from engine.kernels.jit import in_place

TIE = 1.0 - 1e-9
"""Distances that differ by less are equal but for rounding."""

NEGLIGIBLE = 1e-17


@in_place
def log_choose(all_of: float, some: float) -> float:
    """Logarithm of the number of ways to choose some."""
    return math.lgamma(all_of + 1.0) - math.lgamma(some + 1.0) - math.lgamma(all_of - some + 1.0)


@in_place
def hypergeometric_tail(first: int, step: int, hits: int, others: int, rows: int) -> float:
    """Chance of numbers of hits from the first one on, away from the mean.

    Parameters
    ----------
    first : int
    step : int
        1 to count upwards, -1 downwards.
    hits, others : int
        Of both samples.
    rows : int
        Of the window.
    """
    low, high = max(0, rows - others), min(rows, hits)
    if not low <= first <= high:
        return 0.0
    choices = log_choose(hits, first) + log_choose(others, rows - first)
    chance = math.exp(choices - log_choose(hits + others, rows))
    total, now = chance, first
    while low <= now + step <= high and chance > NEGLIGIBLE * total:
        if step > 0:
            chance *= (hits - now) / (now + 1.0) * (rows - now) / (others - rows + now + 1.0)
        else:
            chance *= now / (hits - now + 1.0) * (others - rows + now) / (rows - now + 1.0)
        now += step
        total += chance
    return total


@in_place
def pair_distance(method: int, taken: int, hits: int, others: int, rows: int) -> float:
    """Distance of two bins' counts, the window having taken some of the hits."""
    reference_rows = hits + others - rows
    own = distance_term(method, taken, hits, rows, reference_rows)
    return own + distance_term(method, rows - taken, others, rows, reference_rows)


@in_place
def pair_tail(method: int, taken: int, hits: int, others: int, rows: int) -> float:
    """Chance of a distance at least as large.

    Parameters
    ----------
    method : int
        See `significance_kernels.distance_term`.
    taken : int
        Hits in the window.
    hits, others : int
        Of both samples, at least 1 each.
    rows : int
        Of the window; both samples have some.
    """
    value = pair_distance(method, taken, hits, others, rows) * TIE
    mean = rows * hits / (hits + others)
    low, high = max(0, rows - others), min(rows, hits)
    total = 0.0
    for step in (-1, 1):
        near = math.floor(mean) if step < 0 else math.floor(mean) + 1
        far = low - 1 if step < 0 else high + 1
        # Distances grow from the mean on: halve the range between too near and far enough.
        reached, missed = far, near - step
        while abs(reached - missed) > 1:
            middle = (reached + missed) // 2
            if pair_distance(method, middle, hits, others, rows) >= value:
                reached = middle
            else:
                missed = middle
        total += hypergeometric_tail(reached, step, hits, others, rows)
    return min(total, 1.0) if np.isfinite(total) else 1.0


@in_place
def enumerated_tail(value: float, tables: NDArray[np.float64], points: NDArray[np.int64]) -> float:
    """Chance of a distance of three or four bins at least as large.

    Parameters
    ----------
    value : float
    tables : float64[k, 3, POINTS]
        See `significance_kernels.tabulate`; with all numbers of rows, one by one.
    points : int64[k]
    """
    last, first = len(points) - 1, len(points) - 4
    value *= TIE
    total, beyond = 0.0, 0.0
    for i in range(points[first] if first >= 0 else 1):
        chance, term, offset = 1.0, 0.0, 0.0
        if first >= 0:
            chance, term = tables[first, CHANCE, i], tables[first, TERM, i]
            offset = tables[first, OFFSET, i]
        for j in range(points[last - 2]):
            own = chance * tables[last - 2, CHANCE, j]
            sum_term = term + tables[last - 2, TERM, j]
            # The last bin's place follows from those of the others: offsets add up to 0.
            start = -offset - tables[last - 2, OFFSET, j] - tables[last - 1, OFFSET, 0]
            place = round(start - tables[last, OFFSET, 0])
            low, high = max(0, place - points[last] + 1), min(points[last - 1], place + 1)
            for k in range(low, high):
                both = own * tables[last - 1, CHANCE, k] * tables[last, CHANCE, place - k]
                total += both
                terms = sum_term + tables[last - 1, TERM, k] + tables[last, TERM, place - k]
                beyond += both if terms >= value else 0.0
    return beyond / total
