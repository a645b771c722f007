"""A bounded sample of rows that does not depend on how the rows were cut into batches.

Those rows are kept whose hash is least (bottom-k sampling: Cohen and Kaplan, "Summarizing data
using bottom-k sketches", 2007). The hash is of the row's values and its key: rows alike in all
values need keys of their own, or else all of them are kept or none.
"""

from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.codecs.predictions import Column, Kind
from engine.drift.multivariate_inputs import column_rows
from engine.drift.row_index import as_slice
from engine.drift.row_sample_kernels import add_code_hashes, add_value_hashes, mix_all

Name = tuple[str, Kind]

_NULLS: dict[Kind, tuple[type[np.generic], float]] = {
    Kind.NUMERIC: (np.float64, np.nan),
    Kind.TEXT: (np.float64, np.nan),
    Kind.BOOLEAN: (np.int8, -1),
    Kind.CATEGORICAL: (np.int32, -1),
}


@lru_cache(maxsize=1 << 14)
def _seed(name: str, kind: Kind) -> np.uint64:
    digest = blake2b(f"{kind.value}:{name}".encode(), digest_size=8).digest()
    return np.uint64(int.from_bytes(digest, "little"))


def _is_null(column: Column) -> NDArray[np.bool_]:
    values = column.values
    return np.isnan(values) if values.dtype == np.float64 else values < 0


def row_hashes(columns: Mapping[str, Column], keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Hash rows with their keys, uint64[n]; nulls and embeddings add nothing."""
    hashes = keys.copy()
    mix_all(hashes, np.uint64(0))
    for name, column in columns.items():
        if column.kind is Kind.EMBEDDING:
            continue
        values, seed = np.ascontiguousarray(column.values), _seed(name, column.kind)
        if values.dtype == np.float64:
            add_value_hashes(values, values.view(np.uint64), seed, hashes)
        else:
            add_code_hashes(values.astype(np.int32, copy=False), seed, hashes)
    mix_all(hashes, np.uint64(0))
    return hashes


class RowSample:
    """Up to `size` rows of all features but embeddings.

    Parameters
    ----------
    size : int
        Rows kept.

    Attributes
    ----------
    size : int
    hashes : uint64[rows]
        Of the rows kept, ascending.
    """

    __slots__ = ("_columns", "hashes", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self.hashes: NDArray[np.uint64] = np.zeros(0, np.uint64)
        self._columns: dict[Name, Column] = {}

    @property
    def rows(self) -> int:
        """Rows kept."""
        return len(self.hashes)

    def add(
        self,
        columns: Mapping[str, Column],
        index: NDArray[np.int64] | None = None,
        keys: NDArray[np.uint64] | None = None,
    ) -> None:
        """Take rows into the sample.

        Parameters
        ----------
        columns : mapping of str to Column
            Of n rows.
        index : int64[k], optional
            The rows to take, ascending; all of them by default.
        keys : uint64[n], optional
            What tells apart rows of the same values, such as the prediction's key and time mixed.
        """
        plain = {name: c for name, c in columns.items() if c.kind is not Kind.EMBEDDING}
        if index is None:
            index = np.arange(column_rows(plain) if keys is None else len(keys))
        hashes = np.zeros(len(index), np.uint64) if keys is None else keys[index]
        chosen = as_slice(index)
        taken = {
            name: Column(column.kind, column.values[chosen], column.names)
            for name, column in plain.items()
            if len(column.values)
        }
        hashes = row_hashes(taken, hashes)
        if self.rows == self.size and self.size:
            entering = np.flatnonzero(hashes < self.hashes[-1])
        else:
            entering = np.arange(len(hashes))
        least = entering[np.argsort(hashes[entering], kind="stable")[: self.size]]
        if len(least):
            part = {(name, c.kind): _rows_of(c, least) for name, c in taken.items()}
            self._join(hashes[least], part)

    def merge(self, other: Self) -> None:
        """Take in another sample's rows."""
        self._join(other.hashes, other._columns)

    def _join(self, hashes: NDArray[np.uint64], columns: Mapping[Name, Column]) -> None:
        """Keep the least of both; what is left decides alone which names and columns there are."""
        both = np.concatenate((self.hashes, hashes))
        kept = np.argsort(both, kind="stable")[: self.size]
        joined: dict[Name, Column] = {}
        for name in sorted(self._columns.keys() | columns.keys()):
            sides = self._columns.get(name), columns.get(name)
            column = _joined(name[1], sides, (self.rows, len(hashes)), kept)
            if column is not None:
                joined[name] = column
        self.hashes, self._columns = both[kept], joined

    def columns(self) -> dict[str, Column]:
        """Give the rows, in the order of their hashes, by the features' names.

        Columns are left out that are null in all rows kept. Of a feature of two kinds (a category
        that became text) the later kind is given.
        """
        return {name: column for (name, _), column in self._columns.items()}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Give all that is held, to be kept with the state."""
        held = {"hashes": self.hashes}
        for (name, kind), column in self._columns.items():
            held[f"values:{kind.value}:{name}"] = column.values
            if kind is Kind.CATEGORICAL:
                names = msgspec.json.encode(list(column.names))
                held[f"names:{kind.value}:{name}"] = np.frombuffer(names, np.uint8)
        return held

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what another sample gave as `arrays`."""
        self.hashes = arrays["hashes"]
        self._columns = {}
        for key in sorted(arrays):
            what, _, rest = key.partition(":")
            if what != "values":
                continue
            kind, _, name = rest.partition(":")
            names: list[str] = []
            if kind == Kind.CATEGORICAL:
                names = msgspec.json.decode(arrays[f"names:{rest}"].tobytes(), type=list[str])
            self._columns[name, Kind(kind)] = Column(Kind(kind), arrays[key], names)
        self._columns = dict(sorted(self._columns.items()))


def _rows_of(column: Column, rows: NDArray[np.int64]) -> Column:
    """Rows in any order, which `Column.take` does not give of embeddings."""
    return Column(column.kind, column.values[rows], column.names)


def _joined(
    kind: Kind,
    sides: tuple[Column | None, Column | None],
    rows: tuple[int, int],
    kept: NDArray[np.int64],
) -> Column | None:
    """Rows of two columns one after the other, some of them; None if all of these are null."""
    dtype, null = _NULLS[kind]
    values = [
        np.full(count, null, dtype) if side is None else side.values
        for side, count in zip(sides, rows, strict=True)
    ]
    names: list[str] = max((list(side.names) for side in sides if side is not None), key=len)
    column = Column(kind, np.concatenate(values)[kept], names)
    if bool(np.all(_is_null(column))):
        return None
    if kind is not Kind.CATEGORICAL:
        return column
    return Column(kind, column.values, names[: int(np.max(column.values)) + 1])
