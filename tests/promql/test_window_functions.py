"""Range functions over one window agree with Prometheus' formulas to the bit.

Aim: every function, on any window, gives what Prometheus 3 gives. Method: a twin in plain Python
and milliseconds for all of them, mathematics that doesn't share the formulas (exact fractions,
NumPy's quantiles, straight lines) for those that approximate something, and cases done by hand.
"""

import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_window_functions import apply_function, exact_regression

from engine.promql.window_functions import FUNCTIONS, PARAMETERS, apply_window, parameter_error
from engine.promql.window_rates import range_seconds

MS = 1_000_000
S = 1_000 * MS
# No order is defined between 0 and -0, so that a sort may put either first.
SORTING = {"mad_over_time", "quantile_over_time"}
NEED_TWO = {
    *("rate", "increase", "delta", "irate", "idelta"),
    *("deriv", "predict_linear", "double_exponential_smoothing"),
}

FLOATS = st.floats(allow_nan=True, allow_infinity=True)
USUAL = st.floats(-1e6, 1e6)
HUGE = st.floats(1e307, 1.7e308) | st.floats(-1.7e308, -1e307)
FEW = st.sampled_from([0.0, -0.0, 1.0, 2.0, math.nan, math.inf, -math.inf])
COUNTS = st.integers(0, 1000).map(float)
VALUES = st.one_of(
    st.lists(USUAL, min_size=1, max_size=40),
    st.lists(COUNTS, min_size=1, max_size=40),  # counters with resets
    st.lists(COUNTS, min_size=1, max_size=40).map(sorted),
    st.lists(FLOATS, min_size=1, max_size=12),
    st.lists(HUGE | USUAL, min_size=1, max_size=12),
    st.lists(FEW, min_size=1, max_size=12),
    st.tuples(FLOATS, st.integers(1, 12)).map(lambda pair: [pair[0]] * pair[1]),
)
FACTORS = st.floats(0, 1, exclude_min=True, exclude_max=True)


@st.composite
def windows(draw, values=VALUES):
    """Samples as (ms, value) pairs, and a tick, a right end and a range that hold them."""
    drawn = draw(values)
    step = draw(st.sampled_from([1, 250, 15_000, 60_000]))
    steps = st.integers(1, 3) if draw(st.booleans()) else st.just(1)
    time = draw(st.integers(0, 2_000_000_000_000))
    samples = []
    for value in drawn:
        samples.append((time, value))
        time += step * draw(steps)
    margins = st.integers(0, 4 * step)
    right = samples[-1][0] + draw(margins)
    length = right - samples[0][0] + 1 + draw(margins)
    return samples, right + draw(st.integers(-3_600_000, 3_600_000)), right, length


def applied(name, samples, tick_ms, right_ms, range_ms, first=math.nan, second=math.nan):
    """Result of the kernel, None for none, of a window in the middle of what the series has."""
    padded = [(samples[0][0] - 7, -1e9), *samples, (samples[-1][0] + 7, 1e9)]
    ts = np.array([time for time, _ in padded], np.int64) * MS
    value = np.array([value for _, value in padded])
    before = value.tobytes()
    result, has_result = apply_window(
        FUNCTIONS[name],
        ts,
        value,
        1,
        1 + len(samples),
        tick_ms * MS,
        right_ms * MS,
        range_ms * MS,
        first,
        second,
        np.full(len(samples), math.nan),
    )
    assert value.tobytes() == before
    return result if has_result else None


def over(name, values, first=math.nan, second=math.nan, step_s=10):
    """Result for values at even distances, the last one at the tick, that fill their window."""
    samples = [(1_000_000 + 1000 * step_s * place, value) for place, value in enumerate(values)]
    right = samples[-1][0]
    return applied(name, samples, right, right, 1000 * step_s * len(values), first, second)


def bits(value):
    """Equal numbers have equal bits; a NaN is a NaN."""
    if value is None:
        return "none"
    return "nan" if math.isnan(value) else float(value).hex()


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
@settings(max_examples=200, deadline=None, derandomize=True)
@given(data=st.data())
def test_functions_equal_prometheus_formulas(name, data):
    window = data.draw(windows())
    first = data.draw(
        {"quantile_over_time": st.floats(-0.1, 1.1) | FEW, "predict_linear": USUAL}.get(
            name, FACTORS
        )
    )
    second = data.draw(FACTORS)
    result = applied(name, *window, first, second)
    expected = apply_function(name, *window, first, second)
    if name in SORTING and result == expected:
        return
    assert bits(result) == bits(expected)


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_one_sample_is_enough_but_for_differences(name):
    result = applied(name, [(60_000, 4.0)], 60_000, 60_000, 60_000, 0.5, 0.5)
    assert (result is None) == (name in NEED_TWO)


def test_what_is_known_is_listed():
    assert FUNCTIONS["last"] == 0
    assert sorted(FUNCTIONS.values()) == list(range(27))
    assert PARAMETERS.keys() == FUNCTIONS.keys()
    with pytest.raises(ValueError, match="no such range function"):
        apply_window(27, np.zeros(1, np.int64), np.zeros(1), 0, 1, 0, 0, S, 0.0, 0.0, np.zeros(1))


# --- rates ---------------------------------------------------------------------------------------


def test_increase_stops_at_the_zero_point_after_the_threshold():
    """Half a spacing is nearer than zero: 40 * (60 + 7.5) / 60, and not the 48 of before 2.51."""
    samples = [(60_000 + 15_000 * place, 8.0 + 10 * place) for place in range(5)]
    window = (samples, 120_000, 120_000, 120_000)
    assert applied("increase", *window) == 45.0
    assert applied("rate", *window) == 45.0 / 120
    assert applied("delta", *window) == 45.0


def test_a_counter_is_not_followed_below_zero():
    samples = [(10_000, 1.0), (20_000, 11.0), (30_000, 21.0)]
    window = (samples, 30_000, 30_000, 30_000)
    assert applied("increase", *window) == pytest.approx(21.0)
    assert applied("delta", *window) == pytest.approx(30.0)


def test_a_restart_counts_from_zero():
    assert over("increase", [100.0, 150.0, 10.0, 20.0]) == pytest.approx(70 * 40 / 30)
    assert over("delta", [100.0, 150.0, 10.0, 20.0]) == pytest.approx(-80 * 40 / 30)
    assert over("irate", [100.0, 30.0]) == 3.0
    assert over("idelta", [100.0, 30.0]) == -70.0
    assert over("irate", [100.0, 130.0]) == 3.0


@pytest.mark.parametrize(
    ("start_ms", "end_ms", "extrapolated_s"),
    [(1099, 0, 1.099), (1100, 0, 0.5), (0, 1099, 1.099), (0, 1100, 0.5), (5000, 5000, 1.0)],
)
def test_a_far_boundary_is_half_a_spacing_away(start_ms, end_ms, extrapolated_s):
    """Far is from 1.1 spacings on; the samples are a second apart."""
    samples = [(10_000, 100.0), (11_000, 101.0), (12_000, 102.0)]
    window = (samples, 12_000 + end_ms, 12_000 + end_ms, start_ms + 2000 + end_ms)
    assert applied("increase", *window) == pytest.approx(2 + extrapolated_s)
    assert applied("delta", *window) == pytest.approx(2 + extrapolated_s)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(windows(st.lists(st.just(0.0), min_size=2, max_size=30)), st.integers(1, 1000))
def test_a_line_has_its_slope_as_rate(window, slope):
    """Where a counter's samples reach both boundaries, and it is far from zero."""
    samples, tick, right, length = window
    start = samples[0][0]
    samples = [(time, 1e9 + slope * (time - start) / 1000) for time, _ in samples]
    spacing = (samples[-1][0] - start) / (len(samples) - 1)
    if max(right - samples[-1][0], start - (right - length)) >= spacing:
        right = samples[-1][0]
        length = right - start + 1
    assert applied("rate", samples, tick, right, length) == pytest.approx(slope, rel=1e-3)
    expected = slope * length / 1000
    assert applied("delta", samples, tick, right, length) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("range_ms", [1118, 1122, 1136])
def test_seconds_of_a_range_round_as_in_go(range_ms):
    """Go adds whole seconds and the rest up, which isn't always the nearest number."""
    expected = float(range_ms // 1000) + (range_ms % 1000) / 1000
    assert expected != range_ms / 1000
    assert range_seconds(range_ms * MS) == expected


def test_changes_and_resets():
    values = [1.0, 1.0, 2.0, math.nan, math.nan, 2.0, 1.0, -0.0, 0.0]
    assert over("changes", values) == 5.0
    assert over("resets", values) == 2.0


# --- trends --------------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None, derandomize=True)
@given(windows(st.lists(USUAL.map(lambda v: round(v, 3)), min_size=2, max_size=30)))
def test_the_line_is_the_least_squares_line(window):
    samples = window[0]
    slope, intercept = exact_regression(samples, samples[0][0])
    spread = max(abs(value) for _, value in samples)
    seconds = (samples[-1][0] - samples[0][0]) / 1000
    assert applied("deriv", *window) == pytest.approx(
        float(slope), rel=1e-9, abs=1e-9 * spread / seconds
    )
    at_tick = (samples, samples[0][0], *window[2:])
    assert applied("predict_linear", *at_tick, 2 * seconds) == pytest.approx(
        float(slope) * 2 * seconds + float(intercept), rel=1e-9, abs=1e-9 * spread
    )


def test_predictions_count_from_the_tick_and_not_from_the_window():
    samples = [(0, 0.0), (10_000, 10.0), (20_000, 20.0)]
    assert applied("predict_linear", samples, 20_000, 20_000, 30_000, 5.0) == pytest.approx(25.0)
    assert applied("predict_linear", samples, 80_000, 20_000, 30_000, 5.0) == pytest.approx(85.0)


def test_equal_values_have_no_slope():
    values = [0.1] * 7
    assert over("deriv", values) == 0.0
    assert over("predict_linear", values, 1e9) == 0.1
    assert math.isnan(over("deriv", [math.inf] * 3))
    assert math.isnan(over("predict_linear", [-math.inf] * 3, 1.0))
    assert math.isnan(over("deriv", [math.nan] * 3))


def test_smoothing_by_hand():
    """Holt's equations with 0.5 for the level and 0.25 for the slope, done on paper."""
    # slope 2; level 0.5 * 3 + 0.5 * (1 + 2) = 3
    assert over("double_exponential_smoothing", [1.0, 3.0], 0.5, 0.25) == 3.0
    # slope 0.25 * (3 - 1) + 0.75 * 2 = 2; level 0.5 * 2 + 0.5 * (3 + 2) = 3.5
    assert over("double_exponential_smoothing", [1.0, 3.0, 2.0], 0.5, 0.25) == 3.5
    # slope 0.25 * (3.5 - 3) + 0.75 * 2 = 1.625; level 0.5 * 6 + 0.5 * (3.5 + 1.625) = 5.5625
    assert over("double_exponential_smoothing", [1.0, 3.0, 2.0, 6.0], 0.5, 0.25) == 5.5625


def test_smoothing_factors_lie_between_0_and_1():
    def error(first, second):
        return parameter_error("double_exponential_smoothing", first, second)

    assert error(0.5, 0.5) == ""
    assert error(0.0, 2.0) == "invalid smoothing factor. Expected: 0 < sf < 1, got: 0.000000"
    assert error(1.0, 0.5) == "invalid smoothing factor. Expected: 0 < sf < 1, got: 1.000000"
    assert error(0.5, -1.5) == "invalid trend factor. Expected: 0 < tf < 1, got: -1.500000"
    assert error(0.5, math.inf) == "invalid trend factor. Expected: 0 < tf < 1, got: +Inf"
    assert error(-math.inf, 0.5) == "invalid smoothing factor. Expected: 0 < sf < 1, got: -Inf"
    assert error(math.nan, math.nan) == ""
    assert parameter_error("quantile_over_time", 7.0, math.nan) == ""


# --- over time -----------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(USUAL, min_size=1, max_size=200))
def test_sums_are_as_good_as_exact(values):
    exact = math.fsum(values)
    bound = 4e-16 * abs(exact) + 1e-30 * len(values) ** 2 * math.fsum(map(abs, values))
    assert abs(over("sum_over_time", values) - exact) <= bound
    assert abs(over("avg_over_time", values) * len(values) - exact) <= bound + 1e-15 * abs(exact)
    spread = statistics.pvariance(values)
    scale = 1e-15 * max(map(abs, values)) ** 2
    assert over("stdvar_over_time", values) == pytest.approx(spread, rel=1e-12, abs=scale)
    assert over("stddev_over_time", values) ** 2 == pytest.approx(spread, rel=1e-12, abs=scale)


def test_a_mean_does_not_overflow():
    assert over("avg_over_time", [1e308, 1.5e308, 1.7e308]) == pytest.approx(1.4e308)
    assert over("sum_over_time", [1e308, 1.5e308, -1e308]) == math.inf


def test_nan_loses_against_any_number():
    values = [math.nan, -5.0, math.nan, 2.0]
    assert over("max_over_time", values) == 2.0
    assert over("min_over_time", values) == -5.0
    assert math.isnan(over("max_over_time", [math.nan, math.nan]))
    assert math.isnan(over("sum_over_time", values))
    assert over("count_over_time", values) == 4.0


def test_times_of_extremes_are_the_newest_ones():
    values = [math.nan, 3.0, 1.0, 3.0, 1.0, 2.0]  # at 1000, 1010, ... seconds
    assert over("ts_of_max_over_time", values) == 1030.0
    assert over("ts_of_min_over_time", values) == 1040.0
    assert over("ts_of_first_over_time", values) == 1000.0
    assert over("ts_of_last_over_time", values) == 1050.0
    assert applied("ts_of_last_over_time", [(1_234_567, 0.0)], 0, 1_234_567, 1) == 1234.567


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(USUAL, min_size=1, max_size=60), st.floats(0, 1))
def test_quantiles_interpolate_as_numpy_does(values, q):
    scale = max(map(abs, values))
    near = {"rel": 1e-12, "abs": 1e-12 * scale}
    assert over("quantile_over_time", values, q) == pytest.approx(np.quantile(values, q), **near)
    deviation = np.median(np.abs(values - np.median(values)))
    assert over("mad_over_time", values) == pytest.approx(deviation, **near)


def test_quantiles_outside_of_0_to_1():
    values = [1.0, 2.0, 3.0]
    assert over("quantile_over_time", values, -0.1) == -math.inf
    assert over("quantile_over_time", values, 1.1) == math.inf
    assert math.isnan(over("quantile_over_time", values, math.nan))


def test_nan_is_the_smallest_for_a_quantile():
    values = [3.0, math.nan, 1.0, math.nan, 2.0]
    assert math.isnan(over("quantile_over_time", values, 0.25))
    assert over("quantile_over_time", values, 0.5) == 1.0
    assert over("quantile_over_time", values, 1.0) == 3.0


def test_infinity_next_to_a_quantile():
    values = [1.0, 2.0, math.inf]
    assert over("quantile_over_time", values, 0.5) == 2.0
    assert over("quantile_over_time", values, 0.75) == math.inf
    assert over("quantile_over_time", values, 1.0) == math.inf
    assert over("mad_over_time", values) == 1.0


def test_nan_makes_the_median_deviation_undefined():
    assert over("mad_over_time", [3.0, 1.0, 2.0]) == 1.0
    assert math.isnan(over("mad_over_time", [3.0, 1.0, 2.0, math.nan]))


@pytest.mark.parametrize("count", [1000, 1001])
def test_quantiles_of_long_windows(count):
    shuffled = np.random.default_rng(7).permutation(count).astype(float)
    pipe = np.concatenate([np.arange(count // 2), np.arange(count - count // 2)[::-1]]).astype(
        float
    )
    for values in (shuffled, np.sort(shuffled), np.sort(shuffled)[::-1], pipe, shuffled % 3):
        for q in (0.0, 0.01, 0.5, 0.999, 1.0):
            got = over("quantile_over_time", values.tolist(), q)
            assert got == pytest.approx(np.quantile(values, q), rel=1e-12)
