"""Where a lane's expressions get the results of their leaves and subqueries."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.promql.leaf import Leaf
from engine.promql.matrix import EMPTY_TABLE, Block, Labels, Matrix, Relabelled, Table, arranged
from engine.promql.operators import Parameters, SubqueryOperator
from engine.rules.lane_rows import LaneRows
from engine.rules.queries import Query
from engine.rules.recorded import Recorded

NOT_YET = -(2**63)
ALWAYS_SURE = 2**63 - 1


class StepMemory:
    """A subquery's results at the steps that its windows still reach.

    Attributes
    ----------
    done : int
        The last step, or the one before the first; `NOT_YET` before that is known.
    begun : int
        No step lies before it: what is new in a flow that goes on has not seen more.
    unsure_from : int
        Steps at or after this tick are to be evaluated again: they were evaluated before all that
        rules make at that tick.
    """

    def __init__(self) -> None:
        self.done = NOT_YET
        self.begun = NOT_YET
        self.unsure_from = ALWAYS_SURE
        self.ticks = np.empty(0, np.int64)
        self.matrix = Matrix(EMPTY_TABLE, np.empty((0, 0)), np.empty((0, 0), np.bool_))
        self.errors: dict[int, str] = {}

    def append(self, block: Block, matrix: Matrix) -> None:
        """Put the results of new steps behind those that are held."""
        if not len(block.ticks):
            return
        for place, message in block.errors.items():
            self.errors[int(block.ticks[place])] = message
        if matrix.table is not self.matrix.table:
            labels = (*self.matrix.table.labels, *matrix.table.labels)
            plan = arranged(labels)
            split = len(self.matrix.table)
            held = _spread(self.matrix, plan, plan.index[:split])
            matrix = _spread(matrix, plan, plan.index[split:])
        else:
            held = self.matrix
        self.ticks = np.concatenate([self.ticks, block.ticks])
        self.matrix = Matrix(
            held.table,
            np.concatenate([held.value, matrix.value], axis=1),
            np.concatenate([held.present, matrix.present], axis=1),
        )
        self.done = int(block.ticks[-1])

    def take_back(self, step_ns: int) -> None:
        """Drop the steps, which are `step_ns` apart, that are to be evaluated again."""
        kept = int(np.searchsorted(self.ticks, self.unsure_from))
        if kept < len(self.ticks):
            self.done = int(self.ticks[kept]) - step_ns
            self.ticks = self.ticks[:kept]
            held = self.matrix
            self.matrix = Matrix(held.table, held.value[:, :kept], held.present[:, :kept])
            self.errors = {at: text for at, text in self.errors.items() if at < self.unsure_from}
        self.unsure_from = ALWAYS_SURE

    def forget(self, tick: int) -> None:
        """Drop steps at or before a tick, and rows that have nothing any more."""
        gone = int(np.searchsorted(self.ticks, tick, side="right"))
        if not gone:
            return
        self.ticks = self.ticks[gone:]
        self.errors = {at: text for at, text in self.errors.items() if at > tick}
        value, present = self.matrix.value[:, gone:], self.matrix.present[:, gone:]
        table = self.matrix.table
        alive = np.asarray(present.any(axis=1))
        if 2 * int(alive.sum()) < len(alive):
            rows = np.flatnonzero(alive)
            table = Table([table.labels[row] for row in rows.tolist()])
            value, present = value[rows], present[rows]
        self.matrix = Matrix(table, value, present)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that is arrays."""
        return {
            "ticks": self.ticks,
            "value": np.ascontiguousarray(self.matrix.value),
            "present": np.ascontiguousarray(self.matrix.present),
        }

    def meta(self) -> dict[str, Any]:
        """All that is text."""
        return {
            "done": self.done,
            "begun": self.begun,
            "unsure_from": self.unsure_from,
            "labels": self.matrix.table.labels,
            "errors": {str(tick): text for tick, text in self.errors.items()},
        }

    def restore(self, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> None:
        """Go on from a checkpoint."""
        labels = [tuple((name, value) for name, value in item) for item in meta["labels"]]
        self.done = meta["done"]
        self.begun = meta["begun"]
        self.unsure_from = meta["unsure_from"]
        self.ticks = arrays["ticks"]
        self.matrix = Matrix(Table(labels), arrays["value"], arrays["present"])
        self.errors = {int(tick): text for tick, text in meta["errors"].items()}


class LaneSource:
    """The leaves' results at a block of ticks, from the shards and the lane's own series.

    Parameters
    ----------
    numbers : mapping of int by Query
        The plan's queries.
    rows : LaneRows
    recorded : Recorded

    Attributes
    ----------
    begun : int
        When the first of all series began; `NOT_YET` if that is not known.
    unsure_from : int
        From which tick on rules have not made all their samples yet.
    """

    def __init__(self, numbers: Mapping[Query, int], rows: LaneRows, recorded: Recorded) -> None:
        self._numbers = numbers
        self._rows = rows
        self._recorded = recorded
        self._by_leaf: dict[tuple[int, int], int] = {}
        self.begun = NOT_YET
        self.unsure_from = ALWAYS_SURE
        self.memories: dict[SubqueryOperator, StepMemory] = {}

    def number_of(self, leaf: Leaf, interval_ns: int) -> int:
        """Give a query's number; leaves live as long as their rules, so their id names them."""
        key = id(leaf), interval_ns
        number = self._by_leaf.get(key)
        if number is None:
            number = self._by_leaf[key] = self._numbers[Query(leaf, interval_ns)]
        return number

    def leaf(self, leaf: Leaf, block: Block, parameters: Parameters) -> Matrix:
        """Give a leaf's results (see `Source`); its parameters are constant in a rule."""
        del parameters
        number = self.number_of(leaf, block.interval_ns)
        if not len(self._recorded) or not len(block.ticks):
            return self._rows.matrix(number, block)
        interval = block.interval_ns
        ticks = range(int(block.ticks[0]), int(block.ticks[-1]) + interval, interval)
        more = self._recorded.cells(number, interval, ticks)
        return self._rows.matrix(number, block, more)

    def contexts(
        self, leaf: Leaf, interval_ns: int
    ) -> dict[tuple[Labels, int], NDArray[np.float64]]:
        """Give the contexts of a leaf's results by labels without the name, and tick."""
        return self._rows.contexts(self.number_of(leaf, interval_ns))

    def inner(self, subquery: SubqueryOperator, block: Block) -> tuple[Block, Matrix]:
        """Evaluate a subquery at its new steps, and give them with those that are held."""
        node = subquery.subquery
        memory = self.memories[subquery]
        if len(block.ticks):
            self._go_on(subquery, memory, int(block.ticks[0]), int(block.ticks[-1]))
            memory.forget(int(block.ticks[0]) - node.offset_ns - node.range_ns)
        inner = Block(memory.ticks, node.step_ns)
        for place, tick in enumerate(memory.ticks.tolist() if memory.errors else ()):
            if tick in memory.errors:
                inner.errors[place] = memory.errors[tick]
        value = np.ascontiguousarray(memory.matrix.value)
        present = np.ascontiguousarray(memory.matrix.present)
        return inner, Matrix(memory.matrix.table, value, present)

    def _go_on(
        self, subquery: SubqueryOperator, memory: StepMemory, first_tick: int, last_tick: int
    ) -> None:
        step_ns = subquery.subquery.step_ns
        memory.take_back(step_ns)
        if memory.done == NOT_YET:
            earliest = max(self._first_step(first_tick), memory.begun)
            memory.done = -(-earliest // step_ns) * step_ns - step_ns
        begin = memory.done + step_ns
        if begin > last_tick:
            return
        ticks = np.arange(begin, last_tick + 1, step_ns, dtype=np.int64)
        block = Block(ticks, step_ns)
        outside = self._rows.stretch(step_ns)
        self._rows.put_together(step_ns, begin, len(ticks))
        matrix = subquery.expression.evaluate(block, self)
        if not isinstance(matrix, Matrix):
            raise TypeError("a subquery is of a vector")
        memory.append(block, matrix)
        memory.unsure_from = self.unsure_from
        if outside not in (None, (begin, len(ticks))):
            # What is evaluated around the subquery goes on with its own ticks.
            self._rows.put_together(step_ns, *outside)

    def _first_step(self, first_tick: int) -> int:
        """When the steps of a subquery begin that has none yet."""
        begun = self.begun
        if begun == NOT_YET:
            waiting = self._rows.first_tick()
            return first_tick if waiting is None else min(first_tick, waiting)
        return min(first_tick, begun)


def _spread(matrix: Matrix, plan: Relabelled, index: NDArray[np.int64]) -> Matrix:
    """Put a matrix' rows where they stand in a larger table."""
    shape = len(plan.table), matrix.value.shape[1]
    value, present = np.full(shape, np.nan), np.zeros(shape, np.bool_)
    value[index], present[index] = matrix.value, matrix.present
    return Matrix(plan.table, value, present)
