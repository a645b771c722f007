"""p-values equal the count of lattice paths, and SciPy's."""

import math
import warnings

import naive_drift as naive
import numpy as np
import pytest
from scipy import stats

from engine.drift.smirnov import EXACT_ROWS, smirnov_p_value


@pytest.mark.parametrize(
    ("rows", "others"), [(1, 1), (1, 7), (4, 4), (5, 5), (6, 4), (4, 6), (9, 7), (12, 8)]
)
def test_every_gap_has_the_share_of_paths_that_reach_it(rows, others):
    divisor = math.gcd(rows, others)
    for gap in range(0, rows * others + 1, divisor):
        expected = naive.p_value(naive.Fraction(gap, rows * others), rows, others)
        assert smirnov_p_value(gap, rows, others) == pytest.approx(float(expected), rel=1e-12)


@pytest.mark.parametrize(
    ("rows", "others"),
    [
        *((1, 39), (39, 1), (100, 100), (1000, 1000), (1000, 999), (600, 1000), (1000, 50)),
        *((EXACT_ROWS, 1000), (EXACT_ROWS, EXACT_ROWS)),
        *((EXACT_ROWS + 1, 1), (EXACT_ROWS + 1, 1000), (50_000, 70_000)),
    ],
)
def test_p_values_are_those_of_scipy(rows, others):
    rng = np.random.RandomState(rows + others)
    for shift in (0.0, 0.05, 1.0):
        left = np.round(rng.standard_normal(rows) * 2**20)
        right = np.round((rng.standard_normal(others) + shift) * 2**20)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # where rounding makes it asymptotic
            expected = stats.ks_2samp(left, right)
        gap = round(expected.statistic * rows * others)
        assert smirnov_p_value(gap, rows, others) == pytest.approx(expected.pvalue, abs=1e-12)


def test_no_gap_is_certain_and_the_widest_is_not():
    assert smirnov_p_value(0, 5, 8) == 1.0
    assert smirnov_p_value(0, 5, 5) == 1.0
    assert 0.0 < smirnov_p_value(39, 1, 39) <= 0.05  # at the threshold, as in SciPy
