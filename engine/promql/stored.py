"""Queries on samples in memory: for tests of rules, for explaining, for judging the language."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from engine.config.durations import MINUTE_NS
from engine.kernels.jit import kernel
from engine.promql.leaf import OF_NEWEST, TIMESTAMP, Leaf, passes
from engine.promql.matrix import Block, Labels, Matrix, Table
from engine.promql.operators import Parameters, SubqueryOperator
from engine.promql.prepare import at_ends, prepare
from engine.promql.selector import Selector
from engine.promql.series_windows import NOWHERE, fill_newest, fill_windows
from engine.promql.syntax import Expression
from engine.promql.values import Value
from engine.promql.window_functions import FUNCTIONS
from engine.series.identity import NAME_LABEL

LOOKBACK_NS = 5 * MINUTE_NS

StoredSeries = tuple[Labels, NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]
"""Labels with the name; timestamps (ns, ascending), values, whether each is a stale marker."""


class Stored:
    """Series in memory, as a source of leaves.

    Parameters
    ----------
    series : iterable of StoredSeries
        Each label set once.
    lookback_ns : int
        How long a sample is seen.
    """

    def __init__(self, series: Iterable[StoredSeries], *, lookback_ns: int = LOOKBACK_NS) -> None:
        held = sorted(series, key=lambda item: item[0])
        self._labels = [labels for labels, *_ in held]
        self._lookback_ns = lookback_ns
        self._start = np.concatenate([[0], np.cumsum([len(ts) for _, ts, *_ in held])])
        self._start = self._start.astype(np.int64)
        self._ts = np.concatenate([np.empty(0, np.int64), *(ts for _, ts, _, _ in held)])
        self._value = np.concatenate([np.empty(0), *(value for _, _, value, _ in held)])
        self._stale = np.concatenate([np.empty(0, np.bool_), *(stale for *_, stale in held)])
        self._selected: dict[Selector, tuple[Table, NDArray[np.int64]]] = {}

    def leaf(self, leaf: Leaf, block: Block, parameters: Parameters) -> Matrix:
        """Give a leaf's results (see `Source`)."""
        table, members = self._select(leaf.selector)
        shape = len(members), len(block.ticks)
        value, present = np.full(shape, np.nan), np.zeros(shape, np.bool_)
        at_ns = NOWHERE if leaf.at_ns is None else leaf.at_ns
        columns = (self._start, self._ts, self._value, self._stale)
        if leaf.range_ns:
            _ranged(
                members, *columns, FUNCTIONS[leaf.function or "last"], block.ticks, leaf.range_ns,
                leaf.offset_ns, at_ns, *parameters, value, present,
            )  # fmt: skip
        else:
            offset_ns, lookback_ns = leaf.offset_ns, self._lookback_ns
            if leaf.function == TIMESTAMP and leaf.at_ns is not None:
                # Prometheus loads samples up to @ less the offset, but looks back from @ itself.
                offset_ns = max(offset_ns, 0)
                lookback_ns -= offset_ns
            _newest(
                members, *columns, block.ticks, lookback_ns, offset_ns, at_ns,
                OF_NEWEST[leaf.function], value, present,
            )  # fmt: skip
        if leaf.comparison is not None:
            present &= passes(value, leaf.comparison)
        return Matrix(table, value, present)

    def samples(self, selector: Selector) -> Iterator[StoredSeries]:
        """Yield all samples of the series that a selector selects."""
        table, members = self._select(selector)
        for labels, member in zip(table.labels, members.tolist(), strict=True):
            here = slice(self._start[member], self._start[member + 1])
            yield labels, self._ts[here], self._value[here], self._stale[here]

    def inner(self, subquery: SubqueryOperator, block: Block) -> tuple[Block, Matrix]:
        """Evaluate a subquery at all steps that the windows reach (see `Source`)."""
        node = subquery.subquery
        right = np.array([subquery.at_ns]) if subquery.at_ns is not None else block.ticks
        first = int(right.min()) - node.offset_ns - node.range_ns
        last = int(right.max()) - node.offset_ns
        begin = (first // node.step_ns + 1) * node.step_ns
        inner_block = Block(np.arange(begin, last + 1, node.step_ns, dtype=np.int64), node.step_ns)
        matrix = subquery.expression.evaluate(inner_block, self)
        if not isinstance(matrix, Matrix):
            raise TypeError("a subquery is of a vector")
        return inner_block, matrix

    def _select(self, selector: Selector) -> tuple[Table, NDArray[np.int64]]:
        found = self._selected.get(selector)
        if found is None:
            members = []
            for number, labels in enumerate(self._labels):
                given = dict(labels)
                name = given.pop(NAME_LABEL, "")
                if selector.matches(name, given):
                    members.append(number)
            found = Table([self._labels[number] for number in members]), np.array(members, np.int64)
            self._selected[selector] = found
        return found


def query(expression: Expression, source: Stored, ticks: NDArray[np.int64]) -> tuple[Value, Block]:
    """Evaluate an expression at ticks, of which the first and the last are start() and end().

    Returns
    -------
    value : Matrix, Scalar or str
    block : Block
        With the errors that ticks had.
    """
    resolved = at_ends(expression, int(ticks[0]), int(ticks[-1]))
    block = Block(ticks)
    return prepare(resolved).evaluate(block, source), block


@kernel
def _ranged(
    members: NDArray[np.int64],
    start: NDArray[np.int64],
    ts: NDArray[np.int64],
    value: NDArray[np.float64],
    stale: NDArray[np.bool_],
    function: int,
    ticks: NDArray[np.int64],
    range_ns: int,
    offset_ns: int,
    at_ns: int,
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    out_value: NDArray[np.float64],
    out_present: NDArray[np.bool_],
) -> None:
    for row in range(len(members)):
        begin, end = start[members[row]], start[members[row] + 1]
        kept = ~stale[begin:end]
        its_ts, its_value = ts[begin:end][kept], value[begin:end][kept]
        scratch = np.empty(len(its_ts), np.float64)
        fill_windows(
            function, its_ts, its_value, ticks, range_ns, offset_ns, at_ns, first, second,
            scratch, out_value[row], out_present[row],
        )  # fmt: skip


@kernel
def _newest(
    members: NDArray[np.int64],
    start: NDArray[np.int64],
    ts: NDArray[np.int64],
    value: NDArray[np.float64],
    stale: NDArray[np.bool_],
    ticks: NDArray[np.int64],
    lookback_ns: int,
    offset_ns: int,
    at_ns: int,
    asked: int,
    out_value: NDArray[np.float64],
    out_present: NDArray[np.bool_],
) -> None:
    for row in range(len(members)):
        begin, end = start[members[row]], start[members[row] + 1]
        fill_newest(
            ts[begin:end], value[begin:end], stale[begin:end], ticks, lookback_ns, offset_ns,
            at_ns, asked, out_value[row], out_present[row],
        )  # fmt: skip
