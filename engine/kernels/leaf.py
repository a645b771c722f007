"""A decorator for the many small functions that a kernel calls for each row."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

from engine.kernels.jit import OPTIONS

LEAF_OPTIONS = OPTIONS | {"_nrt": False}  # without Numba's runtime, which owns and counts arrays

F = TypeVar("F", bound=Callable[..., Any])


def leaf(function: F) -> F:
    """Compile a function that allocates nothing, with the project's options.

    Numba counts references to arrays with atomic operations at every call that it does not inline:
    about 100 ns for one row of a codec. What makes no array needs none of it.
    """
    return cast("F", njit(**LEAF_OPTIONS)(function))
