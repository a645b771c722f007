"""Stage 1 of the rules: every expression's leaves, in a series shard, for a block of ticks.

Equal leaves of several rules are one `Query`. A comparison with a number is applied here, where
the series are, so that only what passes travels on to the rules.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.rules.promql import Comparison, Leaf
from engine.rules.selector import Selector
from engine.rules.windows import COMPARISONS, FUNCTIONS, instant, ranged
from engine.series.identity import Series
from engine.series.memory import NEVER, Newest, Rings
from engine.series.order import Rows

_FIRST_OUTPUT_ROWS = 1024

RAW = "raw"
"""Name of the stream of input samples; a detector's streams are ``<detector>/<series name>``."""

FOREVER = np.iinfo(np.int64).max
"""Edge of a window that reaches nothing."""


@dataclass(frozen=True)
class Query:
    """A leaf at the ticks of an interval; rows that fail the comparison are left out."""

    leaf: Leaf
    interval_ns: int
    comparison: Comparison | None = None

    @property
    def key(self) -> str:
        """Text that names the query across runs."""
        leaf = self.leaf
        comparison = f" {self.comparison.op} {self.comparison.number}" if self.comparison else ""
        return (
            f"{leaf.function or ''}({leaf.selector.text}[{leaf.range_ns}] offset {leaf.offset_ns})"
            f"{comparison} @{self.interval_ns}"
        )


@dataclass(frozen=True, slots=True)
class LeafRows:
    """A query's results in one shard for some ticks, as columns of equal length n.

    Attributes
    ----------
    query : int
        Number of the query in the plan.
    series : list of Series
        The series that occur.
    index : int64[n]
        Which of them each row is of.
    tick : int64[n]
        Nanoseconds since the epoch.
    value : float64[n]
    context : float64[n, 5] or None
        For anomaly series: timestamp (ms), value, expected value, lower and upper band of the
        newest anomalous sample at the tick.
    """

    query: int
    series: list[Series]
    index: NDArray[np.int64]
    tick: NDArray[np.int64]
    value: NDArray[np.float64]
    context: NDArray[np.float64] | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A query's results in one stream of a shard, as columns of equal length."""

    query: int
    stream: str
    tick: NDArray[np.int64]
    slot: NDArray[np.int32]
    value: NDArray[np.float64]


@dataclass(slots=True)
class _Target:
    """The member slots of a query in one stream."""

    query: int
    stream: str
    members: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))


@dataclass(slots=True)
class _Stream:
    """What is remembered of a stream for the queries that read it."""

    newest: Newest = field(default_factory=Newest)
    rings: Rings = field(default_factory=lambda: Rings(1))


class Leaves:
    """The queries of a flow in one shard.

    Parameters
    ----------
    queries : tuple of Query
    samples_max : int
        Most samples of one series in a window.
    """

    def __init__(self, queries: tuple[Query, ...], *, samples_max: int) -> None:
        self.queries = queries
        self._samples_max = samples_max
        self._targets: dict[tuple[int, str], _Target] = {}
        self._streams: dict[str, _Stream] = {}
        self._done: dict[int, int] = {query.interval_ns: NEVER for query in queries}
        self._lookback = np.empty(0, np.int64)
        self._slots = 0
        selectors = [(number, query.leaf.selector) for number, query in enumerate(queries)]
        # Under None are those that name no metric: they may select any.
        self._by_name = {
            name: [item for item in selectors if item[1].name in (None, name)]
            for name in {None, *(selector.name for _, selector in selectors)}
        }

    @property
    def samples_lost(self) -> int:
        """Samples that full windows have lost."""
        return sum(stream.rings.lost for stream in self._streams.values())

    def wants(self, name: str) -> bool:
        """Whether some query could select a series of this name."""
        return any(query.leaf.selector.name in (None, name) for query in self.queries)

    def grow(self, lookback: NDArray[np.int64]) -> None:
        """Make room for new slots; `lookback` (ns) is theirs."""
        self._lookback = np.concatenate([self._lookback, lookback])
        self._slots = len(self._lookback)
        for stream in self._streams.values():
            stream.newest.grow(self._slots)
            stream.rings.grow(self._slots)

    def add(self, stream: str, slots: NDArray[np.int32], series: list[Series]) -> None:
        """Let the queries choose among the new series of a stream."""
        chosen: dict[int, list[int]] = {}
        for slot, item in zip(slots.tolist(), series, strict=True):
            labels = dict(item.labels)
            for number, selector in self._selectors_of(item.name):
                if selector.matches(item.name, labels):
                    chosen.setdefault(number, []).append(slot)
        for number in sorted(chosen):
            self._join(number, stream, np.array(chosen[number], np.int32))

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
        results = []
        if len(rows):
            self._begin(int(rows.ts.min()))
        due = {interval: self._due(interval, watermark) for interval in self._done}
        for target in self._targets.values():
            interval = self.queries[target.query].interval_ns
            first_tick, ticks = due[interval]
            if ticks > 0:
                found = self._run(target, rows, values[target.stream], first_tick, ticks)
                if len(found[0]):
                    results.append(Found(target.query, target.stream, *found))
        for interval, (first_tick, ticks) in due.items():
            if ticks > 0:
                self._done[interval] = first_tick + (ticks - 1) * interval
        if len(rows):
            self._remember(rows, values)
        return results

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The live arrays, by stream."""
        found: dict[str, NDArray[Any]] = {}
        for name, stream in self._streams.items():
            for part, arrays in (
                ("newest", stream.newest.arrays()),
                ("rings", stream.rings.arrays()),
            ):
                found |= {f"{name}|{part}|{key}": array for key, array in arrays.items()}
        return found

    def meta(self) -> dict[str, int]:
        """The last tick of each interval."""
        return {str(interval): done for interval, done in self._done.items()}

    def restore(self, arrays: dict[str, NDArray[Any]], done: dict[str, int]) -> None:
        """Go on from a checkpoint; all its series must have been added before.

        A stream that no query read then starts empty.
        """
        for name, stream in self._streams.items():
            held = {key: array for key, array in arrays.items() if key.startswith(f"{name}|")}
            for part in (stream.newest, stream.rings):
                kind = "newest" if part is stream.newest else "rings"
                prefix = f"{name}|{kind}|"
                mine = {
                    key.removeprefix(prefix): array
                    for key, array in held.items()
                    if key.startswith(prefix)
                }
                if not mine:
                    continue
                watched = stream.rings.slots
                part.restore(mine)
                if kind == "rings":
                    stream.rings.watch(watched)
        newest = max(done.values(), default=NEVER)
        for interval in self._done:
            # An interval that is new goes on at its own multiples.
            aligned = newest if newest == NEVER else newest // interval * interval
            self._done[interval] = done.get(str(interval), aligned)

    def _selectors_of(self, name: str) -> list[tuple[int, Selector]]:
        """Queries, by number, that may select series of this name."""
        found = self._by_name.get(name)
        return self._by_name[None] if found is None else found

    def _join(self, number: int, stream: str, slots: NDArray[np.int32]) -> None:
        held = self._streams.get(stream)
        if held is None:
            held = self._streams[stream] = _Stream(rings=Rings(self._samples_max))
            held.newest.grow(self._slots)
            held.rings.grow(self._slots)
        target = self._targets.setdefault((number, stream), _Target(number, stream))
        target.members = np.concatenate([target.members, slots])
        if self._is_ranged(self.queries[number]):
            held.rings.watch(slots)

    @staticmethod
    def _is_ranged(query: Query) -> bool:
        return query.leaf.function is not None or query.leaf.offset_ns > 0

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
        target: _Target,
        rows: Rows,
        value: NDArray[np.float64],
        first_tick: int,
        ticks: int,
    ) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float64]]:
        query = self.queries[target.query]
        stream = self._streams[target.stream]
        comparison = COMPARISONS[query.comparison.op if query.comparison else ""]
        bound = query.comparison.number if query.comparison else 0.0
        shared = (target.members, rows.start, rows.ts, value, rows.flags)
        capacity = _FIRST_OUTPUT_ROWS
        while True:
            out = np.empty(capacity, np.int64), np.empty(capacity, np.int32), np.empty(capacity)
            if self._is_ranged(query):
                rings = stream.rings
                written = ranged(
                    *shared, rings.of_slot, rings.ts, rings.value, rings.flags, rings.head,
                    rings.count, first_tick, query.interval_ns, ticks, self._window(query),
                    query.leaf.offset_ns, FUNCTIONS[query.leaf.function or "last"],
                    comparison, bound, *out,
                )  # fmt: skip
            else:
                newest = stream.newest
                written = instant(
                    *shared, newest.ts, newest.value, newest.flags, first_tick,
                    query.interval_ns, ticks, self._lookback, comparison, bound, *out,
                )  # fmt: skip
            if written <= capacity:
                return out[0][:written], out[1][:written], out[2][:written]
            capacity = written

    def _window(self, query: Query) -> NDArray[np.int64]:
        if query.leaf.function is None:
            return self._lookback
        return np.full(self._slots, query.leaf.range_ns, np.int64)

    def _remember(self, rows: Rows, values: dict[str, NDArray[np.float64]]) -> None:
        for name, stream in self._streams.items():
            stream.newest.remember(rows, values[name])
            if len(stream.rings.slots):
                stream.rings.remember(rows, values[name], self._keep_after(name))

    def _keep_after(self, stream: str) -> int:
        """Samples at or below this time are out of every window of the next tick."""
        edges = []
        for number, name in self._targets:
            query = self.queries[number]
            if name != stream or not self._is_ranged(query):
                continue
            span = query.leaf.range_ns
            if query.leaf.function is None:
                span = int(self._lookback.max(initial=0))
            done = self._done[query.interval_ns]
            if done == NEVER:
                return NEVER
            edges.append(done + query.interval_ns - query.leaf.offset_ns - span)
        return min(edges, default=FOREVER)
