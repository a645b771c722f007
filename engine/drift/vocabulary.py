"""What the features of a model are, for all its partitions: one kind, one code per category.

Every source partition learns kinds and codes by itself, in the order of its own log. Here they
become the model's, in the order of event time, so that nothing of arrival is left in them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.codecs.predictions import OTHER, Column, Kind

_NULLS: Mapping[Kind, Any] = {Kind.BOOLEAN: np.int8(-1), Kind.CATEGORICAL: np.int32(-1)}


@dataclass(slots=True)
class Known:
    """One feature: its kind, its categories in the order of their codes, its dimensions."""

    kind: Kind
    names: list[str] = field(default_factory=list)
    codes: dict[str, int] = field(default_factory=dict)
    dimensions: int = 0


class Vocabulary:
    """The features, tags and target of one model.

    Parameters
    ----------
    names_max : int
        Categories of one feature; further ones share the code of `OTHER`.
    """

    def __init__(self, names_max: int) -> None:
        self._names_max = names_max
        self._known: dict[str, Known] = {}

    def names(self, feature: str) -> Sequence[str]:
        """Categories of a feature by code; empty if it has none."""
        known = self._known.get(feature)
        return known.names if known is not None else ()

    def kind(self, feature: str) -> Kind | None:
        """Kind of a feature; None if it has not come up."""
        known = self._known.get(feature)
        return known.kind if known is not None else None

    def joined(
        self,
        feature: str,
        parts: Sequence[tuple[int, Column | None]],
        order: NDArray[np.int64],
    ) -> Column | None:
        """Put a feature's columns of several tables together, in event-time order.

        Parameters
        ----------
        feature : str
        parts : sequence of (int, Column or None)
            Rows of each table, and its column; None where it has none.
        order : int64[n]
            Rows of the tables, one after the other, in event-time order.

        Returns
        -------
        Column or None
            In the model's codes; null where a table has no column or one of another kind. None if
            no row has a value of the feature's kind.
        """
        # Whether a table has a column that is null in these rows, others of its batch decide.
        parts = [(rows, column if _present(rows, column).any() else None) for rows, column in parts]
        known = self._known_of(feature, parts, order)
        if known is None:
            return None
        fitting = [
            (rows, column if column is not None and self._fits(known, column) else None)
            for rows, column in parts
        ]
        if all(column is None for _, column in fitting):
            return None
        if known.kind is Kind.EMBEDDING:
            return _vectors(known.dimensions, fitting, order)
        if known.kind is Kind.CATEGORICAL:
            values = self._coded(known, fitting, order)
            return Column(known.kind, values, known.names)
        null = _NULLS.get(known.kind, np.nan)
        filled = [
            np.full(rows, null) if column is None else column.values for rows, column in fitting
        ]
        return Column(known.kind, np.concatenate(filled)[order])

    def state(self) -> dict[str, Any]:
        """Give all of it as plain values."""
        return {
            feature: [known.kind.value, known.names, known.dimensions]
            for feature, known in self._known.items()
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave."""
        for feature, (kind, names, dimensions) in state.items():
            codes = {name: code for code, name in enumerate(names)}
            self._known[feature] = Known(Kind(kind), list(names), codes, dimensions)

    def _known_of(
        self,
        feature: str,
        parts: Sequence[tuple[int, Column | None]],
        order: NDArray[np.int64],
    ) -> Known | None:
        """What the feature is; at first, what the first row in event time that has it says."""
        known = self._known.get(feature)
        if known is not None:
            return known
        table = np.repeat(np.arange(len(parts)), [rows for rows, _ in parts])
        has = np.concatenate([_present(rows, column) for rows, column in parts])
        first = order[has[order]][:1]
        if not len(first):
            return None
        column = parts[int(table[first[0]])][1]
        if column is None:
            return None
        width = column.values.shape[1] if column.kind is Kind.EMBEDDING else 0
        self._known[feature] = known = Known(column.kind, dimensions=width)
        return known

    def _fits(self, known: Known, column: Column) -> bool:
        if known.kind is not column.kind:
            return False
        return known.kind is not Kind.EMBEDDING or column.values.shape[1] == known.dimensions

    def _coded(
        self,
        known: Known,
        parts: Sequence[tuple[int, Column | None]],
        order: NDArray[np.int64],
    ) -> NDArray[np.int32]:
        """The model's codes; new categories get theirs in event-time order."""
        fresh: dict[str, int] = {}
        coded = [
            np.full(rows, -1, np.int32) if column is None else _looked_up(known, column, fresh)
            for rows, column in parts
        ]
        codes = np.concatenate(coded)[order]
        if fresh:
            names = list(fresh)
            begin = len(known.names)
            found, first = np.unique(codes, return_index=True)
            final = np.arange(begin + len(names), dtype=np.int32)
            for code in found[np.argsort(first)].tolist():
                if code >= begin:
                    final[code] = self._learn(known, names[code - begin])
            codes = np.where(codes < 0, codes, final[codes])
        return codes

    def _learn(self, known: Known, name: str) -> int:
        if len(known.names) >= self._names_max:
            name = OTHER
        if name not in known.codes:
            known.codes[name] = len(known.names)
            known.names.append(name)
        return known.codes[name]


def has_values(column: Column) -> bool:
    """Whether any row has a value."""
    return (
        bool(_present(len(column.values), column).any())
        if column.rows is None
        else bool(len(column.rows))
    )


def _present(rows: int, column: Column | None) -> NDArray[np.bool_]:
    """Which rows of a table have a value."""
    if column is None:
        return np.zeros(rows, np.bool_)
    if column.rows is not None:
        has = np.zeros(rows, np.bool_)
        has[column.rows] = True
        return has
    if column.kind in (Kind.CATEGORICAL, Kind.BOOLEAN):
        return column.values >= 0
    return ~np.isnan(column.values)


def _looked_up(known: Known, column: Column, fresh: dict[str, int]) -> NDArray[np.int32]:
    """A column in the model's codes; names without one are numbered after them in `fresh`."""
    used = np.unique(column.values[column.values >= 0])
    own = np.full(len(column.names) + 1, -1, np.int32)
    begin = len(known.names)
    for code in used.tolist():
        name = column.names[code]
        place = known.codes.get(name)
        own[code] = begin + fresh.setdefault(name, len(fresh)) if place is None else place
    return own[column.values]  # a null's -1 is the last one


def _vectors(
    width: int, parts: Sequence[tuple[int, Column | None]], order: NDArray[np.int64]
) -> Column:
    """Vectors of the rows that have one, in event-time order."""
    begin, places, values = 0, [], []
    for rows, column in parts:
        if column is not None and column.rows is not None:
            places.append(column.rows + begin)
            values.append(column.values)
        begin += rows
    at = np.empty(begin, np.int64)
    at[order] = np.arange(begin)
    rows_of = at[np.concatenate(places)]
    sorting = np.argsort(rows_of)
    vectors = np.concatenate(values).reshape(-1, width)[sorting]
    return Column(Kind.EMBEDDING, vectors, (), rows_of[sorting])
