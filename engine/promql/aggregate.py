"""Aggregations at a block of ticks.

Rows are grouped once for each table; what is left for a tick are loops over arrays. Source:
Prometheus 3.16, promql/engine.go (`rangeEvalAgg`, `aggregationCountValues`).
"""

import math
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from engine.promql import aggregate_kernels as kernels
from engine.promql.errors import ExpressionError
from engine.promql.matching import METADATA_LABELS, kept, quoted_for_go, removed
from engine.promql.matrix import (
    Block,
    Labels,
    Matrix,
    Planned,
    Relabelled,
    Scalar,
    Table,
    arranged,
    labels_of,
    nothing,
    relabelled,
)
from engine.promql.syntax import Aggregate

_TOO_LARGE = 9223372036854774784.0  # the largest float64 below 2**63


class Aggregation:
    """An aggregation over groups of rows.

    Parameters
    ----------
    node : Aggregate
        The operation; what it aggregates and its parameter are evaluated by the caller.

    Raises
    ------
    ExpressionError
        For limit_ratio, which samples by a hash that differs between builds of Prometheus.
    """

    def __init__(self, node: Aggregate) -> None:
        if node.operator == "limit_ratio":
            raise ExpressionError("limit_ratio is not supported yet")
        self._operator = node.operator
        self._grouping = _Grouping(node)
        self._count_values = _CountValues(node)
        self._planned = Planned()

    def apply(self, matrix: Matrix, parameter: Scalar | str | None, block: Block) -> Matrix:
        """Aggregate at each tick.

        Parameters
        ----------
        matrix : Matrix
            What to aggregate.
        parameter : Scalar or str or None
            A number by tick for topk, bottomk, limitk and quantile, a label for count_values.
        block : Block
            Is told of ticks at which the parameter is none.
        """
        if isinstance(parameter, str):
            return self._count_values.apply(matrix, parameter, block)
        groups = self._planned.get((matrix.table,), lambda: self._grouping.groups(matrix.table))
        if parameter is None:
            return _aggregated(self._operator, matrix, groups)
        if self._operator == "quantile":
            return _quantiles(matrix, groups, parameter)
        return _limited(self._operator, matrix, groups, _limits(parameter, block))


@dataclass(frozen=True, slots=True)
class _Groups:
    """The groups of a table's rows, and the rows by group: ``order[start[i]:start[i + 1]]``."""

    rows: Relabelled
    order: NDArray[np.int64]
    start: NDArray[np.int64]


class _Grouping:
    """What ``by`` or ``without`` leaves of labels."""

    def __init__(self, node: Aggregate) -> None:
        self._names = frozenset(node.grouping)
        self._without = node.without

    def groups(self, table: Table) -> _Groups:
        """Group the rows of a table."""
        rows = relabelled(table, self.labels)
        order = np.argsort(rows.index, kind="stable")
        count = np.bincount(rows.index, minlength=len(rows.table))
        return _Groups(rows, order, np.concatenate(([0], np.cumsum(count))))

    def labels(self, labels: Labels) -> Labels:
        """Give the labels of a row's group."""
        if self._without:
            return removed(labels, self._names | METADATA_LABELS)
        return kept(labels, self._names)

    def adds(self, name: str) -> bool:
        """Tell whether groups of count_values are told apart by its label."""
        return not self._without or name not in self._names | METADATA_LABELS


def _aggregated(operator: str, matrix: Matrix, groups: _Groups) -> Matrix:
    """Aggregate without a parameter."""
    shape = (len(groups.rows.table), matrix.value.shape[1])
    value = np.empty(shape)
    present = np.zeros(shape, np.bool_)
    arrays = (groups.rows.index, matrix.value, matrix.present, value, present)
    if operator == "sum":
        kernels.sum_rows(*arrays, np.empty(shape))
    elif operator == "avg":
        count = np.empty(shape, np.int64)
        kernels.average_rows(*arrays, np.empty(shape), count, np.zeros(shape, np.bool_))
    elif operator in {"min", "max"}:
        kernels.extreme_rows(operator == "max", *arrays)
    elif operator == "count":
        kernels.count_rows(*arrays)
    elif operator == "group":
        kernels.group_rows(*arrays)
    else:
        count = np.empty(shape, np.int64)
        kernels.vary_rows(operator == "stddev", *arrays, np.empty(shape), count)
    return Matrix(groups.rows.table, value, present)


def _quantiles(matrix: Matrix, groups: _Groups, quantile: Scalar) -> Matrix:
    shape = (len(groups.rows.table), matrix.value.shape[1])
    value = np.empty(shape)
    present = np.zeros(shape, np.bool_)
    kernels.quantile_rows(
        groups.order, groups.start, matrix.value, matrix.present, quantile.value, value, present
    )
    return Matrix(groups.rows.table, value, present)


def _limited(operator: str, matrix: Matrix, groups: _Groups, limit: NDArray[np.int64]) -> Matrix:
    """Keep some of the rows, with their labels: those of topk, bottomk or limitk."""
    rows, ticks = matrix.value.shape
    present = np.zeros((rows, ticks), np.bool_)
    if operator == "limitk":
        taken = np.zeros((len(groups.rows.table), ticks), np.int64)
        kernels.limit_rows(groups.rows.index, limit, matrix.present, taken, present)
    else:
        kernels.best_rows(
            operator == "topk",
            groups.order,
            groups.start,
            limit,
            matrix.value,
            matrix.present,
            np.empty(rows, np.int64),
            present,
        )
    return Matrix(matrix.table, matrix.value, present)


def _limits(parameter: Scalar, block: Block) -> NDArray[np.int64]:
    """Cut k to a whole number at each tick; 0 where it is none, and the tick fails."""
    number = parameter.value
    if (number < _TOO_LARGE).all():
        return np.maximum(number, 0.0).astype(np.int64)
    block.fail(np.isnan(number), "Parameter value is NaN")
    for large in set(number[number >= _TOO_LARGE].tolist()):
        block.fail(number == large, f"Scalar value {_scientific(large)} overflows int64")
    return np.where(number < _TOO_LARGE, np.maximum(number, 0.0), 0.0).astype(np.int64)


class _CountValues:
    """Counts of equal values: a row for each group and value that there is."""

    def __init__(self, node: Aggregate) -> None:
        self._grouping = _Grouping(node)
        self._planned = Planned()
        self._table = Table(())

    def apply(self, matrix: Matrix, name: str, block: Block) -> Matrix:
        ticks = matrix.value.shape[1]
        if not _is_label_name(name):
            # Prometheus looks before it evaluates anything, so that every tick fails.
            block.fail(np.ones(ticks, np.bool_), f"invalid label name {quoted_for_go(name)}")
            return nothing(ticks)
        groups = self._planned.get((matrix.table,), lambda: self._bases(matrix.table, name))
        row, tick = np.nonzero(matrix.present)
        sample = matrix.value[row, tick]
        distinct, sample_place = np.unique(sample.view(np.int64), return_inverse=True)
        texts = [float_text(number) for number in distinct.view(np.float64).tolist()]
        pair = groups.index[row] * len(texts) + sample_place
        pairs, pair_place = np.unique(pair, return_inverse=True)
        adds = self._grouping.adds(name)
        labels = []
        for number in pairs.tolist():
            group, place = divmod(number, len(texts))
            base = groups.table.labels[group]
            labels.append(labels_of((*base, (name, texts[place]))) if adds else base)
        plan = arranged(labels)
        count = np.bincount(
            plan.index[pair_place] * ticks + tick, minlength=len(plan.table) * ticks
        )
        value = count.reshape(len(plan.table), ticks).astype(np.float64)
        return Matrix(self._same_table(plan.table), value, value > 0)

    def _bases(self, table: Table, name: str) -> Relabelled:
        """Group rows without regard to values."""
        return relabelled(table, lambda labels: removed(self._grouping.labels(labels), (name,)))

    def _same_table(self, table: Table) -> Table:
        """Give the table of the last block again if it is equal, to spare others a new plan."""
        if table.labels != self._table.labels:
            self._table = table
        return self._table


def float_text(number: float) -> str:
    """Write a number as Go's ``strconv.FormatFloat(number, 'f', -1, 64)`` does."""
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "+Inf" if number > 0 else "-Inf"
    text = f"{Decimal(repr(number)):f}"
    return text.removesuffix(".0")


def _scientific(number: float) -> str:
    """Write a number of more than 6 digits, or +Inf, as Go's ``%v`` does."""
    if math.isinf(number):
        return "+Inf"
    mantissa, exponent = f"{Decimal(repr(number)).normalize():e}".split("e")
    return f"{mantissa}e{int(exponent):+03d}"


def _is_label_name(name: str) -> bool:
    """Tell whether a label can have a name: any UTF-8 text, since 3.0."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return bool(name)
