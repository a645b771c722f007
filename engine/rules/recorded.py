"""The series that a lane's rules make, and what other rules of the lane see of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.promql.matrix import Labels
from engine.rules.lane_rows import Cells, LaneRows
from engine.rules.leaves import RAW, Leaves
from engine.rules.queries import Announced, LeafRows, Query
from engine.series.columns import FLAG_STALE
from engine.series.identity import NAME_LABEL, Series
from engine.series.order import Rows, ordered

_COLUMNS = ("slot", "tick", "value", "flags")


class LimitError(Exception):
    """A rule made more series than are allowed."""


@dataclass(frozen=True, slots=True)
class Samples:
    """Samples that a rule made, as columns of equal length n; the series are ``labels[index]``."""

    labels: Sequence[Labels]
    index: NDArray[np.int64]
    tick: NDArray[np.int64]
    value: NDArray[np.float64]
    stale: NDArray[np.bool_]

    @classmethod
    def at(
        cls,
        tick: int,
        labels: Sequence[Labels],
        value: NDArray[np.float64],
        stale: NDArray[np.bool_],
    ) -> "Samples":
        """One sample of each series at a tick."""
        return cls(labels, np.arange(len(labels)), np.full(len(labels), tick), value, stale)


class Recorded:
    """Series of recording rules and alerts in one lane.

    Parameters
    ----------
    queries : sequence of Query
        All of the plan.
    rows : LaneRows
        Where their results get rows.
    source : int
        The number of this part in `rows`.
    lookback_ns, samples_max, series_max : int
        How long a sample is seen, how many samples of a series are kept, how many series.
    """

    def __init__(
        self,
        queries: Sequence[Query],
        rows: LaneRows,
        source: int,
        *,
        lookback_ns: int,
        samples_max: int,
        series_max: int,
    ) -> None:
        self.leaves = Leaves(queries, [(0,)] * len(queries), samples_max=samples_max)
        self._queries = queries
        self._rows = rows
        self._source = source
        self._lookback_ns = lookback_ns
        self._series_max = series_max
        self._slots: dict[Labels, int] = {}
        self._series: list[Labels] = []
        self._announced = np.zeros(0, np.bool_)
        self._block: list[tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.float64],
                                NDArray[np.uint8]]] = []  # fmt: skip
        self._ordered: Rows | None = None
        self._found: dict[tuple[int, range], dict[int, list[Cells]]] = {}

    def __len__(self) -> int:
        return len(self._series)

    def add(self, samples: Samples) -> None:
        """Put samples in.

        Raises
        ------
        LimitError
            Beyond the allowed number of series; nothing is put in.
        """
        slots = self._slots_of(samples.labels)
        flags = samples.stale.astype(np.uint8) * FLAG_STALE
        self._block.append((slots[samples.index], samples.tick, samples.value, flags))
        self._ordered = None
        self._found = {}

    def cells(self, query: int, interval_ns: int, ticks: range) -> list[Cells]:
        """Give a query's results of the lane's own series."""
        key = interval_ns, ticks
        if key not in self._found:
            self._found[key] = self._evaluate(interval_ns, ticks)
        return self._found[key].get(query, [])

    def end_block(self, horizon: int, stepped: int) -> None:
        """Keep what ticks to come need of the block's samples.

        Parameters
        ----------
        horizon : int
            No evaluation is at an earlier tick.
        stepped : int
            Samples after it stay apart, for a subquery may have steps before them.
        """
        self._found = {}
        if not self._block:
            return
        slot, tick, value, flags = (
            np.concatenate(column) for column in zip(*self._block, strict=True)
        )
        past = tick <= stepped
        if past.any():
            rows = ordered(slot[past], tick[past], value[past], flags[past], len(self._series))
            self.leaves.remember(rows, {RAW: rows.value}, horizon)
        later = ~past
        self._block = []
        if later.any():
            self._block.append((slot[later], tick[later], value[later], flags[later]))
        self._ordered = None

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The live arrays, between blocks."""
        arrays = self.leaves.arrays()
        for block in self._block:  # at most one
            columns: tuple[NDArray[Any], ...] = block
            for name, array in zip(_COLUMNS, columns, strict=True):
                arrays[f"later|{name}"] = array
        return arrays

    def meta(self) -> list[Labels]:
        """The series, in the order of their slots."""
        return list(self._series)

    def restore(self, arrays: dict[str, NDArray[Any]], series: Iterable[Labels]) -> None:
        """Go on from a checkpoint."""
        self._slots_of([tuple((name, value) for name, value in labels) for labels in series])
        self.leaves.restore(arrays, {})
        if "later|slot" in arrays:
            slot, tick, value, flags = (arrays[f"later|{name}"] for name in _COLUMNS)
            self._block = [(slot, tick, value, flags)]

    def _slots_of(self, labels: Sequence[Labels]) -> NDArray[np.int32]:
        new = [item for item in labels if item not in self._slots]
        if new:
            self._add_series(new)
        return np.array([self._slots[item] for item in labels], np.int32)

    def _add_series(self, new: list[Labels]) -> None:
        if len(self._series) + len(new) > self._series_max:
            raise LimitError(f"more than limits.series = {self._series_max} recorded series")
        first = len(self._series)
        for item in new:
            self._slots[item] = len(self._series)
            self._series.append(item)
        self.leaves.grow(np.full(len(new), self._lookback_ns, np.int64))
        slots = np.arange(first, len(self._series), dtype=np.int32)
        self.leaves.add(RAW, slots, [series_of(item) for item in new])

    def _all_rows(self) -> Rows:
        if self._ordered is None:
            slot, tick, value, flags = zip(*self._block, strict=True)
            self._ordered = ordered(
                np.concatenate(slot), np.concatenate(tick), np.concatenate(value),
                np.concatenate(flags), len(self._series),
            )  # fmt: skip
        return self._ordered

    def _evaluate(self, interval_ns: int, ticks: range) -> dict[int, list[Cells]]:
        rows = self._all_rows() if self._block else _no_rows(len(self._series))
        results: dict[int, list[Cells]] = {}
        for found in self.leaves.evaluate_at(rows, {RAW: rows.value}, interval_ns, ticks):
            self._announce(found.pair, found.query, found.slot)
            row = self._rows.rows_of(self._source, found.pair)
            for query in np.unique(found.query).tolist():
                here = found.query == query
                cells = Cells(row[here], found.tick[here], found.value[here])
                results.setdefault(query, []).append(cells)
        return results

    def _announce(
        self, pair: NDArray[np.int32], query: NDArray[np.int32], slot: NDArray[np.int32]
    ) -> None:
        if len(self._announced) < self.leaves.pairs:
            room = np.zeros(2 * self.leaves.pairs, np.bool_)
            room[: len(self._announced)] = self._announced
            self._announced = room
        new = ~self._announced[pair]
        if not new.any():
            return
        pairs, places = np.unique(pair[new], return_index=True)
        self._announced[pairs] = True
        labels = [self._series[number] for number in slot[new][places].tolist()]
        announced = Announced(pairs, query[new][places], labels)
        nothing = np.empty(0, np.int64)
        self._rows.announce(
            self._source,
            LeafRows(self._source, 0, pairs[:0], nothing, np.empty(0), announced),
        )


def series_of(labels: Labels) -> Series:
    """Give the series of a full label set."""
    given = dict(labels)
    name = given.pop(NAME_LABEL, "")
    return Series(name, tuple(given.items()))


def _no_rows(slots: int) -> Rows:
    nothing = np.empty(0, np.int64)
    return Rows(
        np.zeros(slots + 1, np.int64), nothing.astype(np.int32), nothing, np.empty(0),
        np.empty(0, np.uint8), 0, 0,
    )  # fmt: skip
