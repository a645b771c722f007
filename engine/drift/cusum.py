"""The Page-Hinkley test over batches, equal to River's row by row; see `cusum_kernels.py`."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from engine.drift.cusum_kernels import BOTH, DOWN, UP, WIDTH, clear, watch_sums
from engine.drift.sequential import Alarms, ArrayDetector

MODES = {"up": UP, "down": DOWN, "both": BOTH}


class PageHinkley(ArrayDetector):
    """Drift of a mean by sums of deviations from it; parameters as River names them.

    Parameters
    ----------
    min_instances : int
        Values before the first test.
    delta : float
        Deviations up to this count for nothing.
    threshold : float
    alpha : float
        Factor of the sums at each value.
    mode : {"up", "down", "both"}
    """

    def __init__(
        self,
        min_instances: int = 30,
        delta: float = 0.005,
        threshold: float = 50.0,
        alpha: float = 1 - 0.0001,
        mode: Literal["up", "down", "both"] = "both",
    ) -> None:
        super().__init__({"sums": np.zeros(WIDTH)})
        clear(self._state["sums"])
        self._settings = (float(min_instances), delta, threshold, alpha, MODES[mode])

    def _watch(self, values: NDArray[np.float64]) -> Alarms:
        rows, onsets = np.empty(len(values), np.int64), np.empty(len(values), np.int64)
        found = watch_sums(values, self._state["sums"], *self._settings, rows, onsets)
        return Alarms(rows[:found], onsets[:found], np.empty(0, np.int64))
