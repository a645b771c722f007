"""Summaries.

Aim: what is counted is right, and however rows are cut, ordered and merged, a summary has the same
bits and size. Method: against the naive twin, which keeps all rows; every cut against one run.
"""

import math

import naive_summary as naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.codecs.predictions import Column, Kind
from engine.drift.grid import UNSEEN_CODES, Grid
from engine.drift.summary import ROWS_MAX, Summary, distinct_values

NAMES = ("red", "blue", "green")


def numbers(values, kind=Kind.NUMERIC):
    return Column(kind, np.array(values, float))


def table(rng, rows):
    values = rng.normal(size=rows) * rng.choice([1.0, 1e3, 1e12], rows)
    values[rng.random(rows) < 0.1] = np.nan
    values[rng.random(rows) < 0.02] = -np.inf
    return {
        "number": numbers(values),
        "few": numbers(rng.integers(0, 5, rows) * rng.choice([-0.0, 0.0, 1.0], rows)),
        "length": numbers(rng.integers(0, 900, rows), Kind.TEXT),
        "flag": Column(Kind.BOOLEAN, rng.integers(-1, 2, rows, np.int8)),
        "colour": Column(Kind.CATEGORICAL, rng.integers(-1, 3, rows, np.int32), NAMES),
    }


def summary_of(grid, columns):
    summary = Summary(grid)
    summary.add(columns)
    return summary


def same_bits(left, right):
    own, others = left.arrays(), right.arrays()
    return all(own[name].tobytes() == others[name].tobytes() for name in own)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=30),
    st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=30),
)
def test_numbers_are_counted_as_by_the_naive_twin(reference, values):
    grid = Grid.learn({"x": numbers(reference)})
    summary = summary_of(grid, {"x": numbers(values)})
    own = grid.features["x"]
    found, arrays = summary.feature("x"), summary.arrays()
    finite = [value for value in values if math.isfinite(value)]
    assert found.counts.tolist() == naive.counts_of(values, own.edges)
    assert (found.rows, found.missing) == (len(finite), len(values) - len(finite))
    expected = naive.sums_of(values, own.edges, *own.frame[2:].tolist())
    inside, low, below, under, above, squares, rest, outside = arrays["sums"][0].tolist()
    assert inside == expected["inside"]
    assert low + (below << 32) == expected["below"]
    assert under + (above << 32) == expected["above"]
    assert squares + (rest << 32) == expected["squares"]
    assert outside == expected["outside"]
    assert arrays["registers"][0].tolist() == naive.registers_of(values)
    if finite:
        assert (found.minimum, found.maximum) == (min(finite), max(finite))


def test_moments_are_those_of_the_values():
    values = np.random.default_rng(1).normal(50.0, 3.0, 20_000)
    grid = Grid.learn({"x": numbers(values)})
    window = values * 1.5 - 10.0
    found = summary_of(grid, {"x": numbers(window)}).feature("x")
    assert found.mean == pytest.approx(window.mean(), abs=1e-6)
    assert found.spread == pytest.approx(window.std(), abs=1e-6)
    first, last = grid.features["x"].edges[[0, -1]]
    assert found.below == pytest.approx(np.maximum(first - window, 0.0).sum(), abs=1e-2)
    assert found.above == pytest.approx(np.maximum(window - last, 0.0).sum(), abs=1e-2)


def test_values_far_outside_leave_finite_moments():
    values = np.array([0.0, 1.0, 1e308, -1.7e308, 1e20])
    grid = Grid.learn({"x": numbers(values[:2])})
    found = summary_of(grid, {"x": numbers(values)}).feature("x")
    assert (found.minimum, found.maximum) == (-1.7e308, 1e308)
    assert 50.0 < found.spread < 300.0  # as if they were 256 ranges away
    assert 1e10 < found.above < 1e13
    assert 1e10 < found.below < 1e13


@pytest.mark.parametrize("size", [0, 1, 100, 3_000, 100_000])
def test_distinct_values_are_estimated(size):
    values = np.random.default_rng(size).normal(size=size)
    grid = Grid.learn({"x": numbers([0.0])})
    found = summary_of(grid, {"x": numbers(np.repeat(values, 2))}).feature("x")
    assert found.distinct == pytest.approx(size, rel=0.2)  # three standard errors
    assert distinct_values(np.zeros(256, np.uint8)) == 0.0


@pytest.mark.parametrize("seed", range(4))
def test_merged_summaries_are_the_summary_of_all_rows(seed):
    rng = np.random.default_rng(seed)
    rows = int(rng.integers(10, 2_000))
    columns = table(rng, rows)
    grid = Grid.learn(table(rng, 1_500))
    whole = summary_of(grid, columns)
    cuts = np.sort(rng.integers(0, rows, 4))
    order = rng.permutation(rows)
    parts = [Summary(grid) for _ in range(5)]
    for part, index in zip(parts, np.split(order, cuts), strict=True):
        part.add(columns, np.sort(index))
    merged = Summary(grid)
    for part in reversed(parts):
        merged.merge(part)
    assert same_bits(merged, whole)
    assert merged.rows == rows
    sliced = Summary(grid)
    for start in range(0, rows, 7):
        sliced.add(columns, slice(start, start + 7))
    assert same_bits(sliced, whole)


def test_a_summary_comes_back_from_its_arrays():
    rng = np.random.default_rng(1)
    grid = Grid.learn(table(rng, 500))
    summary = summary_of(grid, table(rng, 300))
    kept = {name: array.copy() for name, array in summary.arrays().items()}
    back = Summary(Grid.of_arrays(grid.arrays()))
    back.restore(kept)
    assert same_bits(back, summary)
    summary.add(table(rng, 10))
    assert not same_bits(back, summary)
    with pytest.raises(ValueError, match="the grid has"):
        Summary(Grid.learn({"x": numbers([1.0])})).restore(kept)


def test_categories_are_counted_also_those_that_come_later():
    grid = Grid.learn({"c": Column(Kind.CATEGORICAL, np.array([0], np.int32), NAMES)})
    far = 3 + UNSEEN_CODES
    codes = np.array([0, 2, 2, -1, 3, far - 1, far, far + 50], np.int32)
    later = tuple(map(str, range(far + 51)))
    found = summary_of(grid, {"c": Column(Kind.CATEGORICAL, codes, later)}).feature("c")
    expected = {0: 1, 2: 2, 3: 1, far - 1: 1, far: 2}
    assert {place: n for place, n in enumerate(found.counts.tolist()) if n} == expected
    assert (found.rows, found.missing, found.distinct) == (7, 1, 5.0)


def test_columns_that_lack_change_kind_or_are_new():
    grid = Grid.learn({"a": numbers([1.0]), "b": numbers([1.0]), "c": numbers([1.0])})
    vectors = Column(Kind.EMBEDDING, np.zeros((2, 3), np.float32), (), np.array([1, 3]))
    summary = Summary(grid)
    summary.add(
        {
            "b": Column(Kind.CATEGORICAL, np.array([0, -1, 0, 0], np.int32), ("x",)),
            "c": vectors,
            "new": numbers([1.0, np.nan, 1.0, 1.0]),
            "more": vectors,
        },
        slice(0, 3),
    )
    read = [summary.feature(name) for name in "abc"]
    assert [(one.rows, one.missing, one.changed) for one in read] == [
        (0, 3, 0),
        (0, 1, 2),
        (0, 2, 1),
    ]
    assert summary.strangers == 2
    summary.add({}, rows=5)
    assert summary.rows == 8
    assert summary.feature("a").missing == 8


def test_a_grid_without_values_counts_all_the_same():
    grid = Grid.learn({"x": numbers([np.nan])})
    found = summary_of(grid, {"x": numbers([3.0, 5.0, np.nan])}).feature("x")
    assert (found.rows, found.missing, found.mean) == (2, 1, 4.0)
    assert found.counts.tolist() == [2]


def test_an_empty_summary_knows_nothing():
    found = Summary(Grid.learn({"x": numbers([1.0])})).feature("x")
    assert (found.rows, found.distinct) == (0, 0.0)
    assert math.isnan(found.mean)


def test_grids_must_agree_and_rows_must_fit():
    one, other = (Summary(Grid.learn({"x": numbers([value])})) for value in (1.0, 2.0))
    with pytest.raises(ValueError, match="different grids"):
        one.merge(other)
    one.add({}, rows=ROWS_MAX)
    with pytest.raises(OverflowError):
        one.add({}, rows=1)
    with pytest.raises(OverflowError):
        one.merge(one)
    assert one.rows == ROWS_MAX


def test_a_model_of_a_hundred_numbers_takes_less_than_2_mb_however_many_rows():
    rng = np.random.default_rng(1)
    columns = {f"f{place}": numbers(rng.normal(size=3_000)) for place in range(100)}
    grid = Grid.learn(columns)
    summaries = [Summary(grid) for _ in range(5)]  # the reference and four panes
    size = grid.nbytes + sum(one.nbytes for one in summaries)
    assert 1_500_000 < size <= 2_000_000
    for _ in range(3):
        summaries[0].add(columns)
    assert grid.nbytes + sum(one.nbytes for one in summaries) == size
