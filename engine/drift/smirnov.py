"""Two-sided p-value of the two-sample Kolmogorov-Smirnov statistic."""

import importlib
import math

import numpy as np

from engine.drift.smirnov_kernels import leaving_share, leaving_share_square

EXACT_ROWS = 10_000
"""The distribution is exact for samples of at most this size, else asymptotic, as in SciPy."""


def smirnov_p_value(gap: int, rows: int, others: int) -> float:
    """Chance of a gap at least this wide between two samples of one distribution.

    Parameters
    ----------
    gap : int
        Largest distance of the distribution functions, in units of ``1 / (rows * others)``.
    rows, others : int
        Sizes of the samples, at least 1.

    Notes
    -----
    As `scipy.stats.ks_2samp` with its defaults.
    """
    if max(rows, others) <= EXACT_ROWS:
        share = _exact(gap, rows, others)
        if share <= 1.0:
            return share
    return _asymptotic(gap / (rows * others), rows, others)


def _exact(gap: int, rows: int, others: int) -> float:
    divisor = math.gcd(rows, others)
    height = gap // divisor
    if height == 0:
        return 1.0
    if rows == others:
        return float(leaving_share_square(rows, height))
    more, fewer = max(rows, others), min(rows, others)
    return float(leaving_share(more, fewer, divisor, height, np.ones((2, more + 3))))


def _asymptotic(statistic: float, rows: int, others: int) -> float:
    # Loaded at need: importing it takes longer than the rest of the program.
    one_sample = importlib.import_module("scipy.stats").kstwo
    share = float(one_sample.sf(statistic, round(rows * others / (rows + others))))
    return min(max(share, 0.0), 1.0)
