"""What an expression has at a block of ticks: label sets in a fixed order, and values by tick.

A *table* is the label sets of a matrix' rows: unique and sorted, so that sums over rows have one
order whatever was known before. Operators plan how rows of tables map to rows of others once, and
go on with the plan as long as they are given the same table objects.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from engine.kernels.jit import in_place

Labels = tuple[tuple[str, str], ...]
"""A label set with ``__name__``: pairs sorted by name, without empty values."""

P = TypeVar("P")

DUPLICATE_LABELS = "vector cannot contain metrics with the same labelset"
"""Prometheus' error where two series of a result have equal labels."""


class Table:
    """Label sets of rows, unique and sorted.

    Tables are compared by identity: operators keep their plans for the table they saw last.
    """

    __slots__ = ("labels",)

    def __init__(self, labels: Sequence[Labels]) -> None:
        self.labels = tuple(labels)

    def __len__(self) -> int:
        return len(self.labels)


EMPTY_TABLE = Table(())
NO_LABELS = Table(((),))
"""The one empty label set."""


@dataclass(frozen=True, slots=True)
class Matrix:
    """An instant vector at each tick of a block, as arrays of n rows and t ticks.

    Attributes
    ----------
    table : Table
        n label sets.
    value : float64[n, t]
        Undefined where not present.
    present : bool[n, t]
        Whether the row is in the vector at the tick.
    """

    table: Table
    value: NDArray[np.float64]
    present: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Scalar:
    """A scalar at each tick of a block: ``value`` is float64[t]."""

    value: NDArray[np.float64]


@dataclass(slots=True)
class Block:
    """The ticks that are evaluated together, and the errors that they had.

    Attributes
    ----------
    ticks : int64[t]
        Nanoseconds since the epoch, ascending.
    interval_ns : int
        What the ticks are multiples of, 0 if nothing is known of them.
    failed : bool[t]
        Ticks at which the expression has no result but an error.
    errors : dict of str by int
        The first error of each failed tick, by its place in `ticks`.
    """

    ticks: NDArray[np.int64]
    interval_ns: int = 0
    failed: NDArray[np.bool_] = field(init=False)
    errors: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.failed = np.zeros(len(self.ticks), np.bool_)

    def fail(self, ticks: NDArray[np.bool_], message: str) -> None:
        """Note an error at some ticks; ticks that have one keep it."""
        for place in np.flatnonzero(ticks & ~self.failed).tolist():
            self.errors[place] = message
        self.failed |= ticks


class Planned:
    """A plan that holds as long as the tables it was made for stay the same objects."""

    __slots__ = ("_plan", "_tables")

    def __init__(self) -> None:
        self._tables: tuple[Table, ...] = ()
        self._plan: object = None

    def get(self, tables: tuple[Table, ...], make: Callable[[], P]) -> P:
        """Give the plan for these tables, made anew if one of them is another."""
        if len(tables) != len(self._tables) or any(
            new is not old for new, old in zip(tables, self._tables, strict=True)
        ):
            self._plan = make()
            self._tables = tables
        return self._plan  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class Relabelled:
    """How the rows of a table map to those of another one with changed labels.

    Attributes
    ----------
    table : Table
        The label sets that come out.
    index : int64[n]
        Row of `table` for each row that goes in.
    identity : bool
        Whether row i stays row i.
    """

    table: Table
    index: NDArray[np.int64]
    identity: bool


def relabelled(table: Table, change: Callable[[Labels], Labels]) -> Relabelled:
    """Plan a change of labels; rows whose labels become equal are one row then."""
    return arranged([change(labels) for labels in table.labels])


def arranged(labels: Sequence[Labels]) -> Relabelled:
    """Make the table of label sets in any order and with repeats, and say where each went."""
    unique = sorted(set(labels))
    place = {item: row for row, item in enumerate(unique)}
    index = np.array([place[item] for item in labels], np.int64)
    identity = len(unique) == len(labels) and bool((index == np.arange(len(labels))).all())
    return Relabelled(Table(unique), index, identity)


def moved(
    matrix: Matrix, plan: Relabelled, block: Block, message: str = DUPLICATE_LABELS
) -> Matrix:
    """Give a matrix its new labels; a tick at which two rows become one fails with `message`."""
    if plan.identity:
        return Matrix(plan.table, matrix.value, matrix.present)
    ticks = matrix.value.shape[1]
    value = np.full((len(plan.table), ticks), np.nan)
    present = np.zeros((len(plan.table), ticks), np.bool_)
    conflict = np.zeros(ticks, np.bool_)
    _merge(plan.index, matrix.value, matrix.present, value, present, conflict)
    if conflict.any():
        block.fail(conflict, message)
    return Matrix(plan.table, value, present)


def labels_of(items: Iterable[tuple[str, str]]) -> Labels:
    """Sort labels and leave empty ones out."""
    return tuple(sorted((name, value) for name, value in items if value))


def nothing(ticks: int) -> Matrix:
    """Give a matrix without rows."""
    return Matrix(EMPTY_TABLE, np.empty((0, ticks)), np.empty((0, ticks), np.bool_))


@in_place
def _merge(
    index: NDArray[np.int64],
    value: NDArray[np.float64],
    present: NDArray[np.bool_],
    out_value: NDArray[np.float64],
    out_present: NDArray[np.bool_],
    conflict: NDArray[np.bool_],
) -> None:
    """Put rows where they belong now; `conflict` tells of ticks with two in one place."""
    for row in range(len(index)):
        to = index[row]
        for k in range(value.shape[1]):
            if present[row, k]:
                if out_present[to, k]:
                    conflict[k] = True
                out_present[to, k] = True
                out_value[to, k] = value[row, k]
