"""What a reference lacks.

Aim: new values come by chance as often as p-values say, or less often. Method: against counting all
ways in which few rows can stand on either side, and on drawn rows with a long tail.
"""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.drift.compare_novelty import out_of_range_statistic, unseen_statistic


def chance(values, window_rows, hits_of, hits):
    """Share of all choices of the window's rows that have at least so many hits."""
    places = range(len(values))
    choices = list(combinations(places, window_rows))
    found = 0
    for chosen in choices:
        window = [values[place] for place in chosen]
        reference = [values[place] for place in set(places) - set(chosen)]
        found += hits_of(reference, window) >= hits
    return found / len(choices)


def unseen(reference, window):
    return sum(value not in reference for value in window)


def outside(reference, window):
    return sum(not min(reference) <= value <= max(reference) for value in window)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=4, max_size=10), st.data())
def test_unseen_rows_have_at_least_their_chance(values, data):
    rows = data.draw(st.integers(1, len(values) - 1))
    window, reference = values[:rows], values[rows:]
    counts = [np.bincount(side, minlength=6) for side in (reference, window)]
    found = unseen_statistic(*counts)
    hits = unseen(reference, window)
    assert found.score == hits / rows
    assert chance(values, rows, unseen, hits) - 1e-9 <= found.p_value <= 1.0


def test_one_new_category_has_its_exact_chance():
    found = unseen_statistic(np.array([900, 600, 0]), np.array([300, 196, 4]))
    expected = math.prod((500 - place) / (2_000 - place) for place in range(4))
    # The chance of categories of many rows to be new is next to nothing.
    assert found.p_value == pytest.approx(expected, rel=1e-6)


def test_many_rows_of_new_categories_have_no_chance():
    found = unseen_statistic(np.array([9_000, 0, 0]), np.array([500, 400, 100]))
    assert found.score == 0.5
    assert found.p_value < 1e-100
    assert unseen_statistic(np.array([0, 50]), np.array([50, 0])).p_value < 1e-25
    assert unseen_statistic(np.array([5, 50]), np.array([5, 0])).p_value == 1.0


@pytest.mark.parametrize(("rows", "reference_rows"), [(100, 5_000), (1_000, 1_000), (5_000, 1_000)])
def test_a_long_tail_raises_no_false_alarms(rows, reference_rows):
    rng = np.random.default_rng(rows)
    low, new = 0, 0
    for _ in range(200):
        sides = [np.minimum(rng.zipf(1.5, size), 3_000) for size in (reference_rows, rows)]
        counts = [np.bincount(side, minlength=3_001) for side in sides]
        found = unseen_statistic(*counts)
        new += found.score > 0.0
        low += found.p_value < 0.1
    assert low <= 0.1 * 200 + 2 * math.sqrt(0.1 * 0.9 * 200)
    assert new > 150  # which a test of two proportions would take for drift


@settings(max_examples=40, deadline=None)
@given(st.permutations(range(9)), st.integers(1, 8))
def test_values_outside_have_their_exact_chance(values, rows):
    hits = outside(values[rows:], values[:rows])
    found = out_of_range_statistic(hits, rows, len(values) - rows)
    assert found.p_value == pytest.approx(chance(values, rows, outside, hits), abs=1e-9)
    assert found.score == hits / rows
