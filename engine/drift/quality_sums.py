"""Sums of floats that are exact: order never matters, and what was added can be taken away.

A sum is an integer in limbs of 32 bits, each in an int64 so that carries wait until it is read
(a small superaccumulator: Kulisch, "Computer Arithmetic and Validity", 2008; Neal, "Fast exact
summation using small and large superaccumulators", 2015). Sums merge by adding their limbs. There
is room for 2**30 values.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.kernels.jit import in_place

WIDE_LIMBS, WIDE_LOWEST = 68, -1088
"""Limbs, and the exponent of the lowest bit, of a sum that takes every float."""

UNIT_LIMBS, UNIT_LOWEST = 6, -128
"""Of a sum of values below 2**30; what lies below 2**-128 is cut off."""

_LIMB = 32
_MASK = np.int64((1 << 32) - 1)
_SPLIT = 134217729.0  # 2**27 + 1
_MANTISSA_BITS = 53
_MANTISSA = 9007199254740992.0  # 2**53


@in_place
def add_exact(limbs: NDArray[np.int64], lowest: int, value: float, sign: int) -> None:
    """Add a finite value `sign` times to a sum int64[limbs]."""
    if value == 0.0:
        return
    if value < 0.0:
        value, sign = -value, -sign
    fraction, exponent = math.frexp(value)
    mantissa = np.int64(fraction * _MANTISSA)
    position = exponent - _MANTISSA_BITS - lowest
    if position < 0:
        mantissa = mantissa >> min(63, -position)
        position = 0
    limb, shift = position >> 5, position & 31
    low = mantissa & ((np.int64(1) << (_LIMB - shift)) - 1)
    rest = mantissa >> (_LIMB - shift)
    limbs[limb] += sign * (low << shift)
    limbs[limb + 1] += sign * (rest & _MASK)
    limbs[limb + 2] += sign * (rest >> _LIMB)


@in_place
def add_square(limbs: NDArray[np.int64], lowest: int, value: float, sign: int) -> None:
    """Add a value's square without rounding it (Dekker's product), unless it is below 1e-290."""
    square = value * value
    large = value * _SPLIT
    high = large - (large - value)
    low = value - high
    rest = ((high * high - square) + 2.0 * high * low) + low * low
    add_exact(limbs, lowest, square, sign)
    add_exact(limbs, lowest, rest, sign)


def read_exact(limbs: Sequence[int], lowest: int) -> tuple[int, int]:
    """Give a sum as a fraction: numerator and denominator."""
    total = sum(limb << (_LIMB * place) for place, limb in enumerate(limbs))
    return total, 1 << -lowest
