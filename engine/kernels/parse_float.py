"""Decimal text to the nearest float64, without leaving compiled code.

Sources: D. Lemire, "Number Parsing at a Gigabyte per Second", Software: Practice and Experience 51
(2021), doi:10.1002/spe.2984; N. Mushtak and D. Lemire, "Fast Number Parsing Without Fallback",
same journal 53 (2023), doi:10.1002/spe.3198; W. D. Clinger, "How to Read Floating Point Numbers
Accurately", PLDI 1990, doi:10.1145/93542.93557, for the short cut.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.kernels.jit import in_place

SMALLEST_POWER = -342
"""With at most 19 digits, everything below rounds to zero."""
LARGEST_POWER = 308
"""Everything above overflows."""

_SMALLEST_RECIPROCAL = -27  # 5**27 is the largest power of five below 2**64
_MAX_DIGITS = 19  # any 19 decimal digits fit into 64 bits
_EXPONENT_CAP = 1 << 40  # far beyond any float, far from overflowing an int64
_MANTISSA_BITS = 52
_EXPONENT_BIAS = 1023
_INFINITE_EXPONENT = 0x7FF

_ZERO, _NINE = ord("0"), ord("9")
_MINUS, _PLUS, _POINT = ord("-"), ord("+"), ord(".")
_LOWER_E, _UPPER_E = ord("e"), ord("E")


def power_of_five_bits(power: int) -> int:
    """Give the leading 128 bits of 5**power; the highest is always set.

    Rounded down, as in the paper; but up for the reciprocals of powers that fit into 64 bits, where
    a product must not fall below an exact tie.
    """
    if power >= 0:
        exact: int = 5**power
        shift = exact.bit_length() - 128
        return exact >> shift if shift > 0 else exact << -shift
    divisor: int = 5**-power
    bits = 127 + (divisor - 1).bit_length()
    return (1 << bits) // divisor + (power >= _SMALLEST_RECIPROCAL)


def _power_table() -> NDArray[np.uint64]:
    words = [
        divmod(power_of_five_bits(power), 1 << 64)
        for power in range(SMALLEST_POWER, LARGEST_POWER + 1)
    ]
    return np.array(words, dtype=np.uint64)


_POWERS_OF_FIVE = _power_table()  # [power, (high, low)]
_POWERS_OF_TEN = np.array([float(10**power) for power in range(23)])  # all exact


@in_place
def multiply_wide(a: Any, b: Any) -> tuple[Any, Any]:
    """Give the high and low 64 bits of the product of two uint64."""
    low_half = np.uint64(0xFFFFFFFF)
    half = np.uint64(32)
    a_low, a_high = a & low_half, a >> half
    b_low, b_high = b & low_half, b >> half
    low = a_low * b_low
    middle = a_high * b_low + (low >> half)
    other_middle = a_low * b_high + (middle & low_half)
    high = a_high * b_high + (middle >> half) + (other_middle >> half)
    return high, (other_middle << half) | (low & low_half)


@in_place
def leading_zeros(word: Any) -> int:
    """Count the zero bits above the highest set bit of a uint64 that is not zero."""
    count = 0
    for step in (32, 16, 8, 4, 2, 1):
        if word >> np.uint64(64 - step) == np.uint64(0):
            word = word << np.uint64(step)
            count += step
    return count


@in_place
def eisel_lemire(mantissa: Any, power: int) -> Any:
    """Give the float64 nearest to ``mantissa * 10**power``, ties to even.

    Parameters
    ----------
    mantissa : uint64
        At most 19 decimal digits.
    power : int64
        Decimal exponent.

    Returns
    -------
    float64
        Infinity where the number is too large.
    """
    one = np.uint64(1)
    if mantissa == np.uint64(0) or power < SMALLEST_POWER:
        return 0.0
    if power > LARGEST_POWER:
        return np.inf
    zeros = leading_zeros(mantissa)
    normal = mantissa << np.uint64(zeros)
    row = power - SMALLEST_POWER
    high, low = multiply_wide(normal, _POWERS_OF_FIVE[row, 0])
    if high & np.uint64(0x1FF) == np.uint64(0x1FF):
        # The bits below the rounding position are all ones: the rest of the power may carry.
        carry, _ = multiply_wide(normal, _POWERS_OF_FIVE[row, 1])
        low += carry
        if low < carry:
            high += one
    top = high >> np.uint64(63)
    kept = high >> (top + np.uint64(64 - _MANTISSA_BITS - 3))
    # floor(log2(10) * power), exact over the table's range
    exponent = ((217706 * power) >> 16) + 63 + np.int64(top) - zeros + _EXPONENT_BIAS
    if exponent <= 0:
        if exponent <= -63:
            return 0.0
        kept = kept >> np.uint64(1 - exponent)
        # A carry into the hidden bit's place turns the largest subnormal into the smallest normal.
        return np.uint64((kept + (kept & one)) >> one).view(np.float64)
    # A tie can only come from a power whose 5**power fits into the mantissa.
    exact_tie = low <= one and -4 <= power <= 23 and kept & np.uint64(3) == one
    if exact_tie and kept << (top + np.uint64(64 - _MANTISSA_BITS - 3)) == high:
        kept = kept & ~one
    kept = (kept + (kept & one)) >> one
    if kept >= np.uint64(1 << (_MANTISSA_BITS + 1)):
        kept = kept >> one
        exponent += 1
    if exponent >= _INFINITE_EXPONENT:
        return np.inf
    fraction = kept & np.uint64((1 << _MANTISSA_BITS) - 1)
    return np.uint64(fraction | (np.uint64(exponent) << np.uint64(_MANTISSA_BITS))).view(np.float64)


@in_place
def nearest_float(mantissa: Any, power: int) -> Any:
    """Do what `eisel_lemire` does, with one exact operation where that is enough (Clinger)."""
    if mantissa <= np.uint64(1 << 53):
        if 0 <= power <= 22:
            return np.float64(np.int64(mantissa)) * _POWERS_OF_TEN[power]
        if -22 <= power < 0:
            return np.float64(np.int64(mantissa)) / _POWERS_OF_TEN[-power]
    return eisel_lemire(mantissa, power)


@in_place
def read_digits(buffer: Any, position: int, mantissa: Any, digits: int) -> tuple[int, Any, int]:
    """Read a run of decimal digits on to `mantissa`, which holds `digits` significant ones.

    Digits beyond the nineteenth are counted but not added.

    Returns
    -------
    position, mantissa, digits : int64, uint64, int64
        Where the run ends, and what it made of the others.
    """
    while True:
        character = buffer[position]
        if character < _ZERO or character > _NINE:
            return position, mantissa, digits
        if digits < _MAX_DIGITS:
            mantissa = mantissa * np.uint64(10) + np.uint64(character - _ZERO)
        if mantissa != np.uint64(0):
            digits += 1
        position += 1


@in_place
def read_exponent(buffer: Any, position: int) -> tuple[int, int]:
    """Read what follows ``e``: an optional sign and digits; gives position (-1: no digits), value.

    The value stops growing far beyond the range of a float.
    """
    negative = buffer[position] == _MINUS
    if negative or buffer[position] == _PLUS:
        position += 1
    begin = position
    exponent = 0
    while _ZERO <= buffer[position] <= _NINE:
        if exponent < _EXPONENT_CAP:
            exponent = exponent * 10 + (buffer[position] - _ZERO)
        position += 1
    return position if position > begin else -1, -exponent if negative else exponent


@in_place
def parse_number(buffer: Any, position: int) -> tuple[int, Any]:
    """Read a JSON number (RFC 8259 section 6) and give the nearest float64, as ``float(text)``.

    Parameters
    ----------
    buffer : uint8[n]
        Text; the number must be followed by a byte that can't be part of one.
    position : int64
        Where the number begins.

    Returns
    -------
    position : int64
        Behind the number; -1 if there is none, if it is too large for a float64, or in the rare
        case that its first 19 digits do not decide (then ask ``float``).
    value : float64
    """
    negative = buffer[position] == _MINUS
    if negative:
        position += 1
    begin = position
    position, mantissa, digits = read_digits(buffer, position, np.uint64(0), 0)
    if position == begin or (buffer[begin] == _ZERO and position > begin + 1):
        return -1, 0.0
    fraction_digits = 0
    if buffer[position] == _POINT:
        begin = position + 1
        position, mantissa, digits = read_digits(buffer, begin, mantissa, digits)
        fraction_digits = position - begin
        if fraction_digits == 0:
            return -1, 0.0
    power = max(digits - _MAX_DIGITS, 0) - fraction_digits
    if buffer[position] == _LOWER_E or buffer[position] == _UPPER_E:
        position, exponent = read_exponent(buffer, position + 1)
        if position < 0:
            return -1, 0.0
        power += exponent
    value = nearest_float(mantissa, power)
    undecided = digits > _MAX_DIGITS and value != nearest_float(mantissa + np.uint64(1), power)
    if undecided or value == np.inf:
        return -1, 0.0
    return position, -value if negative else value
