"""Counting the values of one feature on its grid: one call for a feature and batch."""

import numpy as np
from numpy.typing import NDArray

from engine.kernels.jit import in_place

Numbers = NDArray[np.float64]
Counts = NDArray[np.int32]

FARTHEST_STEPS = 2.0**62
"""Values that are more of the grid's steps away count as this far in sums."""

FARTHEST_SQUARED = np.int64(1) << 31
"""The same for the spread, as sums of squares must not overflow."""

INSIDE, BELOW, ABOVE, SQUARES, OUTSIDE = 0, 1, 3, 5, 7
"""Places of the sums: those below, above and of squares take two, the low 32 bits and the rest.

The last one has the values outside the edges again, as far away as squares have them.
"""

SUMS = 8

_LOW = np.int64((1 << 32) - 1)
_TAIL = (np.uint64(1) << np.uint64(56)) - np.uint64(1)
_ONE = np.uint64(1)


@in_place
def mixed(bits: np.uint64) -> np.uint64:
    """Hash 64 bits (SplitMix64's finaliser: Steele, Lea, Flood 2014)."""
    word = bits + np.uint64(0x9E3779B97F4A7C15)
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))


@in_place
def register_value(registers: NDArray[np.uint8], bits: np.uint64) -> None:
    """Register a value for the number of distinct ones (Flajolet et al., "HyperLogLog", 2007).

    Parameters
    ----------
    registers : uint8[256]
        Of each: the most leading zeros, and one, of the hashes that fell to it.
    bits : uint64
        The value.
    """
    word = mixed(bits)
    place = word >> np.uint64(56)
    rest = word & _TAIL
    held = np.uint64(registers[place])
    # Nearly always false, so that zeros are hardly ever counted.
    if held < np.uint64(57) and rest < _ONE << (np.uint64(56) - held):
        zeros = 1
        while zeros < 57 and rest < _ONE << np.uint64(56 - zeros):
            zeros += 1
        registers[place] = zeros


@in_place
def place_of(value: float, edges: Numbers, cells: NDArray[np.int16], frame: Numbers) -> int:
    """Number of edges that are not above a value.

    Parameters
    ----------
    value : float
        Finite.
    edges : float64[k], ascending
    cells : int16[cells + 1]
        Edges in the cells before each of equal cells over first to last edge: the search is only
        between those of the value's own cell.
    frame : float64[4]
        First edge, cells per unit, centre, steps per unit.
    """
    if len(edges) == 0 or value < edges[0]:
        return 0
    if value >= edges[len(edges) - 1]:
        return len(edges)
    cell = min(int((value - frame[0]) * frame[1]), len(cells) - 2)
    low, high = int(cells[cell]), int(cells[cell + 1])
    while low < high:
        middle = (low + high) >> 1
        if edges[middle] <= value:
            low = middle + 1
        else:
            high = middle
    return low


@in_place
def add_numbers(
    values: Numbers,
    bits: NDArray[np.uint64],
    edges: Numbers,
    cells: NDArray[np.int16],
    frame: Numbers,
    counts: Counts,
    sums: NDArray[np.int64],
    extremes: Numbers,
    registers: NDArray[np.uint8],
) -> int:
    """Count numbers; NaN and infinities are nulls.

    Parameters
    ----------
    values : float64[n]
    bits : uint64[n]
        The same memory.
    edges, cells, frame
        As in `place_of`.
    counts : int32[k + 1]
        By number of edges that are not above. Added to.
    sums : int64[8]
        Steps from the centre inside, below and above the edges, their squares, and those below and
        above together. Added to.
    extremes : float64[2]
        Smallest and largest value.
    registers : uint8[256]

    Returns
    -------
    int
        Nulls.
    """
    nulls = 0
    centre, scale = frame[2], frame[3]
    smallest, largest = extremes[0], extremes[1]
    inside = np.int64(0)
    last = len(edges)
    for row in range(len(values)):
        value = values[row] + 0.0  # no negative zero: which zero is smaller hangs on the order
        if not -np.inf < value < np.inf:
            nulls += 1
            continue
        smallest = min(smallest, value)
        largest = max(largest, value)
        register_value(registers, bits[row] if value != 0.0 else np.uint64(0))
        place = place_of(value, edges, cells, frame)
        counts[place] += 1
        far = min(max((value - centre) * scale, -FARTHEST_STEPS), FARTHEST_STEPS)
        steps = np.int64(np.rint(far))
        if 0 < place < last:
            inside += steps
        else:
            tail = ABOVE if place > 0 else BELOW
            sums[tail] += steps & _LOW
            sums[tail + 1] += steps >> 32
            sums[OUTSIDE] += min(max(steps, -FARTHEST_SQUARED), FARTHEST_SQUARED)
        short = min(abs(steps), FARTHEST_SQUARED)
        square = short * short
        sums[SQUARES] += square & _LOW
        sums[SQUARES + 1] += square >> 32
    sums[INSIDE] += inside
    extremes[0], extremes[1] = smallest, largest
    return nulls


@in_place
def add_codes(codes: NDArray[np.int32] | NDArray[np.int8], counts: Counts) -> int:
    """Count codes; those beyond the last place count there. Gives the nulls, the negative ones."""
    nulls = 0
    last = len(counts) - 1
    for code in codes:
        if code < 0:
            nulls += 1
        else:
            counts[min(code, last)] += 1
    return nulls
