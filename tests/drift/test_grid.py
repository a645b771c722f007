"""Grids.

Aim: edges suit a reference, are few, stay frozen and come back from a checkpoint. Method: edges of
hand-made and of drawn columns; the fast search against counting edges one by one.
"""

import naive_summary as naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.codecs.predictions import Column, Kind
from engine.drift.grid import QUANTILES, UNSEEN_CODES, WIDTHS, Grid, learned_edges
from engine.drift.summary_kernels import place_of

FLOATS = st.floats(allow_nan=True, allow_infinity=True)


def numbers(values):
    return Column(Kind.NUMERIC, np.array(values, float))


def test_few_values_have_a_bin_each():
    edges = learned_edges(np.array([3.0, 1.0, np.nan, 3.0, np.inf, 2.5]))
    expected = [x for v in (1.0, 2.5, 3.0) for x in (v, np.nextafter(v, np.inf))]
    assert edges.values.tolist() == expected
    assert edges.is_single.tolist() == [True] * 7


def test_many_values_are_cut_by_quantiles_and_widths():
    values = np.random.default_rng(1).lognormal(size=50_000)
    edges = learned_edges(values).values
    assert 400 < len(edges) <= QUANTILES + WIDTHS + 2
    assert (np.diff(edges) > 0).all()
    assert edges[0] == values.min()
    assert edges[-1] == np.nextafter(values.max(), np.inf)
    counts = np.histogram(values, edges)[0]
    assert counts.max() <= 1.1 * len(values) / QUANTILES
    assert np.diff(edges).max() <= 1.001 * np.ptp(values) / WIDTHS


def test_a_heavy_value_has_a_bin_of_its_own():
    values = np.random.default_rng(1).normal(size=10_000)
    values[:4_000] = 0.25
    edges = learned_edges(values).values
    place = edges.tolist().index(0.25)
    assert edges[place + 1] == np.nextafter(0.25, np.inf)


@pytest.mark.parametrize("values", [[], [np.nan, np.inf]])
def test_without_values_there_are_no_edges(values):
    assert len(learned_edges(np.array(values, float)).values) == 0


def test_the_order_of_rows_does_not_matter():
    values = np.random.default_rng(1).normal(size=5_000)
    there, back = learned_edges(values), learned_edges(values[::-1])
    assert np.array_equal(there.values, back.values)


@settings(max_examples=60, deadline=None)
@given(st.lists(FLOATS, min_size=1, max_size=40), st.lists(FLOATS, max_size=20))
def test_a_search_is_a_count_of_edges(reference, values):
    grid = Grid.learn({"x": numbers(reference)}).features["x"]
    around = [*values, *grid.edges, *np.nextafter(grid.edges, -np.inf)]
    for value in around:
        if np.isfinite(value):
            found = place_of(float(value), grid.edges, grid.cells, grid.frame)
            assert found == naive.place_of(value, grid.edges)


@pytest.mark.parametrize("draw", ["normal", "standard_cauchy", "lognormal"])
def test_a_search_among_many_edges_is_a_count_of_edges(draw):
    rng = np.random.default_rng(1)
    values = getattr(rng, draw)(size=5_000) * 1e-3 + 1e6
    grid = Grid.learn({"x": numbers(values)}).features["x"]
    found = [place_of(value, grid.edges, grid.cells, grid.frame) for value in values[:500]]
    assert found == np.searchsorted(grid.edges, values[:500], side="right").tolist()


def test_every_kind_has_its_slots_but_embeddings():
    grid = Grid.learn(
        {
            "number": numbers([1.0, 2.0]),
            "flag": Column(Kind.BOOLEAN, np.array([0, 1], np.int8)),
            "vector": Column(Kind.EMBEDDING, np.zeros((2, 3), np.float32), (), np.arange(2)),
            "colour": Column(Kind.CATEGORICAL, np.array([0, 0], np.int32), ("red", "blue")),
            "length": Column(Kind.TEXT, np.array([3.0, 4.0])),
        }
    )
    assert list(grid.features) == ["number", "flag", "colour", "length"]
    assert [one.slots for one in grid.features.values()] == [5, 2, 2 + UNSEEN_CODES + 1, 5]
    assert grid.slots == sum(one.slots for one in grid.features.values())
    assert grid.numbers == 2
    assert grid.features["colour"].known == 2


def test_a_grid_comes_back_from_its_arrays():
    columns = {
        "ü": numbers(np.random.default_rng(1).normal(size=3_000)),
        "nothing": numbers([np.nan]),
        "colour": Column(Kind.CATEGORICAL, np.array([0], np.int32), ("red", "blue")),
    }
    grid = Grid.learn(columns)
    back = Grid.of_arrays(grid.arrays())
    assert back is not grid
    assert back.same_as(grid)
    for own, other in zip(grid.features.values(), back.features.values(), strict=True):
        assert np.array_equal(own.frame, other.frame)
        assert np.array_equal(own.cells, other.cells)
        assert (own.name, own.kind, own.known) == (other.name, other.kind, other.known)
    assert not Grid.learn({"ü": columns["ü"]}).same_as(grid)
    assert Grid.of_arrays(Grid.learn({}).arrays()).features == {}
