"""Golden answers of the simplest expressions, worked out by hand: windows, lookback, markers."""

import re
from collections import Counter

import numpy as np
from read_golden import difference, read_all

LOOKBACK_MS = 300_000
UNITS_MS = {"h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
SELECTOR = re.compile(r"([a-z_]+[0-9]?)")
WINDOW = re.compile(r"(count|first|last|max|min|present)_over_time\(([a-z_]+[0-9]?)\[(\w+)\]\)")
REDUCE = {
    "count": len,
    "first": lambda numbers: numbers[0],
    "last": lambda numbers: numbers[-1],
    "max": np.fmax.reduce,
    "min": np.fmin.reduce,
    "present": lambda _: 1.0,
}


def milliseconds(duration):
    return sum(int(n) * UNITS_MS[unit] for n, unit in re.findall(r"(\d+)(ms|[hms])", duration))


def newest(case, name):
    """Select the newest sample within the lookback, unless it is a stale marker."""
    for labels, ts_ms, values, stale in case.series:
        if labels["__name__"] != name:
            continue
        kept = {}
        for tick in case.ticks_ms.tolist():
            before = np.flatnonzero((tick - LOOKBACK_MS < ts_ms) & (ts_ms <= tick))
            if len(before) and not stale[before[-1]]:
                kept[tick] = values[before[-1]]
        yield labels, kept


def window(case, function, name, length_ms):
    """Reduce the numbers in (t - length, t]."""
    for labels, ts_ms, values, stale in case.series:
        if labels["__name__"] != name:
            continue
        named = function in {"first", "last"}
        kept = {}
        for tick in case.ticks_ms.tolist():
            numbers = values[(tick - length_ms < ts_ms) & (ts_ms <= tick) & ~stale]
            if len(numbers):
                kept[tick] = REDUCE[function](numbers)
        yield {k: v for k, v in labels.items() if named or k != "__name__"}, kept


def worked_out(case):
    """Give the answer to an expression of the simplest forms; None for others."""
    if matched := SELECTOR.fullmatch(case.expression):
        return "selector", list(newest(case, matched[1]))
    if matched := WINDOW.fullmatch(case.expression):
        return matched[1], list(window(case, matched[1], matched[2], milliseconds(matched[3])))
    return None


def test_simple_answers_are_those_of_the_left_open_window():
    checked = Counter()
    for case in read_all():
        worked = worked_out(case)
        if worked is None:
            continue
        form, rows = worked
        result = [
            (labels, np.array(list(kept), dtype=np.int64), np.array(list(kept.values()), float))
            for labels, kept in rows
        ]
        assert difference(result, case.result, 0.0) is None, case
        checked[form] += 1
    assert {form for form in ("selector", *REDUCE) if checked[form] < 3} == set(), checked
