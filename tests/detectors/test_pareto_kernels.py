"""Histograms of scores and the boundaries that their tails have."""

import math
from collections import Counter

import naive_calibration
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.detectors.pareto_kernels import (
    HALF_BIN,
    HISTOGRAM_BINS,
    ONE,
    ONE_BIN,
    SMALLEST_TAIL,
    histogram_bin,
    lower_edge,
    quantile,
    tail_boundary,
)


def histogram(scores):
    counts = np.zeros(HISTOGRAM_BINS, np.int64)
    for score in scores:
        counts[histogram_bin(score)] += ONE
    return counts


@given(st.floats(2.0**-30, 2.0**60, exclude_max=True))
def test_score_lies_in_its_bin(score):
    index = histogram_bin(score)
    assert lower_edge(index) <= score * (1 + 1e-9)
    # Differences to 1 are exact, but nearer ones than 2**-24 share the last bin.
    assert score * (1 - 1e-9) < lower_edge(index + 1) or index == ONE_BIN - 1


def test_bins_ascend_and_outer_ones_take_what_is_beyond():
    edges = [lower_edge(index) for index in range(HISTOGRAM_BINS + 1)]
    assert edges == sorted(set(edges))
    assert (lower_edge(HALF_BIN), lower_edge(ONE_BIN), edges[-1]) == (0.5, 1.0, math.inf)
    assert histogram_bin(5e-324) == 0
    assert histogram_bin(1e300) == HISTOGRAM_BINS - 1
    assert quantile(histogram([1e300] * 5), 1.0) == math.inf


def test_scores_near_one_are_told_apart():
    assert len({histogram_bin(1.0 - 10.0**-digits) for digits in range(1, 8)}) == 7


def test_boundary_inside_the_tail_is_a_quantile():
    scores = np.random.default_rng(14).exponential(size=50_000)
    found = tail_boundary(histogram(scores), 50_000.0, 400.0)
    assert found == pytest.approx(np.sort(scores)[-400], rel=0.03)


@pytest.mark.parametrize(
    ("draw", "rarity"),
    [
        (lambda rng, n: rng.exponential(size=n), lambda b: math.exp(-b)),
        (lambda rng, n: 1e-4 * rng.exponential(size=n), lambda b: math.exp(-1e4 * b)),
        (lambda rng, n: rng.random(n) ** -0.5, lambda b: b**-2.0),
        (lambda rng, n: np.abs(rng.normal(size=n)), lambda b: math.erfc(b / math.sqrt(2.0))),
    ],
    ids=["exponential", "small", "Pareto", "normal"],
)
@pytest.mark.parametrize(("allowed", "factor"), [(20.0, 1.5), (1.0, 1.5), (0.125, 2.0)])
def test_boundary_beyond_the_tail_is_exceeded_as_often_as_allowed(draw, rarity, allowed, factor):
    """On average: a single one errs by a factor."""
    rng = np.random.default_rng(15)
    size = 10_000
    expected = [
        size * rarity(tail_boundary(histogram(draw(rng, size)), float(size), allowed))
        for _ in range(40)
    ]
    assert allowed / factor < np.mean(expected) < allowed * factor


def test_ties_are_never_above_the_boundary_if_they_are_too_many():
    rng = np.random.default_rng(16)
    for allowed in (0.1, 5.0, 100.0):
        for scores in (
            rng.choice([0.75, 3.0], size=2000),
            np.minimum(rng.exponential(size=2000), 1.0),
        ):
            found = tail_boundary(histogram(scores), 2000.0, allowed)
            assert scores.max() < found < 2.0 * scores.max()


def test_few_scores_do_not_give_a_low_boundary():
    few = tail_boundary(histogram([1.0, 1.1, 1.2, 1.3, 1.5, 1.6, 1.8, 2.0]), 8.0, 0.01)
    assert 2.0 < few < 20.0
    assert few < tail_boundary(histogram(np.linspace(1.0, 4.0, int(SMALLEST_TAIL))), 24.0, 0.001)


@given(
    st.lists(st.floats(1e-10, 1e20), min_size=8, max_size=60),
    st.sampled_from([ONE, ONE // 3, 7]),
    st.floats(1e-9, 100.0),
)
def test_boundary_equals_that_of_the_slow_twin(scores, weight, allowed):
    counts = np.zeros(HISTOGRAM_BINS, np.int64)
    twin = Counter()
    for score in scores * 8:
        counts[histogram_bin(score)] += weight
        twin[naive_calibration.naive_bin(score)] += weight / ONE
    seen = counts.sum() / ONE
    slow = naive_calibration.NaiveTail(twin)
    assert tail_boundary(counts, seen, allowed) == pytest.approx(slow.boundary(allowed), rel=1e-6)
