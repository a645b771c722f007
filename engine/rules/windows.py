"""Kernels for leaves: a selector, alone or in ``*_over_time``, at a block of ticks.

Ticks of a block are ``first_tick + k * interval`` for k in ``0..ticks-1``. Windows are open on the
left and closed on the right, stale markers end a series at once, as in Prometheus 3. Sums are
Kahan-Neumaier sums in Prometheus' order (promql/functions.go), so that results agree to the bit.
"""

import numpy as np
from numpy.typing import NDArray

from engine.kernels.jit import kernel
from engine.rules.promql import RANGE_FUNCTIONS
from engine.series.columns import FLAG_STALE

_STALE = int(FLAG_STALE)

COMPARISONS = {"": 0, ">": 1, "<": 2, ">=": 3, "<=": 4, "==": 5, "!=": 6}

# "last" is a selector with an offset: the newest sample, absent if it is stale.
FUNCTIONS = {name: code for code, name in enumerate(("last", *sorted(RANGE_FUNCTIONS)))}
_LAST = FUNCTIONS["last"]
_AVG = FUNCTIONS["avg_over_time"]
_COUNT = FUNCTIONS["count_over_time"]
_LAST_OVER_TIME = FUNCTIONS["last_over_time"]
_MAX = FUNCTIONS["max_over_time"]
_MIN = FUNCTIONS["min_over_time"]
_PRESENT = FUNCTIONS["present_over_time"]
_STDDEV = FUNCTIONS["stddev_over_time"]
_STDVAR = FUNCTIONS["stdvar_over_time"]


@kernel
def compare(value: float, comparison: int, bound: float) -> bool:
    """Whether a value passes the comparison; NaN passes only ``!=``, as in IEEE 754."""
    if comparison == 0:
        return True
    if comparison == 1:
        return value > bound
    if comparison == 2:
        return value < bound
    if comparison == 3:
        return value >= bound
    if comparison == 4:
        return value <= bound
    if comparison == 5:
        return value == bound
    return value != bound


@kernel
def ticks_before(ts: int, first_tick: int, interval: int) -> int:
    """How many ticks of the block lie before `ts`; negative counts are cut to 0."""
    if ts <= first_tick:
        return 0
    return (ts - first_tick + interval - 1) // interval


@kernel
def instant(
    members: NDArray[np.int32],
    start: NDArray[np.int64],
    ts: NDArray[np.int64],
    value: NDArray[np.float64],
    flags: NDArray[np.uint8],
    last_ts: NDArray[np.int64],
    last_value: NDArray[np.float64],
    last_flags: NDArray[np.uint8],
    first_tick: int,
    interval: int,
    ticks: int,
    lookback: NDArray[np.int64],
    comparison: int,
    bound: float,
    out_tick: NDArray[np.int64],
    out_slot: NDArray[np.int32],
    out_value: NDArray[np.float64],
) -> int:
    """Evaluate a plain selector for its member slots; one row for each (tick, series) that passes.

    A sample is seen at ticks from its own timestamp up to, not including, the next sample's and
    its own plus the slot's lookback. `last_*` hold each slot's newest sample before the block, its
    timestamp being the smallest int64 where there is none. Returns the number of rows, which may
    exceed the length of the outputs: then call again with longer ones.
    """
    written = 0
    capacity = len(out_tick)
    none = np.iinfo(np.int64).min
    for m in range(len(members)):
        s = members[m]
        first = start[s]
        last = start[s + 1]
        for i in range(first - 1, last):
            if i < first:
                seen_ts, seen, flag = last_ts[s], last_value[s], last_flags[s]
                if seen_ts == none:
                    continue
            else:
                seen_ts, seen, flag = ts[i], value[i], flags[i]
            if flag & _STALE or not compare(seen, comparison, bound):
                continue
            until = seen_ts + lookback[s]
            if i + 1 < last and ts[i + 1] < until:
                until = ts[i + 1]
            end = min(ticks_before(until, first_tick, interval), ticks)
            for k in range(ticks_before(seen_ts, first_tick, interval), end):
                if written < capacity:
                    out_tick[written] = first_tick + k * interval
                    out_slot[written] = s
                    out_value[written] = seen
                written += 1
    return written


@kernel
def _add(increment: float, total: float, carry: float) -> tuple[float, float]:
    """One step of a Kahan-Neumaier sum."""
    new = total + increment
    if np.isinf(new):
        carry = 0.0
    elif abs(total) >= abs(increment):
        carry += (total - new) + increment
    else:
        carry += (increment - new) + total
    return new, carry


@kernel
def _average(value: NDArray[np.float64], low: int, high: int) -> float:
    """Mean; goes over to an incremental mean when the sum overflows."""
    total = value[low]
    mean = 0.0
    carry = 0.0
    incremental = False
    count = 1.0
    for i in range(low + 1, high):
        count = float(i - low + 1)
        if not incremental:
            new, new_carry = _add(value[i], total, carry)
            if not np.isinf(new):
                total, carry = new, new_carry
                continue
            incremental = True
            mean = total / (count - 1)
            carry /= count - 1
        share = (count - 1) / count
        mean, carry = _add(value[i] / count, share * mean, share * carry)
    if incremental:
        return mean + carry
    return total / count + carry / count


@kernel
def _variance(value: NDArray[np.float64], low: int, high: int) -> float:
    """Population variance by Welford's method with compensated sums."""
    count = 0.0
    mean = 0.0
    mean_carry = 0.0
    squares = 0.0
    squares_carry = 0.0
    for i in range(low, high):
        count += 1
        delta = value[i] - (mean + mean_carry)
        mean, mean_carry = _add(delta / count, mean, mean_carry)
        squares, squares_carry = _add(
            delta * (value[i] - (mean + mean_carry)), squares, squares_carry
        )
    return (squares + squares_carry) / count


@kernel
def over_time(function: int, value: NDArray[np.float64], low: int, high: int) -> float:
    """Apply one of `FUNCTIONS` to ``value[low:high]``, which is not empty."""
    if function == _COUNT:
        return float(high - low)
    if function == _PRESENT:
        return 1.0
    if function in (_LAST, _LAST_OVER_TIME):
        return value[high - 1]
    if function == _AVG:
        return _average(value, low, high)
    if function == _STDVAR:
        return _variance(value, low, high)
    if function == _STDDEV:
        return np.sqrt(_variance(value, low, high))
    result = value[low]
    if function in (_MAX, _MIN):
        for i in range(low + 1, high):
            better = value[i] > result if function == _MAX else value[i] < result
            if better or np.isnan(result):
                result = value[i]
        return result
    total = 0.0
    carry = 0.0
    for i in range(low, high):
        total, carry = _add(value[i], total, carry)
    return total if np.isinf(total) else total + carry


@kernel
def _gather(
    s: int,
    place: int,
    start: NDArray[np.int64],
    ts: NDArray[np.int64],
    value: NDArray[np.float64],
    flags: NDArray[np.uint8],
    ring_ts: NDArray[np.int64],
    ring_value: NDArray[np.float64],
    ring_flags: NDArray[np.uint8],
    ring_head: NDArray[np.int64],
    ring_count: NDArray[np.int64],
    keep_stale: bool,
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.uint8]]:
    """One slot's remembered and new samples in order; without stale markers if so asked."""
    capacity = ring_ts.shape[1]
    held = ring_count[place]
    first = start[s]
    total = held + start[s + 1] - first
    all_ts = np.empty(total, np.int64)
    all_value = np.empty(total, np.float64)
    all_flags = np.empty(total, np.uint8)
    written = 0
    for i in range(total):
        if i < held:
            j = (ring_head[place] + i) % capacity
            at, seen, flag = ring_ts[place, j], ring_value[place, j], ring_flags[place, j]
        else:
            j = first + i - held
            at, seen, flag = ts[j], value[j], flags[j]
        if flag & _STALE and not keep_stale:
            continue
        all_ts[written] = at
        all_value[written] = seen
        all_flags[written] = flag
        written += 1
    return all_ts[:written], all_value[:written], all_flags[:written]


@kernel
def ranged(
    members: NDArray[np.int32],
    start: NDArray[np.int64],
    ts: NDArray[np.int64],
    value: NDArray[np.float64],
    flags: NDArray[np.uint8],
    ring_of_slot: NDArray[np.int32],
    ring_ts: NDArray[np.int64],
    ring_value: NDArray[np.float64],
    ring_flags: NDArray[np.uint8],
    ring_head: NDArray[np.int64],
    ring_count: NDArray[np.int64],
    first_tick: int,
    interval: int,
    ticks: int,
    window: NDArray[np.int64],
    offset: int,
    function: int,
    comparison: int,
    bound: float,
    out_tick: NDArray[np.int64],
    out_slot: NDArray[np.int32],
    out_value: NDArray[np.float64],
) -> int:
    """Evaluate a function over the window ``(T - offset - window, T - offset]`` at each tick T.

    Ticks whose window is empty are jumped over, and a window with the same samples as at the tick
    before is not computed again. `window` is given for each slot, in nanoseconds. Returns the
    number of rows, which may exceed the length of the outputs: then call again with longer ones.
    """
    written = 0
    capacity = len(out_tick)
    for m in range(len(members)):
        s = members[m]
        place = ring_of_slot[s]
        if ring_count[place] == 0 and start[s] == start[s + 1]:
            continue
        at, seen, flag = _gather(
            s, place, start, ts, value, flags,
            ring_ts, ring_value, ring_flags, ring_head, ring_count, function == _LAST,
        )  # fmt: skip
        total = len(at)
        low = 0
        high = 0
        done_low = -1
        done_high = -1
        result = 0.0
        k = 0
        while k < ticks:
            right = first_tick + k * interval - offset
            while high < total and at[high] <= right:
                high += 1
            while low < high and at[low] <= right - window[s]:
                low += 1
            if low == high:
                if high == total:
                    break
                k = max(k + 1, ticks_before(at[high] + offset, first_tick, interval))
                continue
            if low != done_low or high != done_high:
                result = over_time(function, seen, low, high)
                done_low, done_high = low, high
            ended = function == _LAST and flag[high - 1] & _STALE
            if not ended and compare(result, comparison, bound):
                if written < capacity:
                    out_tick[written] = first_tick + k * interval
                    out_slot[written] = s
                    out_value[written] = result
                written += 1
            k += 1
    return written
