"""Columns of a version's first rows, kept until there are enough for a reference."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from engine.codecs.predictions import Column, Kind

Block = tuple[dict[str, Column], NDArray[np.int32], NDArray[np.uint64]]


class ColumnBlocks:
    """Rows in blocks, with the number of their segment and their key."""

    def __init__(self) -> None:
        self.rows = 0
        self._blocks: list[Block] = []

    def add(
        self,
        columns: Mapping[str, Column],
        segment: NDArray[np.int32],
        keys: NDArray[np.uint64],
        rows: int,
    ) -> None:
        """Keep the first `rows` rows of columns."""
        index = np.arange(rows)
        taken = {name: column.take(index) for name, column in columns.items()}
        self._blocks.append((taken, segment[:rows], keys[:rows]))
        self.rows += rows

    def joined(self) -> Block:
        """Give all rows; values of features that some blocks lack are null there."""
        if len(self._blocks) != 1:
            kinds = {
                name: column for columns, _, _ in self._blocks for name, column in columns.items()
            }
            joined = {
                name: _together(
                    kind, [(len(keys), columns.get(name)) for columns, _, keys in self._blocks]
                )
                for name, kind in kinds.items()
            }
            segment = np.concatenate([np.empty(0, np.int32), *(block[1] for block in self._blocks)])
            keys = np.concatenate([np.empty(0, np.uint64), *(block[2] for block in self._blocks)])
            self._blocks = [(joined, segment, keys)]
        return self._blocks[0]

    def state(self, arrays: dict[str, NDArray[Any]], prefix: str) -> list[tuple[str, str]]:
        """Put the arrays into `arrays`, and give the names and kinds of the columns."""
        columns, segment, keys = self.joined()
        arrays[f"{prefix}|segment"], arrays[f"{prefix}|keys"] = segment, keys
        for place, column in enumerate(columns.values()):
            arrays[f"{prefix}|{place}|values"] = column.values
            if column.rows is not None:
                arrays[f"{prefix}|{place}|rows"] = column.rows
        return [(name, column.kind.value) for name, column in columns.items()]

    @classmethod
    def of_state(cls, plain: Any, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Make the rows whose `state` was kept."""
        blocks = cls()
        columns = {
            name: Column(Kind(kind), arrays[f"{place}|values"], (), arrays.get(f"{place}|rows"))
            for place, (name, kind) in enumerate(plain)
        }
        blocks._blocks = [(columns, arrays["segment"], arrays["keys"])]
        blocks.rows = len(arrays["keys"])
        return blocks


def _together(like: Column, parts: list[tuple[int, Column | None]]) -> Column:
    """One column of a feature's columns in blocks of rows."""
    if like.kind is Kind.EMBEDDING:
        begin, places, values = 0, [], []
        for rows, column in parts:
            if column is not None and column.rows is not None:
                places.append(column.rows + begin)
                values.append(column.values)
            begin += rows
        return Column(like.kind, np.concatenate(values), (), np.concatenate(places))
    null = -1 if like.kind in (Kind.CATEGORICAL, Kind.BOOLEAN) else np.nan
    values = [
        np.full(rows, null, like.values.dtype) if column is None else column.values
        for rows, column in parts
    ]
    return Column(like.kind, np.concatenate(values), like.names)
