"""The window kernels equal Prometheus' formulas to the bit."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_windows import FUNCTIONS as NAIVE
from naive_windows import OPERATORS

from engine.rules.promql import RANGE_FUNCTIONS
from engine.rules.windows import COMPARISONS, FUNCTIONS, compare, over_time, ticks_before

FLOATS = st.floats(allow_nan=True, allow_infinity=True)
USUAL = st.floats(-1e6, 1e6)
HUGE = st.floats(1e307, 1.7e308) | st.floats(-1.7e308, -1e307)


def bits(value):
    """Equal numbers have equal bits; a NaN is a NaN."""
    return "nan" if math.isnan(value) else float(value).hex()


def applied(function, values):
    # The window lies in the middle of what the series has.
    padded = np.array([7.0, *values, -3.0])
    return over_time(FUNCTIONS[function], padded, 1, 1 + len(values))


@pytest.mark.parametrize("function", sorted(RANGE_FUNCTIONS))
@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.one_of(
        st.lists(USUAL, min_size=1, max_size=40),
        st.lists(FLOATS, min_size=1, max_size=12),
        st.lists(HUGE | USUAL, min_size=1, max_size=12),
    )
)
def test_functions_equal_prometheus_formulas(function, values):
    assert bits(applied(function, values)) == bits(NAIVE[function](values))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(USUAL, min_size=1, max_size=200))
def test_sums_are_as_good_as_exact(values):
    exact = math.fsum(values)
    bound = 4e-16 * abs(exact) + 1e-30 * len(values) ** 2 * math.fsum(map(abs, values))
    assert abs(applied("sum_over_time", values) - exact) <= bound
    assert abs(applied("avg_over_time", values) * len(values) - exact) <= bound + 1e-15 * abs(exact)


def test_a_mean_does_not_overflow():
    assert applied("avg_over_time", [1e308, 1.5e308, 1.7e308]) == pytest.approx(1.4e308)
    assert applied("sum_over_time", [1e308, 1.5e308, -1e308]) == math.inf


def test_nan_loses_against_any_number():
    values = [math.nan, -5.0, math.nan, 2.0]
    assert applied("max_over_time", values) == 2.0
    assert applied("min_over_time", values) == -5.0
    assert math.isnan(applied("max_over_time", [math.nan, math.nan]))
    assert math.isnan(applied("sum_over_time", values))


def test_every_function_of_the_language_has_a_code():
    assert set(FUNCTIONS) == RANGE_FUNCTIONS | {"last"}


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
