"""Gaussian naive Bayes, test then train, over columns: the 0/1 errors that drift detectors see.

Method: each class and feature is normal with the running mean and the sample variance (n - 1)
plus 1e-9, which keeps constant features apart; a class has its share as prior. It is compiled, so
that one setting's run over all streams takes a second. Source: Welford 1962 for the moments.
"""

import math

import numpy as np
from numpy.typing import NDArray

from engine.kernels.jit import in_place

SMOOTHING = 1e-9

# What is kept of a class and feature.
MEAN = 0
SQUARES = 1  # sum of squared deviations from the mean
PRECISION = 2  # half of one over the variance
HALF_LOG = 3  # half the logarithm of the variance
WIDTH = 4


class NaiveBayes:
    """Moments of each class and feature.

    Parameters
    ----------
    features, classes : int
    """

    def __init__(self, features: int, classes: int) -> None:
        self._count = np.zeros(classes)
        self._moments = np.zeros((classes, features, WIDTH))

    def errors(self, x: NDArray[np.float64], y: NDArray[np.int64]) -> NDArray[np.float64]:
        """Predict each row, then learn it.

        Parameters
        ----------
        x : float64[n, features]
        y : int64[n]
            Number of the class.

        Returns
        -------
        float64[n]
            1 where the prediction was wrong; the first row of all is 1. Of equally likely classes
            the lowest number is told.
        """
        wrong = np.empty(len(y))
        test_then_train(x, y, self._count, self._moments, wrong)
        return wrong


@in_place
def log_likelihood(x: NDArray[np.float64], count: float, moments: NDArray[np.float64]) -> float:
    """Log of a class' rows and of a row's density in it, but for a constant."""
    total = math.log(count)
    for feature in range(len(x)):
        off = x[feature] - moments[feature, MEAN]
        total -= off * off * moments[feature, PRECISION] + moments[feature, HALF_LOG]
    return total


@in_place
def learn(x: NDArray[np.float64], count: float, moments: NDArray[np.float64]) -> None:
    """Take a row into the moments of its class, which has so many with it."""
    for feature in range(len(x)):
        off = x[feature] - moments[feature, MEAN]
        moments[feature, MEAN] += off / count
        moments[feature, SQUARES] += off * (x[feature] - moments[feature, MEAN])
        variance = moments[feature, SQUARES] / max(count - 1.0, 1.0) + SMOOTHING
        moments[feature, PRECISION] = 0.5 / variance
        moments[feature, HALF_LOG] = 0.5 * math.log(variance)


@in_place
def test_then_train(
    x: NDArray[np.float64],
    y: NDArray[np.int64],
    count: NDArray[np.float64],
    moments: NDArray[np.float64],
    wrong: NDArray[np.float64],
) -> None:
    """Write whether each row was predicted wrongly, and learn it; see `NaiveBayes`."""
    for row in range(len(y)):
        told, best = -1, -math.inf
        for other in range(len(count)):
            if count[other] > 0.0:
                likelihood = log_likelihood(x[row], count[other], moments[other])
                if likelihood > best:
                    told, best = other, likelihood
        label = y[row]
        wrong[row] = 1.0 if told != label else 0.0
        count[label] += 1.0
        learn(x[row], count[label], moments[label])
