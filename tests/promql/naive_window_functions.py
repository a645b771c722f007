"""Range functions on lists of samples: the slow twin of `engine.promql.window_functions`.

Times are milliseconds here, as in Prometheus, and values NumPy floats, whose divisions by zero are
IEEE's. What must agree to the bit follows promql/functions.go step by step.
"""

import math
import operator
import statistics
from fractions import Fraction
from itertools import pairwise

import numpy as np

NAN = np.float64(math.nan)


def kahan_sum_inc(inc, total, carry):
    new = total + inc
    if math.isinf(new):
        carry = 0.0
    elif abs(total) >= abs(inc):
        carry += (total - new) + inc
    else:
        carry += (inc - new) + total
    return new, carry


def summed(values):
    total = carry = np.float64(0.0)
    for value in values:
        total, carry = kahan_sum_inc(value, total, carry)
    return total if math.isinf(total) else total + carry


def averaged(values):
    total, count, mean, carry, incremental = values[0], 1.0, 0.0, 0.0, False
    for place, value in enumerate(values[1:]):
        count = float(place + 2)
        if not incremental:
            new_total, new_carry = kahan_sum_inc(value, total, carry)
            if not math.isinf(new_total):
                total, carry = new_total, new_carry
                continue
            incremental = True
            mean = total / (count - 1)
            carry /= count - 1
        share = (count - 1) / count
        mean, carry = kahan_sum_inc(value / count, share * mean, share * carry)
    return mean + carry if incremental else total / count + carry / count


def variance(values):
    count = mean = mean_carry = squares = squares_carry = np.float64(0.0)
    for value in values:
        count += 1
        delta = value - (mean + mean_carry)
        mean, mean_carry = kahan_sum_inc(delta / count, mean, mean_carry)
        squares, squares_carry = kahan_sum_inc(
            delta * (value - (mean + mean_carry)), squares, squares_carry
        )
    return (squares + squares_carry) / count


def extreme(samples, better):
    best_time, best = samples[0]
    for time, value in samples:
        if better(value, best) or math.isnan(best):
            best_time, best = time, value
    return best_time, best


def quantile(q, values):
    if math.isnan(q):
        return math.nan
    if not 0 <= q <= 1:
        return -math.inf if q < 0 else math.inf
    ordered = sorted(values, key=lambda value: (not math.isnan(value), value))
    rank = q * (len(ordered) - 1)
    weight = rank - math.floor(rank)
    below, *above = ordered[math.floor(rank) :]
    return below * (1 - weight) + above[0] * weight if weight else below


def median_absolute_deviation(values):
    if any(map(math.isnan, values)):
        return math.nan
    median = quantile(0.5, values)
    return quantile(0.5, [abs(value - median) for value in values])


def extrapolated(samples, right_ms, range_ms, *, counter, rate):
    """The pseudo-code of Prometheus' behaviour since 2.51, line by line."""
    if len(samples) < 2:
        return None
    times, values = zip(*samples, strict=True)
    result = values[-1] - values[0]
    if counter:
        for before, value in pairwise(values):
            if value < before:
                result += before
    start = (times[0] - (right_ms - range_ms)) / 1000
    end = (right_ms - times[-1]) / 1000
    sampled = (times[-1] - times[0]) / 1000
    average = sampled / (len(samples) - 1)
    threshold = average * 1.1
    if start >= threshold:
        start = average / 2
    if counter and result > 0 and values[0] >= 0:
        start = min(start, sampled * (values[0] / result))
    if end >= threshold:
        end = average / 2
    factor = (sampled + start + end) / sampled
    if rate:
        factor /= float(range_ms // 1000) + (range_ms % 1000 * 1_000_000) / 1e9
    return result * factor


def instant_change(samples, *, counter):
    if len(samples) < 2:
        return None
    (before_ms, before), (newest_ms, newest) = samples[-2:]
    if not counter:
        return newest - before
    return (newest if newest < before else newest - before) / ((newest_ms - before_ms) / 1000)


def regression(samples, origin_ms):
    sums = [(np.float64(0.0), np.float64(0.0))] * 4
    for time, y in samples:
        x = np.float64(time - origin_ms) / 1000
        sums = [
            kahan_sum_inc(term, *so_far)
            for term, so_far in zip((x, y, x * y, x * x), sums, strict=True)
        ]
    values = [value for _, value in samples]
    if all(value == values[0] for value in values):
        return (NAN, NAN) if math.isinf(values[0]) else (0.0, values[0])
    n = float(len(samples))
    x, y, xy, xx = (total + carry for total, carry in sums)
    slope = (xy - x * y / n) / (xx - x * x / n)
    return slope, y / n - slope * x / n


def exact_regression(samples, origin_ms):
    """Slope and intercept of the least-squares line of finite samples, as fractions."""
    x = [Fraction(time - origin_ms, 1000) for time, _ in samples]
    y = [Fraction(float(value)) for _, value in samples]
    x_mean, y_mean = statistics.mean(x), statistics.mean(y)
    slope = sum((a - x_mean) * (b - y_mean) for a, b in zip(x, y, strict=True)) / sum(
        (a - x_mean) ** 2 for a in x
    )
    return slope, y_mean - slope * x_mean


def deriv(samples):
    return regression(samples, samples[0][0])[0] if len(samples) > 1 else None


def predict_linear(samples, tick_ms, duration):
    if len(samples) < 2:
        return None
    slope, intercept = regression(samples, tick_ms)
    return slope * duration + intercept


def smoothed(values, smoothing, trend):
    if len(values) < 2:
        return None
    levels = [values[0]]
    slope = values[1] - values[0]
    for place, value in enumerate(values[1:]):
        if place:
            slope = trend * (levels[-1] - levels[-2]) + (1 - trend) * slope
        levels.append(smoothing * value + (1 - smoothing) * (levels[-1] + slope))
    return levels[-1]


def changed(before, value):
    return before != value and not (math.isnan(before) and math.isnan(value))


def apply_function(name, samples, tick_ms, right_ms, range_ms, first, second):
    """Value of a range function over (time in ms, value) pairs; None if it has none."""
    samples = [(time, np.float64(value)) for time, value in samples]
    values = [value for _, value in samples]
    window = (samples, right_ms, range_ms)
    functions = {
        "last": lambda: values[-1],
        "avg_over_time": lambda: averaged(values),
        "changes": lambda: float(sum(changed(*pair) for pair in pairwise(values))),
        "count_over_time": lambda: float(len(values)),
        "delta": lambda: extrapolated(*window, counter=False, rate=False),
        "deriv": lambda: deriv(samples),
        "double_exponential_smoothing": lambda: smoothed(values, first, second),
        "first_over_time": lambda: values[0],
        "idelta": lambda: instant_change(samples, counter=False),
        "increase": lambda: extrapolated(*window, counter=True, rate=False),
        "irate": lambda: instant_change(samples, counter=True),
        "last_over_time": lambda: values[-1],
        "mad_over_time": lambda: median_absolute_deviation(values),
        "max_over_time": lambda: extreme(samples, operator.gt)[1],
        "min_over_time": lambda: extreme(samples, operator.lt)[1],
        "predict_linear": lambda: predict_linear(samples, tick_ms, first),
        "present_over_time": lambda: 1.0,
        "quantile_over_time": lambda: quantile(first, values),
        "rate": lambda: extrapolated(*window, counter=True, rate=True),
        "resets": lambda: float(sum(after < before for before, after in pairwise(values))),
        "stddev_over_time": lambda: np.sqrt(variance(values)),
        "stdvar_over_time": lambda: variance(values),
        "sum_over_time": lambda: summed(values),
        "ts_of_first_over_time": lambda: samples[0][0] / 1000,
        "ts_of_last_over_time": lambda: samples[-1][0] / 1000,
        "ts_of_max_over_time": lambda: extreme(samples, operator.ge)[0] / 1000,
        "ts_of_min_over_time": lambda: extreme(samples, operator.le)[0] / 1000,
    }
    with np.errstate(all="ignore"):
        return functions[name]()
