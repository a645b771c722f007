"""Leaves at one tick, as Prometheus 3 computes them: the slow twin of `engine.rules.windows`.

Sums, means and variances are transcribed from promql/functions.go (`kahanSumInc`,
`funcSumOverTime`, `funcAvgOverTime`, `varianceOverTime`).
"""

import math
import operator

OPERATORS = {
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}


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
    total = carry = 0.0
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
    count = mean = mean_carry = squares = squares_carry = 0.0
    for value in values:
        count += 1
        delta = value - (mean + mean_carry)
        mean, mean_carry = kahan_sum_inc(delta / count, mean, mean_carry)
        squares, squares_carry = kahan_sum_inc(
            delta * (value - (mean + mean_carry)), squares, squares_carry
        )
    return (squares + squares_carry) / count


def extreme(values, better):
    best = values[0]
    for value in values:
        if better(value, best) or math.isnan(best):
            best = value
    return best


def square_root(value):
    return math.sqrt(value) if value >= 0 else math.nan


FUNCTIONS = {
    "avg_over_time": averaged,
    "count_over_time": lambda values: float(len(values)),
    "last_over_time": lambda values: values[-1],
    "max_over_time": lambda values: extreme(values, operator.gt),
    "min_over_time": lambda values: extreme(values, operator.lt),
    "present_over_time": lambda values: 1.0,
    "stddev_over_time": lambda values: square_root(variance(values)),
    "stdvar_over_time": variance,
    "sum_over_time": summed,
}


def leaf_at(leaf, samples, tick, lookback):
    """Value of a leaf for one series at a tick, None where it has none.

    `samples` are (ts, value, stale), ascending.
    """
    right = tick - leaf.offset_ns
    left = right - (lookback if leaf.function is None else leaf.range_ns)
    inside = [(value, stale) for ts, value, stale in samples if left < ts <= right]
    if leaf.function is None:
        return None if not inside or inside[-1][1] else inside[-1][0]
    values = [value for value, stale in inside if not stale]
    return FUNCTIONS[leaf.function](values) if values else None


def query_at(query, samples, tick, lookback):
    """Value of a query at a tick; None where the comparison fails, too."""
    value = leaf_at(query.leaf, samples, tick, lookback)
    comparison = query.comparison
    if value is None or comparison is None:
        return value
    return value if OPERATORS[comparison.op](value, comparison.number) else None
