"""``sort`` and its like, and the order of an instant query's result (promql/functions.go).

A matrix' rows have one order always, so sorting leaves it as it is; the order is asked for where
a result is shown.
"""

from functools import cmp_to_key
from typing import cast

import numpy as np

from engine.promql.matrix import Block, Labels, Matrix
from engine.promql.syntax import Aggregate, Call, Expression, Text
from engine.promql.values import Value
from engine.series.identity import NAME_LABEL

_BY_VALUE = {"sort": False, "sort_desc": True}
_BY_LABEL = {"sort_by_label": False, "sort_by_label_desc": True}
_RANKING = {"bottomk": False, "topk": True}


class Sorted:
    """``sort(v)``, ``sort_desc(v)``, ``sort_by_label(v, ...)``, ``sort_by_label_desc(v, ...)``."""

    def __init__(self, _call: Call) -> None:
        pass

    def apply(self, arguments: list[Value], _block: Block) -> Matrix:
        """Give the matrix unchanged."""
        return cast("Matrix", arguments[0])


def result_order(expression: Expression, matrix: Matrix, tick: int) -> list[int]:
    """Order the rows that are present at a tick as Prometheus shows them.

    Parameters
    ----------
    expression : Expression
        The whole query; if it is no ``sort`` or the like, no ``topk`` and no ``bottomk``, rows
        stay in the order of the table.
    matrix : Matrix
        Its value.
    tick : int
        Place of the tick in the block.

    Returns
    -------
    list of int
        Rows of the table. NaN is last whatever the direction; ties are in the table's order,
        which Prometheus leaves open.
    """
    rows: list[int] = np.flatnonzero(matrix.present[:, tick]).tolist()
    if isinstance(expression, Call) and expression.function in _BY_VALUE:
        return _by_value(rows, matrix, tick, descending=_BY_VALUE[expression.function])
    if isinstance(expression, Call) and expression.function in _BY_LABEL:
        names = [cast("Text", argument).value for argument in expression.arguments[1:]]
        return _by_label(rows, matrix, names, descending=_BY_LABEL[expression.function])
    if isinstance(expression, Aggregate) and expression.operator in _RANKING:
        groups: dict[Labels, list[int]] = {}
        for row in rows:
            groups.setdefault(_group(expression, matrix.table.labels[row]), []).append(row)
        descending = _RANKING[expression.operator]
        return [
            row
            for group in groups.values()
            for row in _by_value(group, matrix, tick, descending=descending)
        ]
    return rows


def natural_order(a: str, b: str) -> int:
    """Compare two texts in natural order (facette/natsort): numbers in them count by size.

    Returns
    -------
    int
        Negative, zero or positive, as `a` is before, beside or behind `b`. Zeros in front of a
        number don't count, and are passed over even where no digit follows, as in natsort.
    """
    left, right = 0, 0
    while left < len(a) and right < len(b):
        if _is_digit(a[left]) and _is_digit(b[right]):
            left, left_end = _number(a, left)
            right, right_end = _number(b, right)
            one, other = a[left:left_end], b[right:right_end]
            if len(one) != len(other):
                return len(one) - len(other)
            left, right = left_end, right_end
        else:
            one, other = a[left], b[right]
            left, right = left + 1, right + 1
        if one != other:
            return -1 if one < other else 1
    return (left < len(a)) - (right < len(b))


def _by_value(rows: list[int], matrix: Matrix, tick: int, *, descending: bool) -> list[int]:
    value = matrix.value[rows, tick]
    # A stable sort puts NaN last in either direction.
    order = np.argsort(-value if descending else value, kind="stable")
    return [rows[place] for place in order]


def _by_label(rows: list[int], matrix: Matrix, names: list[str], *, descending: bool) -> list[int]:
    labels = [dict(matrix.table.labels[row]) for row in range(len(matrix.table))]

    def compare(one: int, other: int) -> int:
        for name in names:
            order = natural_order(labels[one].get(name, ""), labels[other].get(name, ""))
            if order:
                return order
        return one - other  # the table's order is that of whole label sets

    return sorted(rows, key=cmp_to_key(compare), reverse=descending)


def _group(expression: Aggregate, labels: Labels) -> Labels:
    if expression.without:
        dropped = {NAME_LABEL, *expression.grouping}
        return tuple(item for item in labels if item[0] not in dropped)
    return tuple(item for item in labels if item[0] in expression.grouping)


def _number(text: str, start: int) -> tuple[int, int]:
    """Find where the number at `start` begins behind its zeros, and where it ends."""
    while text[start] == "0" and start + 1 < len(text):
        start += 1
    end = start + 1
    while end < len(text) and _is_digit(text[end]):
        end += 1
    return start, end


def _is_digit(character: str) -> bool:
    return "0" <= character <= "9"
