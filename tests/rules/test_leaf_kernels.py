"""Comparisons beside the series, and the ticks that lie before a time."""

from hypothesis import given, settings
from hypothesis import strategies as st
from naive_leaves import OPERATORS

from engine.rules.leaf_kernels import COMPARISONS, compare, ticks_before

FLOATS = st.floats(allow_nan=True, allow_infinity=True)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.sampled_from(sorted(OPERATORS)), FLOATS, FLOATS)
def test_comparisons_are_ieee(op, value, bound):
    assert compare(value, COMPARISONS[op], bound) == OPERATORS[op](value, bound)
    assert compare(value, COMPARISONS[op], value) == OPERATORS[op](value, value)
    assert compare(value, COMPARISONS[""], bound)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.integers(-100, 200), st.integers(-20, 20), st.integers(1, 30))
def test_ticks_before_counts_ticks(ts, first_tick, interval):
    ticks = range(first_tick, first_tick + 300, interval)
    assert ticks_before(ts, first_tick, interval) == sum(tick < ts for tick in ticks)
