"""Maximum mean discrepancy over random Fourier features, in memory that does not grow.

The mean over a window's rows of cosines and sines of random projections stands for its
distribution (Rahimi and Recht, "Random features for large-scale kernel machines", 2007); the
squared distance of two such means is the MMD of a Gaussian kernel (Gretton et al., "A kernel
two-sample test", 2012). The sums are whole numbers, so that they merge without rounding.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from engine.drift.findings import Statistic
from engine.drift.multivariate_inputs import fit_rows
from engine.drift.multivariate_kernels import project
from engine.drift.multivariate_null import distance_tail, null_weights
from engine.drift.random_features_kernels import (
    AMPLITUDE,
    COSINES,
    add_features,
    spread_features,
)

FREQUENCIES = 64
"""Random directions; each gives a cosine and a sine."""

FIT_ROWS = 10_000
"""Rows of the reference that the null distribution is estimated from, at most."""

MEDIAN_ROWS = 500
"""Rows of the reference whose distances are taken, at most."""

_ROUNDING = float(1 << 16)

Totals = NDArray[np.int64]


@lru_cache(maxsize=16)
def directions(width: int, count: int = FREQUENCIES) -> NDArray[np.float32]:
    """Standard normal directions, float32[width, count]; the same ones at every call."""
    drawn = np.random.default_rng((width, count)).standard_normal((width, count), np.float32)
    drawn.flags.writeable = False
    return drawn


def median_distance(rows: NDArray[np.float32]) -> float:
    """Median of the distances between different rows, float32[n, d]; 1 if all are alike.

    The rows are rounded first, so that the products are exact in any order of summation.
    """
    whole = np.rint(rows.astype(np.float64) * _ROUNDING)
    products = whole @ whole.T
    lengths = np.diag(products)
    squares = lengths[:, None] + lengths[None, :] - 2.0 * products
    pairs = squares[np.triu_indices(len(rows), 1)]
    apart = pairs[pairs > 0.0]
    return math.sqrt(float(np.median(apart))) / _ROUNDING if len(apart) else 1.0


@dataclass(frozen=True, slots=True)
class RandomFeatures:
    """A kernel's features, frozen with the reference.

    The kernel's width is the median distance of the reference's rows. A pane is int64[1 + 2f]:
    rows, and the sums of the f cosines and sines, times `AMPLITUDE`.

    Attributes
    ----------
    width : int
        Dimensions of the rows.
    bandwidth : float
        In the rows' unit.
    weights : float64[k]
        Of the null distribution, see `null_weights`.
    fitted_rows : int
        Rows that the weights were estimated from.
    """

    width: int
    bandwidth: float
    weights: NDArray[np.float64]
    fitted_rows: int

    @classmethod
    def fit(cls, rows: NDArray[np.float32]) -> Self:
        """Freeze the features to a reference, float32[n, d]."""
        rows = rows[fit_rows(len(rows), FIT_ROWS)]
        bandwidth = median_distance(rows[fit_rows(len(rows), MEDIAN_ROWS)])
        unweighted = cls(rows.shape[1], bandwidth, np.zeros(0), len(rows))
        return cls(rows.shape[1], bandwidth, unweighted._weights(rows), len(rows))

    @property
    def _turns_per_unit(self) -> float:
        return 1.0 / (2.0 * math.pi * self.bandwidth)

    def _weights(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Weights of the null distribution; sums of whole numbers, exact in any order."""
        count = len(rows)
        if count < 2:
            return np.zeros(0)
        features = np.empty((count, 2 * FREQUENCIES))
        spread_features(self._projected(rows), self._turns_per_unit, COSINES, features)
        mean = np.sum(features, axis=0) / count
        covariance = (features.T @ features - count * np.outer(mean, mean)) / (count - 1)
        fourth = float(np.sum(np.sum((features - mean) ** 2, axis=1) ** 2))
        spectrum = np.linalg.eigvalsh(covariance) / AMPLITUDE**2
        return null_weights(spectrum, 2 * FREQUENCIES, count, fourth / AMPLITUDE**4)

    def _projected(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        projected = np.empty((len(rows), FREQUENCIES), np.float32)
        project(rows, directions(self.width), projected)
        return projected

    def empty(self) -> Totals:
        """Give a pane without rows."""
        return np.zeros(1 + 2 * FREQUENCIES, np.int64)

    def add(self, totals: Totals, rows: NDArray[np.float32]) -> None:
        """Add rows, float32[n, d], to a pane."""
        add_features(self._projected(rows), self._turns_per_unit, COSINES, totals)

    def compare(self, reference: Totals, window: Totals) -> Statistic:
        """Tell how far a window is from the reference.

        Returns
        -------
        Statistic
            The score is the MMD, 0 to about 1, less what chance adds to its square.
        """
        counts = int(window[0]), int(reference[0])
        means = [totals[1:] / (AMPLITUDE * int(totals[0])) for totals in (reference, window)]
        square = float(np.sum((means[1] - means[0]) ** 2))
        by_chance = float(np.sum(self.weights)) * (1.0 / counts[0] + 1.0 / counts[1])
        score = math.sqrt(max(square - by_chance, 0.0) / FREQUENCIES)
        return Statistic(
            "mmd", score, distance_tail(square, self.weights, counts, self.fitted_rows)
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Give all that was fitted, to be kept with the state."""
        return {
            "bandwidth": np.array([self.bandwidth]),
            "weights": self.weights,
            "rows": np.array([self.width, self.fitted_rows]),
        }

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Make the features again that gave these arrays."""
        width, fitted = arrays["rows"].tolist()
        return cls(width, float(arrays["bandwidth"][0]), arrays["weights"], fitted)
