"""Aggregations of one tick's vector: the slow twin of `engine.promql.aggregate`.

A vector is a dict from labels to values, in row order. Transcribed from what Prometheus 3.16's
promql/engine.go (`aggregation`, `aggregationK`, `aggregationCountValues`) does for one timestamp.
"""

import math
from decimal import Decimal

METRIC = {"__name__", "__type__", "__unit__"}
TOO_LARGE = 9223372036854774784


class NaiveError(Exception):
    pass


def group_labels(node, labels):
    if node.without:
        return tuple(pair for pair in labels if pair[0] not in METRIC | set(node.grouping))
    return tuple(pair for pair in labels if pair[0] in node.grouping)


def groups_of(node, vector):
    """Give the rows of each group, in row order."""
    groups = {}
    for labels, value in vector.items():
        groups.setdefault(group_labels(node, labels), []).append((labels, value))
    return groups


def aggregated(node, vector, parameter=None):
    """Aggregate, or raise with Prometheus' message."""
    if node.operator in {"topk", "bottomk", "limitk"}:
        return limited(node, vector, parameter)
    if node.operator == "count_values":
        return values_counted(node, vector, parameter)
    result = {}
    for group, rows in groups_of(node, vector).items():
        values = [value for _, value in rows]
        if node.operator == "quantile":
            result[group] = quantile(parameter, values)
        else:
            result[group] = AGGREGATIONS[node.operator](values)
    return result


def limited(node, vector, parameter):
    if math.isnan(parameter):
        raise NaiveError("Parameter value is NaN")
    if parameter >= TOO_LARGE:
        digits = "+Inf" if math.isinf(parameter) else repr(parameter)
        raise NaiveError(f"Scalar value {digits} overflows int64")
    limit = max(0, math.trunc(max(parameter, 0.0)))
    result = {}
    for rows in groups_of(node, vector).values():
        # Sorting keeps the order of equal ones; NaN are behind all others.
        if node.operator == "topk":
            rows.sort(key=lambda row: (math.isnan(row[1]), -row[1] if row[1] == row[1] else 0))
        elif node.operator == "bottomk":
            rows.sort(key=lambda row: (math.isnan(row[1]), row[1] if row[1] == row[1] else 0))
        result.update(rows[:limit])
    return result


def values_counted(node, vector, name):
    if not name:
        raise NaiveError('invalid label name ""')
    counts = {}
    for labels, value in vector.items():
        valued = {**dict(labels), name: text(value)}
        if node.without:
            kept = {k: v for k, v in valued.items() if k not in METRIC | set(node.grouping)}
        else:
            kept = {k: v for k, v in valued.items() if k in {name, *node.grouping}}
        group = tuple(sorted(kept.items()))
        counts[group] = counts.get(group, 0.0) + 1.0
    return counts


def text(value):
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    written = format(Decimal(repr(value)), "f")
    return written.rstrip("0").rstrip(".") if "." in written else written


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
    total, carry = values[0], 0.0
    for value in values[1:]:
        total, carry = kahan_sum_inc(value, total, carry)
    return total + carry


def averaged(values):
    total, carry, mean, incremental = values[0], 0.0, math.nan, False
    for count, value in enumerate(values[1:], 2):
        if not incremental:
            new, new_carry = kahan_sum_inc(value, total, carry)
            if not math.isinf(new):
                total, carry = new, new_carry
                continue
            incremental, mean = True, total / (count - 1)
            carry /= count - 1
        share = (count - 1) / count
        mean, carry = kahan_sum_inc(value / count, share * mean, share * carry)
    return mean + carry if incremental else total / len(values) + carry / len(values)


def least(values):
    numbers = [value for value in values if not math.isnan(value)]
    return min(numbers) if numbers else math.nan


def greatest(values):
    numbers = [value for value in values if not math.isnan(value)]
    return max(numbers) if numbers else math.nan


def variance(values):
    squares = 0.0 if math.isfinite(values[0]) else math.nan
    mean = values[0]
    for count, value in enumerate(values[1:], 2):
        delta = value - mean
        mean += delta / count
        squares += delta * (value - mean)
    return squares / len(values)


def deviation(values):
    spread = variance(values)
    return math.sqrt(spread) if spread >= 0 else math.nan


def quantile(parameter, values):
    if math.isnan(parameter):
        return math.nan
    if not 0 <= parameter <= 1:
        return math.copysign(math.inf, parameter)
    ordered = [value for value in values if math.isnan(value)]
    ordered += sorted(value for value in values if not math.isnan(value))
    rank = parameter * (len(values) - 1)
    lower = math.floor(rank)
    weight = rank - lower
    if weight == 0:
        return ordered[lower]
    return ordered[lower] * (1 - weight) + ordered[min(lower + 1, len(values) - 1)] * weight


AGGREGATIONS = {
    "sum": summed,
    "avg": averaged,
    "min": least,
    "max": greatest,
    "count": lambda values: float(len(values)),
    "group": lambda values: 1.0,
    "stdvar": variance,
    "stddev": deviation,
}
