"""Arrays with a row for each slot that grow without being copied."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.kernels.on_demand import zeros_on_demand

_FIRST_ROWS = 256
_GROWTH = 1.25


class SlotArrays:
    """Some arrays of equal length, one row for each slot.

    Address space for all slots that there may be is reserved at once, and memory follows page by
    page as rows are written: neither growing nor empty rows of zeros take time or memory. The first
    few rows are in small arrays, since most shards of small flows never have more.

    Parameters
    ----------
    empty : dict of arrays
        By name, the row of a slot that has seen nothing; its shape and type are the array's.
    """

    def __init__(self, empty: Mapping[str, NDArray[Any]]) -> None:
        self._empty = dict(empty)
        self._blank = {name for name, row in empty.items() if not any(row.tobytes())}
        self._room = {name: np.zeros((0, *row.shape), row.dtype) for name, row in empty.items()}
        self._rows = 0

    def __len__(self) -> int:
        return self._rows

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._room[name][: self._rows]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The live arrays."""
        return {name: self[name] for name in self._room}

    def grow(self, rows: int, limit: int = 0) -> None:
        """Have at least so many rows; `limit` is how many there may be some day."""
        if rows <= self._rows:
            return
        for name, empty in self._empty.items():
            room = self._room[name]
            if rows > len(room):
                self._room[name] = self._larger(room, rows, limit)
            if name not in self._blank:
                self._room[name][self._rows : rows] = empty
        self._rows = rows

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over copies of all arrays; rows beyond them keep what they hold.

        Raises
        ------
        ValueError
            If a name, a type, a row's shape or the length of one is not as it should be.
        """
        if arrays.keys() != self._room.keys():
            raise ValueError(f"{sorted(arrays)} instead of {sorted(self._room)}")
        lengths = {len(array) for array in arrays.values()}
        for name, array in arrays.items():
            own = self._room[name]
            if array.dtype != own.dtype or array.shape[1:] != own.shape[1:] or len(lengths) != 1:
                raise ValueError(f"{name} is {array.dtype}{array.shape}")
        rows = lengths.pop()
        self.grow(rows)
        for name, array in arrays.items():
            self._room[name][:rows] = array

    def _larger(self, room: NDArray[Any], rows: int, limit: int) -> NDArray[Any]:
        shape, few = room.shape[1:], int(rows * _GROWTH)
        if rows <= _FIRST_ROWS:
            larger = np.zeros((_FIRST_ROWS, *shape), room.dtype)
        else:
            try:
                larger = zeros_on_demand((max(limit, few), *shape), room.dtype)
            except OSError:  # a system that promises no more than it has
                larger = zeros_on_demand((few, *shape), room.dtype)
        larger[: self._rows] = room[: self._rows]
        return larger
