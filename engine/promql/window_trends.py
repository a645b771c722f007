"""Where a series is going in one window: least squares and double exponential smoothing.

As in Prometheus' promql/functions.go (`linearRegression`, `funcDoubleExponentialSmoothing`), in
its order of operations.
"""

import numpy as np
from numpy.typing import NDArray

from engine.kernels.jit import in_place
from engine.promql.window_rates import NS_PER_S
from engine.promql.window_sums import add


@in_place
def linear_regression(
    ts: NDArray[np.int64], value: NDArray[np.float64], low: int, high: int, origin_ns: int
) -> tuple[float, float]:
    """Least-squares line through the samples ``low..high-1``, two at least.

    Parameters
    ----------
    ts : int64[n]
        Times in nanoseconds.
    value : float64[n]
        Values.
    low, high : int
        The samples of the window.
    origin_ns : int
        Where time is zero for the line.

    Returns
    -------
    tuple of (float, float)
        Slope per second, and the line's value at the origin. Equal values have a slope of exactly
        0; equal infinite values have no line but NaN.
    """
    x_sum = x_carry = 0.0
    y_sum = y_carry = 0.0
    xy_sum = xy_carry = 0.0
    xx_sum = xx_carry = 0.0
    constant = True
    for i in range(low, high):
        x = (ts[i] - origin_ns) / NS_PER_S
        y = value[i]
        if i > low and y != value[low]:
            constant = False
        x_sum, x_carry = add(x, x_sum, x_carry)
        y_sum, y_carry = add(y, y_sum, y_carry)
        xy_sum, xy_carry = add(x * y, xy_sum, xy_carry)
        xx_sum, xx_carry = add(x * x, xx_sum, xx_carry)
    if constant:
        return (np.nan, np.nan) if np.isinf(value[low]) else (0.0, value[low])
    n = float(high - low)
    x_sum += x_carry
    y_sum += y_carry
    xy_sum += xy_carry
    xx_sum += xx_carry
    slope = (xy_sum - x_sum * y_sum / n) / (xx_sum - x_sum * x_sum / n)
    return slope, y_sum / n - slope * x_sum / n


@in_place
def double_exponential_smoothing(
    value: NDArray[np.float64], low: int, high: int, smoothing: float, trend: float
) -> float:
    """Smoothed newest value of ``value[low:high]``, two at least, by Holt's linear method.

    Parameters
    ----------
    value : float64[n]
        Values.
    low, high : int
        The samples of the window.
    smoothing, trend : float
        How much a new value counts for the level, and a new difference for the trend; in (0, 1).

    References
    ----------
    .. [1] C. C. Holt, "Forecasting seasonals and trends by exponentially weighted moving
       averages", ONR memorandum 52, 1957.
    """
    level = value[low]
    slope = value[low + 1] - value[low]
    level_before = 0.0
    for i in range(low + 1, high):
        if i > low + 1:
            slope = trend * (level - level_before) + (1 - trend) * slope
        new = smoothing * value[i] + (1 - smoothing) * (level + slope)
        level_before, level = level, new
    return level
