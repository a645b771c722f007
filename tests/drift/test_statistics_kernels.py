"""Walks over sorted samples equal their slow twins."""

import math

import naive_drift as naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.drift.statistics_kernels import (
    areas_between,
    bin_edge,
    count_bins,
    count_codes,
    count_values,
    distinct_values,
    edges_increase,
    end_of_run,
    sturges_bins,
    widest_gap,
)

FEW = st.sampled_from([-2.5, -1.0, -0.0, 0.0, 0.5, 3.0])
ANY = st.floats(-1e6, 1e6) | FEW
SAMPLES = st.lists(FEW, min_size=1, max_size=30) | st.lists(ANY, min_size=1, max_size=30)


def column(values):
    return np.sort(np.array(values, np.float64))


@given(SAMPLES, SAMPLES)
def test_the_wasserstein_distance_is_the_area_between_the_distribution_functions(reference, window):
    expected = float(naive.wasserstein(reference, window))
    areas = np.full(len(reference) + len(window) - 1, np.nan)
    areas_between(column(reference), column(window), areas)
    largest = max(map(abs, reference + window))
    assert areas.sum() == pytest.approx(expected, rel=1e-13, abs=1e-13 * largest)


@given(SAMPLES, SAMPLES)
def test_the_widest_gap_is_exact(reference, window):
    expected = naive.gap(reference, window) * len(reference) * len(window)
    assert widest_gap(column(reference), column(window)) == expected


@given(SAMPLES, SAMPLES)
def test_values_are_counted_on_both_sides(reference, window):
    expected = naive.value_counts(reference, window)
    left, right = column(reference), column(window)
    assert distinct_values(left, right, 1000) == len(expected[0])
    counts = np.empty((2, len(expected[0])), np.int64)
    count_values(left, right, counts[0], counts[1])
    assert counts.tolist() == list(expected)


@given(SAMPLES, SAMPLES, st.integers(1, 5))
def test_distinct_values_are_counted_up_to_a_limit(reference, window, limit):
    distinct = len({*reference, *window})
    assert distinct_values(column(reference), column(window), limit) == min(distinct, limit)


def test_distinct_values_of_one_side_alone():
    assert distinct_values(column([1, 1, 2]), np.empty(0), 9) == 2
    assert distinct_values(np.empty(0), column([1, 1, 2]), 9) == 2


@given(st.lists(st.integers(0, 5), min_size=1, max_size=200))
def test_runs_end_behind_their_last_value(values):
    ordered = column(values)
    for start in range(len(ordered)):
        assert end_of_run(ordered, start) == np.searchsorted(ordered, ordered[start], "right")


@given(SAMPLES, SAMPLES, st.booleans())
def test_bins_are_those_of_numpy(reference, window, integers):
    if integers:
        reference, window = ([round(value) for value in side] for side in (reference, window))
    combined = np.array(reference + window, np.int64 if integers else np.float64)
    first, last = float(combined.min()), float(combined.max())
    if first == last:
        first, last, number = first - 0.5, last + 0.5, 1
    else:
        number = sturges_bins(first, last, len(combined), integers)
    try:
        edges = np.histogram_bin_edges(combined, bins="sturges")
    except ValueError:
        assert not edges_increase(first, last, number)
        return
    assert edges_increase(first, last, number)
    assert [bin_edge(first, last, number, at) for at in range(number + 1)] == edges.tolist()
    expected = naive.bin_counts(reference, window, combined)
    for side, counted in zip((reference, window), expected, strict=True):
        counts = np.empty(number, np.int64)
        count_bins(column(side), first, last, counts)
        assert counts.tolist() == counted


def test_equal_ends_are_one_bin():
    assert sturges_bins(3.0, 3.0, 9, integers=False) == 1


@pytest.mark.parametrize(("first", "last"), [(1e17, 1e17 + 16), (-1e308, 1e308), (0.0, math.inf)])
def test_too_narrow_and_too_wide_ranges_have_no_edges(first, last):
    assert not edges_increase(first, last, 10)


def test_codes_are_counted_without_nulls():
    counts = np.array([5, 0, 0], np.int64)
    count_codes(np.array([2, -1, 0, 2], np.int32), counts)
    assert counts.tolist() == [6, 0, 2]
