"""Plain scorers of a service's metrics, strictly causal, for comparison.

Each gives one score for each row, float64[n], of metrics, float64[n, m], of which so many first
rows are the train part; the score of a row never depends on later ones.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from river.anomaly import StandardAbsoluteDeviation

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]

ROLLING_ROWS = 2016
"""A week."""
RENEWAL_ROWS = 288
"""The components are renewed once a day."""
VARIANCE_KEPT = 0.9
DEVIATIONS_MAX = 100.0
"""No metric counts for more: behind a constant stretch a deviation has no bound."""


def river_deviation(metrics: Matrix, learned_rows: int) -> Vector:
    """River's StandardAbsoluteDeviation, one for each metric; the mean of their scores.

    Rows behind the first `learned_rows` are scored but not learned.
    """
    total = np.zeros(len(metrics))
    for column in metrics.T:
        scorer: Any = StandardAbsoluteDeviation()
        scores = np.empty(len(column))
        for row, value in enumerate(column.tolist()):
            scores[row] = scorer.score_one(None, value)
            if row < learned_rows:
                scorer.learn_one(None, value)
        total += scores
    return total / metrics.shape[1]


def rolling_z(metrics: Matrix, _: int) -> Vector:
    """Deviation from the mean of the week before in its standard deviations, mean of metrics."""
    total = np.zeros(len(metrics))
    for column in metrics.T:
        before = pl.Series(column).shift(1)
        mean = before.rolling_mean(ROLLING_ROWS, min_samples=2).to_numpy()
        deviation = before.rolling_std(ROLLING_ROWS, min_samples=2).to_numpy()
        total += np.abs(_deviations(column - mean, deviation))
    return total / metrics.shape[1]


def incremental_pca(metrics: Matrix, _: int) -> Vector:
    """Norm of what the main components do not explain of the standardised metrics.

    Mean and covariance are of all rows of the days before, merged day by day; the components are
    those of the correlation matrix that explain 90 % of the variance. The first day scores 0.
    """
    width = metrics.shape[1]
    count, mean, scatter = 0, np.zeros(width), np.zeros((width, width))
    scores = np.zeros(len(metrics))
    for begin in range(0, len(metrics), RENEWAL_ROWS):
        day = metrics[begin : begin + RENEWAL_ROWS]
        if count:
            deviation = np.sqrt(np.diag(scatter) / count)
            z = np.column_stack(
                [_deviations(*pair) for pair in zip((day - mean).T, deviation, strict=True)]
            )
            scale = np.where(deviation > 0.0, deviation, 1.0)
            minor = _minor_components(scatter / count / np.outer(scale, scale))
            scores[begin : begin + len(day)] = np.linalg.norm(z @ minor, axis=1)
        # Chan, Golub, LeVeque 1979: moments of two parts together.
        shift = day.mean(axis=0) - mean
        around = day - day.mean(axis=0)
        both = count + len(day)
        scatter += around.T @ around + np.outer(shift, shift) * count * len(day) / both
        mean = mean + shift * len(day) / both
        count = both
    return scores


def _minor_components(correlation: Matrix) -> Matrix:
    """Directions, as columns, of the variance behind the first 90 %."""
    variance, direction = np.linalg.eigh(correlation)
    # Variances rise: a direction is minor if it and those before it hold 10 % at most.
    return direction[:, np.cumsum(variance) <= (1.0 - VARIANCE_KEPT) * variance.sum()]


def _deviations(difference: Vector, deviation: Vector) -> Vector:
    """Differences in standard deviations, bounded; 0 where a constant goes on or none is known."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = difference / deviation
    return np.nan_to_num(np.clip(ratio, -DEVIATIONS_MAX, DEVIATIONS_MAX), nan=0.0)


BASELINES: dict[str, Callable[[Matrix, int], Vector]] = {
    "River SAD, mean": lambda metrics, _: river_deviation(metrics, len(metrics)),
    "River SAD of the train part, mean": river_deviation,
    "rolling z of a week, mean": rolling_z,
    "incremental PCA residual": incremental_pca,
}
