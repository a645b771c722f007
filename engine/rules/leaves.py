"""Stage 1 of the rules: every expression's leaves, beside the series, for blocks of ticks.

Equal leaves of several rules are one `Query`. A comparison with a number is applied here, where
the series are, so that only what passes travels on to the rules.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.promql.leaf import OF_NEWEST, Leaf
from engine.promql.selector import Selector
from engine.promql.window_functions import FUNCTIONS
from engine.rules.leaf_kernels import COMPARISONS, QUERY, newest_rows, window_rows
from engine.rules.queries import Found, Query
from engine.series.identity import Series
from engine.series.memory import NEVER, Newest
from engine.series.order import Rows
from engine.series.reserved import SlotArrays
from engine.series.sample_pool import SamplePool
from engine.series.snapshot import Table

_FIRST_OUTPUT_ROWS = 1024
_ROOM = 4  # times as much as is needed: it takes address space, and is copied seldom

_NO_PAIR = np.array(0, np.int32)
_PAIR = {"pair": _NO_PAIR, "slot": _NO_PAIR, "query": _NO_PAIR}
_NO_TIME = np.array(0, np.int64)

RAW = "raw"
"""Name of the stream of input samples; a detector's streams are ``<detector>/<series name>``."""


def _column(leaf: Leaf) -> tuple[Any, ...]:
    comparison = leaf.comparison
    first, second = (*leaf.parameters, 0.0, 0.0)[:2]
    return (
        FUNCTIONS.get(leaf.function or "", 0),
        OF_NEWEST.get(leaf.function, 0),
        leaf.range_ns,
        leaf.offset_ns,
        first,
        second,
        COMPARISONS[comparison.op if comparison else ""],
        comparison.number if comparison else 0.0,
    )


@dataclass(slots=True)
class _Program:
    """Pairs of one stream, one interval and the same lanes, with or without a look back."""

    stream: str
    interval_ns: int
    is_ranged: bool
    lanes: tuple[int, ...]
    pairs: SlotArrays = field(default_factory=lambda: SlotArrays(_PAIR))
    """Number, slot and query of each pair, in the order of slots and queries."""
    capacity: int = _FIRST_OUTPUT_ROWS

    def add(self, first_pair: int, slot: NDArray[np.int32], query: NDArray[np.int32]) -> None:
        """Append pairs with numbers from `first_pair` on, of slots above all there are."""
        begin, end = len(self.pairs), len(self.pairs) + len(slot)
        self.pairs.grow(end, _ROOM * end)
        self.pairs["pair"][begin:] = np.arange(first_pair, first_pair + len(slot))
        self.pairs["slot"][begin:] = slot
        self.pairs["query"][begin:] = query


@dataclass(slots=True)
class _Stream:
    """What is remembered of a stream for the queries that read it."""

    pool: SamplePool
    newest: Newest = field(default_factory=Newest)
    spans: SlotArrays = field(default_factory=lambda: SlotArrays({"span": _NO_TIME}))
    """How far back the windows of each place in the pool reach, ns."""

    def grow(self, slots: int, limit: int) -> None:
        """Make room for slots."""
        self.newest.grow(slots, limit)
        self.pool.grow(slots, limit)

    def widen(self, slot: NDArray[np.int32], reach: NDArray[np.int64]) -> None:
        """Let the pool keep what windows on these slots reach (ns)."""
        self.pool.watch(slot)
        self.spans.grow(len(self.pool.slots), _ROOM * len(self.pool.slots))
        np.maximum.at(self.spans["span"], self.pool.of_slot[slot], reach)


class Leaves:
    """The queries of a flow on some series.

    Parameters
    ----------
    queries : sequence of Query
    lanes_of : sequence of tuple of int
        Where each query's results go.
    samples_max : int
        Most samples of one series in a window.

    Attributes
    ----------
    pairs : int
        How many pairs of a query and a series there are.
    is_read : bool
        Whether a checkpoint is being read: then what it may read is not overwritten.
    """

    def __init__(
        self,
        queries: Sequence[Query],
        lanes_of: Sequence[tuple[int, ...]],
        *,
        samples_max: int,
    ) -> None:
        self.queries = queries
        self.pairs = 0
        self.is_read = False
        self._lanes_of = lanes_of
        self._samples_max = samples_max
        self._columns = np.array([_column(query.leaf) for query in queries], QUERY)
        self._programs: dict[tuple[str, int, bool, tuple[int, ...]], _Program] = {}
        self._streams: dict[str, _Stream] = {}
        self._done: dict[int, int] = {query.interval_ns: NEVER for query in queries}
        self._limit = 0
        self._lookbacks = SlotArrays({"lookback": _NO_TIME})
        self._by_name = _by_name(queries)

    @property
    def samples_lost(self) -> int:
        """Samples that full windows have lost."""
        return sum(stream.pool.lost for stream in self._streams.values())

    def wants(self, name: str) -> bool:
        """Whether some query could select a series of this name."""
        return bool(self._selectors_of(name))

    def grow(self, lookback: NDArray[np.int64], limit: int = 0) -> None:
        """Make room for new slots; `lookback` (ns) is theirs, `limit` how many there may be."""
        known = len(self._lookbacks)
        slots = known + len(lookback)
        self._limit = limit or _ROOM * slots
        self._lookbacks.grow(slots, self._limit)
        self._lookback[known:] = lookback
        for stream in self._streams.values():
            stream.grow(slots, self._limit)

    def add(self, stream: str, slots: NDArray[np.int32], series: Sequence[Series]) -> None:
        """Let the queries choose among new series of a stream, whose slots are above all others."""
        chosen: dict[tuple[bool, int, tuple[int, ...]], list[tuple[int, int]]] = {}
        for slot, item in zip(slots.tolist(), series, strict=True):
            candidates = self._selectors_of(item.name)
            if not candidates:
                continue
            labels = dict(item.labels)
            for number, selector in candidates:
                if selector.matches(item.name, labels):
                    query = self.queries[number]
                    key = query.leaf.is_ranged, query.interval_ns, self._lanes_of[number]
                    chosen.setdefault(key, []).append((slot, number))
        for (is_ranged, interval_ns, lanes), found in chosen.items():
            self._join(_Program(stream, interval_ns, is_ranged, lanes), np.array(found, np.int32))

    def begin(self, tick: int) -> None:
        """Let `tick` be the first of all intervals."""
        self._done = {interval: tick - interval for interval in self._done}

    def next_tick(self, watermark: int) -> bool:
        """Whether a tick of some interval has become due."""
        return any(watermark - done >= interval for interval, done in self._done.items())

    def evaluate(
        self, rows: Rows, values: dict[str, NDArray[np.float64]], watermark: int
    ) -> list[Found]:
        """Evaluate all ticks up to the watermark, then remember the rows.

        Parameters
        ----------
        rows : Rows
            All samples between the last watermark and this one.
        values : dict of float64[n]
            The rows' values in each stream.
        watermark : int
            Nanoseconds.

        Returns
        -------
        list of Found
            Without those that have no rows.
        """
        if len(rows):
            self._begin(int(rows.ts.min()))
        results = []
        for program in self._programs.values():
            first_tick, ticks = self._due(program.interval_ns, watermark)
            if ticks > 0:
                found = self._run(program, rows, values[program.stream], first_tick, ticks)
                if found is not None:
                    results.append(found)
        for interval in self._done:
            first_tick, ticks = self._due(interval, watermark)
            if ticks > 0:
                self._done[interval] = first_tick + (ticks - 1) * interval
        if len(rows):
            self.remember(rows, values)
        return results

    def evaluate_at(
        self, rows: Rows, values: dict[str, NDArray[np.float64]], interval: int, ticks: range
    ) -> list[Found]:
        """Evaluate one interval's queries at given ticks; nothing is remembered."""
        found = [
            self._run(program, rows, values[program.stream], ticks.start, len(ticks))
            for program in self._programs.values()
            if program.interval_ns == interval
        ]
        return [item for item in found if item is not None]

    def remember(
        self,
        rows: Rows,
        values: dict[str, NDArray[np.float64]],
        horizon: int | None = None,
    ) -> None:
        """Keep what later ticks need of the rows.

        Parameters
        ----------
        rows, values
            As for `evaluate`.
        horizon : int or None
            The earliest tick that is to come; None takes it from what was evaluated.
        """
        if not self._done:
            return
        if horizon is None:
            horizon = min(done + interval for interval, done in self._done.items())
        # Before a first tick all is kept; what lies before it must not run over.
        horizon = max(horizon, NEVER // 2)
        for name, stream in self._streams.items():
            stream.newest.remember(rows, values[name])
            if len(stream.pool.slots):
                keep_after = horizon - stream.spans["span"]
                stream.pool.remember(rows, values[name], keep_after, is_read=self.is_read)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The live arrays, by stream."""
        return {name: array for table in self.tables() for name, array in table.arrays.items()}

    def tables(self) -> list[Table]:
        """The live arrays, for a snapshot."""
        found = []
        for name, stream in self._streams.items():
            parts = {"newest": [Table(stream.newest.arrays())], "pool": stream.pool.tables()}
            for part, tables in parts.items():
                for table in tables:
                    named = {f"{name}|{part}|{key}": item for key, item in table.arrays.items()}
                    found.append(replace(table, arrays=named))
        return found

    def meta(self) -> dict[str, int]:
        """The last tick of each interval."""
        return {str(interval): done for interval, done in self._done.items()}

    def restore(self, arrays: dict[str, NDArray[Any]], done: dict[str, int]) -> None:
        """Go on from a checkpoint; all its series must have been added before.

        A stream that no query read then starts empty.
        """
        for name, stream in self._streams.items():
            newest = _part(arrays, f"{name}|newest|")
            if newest:
                stream.newest.restore(newest)
            pool = _part(arrays, f"{name}|pool|")
            if pool:
                watched, reach = stream.pool.slots, stream.spans["span"]
                stream.pool.restore(pool)
                stream.spans = SlotArrays({"span": _NO_TIME})
                stream.widen(watched, reach)
        newest_done = max(done.values(), default=NEVER)
        for interval in self._done:
            # An interval that is new goes on at its own multiples.
            aligned = newest_done if newest_done == NEVER else newest_done // interval * interval
            self._done[interval] = done.get(str(interval), aligned)

    def _selectors_of(self, name: str) -> list[tuple[int, Selector]]:
        """Queries, by number, that may select series of this name."""
        found = self._by_name.get(name)
        return self._by_name[None] if found is None else found

    def _join(self, like: _Program, found: NDArray[np.int32]) -> None:
        """Add pairs of (slot, query) to the program that is like the given one."""
        held = self._streams.get(like.stream)
        if held is None:
            held = self._streams[like.stream] = _Stream(SamplePool(self._samples_max))
            held.grow(len(self._lookbacks), self._limit)
        key = like.stream, like.interval_ns, like.is_ranged, like.lanes
        program = self._programs.setdefault(key, like)
        slot, query = np.ascontiguousarray(found[:, 0]), np.ascontiguousarray(found[:, 1])
        program.add(self.pairs, slot, query)
        self.pairs += len(found)
        if like.is_ranged:
            columns = self._columns[query]
            reach = np.where(columns["range"] > 0, columns["range"], self._lookback[slot])
            held.widen(slot, reach + columns["offset"])

    @property
    def _lookback(self) -> NDArray[np.int64]:
        """Nanoseconds, of each slot."""
        return self._lookbacks["lookback"]

    def _begin(self, first_ts: int) -> None:
        """Let the first tick of each interval be the first at or after the first sample ever."""
        for interval, done in self._done.items():
            if done == NEVER:
                self._done[interval] = -(-first_ts // interval) * interval - interval

    def _due(self, interval: int, watermark: int) -> tuple[int, int]:
        """First due tick and their number; nothing is due before the first sample ever."""
        done = self._done[interval]
        if done == NEVER:
            return 0, 0
        return done + interval, (watermark - done) // interval

    def _run(
        self,
        program: _Program,
        rows: Rows,
        value: NDArray[np.float64],
        first_tick: int,
        ticks: int,
    ) -> Found | None:
        stream = self._streams[program.stream]
        pairs = program.pairs
        shared = (
            pairs["slot"], pairs["query"], self._columns, rows.start, rows.ts, value, rows.flags
        )  # fmt: skip
        when = (first_tick, program.interval_ns, ticks, self._lookback)
        while True:
            capacity = program.capacity
            out = np.empty(capacity, np.int32), np.empty(capacity, np.int64), np.empty(capacity)
            if program.is_ranged:
                pool = stream.pool
                written = window_rows(
                    *shared, pool.of_slot, pool.ts, pool.value, pool.links, pool.first, pool.head,
                    pool.count, *when, *out,
                )  # fmt: skip
            else:
                newest = stream.newest
                written = newest_rows(*shared, newest.ts, newest.value, newest.flags, *when, *out)
            if written <= capacity:
                break
            program.capacity = written + written // 4
        if not written:
            return None
        place, tick, result = out[0][:written], out[1][:written], out[2][:written]
        return Found(
            program.stream, program.lanes, program.interval_ns, pairs["pair"][place],
            pairs["slot"][place], pairs["query"][place], tick, result,
        )  # fmt: skip


def _by_name(queries: Sequence[Query]) -> dict[str | None, list[tuple[int, Selector]]]:
    """Queries by the metric name they select; under None are those that may select any."""
    selectors = [(number, query.leaf.selector) for number, query in enumerate(queries)]
    return {
        name: [item for item in selectors if item[1].name in (None, name)]
        for name in {None, *(selector.name for _, selector in selectors)}
    }


def _part(arrays: dict[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    return {
        key.removeprefix(prefix): array for key, array in arrays.items() if key.startswith(prefix)
    }
