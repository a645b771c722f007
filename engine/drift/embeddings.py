"""Drift of embeddings: of their centroid's direction, and of their distribution.

Vectors count by their direction alone, as cosine similarity has it. A pane keeps the sum of the
unit vectors and of their random Fourier features in whole numbers; the null distribution of the
centroid's distance comes from the eigenvalues of the reference's covariance, those of the small
matrix of its rows' inner products.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from engine.drift.findings import Statistic
from engine.drift.multivariate_inputs import BLOCK_ROWS, fit_rows
from engine.drift.multivariate_null import distance_tail, null_weights
from engine.drift.random_features import FREQUENCIES, RandomFeatures
from engine.drift.random_features_kernels import add_units, unit_vectors

STEPS = float(1 << 20)
"""Parts of unit vectors are whole parts of one by so many."""

GRAM_ROWS = 500
"""Rows of the reference that the covariance's eigenvalues are taken from, at most."""

FIT_VALUES = 1 << 23
"""Numbers of the reference's vectors that the kernel is fitted to, at most."""

Totals = NDArray[np.int64]


def directions_of(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale vectors, float32[n, d], to length 1; those of length zero or infinity are left out."""
    units = np.empty(vectors.shape, np.float32)
    return units[: unit_vectors(np.ascontiguousarray(vectors, np.float32), units)]


def gram_weights(units: NDArray[np.float32]) -> NDArray[np.float64]:
    """Weights of the null distribution of two means of such vectors, float32[n, d].

    The vectors are rounded first, so that the products are exact in any order of summation.
    """
    rows, width = units.shape
    if rows < 2:
        return np.zeros(0)
    whole = np.rint(units.astype(np.float64) * STEPS)
    products = (whole @ whole.T) / STEPS**2
    means = np.mean(products, axis=0)
    products += np.mean(means) - means[:, None] - means[None, :]
    spectrum = np.sort(np.linalg.eigvalsh(products / (rows - 1)))[::-1][: min(width, rows - 1)]
    return null_weights(spectrum, width, rows, float(np.sum(np.diag(products) ** 2)))


@dataclass(frozen=True, slots=True)
class EmbeddingDrift:
    """One embedding's statistics, frozen with the reference.

    A pane is int64[1 + 2f + d]: rows and features as in `RandomFeatures`, then the sum of the unit
    vectors.

    Attributes
    ----------
    features : RandomFeatures
        Of the unit vectors.
    weights : float64[k]
        Of the null distribution of the centroid's distance.
    fitted_rows : int
        Rows that the weights were estimated from.
    """

    features: RandomFeatures
    weights: NDArray[np.float64]
    fitted_rows: int

    @classmethod
    def fit(cls, vectors: NDArray[np.float32]) -> Self:
        """Freeze the statistics to a reference, float32[n, d]."""
        at_most = max(GRAM_ROWS, FIT_VALUES // vectors.shape[1])
        units = directions_of(vectors[fit_rows(len(vectors), at_most)])
        sample = units[fit_rows(len(units), GRAM_ROWS)]
        return cls(RandomFeatures.fit(units), gram_weights(sample), len(sample))

    @property
    def width(self) -> int:
        """Dimensions of the vectors."""
        return self.features.width

    def empty(self) -> Totals:
        """Give a pane without rows."""
        return np.zeros(1 + 2 * FREQUENCIES + self.width, np.int64)

    def add(self, totals: Totals, vectors: NDArray[np.float32]) -> None:
        """Add vectors, float32[n, d], to a pane; those of length zero or infinity do not count."""
        kernel, centroid = totals[: -self.width], totals[-self.width :]
        for begin in range(0, len(vectors), BLOCK_ROWS):
            units = directions_of(vectors[begin : begin + BLOCK_ROWS])
            self.features.add(kernel, units)
            add_units(units, STEPS, centroid)

    def compare(self, reference: Totals, window: Totals) -> tuple[Statistic, Statistic]:
        """Tell how far a window is from the reference.

        Returns
        -------
        (Statistic, Statistic)
            ``centroid``: the cosine distance of the means of the unit vectors, 0 to 2; the p-value
            is that of the means' distance. ``mmd``: as `RandomFeatures.compare`.
        """
        counts = int(window[0]), int(reference[0])
        after, before = (
            totals[-self.width :] / (STEPS * count)
            for totals, count in zip((window, reference), counts, strict=True)
        )
        square = float(np.sum((after - before) ** 2))
        p_value = distance_tail(square, self.weights, counts, self.fitted_rows)
        return (
            Statistic("centroid", _cosine_distance(after, before), p_value),
            self.features.compare(reference[: -self.width], window[: -self.width]),
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Give all that was fitted, to be kept with the state."""
        held = {f"features/{name}": array for name, array in self.features.arrays().items()}
        return {**held, "weights": self.weights, "rows": np.array([self.fitted_rows])}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Make the statistics again that gave these arrays."""
        start = "features/"
        features = {key[len(start) :]: arrays[key] for key in arrays if key.startswith(start)}
        return cls(RandomFeatures.of_arrays(features), arrays["weights"], int(arrays["rows"][0]))


def _cosine_distance(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """One less the cosine of the angle; NaN if a centroid is zero."""
    lengths = math.sqrt(float(np.sum(first * first)) * float(np.sum(second * second)))
    return 1.0 - float(np.sum(first * second)) / lengths if lengths else math.nan
