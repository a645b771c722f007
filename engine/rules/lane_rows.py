"""The leaves' results in a rule lane: rows from all shards, put together to matrices.

Shards name a (query, series) pair by a number of their own and say once what it is. A lane gives
each a row; a query's rows are the table of its matrices, in the order of labels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from engine.kernels.jit import in_place
from engine.promql.matrix import EMPTY_TABLE, Block, Labels, Matrix, Table
from engine.promql.values import unnamed
from engine.rules.queries import LeafRows, Query

_NO_ROW = -1


@dataclass(frozen=True, slots=True)
class Cells:
    """Results as columns of equal length: the lane's row, the tick and the value."""

    row: NDArray[np.int64]
    tick: NDArray[np.int64]
    value: NDArray[np.float64]
    context: NDArray[np.float64] | None = None

    def take(self, chosen: NDArray[np.bool_]) -> "Cells":
        """Those of a mask."""
        context = None if self.context is None else self.context[chosen]
        return Cells(self.row[chosen], self.tick[chosen], self.value[chosen], context)


@dataclass(slots=True)
class _Members:
    """The rows of one query."""

    labels: list[Labels] = field(default_factory=list)
    row: list[int] = field(default_factory=list)
    by_labels: dict[Labels, int] = field(default_factory=dict)
    table: Table | None = EMPTY_TABLE
    order: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))


@dataclass(slots=True)
class _Buffer:
    """All rows of one interval at a stretch of ticks."""

    first_tick: int
    interval_ns: int
    value: NDArray[np.float64]
    present: NDArray[np.bool_]

    def columns(self, block: Block) -> slice:
        """The columns of a block's ticks."""
        if not len(block.ticks):
            return slice(0, 0)
        begin = (int(block.ticks[0]) - self.first_tick) // self.interval_ns
        return slice(begin, begin + len(block.ticks))


class LaneRows:
    """Rows of a lane's queries.

    Parameters
    ----------
    queries : sequence of Query
        All of the plan; those of other lanes never get rows.
    sources : int
        How many parts name pairs: the shards, and the lane's own series.
    """

    def __init__(self, queries: Sequence[Query], sources: int) -> None:
        self._queries = queries
        self._members = [_Members() for _ in queries]
        self._query_of_row: list[int] = []
        self._row_of_pair = [np.empty(0, np.int64) for _ in range(sources)]
        self._waiting: dict[int, list[Cells]] = {}
        self._numbers_of: dict[int, list[int]] = {}
        for number, query in enumerate(queries):
            self._numbers_of.setdefault(query.interval_ns, []).append(number)
        self._buffers: dict[int, _Buffer] = {}
        self._base = np.zeros(len(queries), np.int64)
        self._place = np.empty(0, np.int64)
        self._laid = np.zeros(len(queries), np.int64)
        self._counts: dict[int, int] = dict.fromkeys(self._numbers_of, 0)
        self._laid_counts: dict[int, int] = {}

    def take(self, rows: LeafRows) -> None:
        """Take in what a shard found."""
        self.announce(rows.shard, rows)
        cells = Cells(self._row_of_pair[rows.shard][rows.pair], rows.tick, rows.value, rows.context)
        self._waiting.setdefault(rows.interval_ns, []).append(cells)

    def announce(self, source: int, rows: LeafRows) -> None:
        """Give rows to pairs that are new."""
        announced = rows.announced
        if not len(announced.pair):
            return
        row_of_pair = self._row_of_pair[source]
        most = int(announced.pair.max()) + 1
        if most > len(row_of_pair):
            room = np.full(max(most, 2 * len(row_of_pair)), _NO_ROW, np.int64)
            room[: len(row_of_pair)] = row_of_pair
            row_of_pair = self._row_of_pair[source] = room
        for pair, query, labels in zip(
            announced.pair.tolist(), announced.query.tolist(), announced.labels, strict=True
        ):
            row_of_pair[pair] = self.row(query, labels)

    def row(self, query: int, labels: Labels) -> int:
        """Give the row of a query's series, made if need be."""
        members = self._members[query]
        held = members.by_labels.get(labels)
        if held is not None:
            return held
        row = len(self._query_of_row)
        self._query_of_row.append(query)
        members.by_labels[labels] = row
        members.labels.append(labels)
        members.row.append(row)
        members.table = None
        self._counts[self._queries[query].interval_ns] += 1
        return row

    def rows_of(self, source: int, pair: NDArray[np.int32]) -> NDArray[np.int64]:
        """Give the rows of announced pairs."""
        return self._row_of_pair[source][pair]

    def table(self, query: int) -> Table:
        """Give the label sets of a query's rows."""
        members = self._members[query]
        if members.table is None:
            order = sorted(range(len(members.labels)), key=members.labels.__getitem__)
            members.order = np.array([members.row[number] for number in order], np.int64)
            members.table = Table([members.labels[number] for number in order])
        return members.table

    def first_tick(self) -> int | None:
        """The first tick that something waits for."""
        ticks = [
            int(cells.tick.min())
            for waiting in self._waiting.values()
            for cells in waiting
            if len(cells.tick)
        ]
        return min(ticks, default=None)

    def put_together(self, interval_ns: int, first_tick: int, ticks: int) -> None:
        """Make the matrices of an interval's queries at a stretch of ticks."""
        held = self._buffers.get(interval_ns)
        rows = self._lay_out(interval_ns)
        if held is not None and held.first_tick == first_tick and held.value.shape == (rows, ticks):
            return
        value = np.full((rows, ticks), np.nan)
        present = np.zeros((rows, ticks), np.bool_)
        for cells in self._waiting.get(interval_ns, []):
            _scatter(
                cells.row, cells.tick, cells.value, self._place, first_tick, interval_ns,
                value, present,
            )  # fmt: skip
        self._buffers[interval_ns] = _Buffer(first_tick, interval_ns, value, present)

    def stretch(self, interval_ns: int) -> tuple[int, int] | None:
        """First tick and number of ticks that an interval was put together for last."""
        buffer = self._buffers.get(interval_ns)
        return None if buffer is None else (buffer.first_tick, buffer.value.shape[1])

    def rows(self, interval_ns: int) -> int:
        """How many rows an interval's queries have."""
        return self._counts.get(interval_ns, 0)

    def matrix(self, query: int, block: Block, more: Sequence[Cells] = ()) -> Matrix:
        """Give a query's results at a block's ticks; `more` are of the lane's own series."""
        buffer = self._buffers[block.interval_ns]
        table = self.table(query)
        columns = buffer.columns(block)
        if self._laid[query] == len(table):
            begin = self._base[query]
            lines = slice(begin, begin + len(table))
            value, present = buffer.value[lines, columns], buffer.present[lines, columns]
        else:
            value, present = self._again(query, table, block)
        value, present = np.ascontiguousarray(value), np.ascontiguousarray(present)
        if more and len(block.ticks):
            if not value.flags.owndata:
                value, present = value.copy(), present.copy()
            place = self._places_in(query)
            for cells in more:
                _scatter(
                    cells.row, cells.tick, cells.value, place, int(block.ticks[0]),
                    block.interval_ns, value, present,
                )  # fmt: skip
        return Matrix(table, value, present)

    def contexts(self, query: int) -> dict[tuple[Labels, int], NDArray[np.float64]]:
        """Give the contexts of a query's results by labels without the name, and tick."""
        members = self._members[query]
        found: dict[tuple[Labels, int], NDArray[np.float64]] = {}
        by_row = dict(zip(members.row, members.labels, strict=True))
        for cells in self._waiting.get(self._queries[query].interval_ns, []):
            if cells.context is None:
                continue
            for place in np.flatnonzero(np.isin(cells.row, members.row)).tolist():
                labels = unnamed(by_row[int(cells.row[place])])
                found[labels, int(cells.tick[place])] = cells.context[place]
        return found

    def drop_through(self, ticks: Mapping[int, int]) -> None:
        """Forget results at or before a tick, given by interval."""
        for interval_ns, waiting in self._waiting.items():
            tick = ticks[interval_ns]
            kept = [cells.take(cells.tick > tick) for cells in waiting]
            self._waiting[interval_ns] = [cells for cells in kept if len(cells.tick)]
        self._buffers = {}

    def waiting(self) -> list[tuple[int, list[Labels], Cells]]:
        """What waits, by query: its series and cells whose rows count them."""
        found: list[tuple[int, list[Labels], Cells]] = []
        query_of_row = np.array(self._query_of_row, np.int64)
        for waiting in self._waiting.values():
            for cells in waiting:
                queries = query_of_row[cells.row]
                for query in np.unique(queries).tolist():
                    part = cells.take(queries == query)
                    used, index = np.unique(part.row, return_inverse=True)
                    labels_of = {
                        row: labels for labels, row in self._members[query].by_labels.items()
                    }
                    labels = [labels_of[row] for row in used.tolist()]
                    part = Cells(index.astype(np.int64), part.tick, part.value, part.context)
                    found.append((query, labels, part))
        return found

    def restore(self, query: int, labels: list[Labels], cells: Cells) -> None:
        """Let results wait that `waiting` gave."""
        rows = np.array([self.row(query, item) for item in labels], np.int64)
        interval_ns = self._queries[query].interval_ns
        restored = Cells(rows[cells.row], cells.tick, cells.value, cells.context)
        self._waiting.setdefault(interval_ns, []).append(restored)

    def _lay_out(self, interval_ns: int) -> int:
        """Say where in a buffer each row of an interval stands; gives the number of rows."""
        total = self.rows(interval_ns)
        if self._laid_counts.get(interval_ns, 0) == total:
            return total
        if len(self._place) < len(self._query_of_row):
            room = np.full(2 * len(self._query_of_row), _NO_ROW, np.int64)
            room[: len(self._place)] = self._place
            self._place = room
        base = 0
        for number in self._numbers_of[interval_ns]:
            table = self.table(number)
            self._base[number] = base
            self._laid[number] = len(table)
            self._place[self._members[number].order] = np.arange(base, base + len(table))
            base += len(table)
        self._laid_counts[interval_ns] = base
        return base

    def _places_in(self, query: int) -> NDArray[np.int64]:
        """Say where in its query's table each row stands, -1 for rows of other queries."""
        self.table(query)
        order = self._members[query].order
        place = np.full(len(self._query_of_row), _NO_ROW, np.int64)
        place[order] = np.arange(len(order))
        return place

    def _again(
        self, query: int, table: Table, block: Block
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Put one query together that has new rows since its interval was."""
        shape = len(table), len(block.ticks)
        value, present = np.full(shape, np.nan), np.zeros(shape, np.bool_)
        if len(block.ticks):
            place = self._places_in(query)
            for cells in self._waiting.get(block.interval_ns, []):
                _scatter(
                    cells.row, cells.tick, cells.value, place, int(block.ticks[0]),
                    block.interval_ns, value, present,
                )  # fmt: skip
        return value, present


@in_place
def _scatter(
    row: NDArray[np.int64],
    tick: NDArray[np.int64],
    cell_value: NDArray[np.float64],
    place: NDArray[np.int64],
    first_tick: int,
    interval: int,
    value: NDArray[np.float64],
    present: NDArray[np.bool_],
) -> None:
    """Put cells where their rows and ticks stand; those of other ticks or rows are left out."""
    ticks = value.shape[1]
    for i in range(len(row)):
        if tick[i] < first_tick or place[row[i]] < 0:
            continue
        k = (tick[i] - first_tick) // interval
        if k < ticks:
            value[place[row[i]], k] = cell_value[i]
            present[place[row[i]], k] = True
