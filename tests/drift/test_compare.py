"""Comparison of summaries.

Aim: distances from bins are those of the values to 1e-3, equal where bins are alike, and what can't
be known isn't said. Method: against the exact statistics of the same rows, against the naive twin
on the same counts, and against shares that are plain to see.
"""

import math

import naive_summary as naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.codecs.predictions import Column, Kind
from engine.drift.compare import (
    DEFAULT_METHODS,
    METHODS,
    check_methods,
    compare,
)
from engine.drift.compare_counts import COARSE_BINS, COUNTED, coarse_bins, counts_distance
from engine.drift.compare_kernels import areas_between, take_gaps, widest_inside
from engine.drift.findings import Moved
from engine.drift.grid import Grid
from engine.drift.samples import NumericSample
from engine.drift.significance import share_p_value
from engine.drift.statistics import (
    js_score,
    kl_score,
    ks_statistic,
    psi_score,
    wasserstein_score,
)
from engine.drift.summary import Summary
from engine.errors import UsageError

DRAWS = {
    "normal": lambda rng, rows, by: rng.normal(by, 1.0, rows),
    "wider": lambda rng, rows, by: rng.normal(0.0, 1.0 + by, rows),
    "lognormal": lambda rng, rows, by: rng.lognormal(0.0, 1.0, rows) * (1.0 + by),
    "uniform": lambda rng, rows, by: rng.uniform(by, 1.0 + by, rows),
    "tenths": lambda rng, rows, by: np.round(rng.normal(by, 1.0, rows), 1),
    "hundredths": lambda rng, rows, by: np.round(rng.normal(by, 1.0, rows), 2),
    "counts": lambda rng, rows, by: rng.poisson(5.0 * (1.0 + by), rows).astype(float),
    "half zeros": lambda rng, rows, by: np.where(
        rng.random(rows) < 0.5, 0.0, rng.lognormal(by, 1.0, rows)
    ),
    "two humps": lambda rng, rows, by: np.where(
        rng.random(rows) < 0.5, rng.normal(-3.0, 0.01, rows), rng.normal(3.0 + by, 1, rows)
    ),
    "far off": lambda rng, rows, by: 1e9 + rng.normal(by, 1.0, rows),
}
FINE = {Kind.NUMERIC: ("ks", "wasserstein")}
ALL = {kind: METHODS[kind] for kind in METHODS}


def numbers(values):
    return {"x": Column(Kind.NUMERIC, np.array(values, float))}


def categories(counts, missing=0):
    codes = np.repeat(np.arange(len(counts)), counts).astype(np.int32)
    codes = np.concatenate([codes, np.full(missing, -1, np.int32)])
    return {"x": Column(Kind.CATEGORICAL, codes, tuple("abcdefghij"[: len(counts)]))}


def truths(false, true):
    values = np.repeat(np.array([0, 1], np.int8), [false, true])
    return {"x": Column(Kind.BOOLEAN, values)}


def drift_of(reference, window, **options):
    grid = Grid.learn(reference)
    sides = []
    for columns in (reference, window):
        summary = Summary(grid)
        summary.add(columns)
        sides.append(summary)
    (found,) = compare(*sides, **options)
    return found


def scores(found):
    return {one.method: one.score for one in found.statistics}


@pytest.mark.parametrize("draw", DRAWS)
@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    by=st.sampled_from([0.0, 0.02, 0.3, 1.0, 4.0]),
    rows=st.sampled_from([10_000, 30_000]),
)
def test_fine_distances_are_the_exact_ones_to_a_thousandth(draw, seed, by, rows):
    rng = np.random.default_rng(seed)
    reference, window = DRAWS[draw](rng, 20_000, 0.0), DRAWS[draw](rng, rows, by)
    found = scores(drift_of(numbers(reference), numbers(window), methods=FINE))
    own, other = NumericSample(reference, with_spread=True), NumericSample(window)
    assert found["ks"] == pytest.approx(ks_statistic(own, other), abs=1e-3)
    assert found["wasserstein"] == pytest.approx(wasserstein_score(own, other), abs=1e-3)


@pytest.mark.parametrize("draw", DRAWS)
def test_small_windows_are_within_two_rows(draw):
    """A thousand rows move a distribution function by a thousandth each."""
    rng = np.random.default_rng(7)
    for by in (0.0, 0.3, 4.0):
        reference, window = DRAWS[draw](rng, 5_000, 0.0), DRAWS[draw](rng, 1_000, by)
        found = scores(drift_of(numbers(reference), numbers(window), methods=FINE))
        own, other = NumericSample(reference, with_spread=True), NumericSample(window)
        assert found["ks"] == pytest.approx(ks_statistic(own, other), abs=2e-3)
        assert found["wasserstein"] == pytest.approx(wasserstein_score(own, other), abs=1e-3)


@pytest.mark.parametrize("share", [0.3, 1.0])
@pytest.mark.parametrize("draw", ["normal", "lognormal", "uniform"])
def test_a_new_heavy_value_is_placed_to_a_bin(draw, share):
    rng = np.random.default_rng(11)
    for _ in range(5):
        reference, window = (DRAWS[draw](rng, rows, 0.0) for rows in (20_000, 5_000))
        window[: int(5_000 * share)] = rng.choice(reference)
        found = scores(drift_of(numbers(reference), numbers(window), methods=FINE))
        own, other = NumericSample(reference, with_spread=True), NumericSample(window)
        assert found["ks"] == pytest.approx(ks_statistic(own, other), abs=1 / 384)
        assert found["wasserstein"] == pytest.approx(wasserstein_score(own, other), abs=6e-3)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(-3, 3), min_size=1, max_size=40),
    st.lists(st.integers(-3, 3), min_size=1, max_size=40),
)
def test_of_few_values_the_fine_distances_are_exact(reference, window):
    own, other = (
        NumericSample(np.array(side, float), with_spread=True) for side in (reference, window)
    )
    found = scores(drift_of(numbers(reference), numbers(window), methods=FINE, rows_min=1))
    assert found["ks"] == pytest.approx(ks_statistic(own, other), abs=1e-12)
    inside = set(window) <= set(reference)  # a new value may lie anywhere between two known ones
    if inside or min(window) > max(reference):
        expected = wasserstein_score(own, other)
        assert found["wasserstein"] == pytest.approx(expected, rel=1e-5, abs=1e-5)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 9), min_size=5, max_size=5),
    st.lists(st.integers(0, 9), min_size=5, max_size=5),
)
def test_gaps_and_areas_are_those_of_the_naive_twin(left, right):
    left[2], right[2] = left[2] + 1, right[2] + 1  # neither side is empty
    edges = np.array([-1.0, 0.5, 2.0, 7.0])
    middles = [-2.0, 0.0, 1.0, 3.0, 8.0]
    sides = [np.repeat(middles, counts).tolist() for counts in (left, right)]
    expected = naive.gaps_of(*sides, edges.tolist())
    gaps, areas = np.empty(4), np.empty(2)
    counts = [np.array(side, np.int32) for side in (left, right)]
    widest = take_gaps(*counts, len(sides[0]), len(sides[1]), gaps)
    assert gaps == pytest.approx([float(gap) for gap in expected], abs=1e-15)
    assert widest == pytest.approx(float(max(map(abs, expected))), abs=1e-15)
    areas_between(edges, gaps, areas)
    assert areas == pytest.approx(naive.areas_of(edges.tolist(), gaps.tolist()), abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(), min_size=1, max_size=30),
    st.lists(st.floats(), min_size=1, max_size=30),
)
def test_whatever_the_values_all_numbers_are_finite(reference, window):
    found = drift_of(numbers(reference), numbers(window), methods=ALL, rows_min=1, detail=True)
    assert all(math.isfinite(score) for score in scores(found).values())
    assert all(math.isfinite(gauge) for gauge in found.gauges.values())


def like_bridge(step, variance):
    """Mean excess over the higher end of a Brownian bridge, by the trapezoid rule."""
    y = np.linspace(0.0, 12.0 * math.sqrt(variance), 200_001)
    tail = np.exp(-2.0 * y * (y + step) / variance)
    return float(np.trapezoid(tail, y))


@pytest.mark.parametrize("counts", [(50, 50), (50, 90), (10, 0), (0, 300), (3, 999)])
def test_what_is_inside_a_bin_is_a_bridge(counts):
    reference = np.array([20, counts[0], 200], np.int32)
    window = np.array([30, counts[1], 10], np.int32)
    rows, others = int(reference.sum()), int(window.sum())
    gaps, is_single = np.empty(2), np.zeros(3, np.bool_)
    ends = take_gaps(reference, window, rows, others, gaps)
    variance = counts[0] / rows**2 + counts[1] / others**2
    expected = ends + like_bridge(abs(gaps[1] - gaps[0]), variance)
    both = reference, window, rows, others, gaps
    assert widest_inside(*both, is_single) == pytest.approx(expected, rel=0.01)
    assert widest_inside(*both, ~is_single) == 0.0


def test_like_summaries_have_no_distance():
    values = np.random.default_rng(1).normal(size=5_000)
    found = drift_of(numbers(values), numbers(values), methods=ALL)
    assert set(scores(found).values()) == {0.0}
    assert all(one.p_value > 0.99 for one in found.statistics)


def test_coarse_bins_hold_like_shares_of_the_reference():
    values = np.random.default_rng(1).lognormal(size=20_000)
    grid = Grid.learn(numbers(values))
    summary = Summary(grid)
    summary.add(numbers(values))
    read = summary.feature("x")
    bins = coarse_bins(read.grid, read.counts)
    assert (np.diff(bins) >= 0).all()
    counts = np.bincount(bins, weights=read.counts)
    assert len(counts) == COARSE_BINS
    assert counts == pytest.approx(20_000 / COARSE_BINS, rel=0.05)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 500), min_size=6, max_size=6),
    st.lists(st.integers(0, 500), min_size=6, max_size=6),
)
def test_distances_of_counts_are_those_of_the_naive_twin(left, right):
    left[0], right[1] = left[0] + 1, right[1] + 1
    pairs = [pair for pair in zip(left, right, strict=True) if any(pair)]
    own, other = (np.array(side, np.int64) for side in zip(*pairs, strict=True))
    for method in ("psi", "jensen_shannon", "hellinger", "chi_square"):
        expected = getattr(naive, method)(own.tolist(), other.tolist())
        assert counts_distance(method, own, other) == pytest.approx(expected, rel=1e-9, abs=2e-7)


@pytest.mark.parametrize("seed", range(5))
def test_of_few_values_all_distances_of_counts_are_exact(seed):
    rng = np.random.default_rng(seed)
    sides = rng.integers(0, 12, 2_000) * 0.5, rng.integers(seed % 3, 12, 500) * 0.5
    found = scores(drift_of(numbers(sides[0]), numbers(sides[1]), methods=ALL))
    own, other = (NumericSample(side, with_spread=True) for side in sides)
    exact = {"psi": psi_score, "jensen_shannon": js_score, "kl": kl_score}
    for method, score in exact.items():
        assert found[method] == pytest.approx(score(own, other), abs=1e-12)


def test_categories_are_compared_one_by_one():
    found = drift_of(categories([50, 30, 20]), categories([40, 20, 40]), methods=ALL)
    own, other = [50, 30, 20], [40, 20, 40]
    assert [one.method for one in found.statistics] == [*COUNTED, "missing", "unseen"]
    for method in ("psi", "jensen_shannon", "hellinger", "chi_square"):
        assert scores(found)[method] == pytest.approx(getattr(naive, method)(own, other), abs=1e-9)


def test_unseen_categories_are_those_without_a_value_in_the_reference():
    found = drift_of(categories([60, 0, 40]), categories([50, 10, 30, 5, 5], missing=25))
    assert found.gauges["unseen_ratio"] == pytest.approx(0.2)
    assert found.gauges["missing_ratio"] == pytest.approx(0.2)
    assert found.gauges["distinct_values"] == 5
    assert scores(found)["unseen"] == pytest.approx(0.2)
    assert scores(found)["missing"] == pytest.approx(0.2)
    assert {one.method: one.p_value < 0.001 for one in found.statistics}["unseen"]


def test_truths_are_compared_by_the_share_of_true():
    found = drift_of(truths(70, 30), truths(40, 60))
    assert [one.method for one in found.statistics] == ["z", "missing"]
    assert scores(found)["z"] == pytest.approx(0.3)
    assert found.statistics[0].p_value == share_p_value(60, 100, 30, 100)
    assert found.gauges["mean"] == pytest.approx(0.6)


def test_z_is_for_two_categories_only():
    methods = {Kind.CATEGORICAL: ("z",)}
    assert scores(drift_of(categories([70, 30]), categories([50, 50]), methods=methods)) == {
        "z": pytest.approx(-0.2)
    }
    assert not drift_of(categories([40, 30, 30]), categories([99, 1]), methods=methods).statistics


def test_values_outside_the_reference_are_out_of_range():
    reference = np.arange(1_000.0)
    window = np.concatenate([reference[:80], np.full(15, -5.0), np.full(5, 1_500.0)])
    found = drift_of(numbers(reference), numbers(window), methods=ALL)
    assert found.gauges["out_of_range_ratio"] == pytest.approx(0.2)
    assert scores(found)["out_of_range"] == pytest.approx(0.2)
    assert found.gauges["mean"] == pytest.approx(window.mean(), abs=1e-4)


@pytest.mark.parametrize(("rows", "reference_rows"), [(49, 100), (100, 49), (0, 100), (100, 0)])
def test_with_few_values_there_is_no_verdict_on_values(rows, reference_rows):
    sides = [np.full(100, np.nan), np.full(100, np.nan)]
    sides[0][:reference_rows], sides[1][:rows] = 1.0, 5.0
    found = drift_of(*map(numbers, sides), methods=ALL, detail=True)
    assert [one.method for one in found.statistics] == ["missing"]
    assert found.gauges["missing_ratio"] == pytest.approx(1.0 - rows / 100)
    assert (found.rows, found.reference_rows) == (rows, reference_rows)


def test_with_few_rows_there_is_no_verdict_at_all():
    found = drift_of(numbers(np.arange(100.0)), numbers([np.nan] * 49))
    assert not found.statistics
    assert found.gauges == {"missing_ratio": 1.0, "changed_ratio": 0.0}
    assert not drift_of(numbers([]), numbers([]), rows_min=0).statistics


def test_p_values_are_even_on_unchanged_data():
    rng = np.random.default_rng(5)
    found = []
    for _ in range(150):
        sides = (numbers(rng.normal(size=rows)) for rows in (2_000, 500))
        drift = drift_of(*sides, methods=ALL)
        found.append({one.method: one.p_value for one in drift.statistics})
    for method in ("ks", "psi", "chi_square", "jensen_shannon", "hellinger"):
        low = np.mean([one[method] < 0.25 for one in found])
        assert 0.13 < low < 0.37, method  # three standard errors about a quarter


def test_details_name_what_moved():
    found = drift_of(categories([60, 30, 10]), categories([30, 30, 30, 10]), detail=True)
    assert not found.moved[0].value.isalpha()  # no names were given
    names = {"x": tuple("abcd")}
    found = drift_of(
        categories([60, 30, 10]), categories([30, 30, 30, 10]), names=names, detail=True
    )
    assert found.moved == (
        Moved("a", 0.6, 0.3),
        Moved("c", 0.1, 0.3),
        Moved("d", 0.0, 0.1),
    )
    assert found.picture.bins == ("a", "b", "c", "d")
    assert found.picture.window == (0.3, 0.3, 0.3, 0.1)


def test_details_of_numbers_are_ranges():
    rng = np.random.default_rng(1)
    found = drift_of(numbers(rng.uniform(size=5_000)), numbers(np.full(100, 2.0)), detail=True)
    assert len(found.picture.bins) == COARSE_BINS
    assert found.picture.bins[0].startswith("..")
    assert found.picture.bins[-1].endswith("..")
    assert sum(found.picture.reference) == pytest.approx(1.0)
    assert found.moved[0].value == found.picture.bins[-1]
    assert found.moved[0].window_share == 1.0


def test_details_of_few_numbers_are_values():
    found = drift_of(numbers([1.0, 2.5] * 50), numbers([1.0] * 60 + [9.0] * 40), detail=True)
    assert found.picture.bins == ("1", "2.5", "(other)")
    assert found.picture.window == (0.6, 0.0, 0.4)
    assert found.moved[0] == Moved("2.5", 0.5, 0.0)


def test_details_of_many_categories_end_with_the_rest():
    many = {"x": Column(Kind.CATEGORICAL, np.repeat(np.arange(30, dtype=np.int32), 5), ())}
    found = drift_of(many, many, detail=True)
    assert found.picture.bins[-1] == "(other)"
    assert len(found.picture.bins) == 12
    assert sum(found.picture.window) == pytest.approx(1.0)
    assert found.moved == ()


def test_details_are_only_made_when_asked_for():
    found = drift_of(truths(70, 30), truths(40, 60))
    assert (found.moved, found.picture) == ((), None)
    found = drift_of(truths(70, 30), truths(40, 60), detail=True)
    assert found.moved[0] == Moved("false", 0.7, 0.4)


def test_methods_are_checked():
    check_methods(DEFAULT_METHODS)
    check_methods(METHODS)
    with pytest.raises(UsageError, match="boolean features have no drift method 'ks'"):
        check_methods({Kind.BOOLEAN: ("ks",)})
    with pytest.raises(UsageError, match="none here"):
        check_methods({Kind.EMBEDDING: ("psi",)})


def test_kinds_that_are_left_out_have_their_default_methods():
    found = drift_of(truths(70, 30), truths(40, 60), methods={Kind.NUMERIC: ("ks",)})
    assert set(scores(found)) == set(DEFAULT_METHODS[Kind.BOOLEAN])


def test_summaries_on_different_grids_are_not_compared():
    one, other = (Summary(Grid.learn(numbers([value]))) for value in (1.0, 2.0))
    with pytest.raises(ValueError, match="different grids"):
        compare(one, other)
    assert math.isnan(one.feature("x").mean)
