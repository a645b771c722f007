"""Compensated sums over one window: total, mean and variance.

They add in the order of Prometheus' promql/functions.go and util/kahansum, so that results agree
to the bit.
"""

import numpy as np
from numpy.typing import NDArray

from engine.kernels.jit import in_place


@in_place
def add(increment: float, total: float, carry: float) -> tuple[float, float]:
    """One step of a Kahan-Neumaier sum.

    Parameters
    ----------
    increment, total, carry : float
        What is added, the sum so far, and the rounding errors that were left out of it.

    Returns
    -------
    tuple of (float, float)
        The new sum and carry; in the end they are added up. An infinite sum has no carry.

    References
    ----------
    .. [1] A. Neumaier, "Rundungsfehleranalyse einiger Verfahren zur Summation endlicher Summen",
       ZAMM 54, 1974.
    """
    new = total + increment
    if np.isinf(new):
        carry = 0.0
    elif abs(total) >= abs(increment):
        carry += (total - new) + increment
    else:
        carry += (increment - new) + total
    return new, carry


@in_place
def total_of(value: NDArray[np.float64], low: int, high: int) -> float:
    """Sum of ``value[low:high]``."""
    total = 0.0
    carry = 0.0
    for i in range(low, high):
        total, carry = add(value[i], total, carry)
    return total if np.isinf(total) else total + carry


@in_place
def mean_of(value: NDArray[np.float64], low: int, high: int) -> float:
    """Mean of ``value[low:high]``; goes over to an incremental mean when the sum overflows."""
    total = value[low]
    mean = 0.0
    carry = 0.0
    incremental = False
    count = 1.0
    for i in range(low + 1, high):
        count = float(i - low + 1)
        if not incremental:
            new, new_carry = add(value[i], total, carry)
            if not np.isinf(new):
                total, carry = new, new_carry
                continue
            incremental = True
            mean = total / (count - 1)
            carry /= count - 1
        share = (count - 1) / count
        mean, carry = add(value[i] / count, share * mean, share * carry)
    if incremental:
        return mean + carry
    return total / count + carry / count


@in_place
def variance_of(value: NDArray[np.float64], low: int, high: int) -> float:
    """Population variance of ``value[low:high]``, by Welford's method with compensated sums."""
    count = 0.0
    mean = 0.0
    mean_carry = 0.0
    squares = 0.0
    squares_carry = 0.0
    for i in range(low, high):
        count += 1
        delta = value[i] - (mean + mean_carry)
        mean, mean_carry = add(delta / count, mean, mean_carry)
        squares, squares_carry = add(
            delta * (value[i] - (mean + mean_carry)), squares, squares_carry
        )
    return (squares + squares_carry) / count
