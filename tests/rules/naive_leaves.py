"""A leaf at one tick, of a look at all samples: the slow twin of `engine.rules.leaves`."""

import operator

from promql.naive_window_functions import apply_function

from engine.promql.leaf import ENDED, TIMESTAMP

MS = 10**6
OPERATORS = {
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}


def leaf_at(leaf, samples, tick, lookback):
    """Value of a leaf for one series at a tick, None where it has none.

    `samples` are (ts, value, stale), ascending.
    """
    value = value_at(leaf, samples, tick, lookback)
    comparison = leaf.comparison
    if value is None or comparison is None:
        return value
    return value if OPERATORS[comparison.op](value, comparison.number) else None


def value_at(leaf, samples, tick, lookback):
    """Value without the comparison."""
    right = tick - leaf.offset_ns
    left = right - (leaf.range_ns or lookback)
    inside = [sample for sample in samples if left < sample[0] <= right]
    if leaf.range_ns:
        pairs = [(ts // MS, value) for ts, value, stale in inside if not stale]
        if not pairs:
            return None
        times = tick // MS, right // MS, leaf.range_ns // MS
        return apply_function(leaf.function, pairs, *times, *(*leaf.parameters, 0.0, 0.0)[:2])
    if not inside:
        return None
    ts, value, stale = inside[-1]
    if leaf.function == ENDED:
        return 1.0 if stale else None
    if stale:
        return None
    return ts // MS / 1000 if leaf.function == TIMESTAMP else value
