"""All range functions of Prometheus 3 over one window of one series.

What a function is of a window is said here; formulas stand in the ``window_*`` modules beside.
Feature-flagged start timestamps, and `anchored` and `smoothed` windows, are left out.
"""

import math

import numpy as np
from numpy.typing import NDArray

from engine.kernels.jit import in_place
from engine.promql.window_quantiles import copy, median_absolute_deviation, quantile
from engine.promql.window_rates import (
    NS_PER_S,
    changes_of,
    extrapolated_change,
    last_change,
    range_seconds,
    resets_of,
)
from engine.promql.window_sums import mean_of, total_of, variance_of
from engine.promql.window_trends import double_exponential_smoothing, linear_regression

_MILLISECOND_NS = 1_000_000

_NAMES = (
    "last",
    "avg_over_time",
    "changes",
    "count_over_time",
    "delta",
    "deriv",
    "double_exponential_smoothing",
    "first_over_time",
    "idelta",
    "increase",
    "irate",
    "last_over_time",
    "mad_over_time",
    "max_over_time",
    "min_over_time",
    "predict_linear",
    "present_over_time",
    "quantile_over_time",
    "rate",
    "resets",
    "stddev_over_time",
    "stdvar_over_time",
    "sum_over_time",
    "ts_of_first_over_time",
    "ts_of_last_over_time",
    "ts_of_max_over_time",
    "ts_of_min_over_time",
)
FUNCTIONS: dict[str, int] = {name: code for code, name in enumerate(_NAMES)}
"""Code of each range function by name; 0 is ``"last"``, the newest sample of a plain selector."""

PARAMETERS: dict[str, int] = {
    **dict.fromkeys(_NAMES, 0),
    "double_exponential_smoothing": 2,
    "predict_linear": 1,
    "quantile_over_time": 1,
}
"""How many scalars a function takes besides its range vector."""

_LAST = FUNCTIONS["last"]
_AVG = FUNCTIONS["avg_over_time"]
_CHANGES = FUNCTIONS["changes"]
_COUNT = FUNCTIONS["count_over_time"]
_DELTA = FUNCTIONS["delta"]
_DERIV = FUNCTIONS["deriv"]
_SMOOTHING = FUNCTIONS["double_exponential_smoothing"]
_FIRST = FUNCTIONS["first_over_time"]
_IDELTA = FUNCTIONS["idelta"]
_INCREASE = FUNCTIONS["increase"]
_IRATE = FUNCTIONS["irate"]
_LAST_OVER_TIME = FUNCTIONS["last_over_time"]
_MAD = FUNCTIONS["mad_over_time"]
_MAX = FUNCTIONS["max_over_time"]
_MIN = FUNCTIONS["min_over_time"]
_PREDICT = FUNCTIONS["predict_linear"]
_PRESENT = FUNCTIONS["present_over_time"]
_QUANTILE = FUNCTIONS["quantile_over_time"]
_RATE = FUNCTIONS["rate"]
_RESETS = FUNCTIONS["resets"]
_STDDEV = FUNCTIONS["stddev_over_time"]
_STDVAR = FUNCTIONS["stdvar_over_time"]
_SUM = FUNCTIONS["sum_over_time"]
_TS_OF_FIRST = FUNCTIONS["ts_of_first_over_time"]
_TS_OF_LAST = FUNCTIONS["ts_of_last_over_time"]
_TS_OF_MAX = FUNCTIONS["ts_of_max_over_time"]
_TS_OF_MIN = FUNCTIONS["ts_of_min_over_time"]


def parameter_error(function_name: str, first: float, second: float) -> str:
    """Prometheus' message if a parameter fails the whole expression, else an empty text.

    Parameters
    ----------
    function_name : str
        A key of `FUNCTIONS`.
    first, second : float
        The function's scalar parameters; what it doesn't take doesn't matter.
    """
    if function_name == "double_exponential_smoothing":
        # NaN passes, as upstream.
        if first <= 0 or first >= 1:
            return f"invalid smoothing factor. Expected: 0 < sf < 1, got: {_go_fixed(first)}"
        if second <= 0 or second >= 1:
            return f"invalid trend factor. Expected: 0 < tf < 1, got: {_go_fixed(second)}"
    return ""


def _go_fixed(value: float) -> str:
    """Format a number that isn't NaN as Go's ``%f`` does."""
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return f"{value:f}"


@in_place
def apply_window(
    function: int,
    ts: NDArray[np.int64],
    value: NDArray[np.float64],
    low: int,
    high: int,
    tick_ns: int,
    right_ns: int,
    range_ns: int,
    first: float,
    second: float,
    scratch: NDArray[np.float64],
) -> tuple[float, bool]:
    """Apply one of `FUNCTIONS` to the samples ``low..high-1`` of a series, which are not none.

    Parameters
    ----------
    function : int
        Code of the function.
    ts : int64[n]
        Times in nanoseconds since the epoch, whole milliseconds, ascending.
    value : float64[n]
        Values, without stale markers; NaN is a value.
    low, high : int
        The samples that lie in the window ``(right_ns - range_ns, right_ns]``.
    tick_ns : int
        When the expression is evaluated, which ``offset`` and ``@`` don't move.
    right_ns : int
        The end of the window: the tick less the offset, or what ``@`` says less the offset.
    range_ns : int
        The length of the window.
    first, second : float
        The function's scalar parameters, see `PARAMETERS` and `parameter_error`.
    scratch : float64[m]
        At least ``high - low`` places, to be overwritten.

    Returns
    -------
    tuple of (float, bool)
        The result and whether there is one: some functions need two samples.
    """
    if function in (_LAST, _LAST_OVER_TIME):
        return value[high - 1], True
    if function in (_RATE, _INCREASE, _DELTA):
        if high - low < 2:
            return np.nan, False
        change, factor = extrapolated_change(
            ts, value, low, high, right_ns - range_ns, right_ns, function != _DELTA
        )
        if function == _RATE:
            factor /= range_seconds(range_ns)
        return change * factor, True
    if function in (_IRATE, _IDELTA):
        if high - low < 2 or ts[high - 1] == ts[high - 2]:
            return np.nan, False
        change = last_change(value, high, function == _IRATE)
        if function == _IRATE:
            change /= (ts[high - 1] - ts[high - 2]) / NS_PER_S
        return change, True
    if function in (_DERIV, _PREDICT, _SMOOTHING):
        if high - low < 2:
            return np.nan, False
        if function == _SMOOTHING:
            return double_exponential_smoothing(value, low, high, first, second), True
        # Times near the samples keep deriv precise; predict_linear counts from the tick.
        origin_ns = ts[low] if function == _DERIV else tick_ns
        slope, intercept = linear_regression(ts, value, low, high, origin_ns)
        return slope if function == _DERIV else slope * first + intercept, True
    if function == _QUANTILE:
        copy(value, low, high, scratch)
        return quantile(first, scratch, high - low), True
    if function == _MAD:
        return median_absolute_deviation(value, low, high, scratch), True
    return _over_time(function, ts, value, low, high), True


@in_place
def _over_time(
    function: int, ts: NDArray[np.int64], value: NDArray[np.float64], low: int, high: int
) -> float:
    """Apply a function that has a result for any sample and takes no parameter."""
    if function == _AVG:
        return mean_of(value, low, high)
    if function == _SUM:
        return total_of(value, low, high)
    if function == _COUNT:
        return float(high - low)
    if function in (_MAX, _MIN):
        return value[_extreme(value, low, high, function == _MAX, False)]
    if function in (_TS_OF_MAX, _TS_OF_MIN):
        return _seconds(ts[_extreme(value, low, high, function == _TS_OF_MAX, True)])
    if function == _STDVAR:
        return variance_of(value, low, high)
    if function == _STDDEV:
        return np.sqrt(variance_of(value, low, high))
    if function == _CHANGES:
        return changes_of(value, low, high)
    if function == _RESETS:
        return resets_of(value, low, high)
    if function == _FIRST:
        return value[low]
    if function == _TS_OF_FIRST:
        return _seconds(ts[low])
    if function == _TS_OF_LAST:
        return _seconds(ts[high - 1])
    if function == _PRESENT:
        return 1.0
    raise ValueError("no such range function")


@in_place
def _extreme(value: NDArray[np.float64], low: int, high: int, largest: bool, newest: bool) -> int:
    """Where the largest or smallest of ``value[low:high]`` stands: the oldest or newest of equals.

    NaN loses against any number; among nothing but NaN the newest stands for all.
    """
    found = low
    for i in range(low, high):
        better = value[i] > value[found] if largest else value[i] < value[found]
        if better or np.isnan(value[found]) or (newest and value[i] == value[found]):
            found = i
    return found


@in_place
def _seconds(ts_ns: int) -> float:
    """Seconds since the epoch; milliseconds are divided, as upstream, so that bits are equal."""
    return (ts_ns // _MILLISECOND_NS) / 1000
