"""How often a window has what its reference lacks, if nothing has changed.

Two-proportion tests don't apply: what the reference lacks is chosen by looking at it, so that its
own share is always 0, and a long tail of rare categories looks new in every window. Under no change
all rows of both sides are as likely to stand on either, whatever their values are.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import special  # type: ignore[import-untyped]

from engine.drift.findings import Statistic

Counts = NDArray[np.int64]

_STEPS = 60
_EXPONENT_MAX = 700.0  # e to this is a float yet


def unseen_statistic(reference: Counts, window: Counts) -> Statistic:
    """Share of a window's rows in categories that its reference has no row of.

    The p-value is Chernoff's bound on the chance of so many rows, given the rows of each category
    on both sides together, so it is at most too large. It is exact for one new category. That the
    rows of several all stand in the window is negatively associated, for which the bound holds
    (Joag-Dev, Proschan, "Negative association of random variables", 1983).

    Parameters
    ----------
    reference, window : int64[categories]
        Neither sum is 0.
    """
    rows, reference_rows = int(window.sum()), int(reference.sum())
    hits = int(window[reference == 0].sum())
    score = hits / rows
    sizes, numbers = np.unique(reference + window, return_counts=True)
    fits = (sizes > 0) & (sizes <= rows)
    sizes, numbers = sizes[fits].astype(np.float64), numbers[fits].astype(np.float64)
    chances = log_all_in_window(sizes, rows, reference_rows)
    if hits <= float(numbers @ (sizes * np.exp(chances))):  # not more than expected
        return Statistic("unseen", score, 1.0)
    return Statistic("unseen", score, _chernoff(hits, sizes, numbers, chances))


def out_of_range_statistic(hits: int, rows: int, reference_rows: int) -> Statistic:
    """Share of a window's values below the smallest or above the largest one of its reference.

    The p-value is exact for values without ties, else at most too large: of the values of both
    sides in order, the `k` first and last ones stand in the window with the chance of a category
    of so many rows, however many of them are first ones.

    Parameters
    ----------
    hits, rows : int
        Of the window.
    reference_rows : int
    """
    here, next_one = np.exp(
        log_all_in_window(np.array([hits, hits + 1.0]), rows, reference_rows)
    ).tolist()
    chance = (hits + 1) * here - hits * next_one
    return Statistic("out_of_range", hits / rows, min(max(chance, 0.0), 1.0))


def log_all_in_window(
    sizes: NDArray[np.float64], rows: int, reference_rows: int
) -> NDArray[np.float64]:
    """Logarithm of the chance that so many given rows all stand in the window; float64[k]."""
    total = rows + reference_rows
    log = np.full(len(sizes), -np.inf)
    fits = sizes <= rows
    some = sizes[fits]
    log[fits] = (
        special.gammaln(rows + 1.0)
        - special.gammaln(rows - some + 1.0)
        + special.gammaln(total - some + 1.0)
        - special.gammaln(total + 1.0)
    )
    return np.minimum(log, 0.0)


def _chernoff(
    hits: int,
    sizes: NDArray[np.float64],
    numbers: NDArray[np.float64],
    chances: NDArray[np.float64],
) -> float:
    """Bound the chance of at least `hits` rows in categories that stand in the window alone.

    Minimises ``K(t) - t hits`` over t > 0 by bisection; K, the sum of the logarithms of the
    moment-generating functions, is convex.
    """
    others = np.log(-np.expm1(np.minimum(chances, -1e-300)))

    def slope(t: float) -> float:
        tilted = chances + sizes * t
        return float(numbers @ (sizes * np.exp(tilted - np.logaddexp(others, tilted)))) - hits

    low, high = 0.0, _EXPONENT_MAX
    for _ in range(_STEPS):
        middle = (low + high) / 2.0
        low, high = (low, middle) if slope(middle) > 0.0 else (middle, high)
    bound = float(numbers @ np.logaddexp(others, chances + sizes * high)) - high * hits
    return min(math.exp(min(bound, 0.0)), 1.0)
