"""How much a series changed in one window: rates, differences, and counts of changes.

Formulas, and the order of their operations, are those of Prometheus' promql/functions.go
(`extrapolatedRate`, `instantValue`, `funcResets`, `funcChanges`), without start timestamps.
"""

import numpy as np
from numpy.typing import NDArray

from engine.kernels.jit import in_place

NS_PER_S = 1e9
_SECOND_NS = 1_000_000_000
_CLOSE = 1.1  # average spacings from a boundary that still count as sampled up to it


@in_place
def extrapolated_change(
    ts: NDArray[np.int64],
    value: NDArray[np.float64],
    low: int,
    high: int,
    left_ns: int,
    right_ns: int,
    counter: bool,
) -> tuple[float, float]:
    """Change over the samples ``low..high-1``, two at least, and its factor for the whole window.

    Samples closer than 1.1 average spacings to a boundary stand for the series up to it; else the
    series is taken to go on for half a spacing. A counter isn't followed below zero.

    Parameters
    ----------
    ts : int64[n]
        Times in nanoseconds, ascending.
    value : float64[n]
        Values.
    low, high : int
        The samples of the window.
    left_ns, right_ns : int
        The window's boundaries.
    counter : bool
        Whether a decrease is a restart from zero.

    Returns
    -------
    tuple of (float, float)
        The change between the first and the last sample, and what to multiply it with.
    """
    last = high - 1
    change = value[last] - value[low]
    if counter:
        for i in range(low + 1, high):
            if value[i] < value[i - 1]:
                change += value[i - 1]
    start_s = (ts[low] - left_ns) / NS_PER_S
    end_s = (right_ns - ts[last]) / NS_PER_S
    sampled_s = (ts[last] - ts[low]) / NS_PER_S
    spacing_s = sampled_s / (last - low)
    threshold_s = spacing_s * _CLOSE
    if start_s >= threshold_s:
        start_s = spacing_s / 2
    if counter and change > 0 and value[low] >= 0:
        start_s = min(start_s, sampled_s * (value[low] / change))
    if end_s >= threshold_s:
        end_s = spacing_s / 2
    return change, (sampled_s + start_s + end_s) / sampled_s


@in_place
def range_seconds(range_ns: int) -> float:
    """A range in seconds; its rounding is that of Go's ``Duration.Seconds``."""
    return float(range_ns // _SECOND_NS) + (range_ns % _SECOND_NS) / NS_PER_S


@in_place
def last_change(value: NDArray[np.float64], high: int, counter: bool) -> float:
    """Change between the two samples before `high`; a counter that fell began at zero."""
    newest = value[high - 1]
    before = value[high - 2]
    return newest if counter and newest < before else newest - before


@in_place
def resets_of(value: NDArray[np.float64], low: int, high: int) -> float:
    """How often ``value[low:high]`` fell."""
    count = 0
    for i in range(low + 1, high):
        if value[i] < value[i - 1]:
            count += 1
    return float(count)


@in_place
def changes_of(value: NDArray[np.float64], low: int, high: int) -> float:
    """How often ``value[low:high]`` changed; from NaN to NaN is no change."""
    count = 0
    for i in range(low + 1, high):
        if value[i] != value[i - 1] and not (np.isnan(value[i]) and np.isnan(value[i - 1])):
            count += 1
    return float(count)
