"""HDDM_A and HDDM_W over batches, equal to River's row by row; see `hddm_kernels.py`."""

import math

import numpy as np
from numpy.typing import NDArray

from engine.drift.hddm_kernels import (
    AVERAGES_WIDTH,
    ONE_SIDED,
    TWO_SIDED,
    WEIGHTED_WIDTH,
    clear_weighted,
    watch_averages,
    watch_weighted,
)
from engine.drift.sequential import Alarms, ArrayDetector


class HddmA(ArrayDetector):
    """Drift of a mean by Hoeffding's bounds, for values within [0, 1].

    Parameters
    ----------
    drift_confidence, warning_confidence : float
        Probabilities of a false detection at one comparison.
    two_sided_test : bool
        Whether a fall counts as well as a rise.
    """

    def __init__(
        self,
        drift_confidence: float = 0.001,
        warning_confidence: float = 0.005,
        *,
        two_sided_test: bool = False,
    ) -> None:
        super().__init__({"averages": np.zeros(AVERAGES_WIDTH)})
        drift, warning = drift_confidence, warning_confidence
        self._logs = np.array(
            [math.log(1.0 / drift), math.log(2.0 / drift), math.log(2.0 / warning)]
        )
        self._sides = TWO_SIDED if two_sided_test else ONE_SIDED

    def _watch(self, values: NDArray[np.float64]) -> Alarms:
        rows, onsets, warnings = (np.empty(len(values), np.int64) for _ in range(3))
        found, warned = watch_averages(
            values, self._state["averages"], self._logs, self._sides, rows, onsets, warnings
        )
        return Alarms(rows[:found], onsets[:found], warnings[:warned])


class HddmW(ArrayDetector):
    """Drift of a moving mean by McDiarmid's bounds, for values within [0, 1].

    Parameters
    ----------
    drift_confidence, warning_confidence : float
        Probabilities of a false detection at one comparison.
    lambda_val : float
        Weight of the newest value.
    two_sided_test : bool
        Whether a fall counts as well as a rise.
    """

    def __init__(
        self,
        drift_confidence: float = 0.001,
        warning_confidence: float = 0.005,
        lambda_val: float = 0.05,
        *,
        two_sided_test: bool = False,
    ) -> None:
        super().__init__({"means": np.zeros(WEIGHTED_WIDTH)})
        clear_weighted(self._state["means"])
        self._logs = np.log([1.0 / drift_confidence, 1.0 / warning_confidence])
        self._weight = lambda_val
        self._sides = TWO_SIDED if two_sided_test else ONE_SIDED

    def _watch(self, values: NDArray[np.float64]) -> Alarms:
        rows, onsets, warnings = (np.empty(len(values), np.int64) for _ in range(3))
        found, warned = watch_weighted(
            values,
            self._state["means"],
            self._logs,
            self._weight,
            self._sides,
            rows,
            onsets,
            warnings,
        )
        return Alarms(rows[:found], onsets[:found], warnings[:warned])
