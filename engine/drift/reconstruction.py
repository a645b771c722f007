"""Error of rebuilding rows from the reference's principal components.

Features that move together in the reference lie near a plane; when they no longer do, rows move
away from it (NannyML's data reconstruction error: components of 65 % of the variance, and the
Euclidean length of what is left). The components are fitted to one half of the reference and the
errors of the other half are what a window is compared with, since those of the rows that were
fitted are too small.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from engine.drift.findings import Statistic
from engine.drift.multivariate_inputs import fit_rows
from engine.drift.multivariate_kernels import add_errors, project
from engine.drift.multivariate_null import student_tail

VARIANCE_KEPT = 0.65
"""Share of the variance that the components have together."""

STEPS = 4096.0
"""Errors are whole parts of one by so many."""

FIT_ROWS = 10_000
"""Rows that the components are fitted to, at most."""

_FIT_STEPS = 1024.0
_STEP_VARIANCE = 1.0 / 12.0
"""Of rounding, in steps: errors that are all alike are still no closer to each other."""

Totals = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """Principal components, frozen with the reference.

    A pane is int64[3]: rows, sum of their errors and of the squared errors, in steps.

    Attributes
    ----------
    components : float32[d, p]
        Orthonormal, the one of the largest variance first.
    center, offset : float32[d], float32[p]
        Mean of the rows, and its projection.
    """

    components: NDArray[np.float32]
    center: NDArray[np.float32]
    offset: NDArray[np.float32]

    @classmethod
    def fit(cls, rows: NDArray[np.float32]) -> Self:
        """Fit the components to rows, float32[n, d].

        The rows are rounded first, so that their covariance is exact in any order of summation.
        """
        rows = rows[fit_rows(len(rows), FIT_ROWS)]
        rounded = np.rint(rows.astype(np.float64) * _FIT_STEPS)
        count = max(len(rounded), 1)
        mean = np.sum(rounded, axis=0) / count
        covariance = rounded.T @ rounded / count - np.outer(mean, mean)
        variances, vectors = np.linalg.eigh(covariance)
        variances, vectors = np.maximum(variances[::-1], 0.0), vectors[:, ::-1]
        reached = np.cumsum(variances)
        total = float(reached[-1])
        kept = int(np.searchsorted(reached, VARIANCE_KEPT * total)) + 1 if total > 0.0 else 0
        center = mean / _FIT_STEPS
        return cls(
            np.ascontiguousarray(vectors[:, :kept], np.float32),
            center.astype(np.float32),
            (center @ vectors[:, :kept]).astype(np.float32),
        )

    def empty(self) -> Totals:
        """Give a pane without rows."""
        return np.zeros(3, np.int64)

    def add(self, totals: Totals, rows: NDArray[np.float32]) -> None:
        """Add rows, float32[n, d], to a pane."""
        projected = np.empty((len(rows), len(self.offset)), np.float32)
        project(rows, self.components, projected)
        add_errors(rows, projected, self.center, self.offset, STEPS, totals)

    def compare(self, reference: Totals, window: Totals) -> Statistic:
        """Tell how far a window's errors are from those of the reference's other half.

        Returns
        -------
        Statistic
            The score is the mean error by the reference's, less one. The p-value is that of
            Student's test with one variance of both: with the window's own, a skewed error gives
            false alarms on the side of small ones.
        """
        sides = [_moments(totals) for totals in (reference, window)]
        (rows_before, mean_before, squares_before), (rows, mean, squares) = sides
        degrees = rows_before + rows - 2
        variance = (squares_before + squares) / degrees + _STEP_VARIANCE
        deviation = math.sqrt(variance * (1.0 / rows_before + 1.0 / rows))
        score = (mean - mean_before) / max(mean_before, 1.0)
        return Statistic("pca", score, student_tail((mean - mean_before) / deviation, degrees))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Give all that was fitted, to be kept with the state."""
        return {"components": self.components, "center": self.center, "offset": self.offset}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Make the components again that gave these arrays."""
        return cls(arrays["components"], arrays["center"], arrays["offset"])


def _moments(totals: Totals) -> tuple[int, float, float]:
    """Rows, mean and sum of squared distances to it; whole numbers of any size until divided."""
    rows, total, squares = totals.tolist()
    return rows, total / rows, (rows * squares - total * total) / rows
