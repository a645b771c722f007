"""Compiled loops of the binary operators, over rows and ticks.

Arrays are row by tick: ``value`` is float64[n, t] and ``present`` is bool[n, t].
"""

import math

import numpy as np
from numpy.typing import NDArray

from engine.kernels.jit import in_place

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]
Rows = NDArray[np.int64]

OPERATORS = ("+", "-", "*", "/", "%", "^", "atan2", "==", "!=", ">", "<", ">=", "<=")
"""Operators by the number that kernels know them by."""

ADD, SUBTRACT, MULTIPLY, DIVIDE, MODULO, POWER, ATAN2, EQUAL, UNEQUAL, GREATER, LESS, AT_LEAST = (
    range(12)
)
FIRST_COMPARISON = EQUAL

NO_CONFLICT, SAME_GROUP, SAME_LABELS = 0, 1, 2
"""What was wrong with the results of a tick: two with one claim, or with equal labels."""

_WILD_EXPONENT = 1 << 12  # a power of two that no number has


@in_place
def power(base: float, exponent: float) -> float:
    """Raise to a power with the bits of Go's ``math.Pow`` wherever the exponent is whole.

    Go multiplies squares of the fraction and adds up exponents of two, which rounds otherwise than
    C's correctly rounded ``pow``; its special values are C99's. The part that isn't whole is
    ``exp(part * log(base))``, the last bits of which are the C library's. Source: Go, math/pow.go.
    """
    size = abs(exponent)
    whole = np.floor(size)
    part = size - whole
    if (
        not (math.isfinite(base) and math.isfinite(exponent))
        or base in (0.0, 1.0)
        or exponent in (0.0, 1.0)
        or (part != 0 and base < 0)
        or size >= 2.0**63
    ):
        return base**exponent  # C99 says what it is
    if size == 0.5:
        root = math.sqrt(base)
        return root if exponent > 0 else 1.0 / root
    mantissa = 1.0
    if part != 0:
        if part > 0.5:
            part -= 1.0
            whole += 1.0
        mantissa = math.exp(part * math.log(base))
    mantissa, scale = _whole_power(base, int(whole), mantissa)
    if exponent < 0:
        mantissa = 1.0 / mantissa
        scale = -scale
    return math.ldexp(mantissa, scale)


@in_place
def _whole_power(base: float, exponent: int, mantissa: float) -> tuple[float, int]:
    """Multiply with a whole power, as a number and a power of two, by squaring the base."""
    fraction, scale = math.frexp(base)
    total = 0
    while exponent != 0:
        if abs(scale) > _WILD_EXPONENT:
            total += scale  # 0 or infinite, whatever follows
            break
        if exponent & 1:
            mantissa *= fraction
            total += scale
        fraction *= fraction
        scale *= 2
        if fraction < 0.5:
            fraction += fraction
            scale -= 1
        exponent >>= 1
    return mantissa, total


@in_place
def arithmetic(operator: int, left: float, right: float) -> float:
    """Compute what isn't a comparison; IEEE 754 throughout, ``%`` being C's fmod."""
    if operator == ADD:
        return left + right
    if operator == SUBTRACT:
        return left - right
    if operator == MULTIPLY:
        return left * right
    if operator == DIVIDE:
        return left / right
    if operator == MODULO:
        return np.fmod(left, right)
    if operator == POWER:
        return power(left, right)
    return math.atan2(left, right)


@in_place
def holds(operator: int, left: float, right: float) -> bool:
    """Compare; NaN is unequal to all."""
    if operator == EQUAL:
        return left == right
    if operator == UNEQUAL:
        return left != right
    if operator == GREATER:
        return left > right
    if operator == LESS:
        return left < right
    if operator == AT_LEAST:
        return left >= right
    return left <= right


@in_place
def scalar_scalar(operator: int, left: Values, right: Values, out: Values) -> None:
    """Operate on two scalars; a comparison gives 1 or 0."""
    for k in range(len(left)):
        if operator < FIRST_COMPARISON:
            out[k] = arithmetic(operator, left[k], right[k])
        else:
            out[k] = 1.0 if holds(operator, left[k], right[k]) else 0.0


@in_place
def vector_scalar(
    operator: int,
    scalar_is_left: bool,
    return_bool: bool,
    value: Values,
    present: Flags,
    scalar: Values,
    out_value: Values,
    out_present: Flags,
) -> None:
    """Operate on each row and a scalar; a filter keeps the row's value, wherever the row stands."""
    for row in range(value.shape[0]):
        for k in range(value.shape[1]):
            out_present[row, k] = present[row, k]
            if not present[row, k]:
                continue
            left, right = value[row, k], scalar[k]
            if scalar_is_left:
                left, right = right, left
            if operator < FIRST_COMPARISON:
                out_value[row, k] = arithmetic(operator, left, right)
            elif return_bool:
                out_value[row, k] = 1.0 if holds(operator, left, right) else 0.0
            else:
                out_value[row, k] = value[row, k]
                out_present[row, k] = holds(operator, left, right)


@in_place
def occupy(group: Rows, present: Flags, slot: Rows, repeated: Rows) -> None:
    """Find the row that each match group has on the one side at each tick.

    Parameters
    ----------
    group : int64[n]
        The group of each row.
    present : bool[n, t]
        Which rows there are.
    slot : int64[g, t]
        Gets the first row of the group; -1 where there is none, as it has to be at the start.
    repeated : int64[t]
        Gets the first row that isn't the first of its group; -1 as `slot`.
    """
    for row in range(len(group)):
        for k in range(present.shape[1]):
            if not present[row, k]:
                continue
            if slot[group[row], k] < 0:
                slot[group[row], k] = row
            elif repeated[k] < 0:
                repeated[k] = row


@in_place
def mark_used(slot: Rows, skipped: Flags, used: Flags) -> bool:
    """Mark the rows of the one side that a slot holds; tell whether there was a new one."""
    news = False
    for group in range(slot.shape[0]):
        for k in range(slot.shape[1]):
            row = slot[group, k]
            if row >= 0 and not skipped[k] and not used[row]:
                used[row] = True
                news = True
    return news


@in_place
def vector_vector(
    operator: int,
    swapped: bool,
    return_bool: bool,
    group: Rows,
    start: Rows,
    position: Rows,
    result: Rows,
    claim: Rows,
    slot: Rows,
    skipped: Flags,
    many_value: Values,
    many_present: Flags,
    one_value: Values,
    out_value: Values,
    out_present: Flags,
    claimed: Flags,
    conflict: NDArray[np.int8],
) -> None:
    """Operate on each row of the many side and its partner.

    Parameters
    ----------
    operator, swapped, return_bool : int, bool, bool
        `swapped` says that the many side stands on the right.
    group, start, position, result, claim : int64
        See `Groups` and `Partners`.
    slot : int64[g, t]
        The one side's row in each group, or -1.
    skipped : bool[t]
        Ticks to leave out.
    many_value, many_present, one_value : float64[n, t], bool[n, t], float64[m, t]
        The sides.
    out_value, out_present : float64[r, t], bool[r, t]
        Get the result; nothing is present at the start.
    claimed : bool[c, t]
        Gets the claims that were made; all false at the start.
    conflict : int8[t]
        Gets `SAME_GROUP` or else `SAME_LABELS`; `NO_CONFLICT` at the start.
    """
    for row in range(len(group)):
        for k in range(many_value.shape[1]):
            one = slot[group[row], k]
            if one < 0 or skipped[k] or not many_present[row, k]:
                continue
            left, right = many_value[row, k], one_value[one, k]
            if swapped:
                left, right = right, left
            pair = start[row] + position[one]
            # What a filter takes away below has claimed its place all the same.
            if claimed[claim[pair], k]:
                conflict[k] = SAME_GROUP
            claimed[claim[pair], k] = True
            outcome = left
            if operator < FIRST_COMPARISON:
                outcome = arithmetic(operator, left, right)
            elif return_bool:
                outcome = 1.0 if holds(operator, left, right) else 0.0
            elif not holds(operator, left, right):
                continue
            to = result[pair]
            if out_present[to, k] and conflict[k] == NO_CONFLICT:
                conflict[k] = SAME_LABELS
            out_present[to, k] = True
            out_value[to, k] = outcome


@in_place
def seen_groups(group: Rows, present: Flags, seen: Flags) -> None:
    """Mark the match groups bool[g, t] that have a row; all false at the start."""
    for row in range(len(group)):
        for k in range(present.shape[1]):
            if present[row, k]:
                seen[group[row], k] = True


@in_place
def keep_matched(wanted: bool, group: Rows, seen: Flags, present: Flags, out: Flags) -> None:
    """Keep rows whose group the other side has (``and``), or hasn't (``unless``)."""
    for row in range(len(group)):
        for k in range(present.shape[1]):
            out[row, k] = present[row, k] and seen[group[row], k] == wanted


@in_place
def put_unseen(
    index: Rows,
    group: Rows,
    seen: Flags,
    value: Values,
    present: Flags,
    out_value: Values,
    out_present: Flags,
) -> None:
    """Put rows whose group isn't seen at their place in the result of ``or``."""
    for row in range(len(index)):
        for k in range(present.shape[1]):
            if present[row, k] and not seen[group[row], k]:
                out_value[index[row], k] = value[row, k]
                out_present[index[row], k] = True
