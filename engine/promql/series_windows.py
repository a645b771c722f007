"""Kernels that take a function over one series' samples at a block of ticks.

Windows are open on the left and closed on the right, and stale markers end a series at once, as
in Prometheus 3.
"""

import numpy as np
from numpy.typing import NDArray

from engine.kernels.jit import in_place, kernel
from engine.promql.leaf import ENDED, OF_NEWEST, TIMESTAMP
from engine.promql.window_functions import apply_window

_TIMESTAMP = OF_NEWEST[TIMESTAMP]
_ENDED = OF_NEWEST[ENDED]

NOWHERE = np.iinfo(np.int64).min
"""`at_ns` of a leaf without ``@``."""


@in_place
def seconds_of(ts: int) -> float:
    """Give a timestamp in seconds as Prometheus does, which counts milliseconds."""
    return (ts // 1_000_000) / 1000.0


@in_place
def answer(ts: int, value: float, stale: bool, asked: int) -> tuple[float, bool]:
    """Give what is asked of a newest sample (`leaf.OF_NEWEST`), and whether there is an answer."""
    if asked == _ENDED:
        return 1.0, stale
    return seconds_of(ts) if asked == _TIMESTAMP else value, not stale


@kernel
def fill_windows(
    function: int,
    ts: NDArray[np.int64],
    value: NDArray[np.float64],
    ticks: NDArray[np.int64],
    range_ns: int,
    offset_ns: int,
    at_ns: int,
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    scratch: NDArray[np.float64],
    out_value: NDArray[np.float64],
    out_present: NDArray[np.bool_],
) -> None:
    """Apply a range function to one series at each tick.

    Parameters
    ----------
    function : int
        Of `window_functions.FUNCTIONS`.
    ts, value : int64[n], float64[n]
        Its samples in order, without stale markers.
    ticks : int64[t]
        Ascending.
    range_ns, offset_ns, at_ns : int
        The window; `at_ns` is `NOWHERE` without ``@``.
    first, second : float64[t]
        The function's parameters.
    scratch : float64[n or more]
    out_value, out_present : float64[t], bool[t]
        Written where there is a result.
    """
    total = len(ts)
    low = 0
    high = 0
    for k in range(len(ticks)):
        right = (ticks[k] if at_ns == NOWHERE else at_ns) - offset_ns
        while high < total and ts[high] <= right:
            high += 1
        while low < high and ts[low] <= right - range_ns:
            low += 1
        if low == high:
            continue
        result, has_result = apply_window(
            function, ts, value, low, high, ticks[k], right, range_ns, first[k], second[k], scratch
        )
        if has_result:
            out_value[k] = result
            out_present[k] = True


@kernel
def fill_newest(
    ts: NDArray[np.int64],
    value: NDArray[np.float64],
    stale: NDArray[np.bool_],
    ticks: NDArray[np.int64],
    lookback_ns: int,
    offset_ns: int,
    at_ns: int,
    asked: int,
    out_value: NDArray[np.float64],
    out_present: NDArray[np.bool_],
) -> None:
    """Give one series' newest sample at each tick, or what is asked of it (`leaf.OF_NEWEST`)."""
    total = len(ts)
    high = 0
    for k in range(len(ticks)):
        right = (ticks[k] if at_ns == NOWHERE else at_ns) - offset_ns
        while high < total and ts[high] <= right:
            high += 1
        newest = high - 1
        if newest < 0 or ts[newest] <= right - lookback_ns:
            continue
        out_value[k], out_present[k] = answer(ts[newest], value[newest], stale[newest], asked)


@kernel
def fill_rows(
    function: int,
    inner_ticks: NDArray[np.int64],
    inner_value: NDArray[np.float64],
    inner_present: NDArray[np.bool_],
    ticks: NDArray[np.int64],
    range_ns: int,
    offset_ns: int,
    at_ns: int,
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    out_value: NDArray[np.float64],
    out_present: NDArray[np.bool_],
) -> None:
    """Apply a range function to each row of a subquery's results at its steps."""
    steps = len(inner_ticks)
    ts = np.empty(steps, np.int64)
    value = np.empty(steps, np.float64)
    scratch = np.empty(steps, np.float64)
    for row in range(inner_value.shape[0]):
        held = 0
        for j in range(steps):
            if inner_present[row, j]:
                ts[held] = inner_ticks[j]
                value[held] = inner_value[row, j]
                held += 1
        fill_windows(
            function, ts[:held], value[:held], ticks, range_ns, offset_ns, at_ns,
            first, second, scratch, out_value[row], out_present[row],
        )  # fmt: skip
