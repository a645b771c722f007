"""Arrays that take address space at once and memory only where they are written."""

import mmap
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray


def zeros_on_demand(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Give an array of zeros that takes no memory where it is not written."""
    count = int(np.prod(shape, dtype=np.int64))
    size = max(1, count * dtype.itemsize)
    region = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with suppress(AttributeError, OSError):  # a system without huge pages
        # They would commit two megabytes for the first row of every array.
        region.madvise(mmap.MADV_NOHUGEPAGE)
    return np.frombuffer(region, dtype, count).reshape(shape)
