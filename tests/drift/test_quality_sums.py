"""Exact sums: equal to rational arithmetic, in any order, with what is taken away again."""

from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.drift.quality_sums import (
    UNIT_LIMBS,
    UNIT_LOWEST,
    WIDE_LIMBS,
    WIDE_LOWEST,
    add_exact,
    add_square,
    read_exact,
)

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
SIGNED = st.lists(st.tuples(FLOATS, st.sampled_from([1, -1])), max_size=30)


@settings(max_examples=200, deadline=None)
@given(values=SIGNED)
def test_a_wide_sum_is_exact_for_all_floats(values):
    limbs = np.zeros(WIDE_LIMBS, np.int64)
    for value, sign in values:
        add_exact(limbs, WIDE_LOWEST, value, sign)
    exact = sum((sign * Fraction(value) for value, sign in values), Fraction(0))
    assert Fraction(*read_exact(limbs.tolist(), WIDE_LOWEST)) == exact


@settings(max_examples=200, deadline=None)
@given(values=st.lists(st.floats(0, 2.0**20), max_size=30))
def test_a_unit_sum_cuts_off_only_what_is_tiny(values):
    limbs = np.zeros(UNIT_LIMBS, np.int64)
    for value in values:
        add_exact(limbs, UNIT_LOWEST, value, 1)
    exact = sum(map(Fraction, values), Fraction(0))
    found = Fraction(*read_exact(limbs.tolist(), UNIT_LOWEST))
    assert 0 <= exact - found <= len(values) * Fraction(1, 2**128)


@settings(max_examples=200, deadline=None)
@given(values=st.lists(st.floats(1e-100, 1e150) | st.floats(-1e150, -1e-100), max_size=20))
def test_squares_are_exact(values):
    limbs = np.zeros(WIDE_LIMBS, np.int64)
    for value in values:
        add_square(limbs, WIDE_LOWEST, value, 1)
    exact = sum((Fraction(value) ** 2 for value in values), Fraction(0))
    assert Fraction(*read_exact(limbs.tolist(), WIDE_LOWEST)) == exact


@settings(max_examples=100, deadline=None)
@given(values=st.lists(FLOATS, max_size=20), data=st.data())
def test_order_does_not_matter_and_taking_away_leaves_nothing(values, data):
    one, other = np.zeros((2, WIDE_LIMBS), np.int64)
    for value in values:
        add_exact(one, WIDE_LOWEST, value, 1)
    for value in data.draw(st.permutations(values)):
        add_exact(other, WIDE_LOWEST, value, 1)
    np.testing.assert_array_equal(one, other)
    for value in values:
        add_exact(one, WIDE_LOWEST, value, -1)
    assert not one.any()
