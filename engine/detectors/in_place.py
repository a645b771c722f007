"""How this room's kernels are compiled: they change arrays in place and allocate nothing.

Numba counts references to every array view at every call, with atomic instructions: more than
half of a row's time where small functions share one row of state. Code that allocates nothing
needs no counting.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

from engine.kernels.jit import OPTIONS

F = TypeVar("F", bound=Callable[..., Any])


IN_PLACE: dict[str, Any] = {**OPTIONS, "_nrt": False}


def in_place(function: F) -> F:
    """Compile a free function that allocates no array; otherwise as `engine.kernels.jit.kernel`."""
    return cast("F", njit(**IN_PLACE)(function))
