"""How often chance alone sets two means of vectors so far apart.

If nothing has changed, the squared distance of the means of n and m independent vectors with
covariance S is (1/n + 1/m) times a weighted sum of chi-square variables of one degree of freedom;
the weights are the eigenvalues of S. It is the null distribution of a kernel's MMD, too (Gretton,
Borgwardt, Rasch, Scholkopf, Smola, "A kernel two-sample test", 2012).
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq  # type: ignore[import-untyped]
from scipy.special import ndtri, stdtr  # type: ignore[import-untyped]

Floats = NDArray[np.float64]

_NEAR_MEAN = 1e-3
"""Standard deviations within which the approximation divides zero by zero: a line bridges them."""


def null_weights(eigenvalues: Floats, dimensions: int, rows: int, fourth_power: float) -> Floats:
    """Take from a sample covariance's eigenvalues the spread that the sample has put into them.

    They are drawn to their mean until the sum of their squares is what the pairs of different rows
    say it is (the linear shrinkage of Ledoit and Wolf, "A well-conditioned estimator for
    large-dimensional covariance matrices", 2004, with another estimate of its intensity).

    Parameters
    ----------
    eigenvalues : float64[k]
        Of the covariance with divisor ``rows - 1``; k at most `dimensions`, the others are zero.
    dimensions, rows : int
        Of the vectors.
    fourth_power : float
        Sum of the rows' distances to their mean to the power of four.

    Returns
    -------
    float64[dimensions]
        Positive ones only, the largest first; their sum is that of the eigenvalues.
    """
    full = np.zeros(dimensions)
    full[: len(eigenvalues)] = np.sort(np.maximum(eigenvalues, 0.0))[::-1]
    total, squares = float(np.sum(full)), float(np.sum(full * full))
    mean = total / dimensions if dimensions else 0.0
    pairs = ((rows - 1) ** 2 * squares - fourth_power) / (rows * (rows - 1))
    spread = squares - total * mean
    keep = 0.0 if spread <= 0.0 else math.sqrt(min(max((pairs - total * mean) / spread, 0.0), 1.0))
    weights = keep * full + (1.0 - keep) * mean
    return weights[weights > 0.0]


def quadratic_tail(value: float, weights: Floats) -> float:
    """Probability that a weighted sum of chi-square variables exceeds a value.

    Saddlepoint approximation (Kuonen, "Saddlepoint approximations for distributions of quadratic
    forms in normal variables", 1999): its relative error stays within a tenth far into the tail.

    Parameters
    ----------
    value : float
    weights : float64[k]
        Positive, the largest first.
    """
    if not len(weights):
        return 0.0 if value > 0.0 else 1.0
    largest = float(weights[0])
    scaled, value = weights / largest, value / largest
    if value <= 0.0:
        return 1.0
    mean, variance = float(np.sum(scaled)), 2.0 * float(np.sum(scaled * scaled))
    reach = _NEAR_MEAN * math.sqrt(variance)
    if abs(value - mean) >= reach:
        return _scaled_tail(value, scaled)
    above, below = _scaled_tail(mean + reach, scaled), _scaled_tail(mean - reach, scaled)
    return 0.5 * (above + below + (above - below) * (value - mean) / reach)


def _scaled_tail(value: float, scaled: Floats) -> float:
    """Tail of a sum whose largest weight is 1, at a positive value that is not its mean."""
    low, high = -len(scaled) / (2.0 * value), 0.5 * (1.0 - 1.0 / value)
    point = high if low >= high else _saddlepoint(value, scaled, low, high)
    shrunk = 1.0 - 2.0 * point * scaled
    exponent = -0.5 * float(np.sum(np.log(shrunk)))
    distance = math.copysign(math.sqrt(max(2.0 * (point * value - exponent), 0.0)), point)
    height = point * math.sqrt(2.0 * float(np.sum((scaled / shrunk) ** 2)))
    return normal_tail(distance + math.log(height / distance) / distance)


def _saddlepoint(value: float, scaled: Floats, low: float, high: float) -> float:
    """Where the cumulant generating function has a given slope."""

    def excess(point: float) -> float:
        return float(np.sum(scaled / (1.0 - 2.0 * point * scaled))) - value

    if excess(low) >= 0.0:
        return low
    if excess(high) <= 0.0:
        return high
    return float(brentq(excess, low, high, xtol=1e-14, rtol=1e-12))


def normal_tail(score: float) -> float:
    """Probability that a standard normal variable exceeds a score."""
    return 0.5 * math.erfc(score / math.sqrt(2.0))


def student_tail(score: float, degrees: float) -> float:
    """Probability that a Student variable is as far from zero as a score, on either side."""
    return 2.0 * float(stdtr(degrees, -abs(score)))


def distance_tail(square: float, weights: Floats, rows: tuple[int, int], estimated: int) -> float:
    """p-value of a squared distance of two means of `rows` vectors.

    Parameters
    ----------
    square : float
    weights : float64[k]
        As `null_weights` gives them.
    rows : (int, int)
        Vectors behind the two means.
    estimated : int
        Rows that the weights were estimated from: few of them make a tail heavier, as Student's is
        heavier than the normal one.
    """
    tail = quadratic_tail(square / (1.0 / rows[0] + 1.0 / rows[1]), weights)
    if not 0.0 < tail < 1.0:
        return tail
    return student_tail(float(ndtri(0.5 * tail)), estimated - 1.0)
