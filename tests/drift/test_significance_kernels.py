"""Aim: the kernels of the null distributions compute what their slow twins do.

Method: twins that go through every split of few rows, hypothesis for joined bins, random splits
with fixed seeds where the rows are many.
"""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.drift.significance_bin_kernels import area_moments, join_near, join_rare
from engine.drift.significance_kernels import (
    CHANCE,
    OFFSET,
    POINTS,
    TERM,
    cumulants,
    distance,
    null_moments,
    settle,
    slope,
    tabulate,
    upper_tail,
)
from engine.drift.significance_pair_kernels import hypergeometric_tail
from engine.drift.significance_path_kernels import bump, lattice, lay_path, mean_height, walk
from tests.drift import naive_significance as naive

METHODS = range(5)
COUNTS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=12)


@pytest.mark.parametrize("method", METHODS)
def test_distances_equal_their_twin(method):
    reference, window = np.array([5, 0, 12, 7, 0]), np.array([3, 4, 0, 9, 0])
    found = distance(method, reference, window, 16, 24)
    assert found == pytest.approx(naive.distance(method, reference, window), rel=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_cumulants_equal_their_twin(method):
    pooled, rows, reference_rows = np.array([9, 4, 60]), 30, 43
    tables, points, out = np.empty((3, 3, POINTS)), np.empty(3, np.int64), np.empty(8)
    null_moments(method, pooled, rows, reference_rows, tables, points, out)
    s, t, most = 0.13, -0.21, 4.0
    assert cumulants(tables, points, s, t, most, out)
    expected = np.zeros(8)
    for table, number in zip(tables, points, strict=True):
        taken = table[:, :number][:, table[TERM, :number] <= most]
        expected += naive.bin_cumulants(taken[CHANCE], taken[TERM], taken[OFFSET], s, t)
    np.testing.assert_allclose(out, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("pooled", [1, 7, 500, 100_000])
def test_tables_hold_a_binomial_distribution(pooled):
    rows, reference_rows = 40_000, 160_000
    table = np.empty((3, POINTS))
    number = tabulate(4, pooled, rows, reference_rows, table)
    chances, offsets = table[CHANCE, :number], table[OFFSET, :number]
    assert chances.sum() == pytest.approx(1.0)
    assert chances @ offsets == pytest.approx(0.0, abs=1e-6 * math.sqrt(pooled))
    assert chances @ offsets**2 == pytest.approx(pooled * 0.2 * 0.8, rel=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_moments_are_those_of_all_splits(method):
    reference, window = [9, 8, 10, 7], [6, 5, 7, 4]
    pooled, rows = np.add(reference, window), sum(window)
    scores, chances = [], []
    for taken, chance in naive.splits(pooled.tolist(), rows):
        scores.append(naive.distance(method, (pooled - taken).tolist(), taken))
        chances.append(chance)
    scores, chances = np.array(scores), np.array(chances)
    tables, points, out = np.empty((4, 3, POINTS)), np.empty(4, np.int64), np.empty(8)
    mean, variance = null_moments(method, pooled, rows, sum(reference), tables, points, out)
    assert mean == pytest.approx(scores @ chances, rel=0.01)
    assert variance == pytest.approx(scores**2 @ chances - (scores @ chances) ** 2, rel=0.05)


def test_a_tilted_window_keeps_its_rows():
    tables, points, out = np.empty((4, 3, POINTS)), np.empty(4, np.int64), np.empty(8)
    null_moments(0, np.array([300, 200, 100, 50]), 65, 585, tables, points, out)
    t = settle(tables, points, 0.2, 0.0, np.inf, out)
    assert abs(out[2]) <= 1e-3 * math.sqrt(out[5])
    before = out[0] - 0.5 * math.log(out[5])
    steepness = slope(out)
    settle(tables, points, 0.2 + 1e-4, t, np.inf, out)
    assert out[0] - 0.5 * math.log(out[5]) - before == pytest.approx(1e-4 * steepness, rel=1e-3)


@pytest.mark.parametrize("chance", [0.1, 1e-3, 1e-8])
def test_tail_of_an_exponential_distribution(chance):
    value = -math.log(chance)
    s = 1.0 - 1.0 / value
    found = upper_tail(value, -math.log(1.0 - s), s, value * value)
    assert found == pytest.approx(chance, rel=0.05)


def test_at_the_mean_there_is_no_tail():
    assert math.isnan(upper_tail(1.0, 1e-6, 1e-6, 1.0))


@pytest.mark.parametrize("first", [0, 3, 9, 12])
@pytest.mark.parametrize("step", [1, -1])
def test_hypergeometric_tails_add_up(first, step):
    hits, others, rows = 14, 30, 12
    numbers = range(first, rows + 1) if step > 0 else range(first + 1)
    ways = sum(math.comb(hits, some) * math.comb(others, rows - some) for some in numbers)
    expected = ways / math.comb(hits + others, rows)
    assert hypergeometric_tail(first, step, hits, others, rows) == pytest.approx(expected, rel=1e-9)
    assert hypergeometric_tail(rows + 1, 1, hits, others, rows) == 0.0


@given(COUNTS, st.integers(1, 60))
def test_rare_bins_are_joined_as_by_their_twin(counts, least):
    reference, window = np.array(counts, np.int64).T.copy()
    joined = np.empty((2, len(reference) + 1), np.int64)
    bins = join_rare(reference, window, float(least), joined)
    assert joined[:, :bins].T.tolist() == [
        list(pair) for pair in naive.join_rare(reference.tolist(), window.tolist(), least)
    ]
    assert joined[:, :bins].sum(axis=1).tolist() == [reference.sum(), window.sum()]


@given(COUNTS, st.floats(0.0, 0.9), st.floats(0.0, 0.5))
def test_near_bins_keep_rows_and_widths(counts, part, largest):
    reference, window = np.array(counts, np.int64).T.copy()
    positions = np.cumsum(np.arange(1.0, len(reference) + 1.0))
    pooled, widths = np.empty(len(reference), np.int64), np.empty(len(reference))
    bins = join_near(reference, window, positions, part, largest, pooled, widths)
    filled = np.flatnonzero(reference + window)
    assert (pooled[:bins] > 0).all()
    assert pooled[:bins].sum() == reference.sum() + window.sum()
    if len(filled):
        assert widths[bins - 1] == 0.0 or bins < len(filled)
        assert widths[:bins].sum() == pytest.approx(positions[filled[-1]] - positions[filled[0]])


def laid(pooled, rows, reference_rows):
    step, half, number = lattice(pooled, rows, reference_rows)
    bins = len(pooled)
    moves, spans = np.empty((bins, number)), np.empty((bins, 2), np.int64)
    heights, bumps = np.empty(bins), np.empty((bins, 2))
    lay_path(pooled, rows, reference_rows, step, moves, spans, heights, bumps)
    return moves, spans, heights, bumps, step, np.empty((2, 3, 2 * half + 1))


@pytest.mark.parametrize("s", [0.0, 0.1, 0.4])
def test_paths_of_few_rows_equal_all_splits(s):
    pooled, rows, reference_rows = np.array([6, 9, 3, 8]), 11, 15
    widths = np.array([0.7, 1.3, 0.2, 0.0])
    path, out, start = laid(pooled, rows, reference_rows), np.empty(3), np.empty(3)
    assert walk(0.0, widths, *path, start)
    assert walk(s, widths, *path, out)
    expected = naive.area_cumulants(pooled.tolist(), rows, widths, s)
    assert [out[0] - start[0], *out[1:]] == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("heavy", [False, True])
def test_areas_of_many_rows_have_the_moments_of_random_splits(heavy):
    random = np.random.default_rng(8)
    pooled = np.concatenate([np.full(60, 200), np.full(20, 10), np.full(10, 1)])
    widths = np.ones(len(pooled)) if not heavy else np.exp(np.arange(len(pooled)) / 15.0)
    widths[-1] = 0.0
    rows = 4_000
    reference_rows = int(pooled.sum()) - rows
    share = rows / (rows + reference_rows)
    taken = random.multivariate_hypergeometric(pooled, rows, size=40_000)
    areas = np.abs(np.cumsum(taken - pooled * share, axis=1)) @ widths
    out = np.empty(3)
    path = laid(pooled, rows, reference_rows)
    assert path[4] > 1.0  # a lattice that is wider than a row
    assert walk(0.0, widths, *path, out)
    assert out[1] == pytest.approx(areas.mean(), rel=0.02)
    assert out[2] == pytest.approx(areas.var(), rel=0.08)
    mean, variance = area_moments(pooled, widths, rows, reference_rows)
    assert mean == pytest.approx(areas.mean(), rel=0.03)
    assert variance == pytest.approx(areas.var(), rel=0.1)


@pytest.mark.parametrize("part", [0.01, 0.1, 0.3, 0.49])
def test_a_wide_lattice_keeps_the_moments_of_heights(part):
    step = 3.0
    variance = part * step * step
    middle, drop = bump(variance, step)
    mean = part * (step - drop) + (1.0 - part) * middle
    square = part * (step - drop) ** 2 + (1.0 - part) * middle**2
    assert mean == pytest.approx(mean_height(variance))
    assert square == pytest.approx(variance)
