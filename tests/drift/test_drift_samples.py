"""Samples hold what is no null, in order or counted."""

import math

import numpy as np
import pytest

from engine.drift.samples import CategoricalSample, Categories, NoBinsError, NumericSample


def test_numbers_are_sorted_without_nulls_and_infinities():
    sample = NumericSample(
        np.array([3.0, np.nan, -np.inf, 1.0, np.inf, -2.0, np.nan]), with_spread=True
    )
    assert sample.values.tolist() == [-2.0, 1.0, 3.0]
    assert (sample.rows, sample.offered) == (3, 7)
    assert sample.spread == pytest.approx(np.std([-2.0, 1.0, 3.0]))


def test_the_given_array_stays_as_it_is():
    given = np.array([2.0, 1.0])
    sample = NumericSample(given)
    assert given.tolist() == [2.0, 1.0]
    assert math.isnan(sample.spread)


@pytest.mark.parametrize("values", [[], [np.nan], [np.inf, -np.inf], [np.nan, np.inf]])
def test_nothing_but_nulls_is_no_row(values):
    sample = NumericSample(np.array(values, np.float64), with_spread=True)
    assert (sample.rows, sample.offered) == (0, len(values))


def test_whole_numbers_are_told_by_their_type_or_by_word():
    assert NumericSample(np.array([1, 2])).integers
    assert not NumericSample(np.array([1.0, 2.0])).integers
    assert NumericSample(np.array([1.0, 2.0]), integers=True).integers


@pytest.mark.parametrize(("distinct", "discrete"), [(20, True), (21, False)])
def test_up_to_twenty_distinct_values_are_discrete(distinct, discrete):
    assert NumericSample(np.arange(distinct).repeat(3)).is_discrete is discrete


def test_a_range_without_room_for_bins_is_refused():
    sample = NumericSample(np.array([1e17, 1e17 + 16]))
    with pytest.raises(NoBinsError, match="can't be cut into 5 bins"):
        sample.bins_with(sample, 16, integers=False)
    wide = NumericSample(np.array([-1.7e308, 1.7e308]))
    with pytest.raises(NoBinsError):
        wide.bins_with(wide, 4, integers=False)


@pytest.mark.parametrize(
    ("values", "names", "codes"),
    [
        (np.array(["b", None, "a", "b", math.nan], object), ["b", "a"], [0, -1, 1, 0, -1]),
        (np.array(["b", "a"]), ["b", "a"], [0, 1]),
        (np.array([7, 3, 7]), [3, 7], [1, 0, 1]),
        (np.array([True, False]), [False, True], [1, 0]),
    ],
)
def test_arrays_are_encoded(values, names, codes):
    column = Categories.of(values)
    assert list(column.names) == names
    assert column.codes.tolist() == codes


def test_numbers_as_categories_lose_nulls_and_infinities():
    sample = CategoricalSample(Categories.of(np.array([1.0, np.nan, np.inf, 2.0, 1.0])))
    assert (sample.rows, sample.offered) == (3, 5)


def categorical(names, codes):
    return CategoricalSample(Categories(np.array(codes, np.int32), names))


@pytest.mark.parametrize("shared", [False, True])
def test_categories_meet_by_name_and_unused_ones_are_left_out(shared):
    names = ("a", "b", "gone", "unused")
    reference = categorical(names, [0, 0, 1, 2])
    if shared:
        counts = reference.counts_with(categorical(names, [1, 0, 0]))
        assert counts.reference.tolist() == [2, 1, 1]
        assert counts.window.tolist() == [2, 1, 0]
    else:
        counts = reference.counts_with(categorical(("new", "b", "void"), [1, 0, 0]))
        assert counts.reference.tolist() == [2, 1, 1, 0]
        assert counts.window.tolist() == [0, 1, 0, 2]
    assert (counts.rows, counts.others) == (4, 3)


def test_codes_without_a_name_are_refused():
    with pytest.raises(ValueError, match="code 2 of 2 categories"):
        categorical(("a", "b"), [0, 2])


def test_the_smallest_category_is_found_by_its_own_order():
    reference = categorical((10, 9), [0, 1, 1])
    assert reference.smallest_with(categorical((10, 8), [0, 1])) == (0, 1)
    assert reference.smallest_with(categorical((10,), [0])) == (2, 0)
    assert categorical(("b", 1), [0, 1, 1]).smallest_with(categorical((1,), [0])) == (1, 0)
