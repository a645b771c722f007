"""Rows by index: runs of rows are slices, whose values need not be copied."""

from typing import overload

import numpy as np
from numpy.typing import NDArray


@overload
def as_slice(index: NDArray[np.int64]) -> slice | NDArray[np.int64]: ...


@overload
def as_slice(
    index: slice | NDArray[np.int64] | None,
) -> slice | NDArray[np.int64] | None: ...


def as_slice(index: slice | NDArray[np.int64] | None) -> slice | NDArray[np.int64] | None:
    """Give an index, int64[k], as a slice if it is one run of rows; others as they are."""
    if not isinstance(index, np.ndarray) or not len(index):
        return index
    first, last = int(index[0]), int(index[-1])
    if last - first + 1 != len(index) or not (index[1:] - index[:-1] == 1).all():
        return index
    return slice(first, last + 1)
