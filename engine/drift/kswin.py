"""A window's newest values against the rest of it: changes of any kind in a distribution.

Unlike KSWIN, which draws a random sample of the rest, it compares with all of it: no chance is in
the result, and the statistic is sharper.
"""

import numpy as np
from numpy.typing import NDArray

from engine.drift.kswin_kernels import WIDTH, watch_window
from engine.drift.sequential import Alarms, ArrayDetector
from engine.drift.smirnov import smirnov_p_value

GAP_MIN = 0.1
"""KSWIN's: a smaller statistic is no drift, however significant."""


def critical_gap(newest: int, rest: int, alpha: float) -> int:
    """Smallest statistic, in units of 1 / (newest * rest), with a p-value of at most alpha."""
    low, high = 0, newest * rest + 1
    while low < high:
        middle = (low + high) // 2
        if smirnov_p_value(middle, newest, rest) <= alpha:
            high = middle
        else:
            low = middle + 1
    return low


class KsWindow(ArrayDetector):
    """Two-sample Kolmogorov-Smirnov test at every value.

    Parameters
    ----------
    alpha : float
        p-value of an alarm, exact for continuous values, at each single test.
    window_size : int
    stat_size : int
        Size of the newest part.

    Raises
    ------
    ValueError
        If the window has no room for the newest part and as much again.
    """

    def __init__(self, alpha: float = 0.005, window_size: int = 100, stat_size: int = 30) -> None:
        if not 0 < 2 * stat_size <= window_size:
            raise ValueError("a window has to be twice as long as its newest part")
        super().__init__(
            {
                "head": np.zeros(WIDTH, np.int64),
                "ring": np.zeros(window_size),
                "ordered": np.zeros(window_size),
                "weight": np.zeros(window_size, np.int32),
            }
        )
        rest = window_size - stat_size
        smallest = int(np.floor(GAP_MIN * stat_size * rest)) + 1
        self._newest = stat_size
        self._least = max(critical_gap(stat_size, rest, alpha), smallest)

    def _watch(self, values: NDArray[np.float64]) -> Alarms:
        rows = np.empty(len(values), np.int64)
        found = watch_window(
            values,
            self._newest,
            self._least,
            self._state["head"],
            self._state["ring"],
            self._state["ordered"],
            self._state["weight"],
            rows,
        )
        alarms = rows[:found].copy()
        return Alarms(alarms, alarms - self._newest + 1, np.empty(0, np.int64))
