"""Kernels that evaluate all leaves of a shard's series in one call.

Queries are columns, see `QUERY`; pairs of a query and a slot come sorted by slot. Ticks of a block
are ``first_tick + k * interval`` for k in ``0..ticks-1``.
"""

import numpy as np
from numpy.typing import NDArray

from engine.kernels.jit import in_place, kernel
from engine.promql.series_windows import NOWHERE, answer, fill_newest, fill_windows
from engine.series.columns import FLAG_STALE, STALE_NAN_BITS
from engine.series.sample_pool import gather

_STALE = int(FLAG_STALE)
_STALE_BITS = int(STALE_NAN_BITS)

COMPARISONS = {"": 0, ">": 1, "<": 2, ">=": 3, "<=": 4, "==": 5, "!=": 6}

QUERY = np.dtype(
    [
        ("function", np.int32),  # of window_functions.FUNCTIONS; 0: the newest sample
        ("asked", np.int32),  # of the newest sample: leaf.OF_NEWEST
        ("range", np.int64),
        ("offset", np.int64),
        ("first", np.float64),
        ("second", np.float64),
        ("comparison", np.int32),
        ("bound", np.float64),
    ]
)
"""A leaf as the kernels see it; times in nanoseconds."""


@in_place
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


@in_place
def ticks_before(ts: int, first_tick: int, interval: int) -> int:
    """How many ticks of the block lie before `ts`; negative counts are cut to 0."""
    if ts <= first_tick:
        return 0
    return (ts - first_tick + interval - 1) // interval


@in_place
def newest_rows(
    pair_slot: NDArray[np.int32],
    pair_query: NDArray[np.int32],
    queries: NDArray[np.void],
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
    out_place: NDArray[np.int32],
    out_tick: NDArray[np.int64],
    out_value: NDArray[np.float64],
) -> int:
    """Evaluate plain selectors; one row for each (pair, tick) that passes.

    A sample is seen at ticks from its own timestamp up to, not including, the next sample's and
    its own plus the slot's lookback. `last_*` hold each slot's newest sample before the block, its
    timestamp being the smallest int64 where there is none. `out_place` is the pair's place among
    the given ones. Returns the number of rows, which may exceed the length of the outputs: then
    call again with longer ones.
    """
    written = 0
    capacity = len(out_tick)
    none = np.iinfo(np.int64).min
    for p in range(len(pair_slot)):
        s = pair_slot[p]
        query = queries[pair_query[p]]
        first = start[s]
        last = start[s + 1]
        for i in range(first - 1, last):
            if i < first:
                seen_ts, seen, flag = last_ts[s], last_value[s], last_flags[s]
                if seen_ts == none:
                    continue
            else:
                seen_ts, seen, flag = ts[i], value[i], flags[i]
            seen, is_there = answer(seen_ts, seen, flag & _STALE != 0, query.asked)
            if not is_there or not compare(seen, query.comparison, query.bound):
                continue
            until = seen_ts + lookback[s]
            if i + 1 < last and ts[i + 1] < until:
                until = ts[i + 1]
            end = min(ticks_before(until, first_tick, interval), ticks)
            for k in range(ticks_before(seen_ts, first_tick, interval), end):
                if written < capacity:
                    out_place[written] = p
                    out_tick[written] = first_tick + k * interval
                    out_value[written] = seen
                written += 1
    return written


@in_place
def _samples_of(
    place: int,
    s: int,
    start: NDArray[np.int64],
    ts: NDArray[np.int64],
    value: NDArray[np.float64],
    flags: NDArray[np.uint8],
    pool_ts: NDArray[np.int64],
    pool_value: NDArray[np.float64],
    links: NDArray[np.int32],
    chain_first: NDArray[np.int32],
    head: NDArray[np.int32],
    count: NDArray[np.int32],
    all_ts: NDArray[np.int64],
    all_value: NDArray[np.float64],
    stale: NDArray[np.bool_],
    kept_ts: NDArray[np.int64],
    kept_value: NDArray[np.float64],
) -> tuple[int, int]:
    """One slot's remembered and new samples: all with their staleness, and without stale ones."""
    bits = all_value.view(np.int64)
    total = gather(place, pool_ts, pool_value, links, chain_first, head, count, all_ts, all_value)
    for i in range(total):
        stale[i] = bits[i] == _STALE_BITS
    for i in range(start[s], start[s + 1]):
        all_ts[total] = ts[i]
        all_value[total] = value[i]
        stale[total] = flags[i] & _STALE != 0
        total += 1
    kept = 0
    for i in range(total):
        if not stale[i]:
            kept_ts[kept] = all_ts[i]
            kept_value[kept] = all_value[i]
            kept += 1
    return total, kept


@in_place
def _most_samples(
    of_slot: NDArray[np.int32],
    pair_slot: NDArray[np.int32],
    start: NDArray[np.int64],
    count: NDArray[np.int32],
) -> int:
    most = 0
    for p in range(len(pair_slot)):
        s = pair_slot[p]
        most = max(most, count[of_slot[s]] + start[s + 1] - start[s])
    return most


@kernel
def window_rows(
    pair_slot: NDArray[np.int32],
    pair_query: NDArray[np.int32],
    queries: NDArray[np.void],
    start: NDArray[np.int64],
    ts: NDArray[np.int64],
    value: NDArray[np.float64],
    flags: NDArray[np.uint8],
    of_slot: NDArray[np.int32],
    pool_ts: NDArray[np.int64],
    pool_value: NDArray[np.float64],
    links: NDArray[np.int32],
    chain_first: NDArray[np.int32],
    head: NDArray[np.int32],
    count: NDArray[np.int32],
    first_tick: int,
    interval: int,
    ticks: int,
    lookback: NDArray[np.int64],
    out_place: NDArray[np.int32],
    out_tick: NDArray[np.int64],
    out_value: NDArray[np.float64],
) -> int:
    """Evaluate leaves that look back, of the pool's samples and the block's (see `newest_rows`).

    A slot's samples are gathered once for all queries that select it.
    """
    most = _most_samples(of_slot, pair_slot, start, count)
    all_ts, all_value = np.empty(most, np.int64), np.empty(most, np.float64)
    kept_ts, kept_value = np.empty(most, np.int64), np.empty(most, np.float64)
    stale, scratch = np.empty(most, np.bool_), np.empty(most, np.float64)
    at = first_tick + interval * np.arange(ticks)
    first, second = np.empty(ticks, np.float64), np.empty(ticks, np.float64)
    result, present = np.empty(ticks, np.float64), np.empty(ticks, np.bool_)
    written = 0
    total, kept = 0, 0
    for p in range(len(pair_slot)):
        s = pair_slot[p]
        query = queries[pair_query[p]]
        if p == 0 or s != pair_slot[p - 1]:
            total, kept = _samples_of(
                of_slot[s], s, start, ts, value, flags, pool_ts, pool_value, links, chain_first,
                head, count, all_ts, all_value, stale, kept_ts, kept_value,
            )  # fmt: skip
        if total == 0:
            continue
        present[:] = False
        if query.range == 0:
            fill_newest(
                all_ts[:total], all_value[:total], stale[:total], at, lookback[s], query.offset,
                NOWHERE, query.asked, result, present,
            )  # fmt: skip
        else:
            first[:] = query.first
            second[:] = query.second
            fill_windows(
                query.function, kept_ts[:kept], kept_value[:kept], at, query.range, query.offset,
                NOWHERE, first, second, scratch, result, present,
            )  # fmt: skip
        for k in range(ticks):
            if present[k] and compare(result[k], query.comparison, query.bound):
                if written < len(out_tick):
                    out_place[written] = p
                    out_tick[written] = at[k]
                    out_value[written] = result[k]
                written += 1
    return written
