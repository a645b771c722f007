"""The one place that sets Numba's compile options."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

F = TypeVar("F", bound=Callable[..., Any])

OPTIONS: dict[str, Any] = {
    "cache": True,
    "nogil": True,
    # fastmath stays off: the same samples must give the same bits however a loop is vectorised.
    "fastmath": False,
    "error_model": "numpy",
}

IN_PLACE_OPTIONS: dict[str, Any] = {**OPTIONS, "_nrt": False}


def kernel(function: F) -> F:
    """Compile a free function over arrays with the project's options."""
    return cast("F", njit(**OPTIONS)(function))


def in_place(function: F) -> F:
    """Compile a free function that allocates no array; otherwise as `kernel`.

    Numba counts references to array views with atomic instructions at every call that it does not
    inline: half of a row's time where small functions share one row. What makes no array needs no
    counting, and Numba refuses to compile an allocation here.
    """
    return cast("F", njit(**IN_PLACE_OPTIONS)(function))
