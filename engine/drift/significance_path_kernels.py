"""The null distribution of the area between two samples' distribution functions.

If nothing has changed, the window's rows in the bins up to a place, less their mean, are a path
that comes back to 0: a bridge (of binomial steps, given their sum). The Wasserstein distance is the
sum of its heights times the distances of the bins. The generating function of that sum is a product
of matrices along the path, one step for each bin; it is exact up to the lattice on which heights
are kept, which has every number of rows where these are few. A saddlepoint approximation gives the
tail (Lugannani, Rice 1980), with an error that is relative.
"""

import math

import numpy as np
from numpy.typing import NDArray

from engine.drift.significance_kernels import upper_tail
from engine.kernels.jit import in_place

Floats = NDArray[np.float64]

EXACT_DEVIATION = 12.0
"""The lattice has every number of rows up to this standard deviation of the path, in rows."""

STEPS_PER_DEVIATION = 9.0
"""Beyond, so many steps in a standard deviation."""

REACH = 8.5
"""Standard deviations to both sides that the lattice covers."""

SMOOTH_REACH, MOVES_REACH = 5.0, 6.5
"""Standard deviations to both sides that the moves of one bin cover, and rows beyond that."""

NARROW = 0.7
"""Of a lattice step: deviation below which a bin moves the path by one step or none."""

HALF_NORMAL = math.sqrt(2.0 / math.pi)
"""Mean height of a normal path of deviation 1."""

ITERATIONS = 30
CLOSE = 3e-3
"""Relative distance from a saddlepoint that its square makes negligible."""

FEWEST = 1e-300


@in_place
def moves_reach(variance: float) -> float:
    """How far from the mean the rows of a bin in the window are followed."""
    return MOVES_REACH * math.sqrt(variance) + 5.0


@in_place
def lattice(pooled: NDArray[np.int64], rows: int, reference_rows: int) -> tuple[float, int, int]:
    """Choose a lattice.

    Returns
    -------
    tuple
        Rows in a step; steps to each side of the middle; moves at most by one bin.
    """
    share = rows / (rows + reference_rows)
    total = float(rows + reference_rows)
    most, before, largest = 0.0, 0.0, 0.0
    for count in pooled:
        before += count
        most = max(most, before * (total - before) / total)
        largest = max(largest, count * share * (1.0 - share))
    deviation = math.sqrt(most * share * (1.0 - share))
    step = 1.0 if deviation <= EXACT_DEVIATION else deviation / STEPS_PER_DEVIATION
    half = math.ceil(REACH * deviation / step) + 2
    return step, half, 2 * math.ceil(moves_reach(largest) / step) + 3


@in_place
def exact_moves(pooled: int, share: float, shift: int, moves: Floats) -> tuple[int, int]:
    """Chances of all moves by a binomial number of rows less a shift.

    Returns
    -------
    tuple of int
        First move, and number of moves.
    """
    mean = pooled * share
    reach = moves_reach(mean * (1.0 - share))
    low = int(max(0.0, math.floor(mean - reach)))
    high = int(min(float(pooled), math.ceil(mean + reach), low + len(moves) - 1.0))
    logit = math.log(share / (1.0 - share))
    base = math.lgamma(pooled + 1.0) + pooled * math.log(1.0 - share)
    for rows in range(low, high + 1):
        chance = base + rows * logit - math.lgamma(rows + 1.0) - math.lgamma(pooled - rows + 1.0)
        moves[rows - low] = math.exp(chance)
    return low - shift, high - low + 1


@in_place
def smooth_moves(deviation: float, moves: Floats) -> tuple[int, int]:
    """Chances of moves with a mean of 0 and a deviation in lattice steps, as `exact_moves`."""
    if deviation < NARROW:
        moves[0] = moves[2] = 0.5 * deviation * deviation
        moves[1] = 1.0 - deviation * deviation
        return -1, 3
    half = int(min(math.ceil(SMOOTH_REACH * deviation), (len(moves) - 1) // 2))
    total = 0.0
    for move in range(-half, half + 1):
        moves[move + half] = math.exp(-0.5 * (move / deviation) ** 2)
        total += moves[move + half]
    for place in range(2 * half + 1):
        moves[place] /= total
    return -half, 2 * half + 1


@in_place
def lay_path(
    pooled: NDArray[np.int64],
    rows: int,
    reference_rows: int,
    step: float,
    moves: Floats,
    spans: NDArray[np.int64],
    heights: Floats,
    bumps: Floats,
) -> None:
    """Lay out the lattice along the bins.

    Parameters
    ----------
    pooled : int64[k]
        Rows of both samples in each bin, none empty.
    rows, reference_rows : int
    step : float
        Rows in a lattice step, see `lattice`.
    moves : float64[k, moves]
        Receives the chances of the moves that a bin adds.
    spans : int64[k, 2]
        Receives the first move, in states, and the number of moves.
    heights : float64[k]
        Receives the height, in rows, of the middle state after each bin.
    bumps : float64[k, 2]
        Receives what the middle state's height is raised by, and others' are lowered by.
    """
    share = rows / (rows + reference_rows)
    total = float(rows + reference_rows)
    before, middle = 0.0, 0
    for place in range(len(pooled)):
        count = pooled[place]
        before += count
        if step == 1.0:
            now = round(before * share)
            spans[place] = exact_moves(count, share, now - middle, moves[place])
            heights[place], middle = now - before * share, now
            bumps[place, 0] = bumps[place, 1] = 0.0
        else:
            spread = math.sqrt(count * share * (1.0 - share)) / step
            spans[place] = smooth_moves(spread, moves[place])
            variance = before * (total - before) / total * share * (1.0 - share)
            heights[place] = 0.0
            bumps[place] = bump(variance, step)


@in_place
def mean_height(variance: float) -> float:
    """Mean absolute height, in rows, of a path with a variance; near its ends it is mostly 0."""
    return min(HALF_NORMAL * math.sqrt(variance), 2.0 * variance)


@in_place
def bump(variance: float, step: float) -> tuple[float, float]:
    """What to raise the middle state's height by and to lower others' by, to have moments right.

    A sum over lattice points loses a sixth of a step at the kink of the absolute value (by Euler
    and Maclaurin's formula). Where the lattice is too wide for the path, one step or none must have
    the mean and variance of its absolute height.
    """
    part = variance / (step * step)
    if part >= 0.5:
        return step / 6.0, 0.0
    if part <= 0.0:
        return 0.0, 0.0
    mean = mean_height(variance)
    deviation = math.sqrt(max(variance - mean * mean, 0.0))
    odds = math.sqrt(part / (1.0 - part))
    return max(mean - deviation * odds, 0.0), step - (mean + deviation / odds)


@in_place
def weigh(
    slope: float, width: float, height: float, bumps: Floats, step: float, then: Floats
) -> None:
    """Weigh all states with the exponential of the area that they add.

    Parameters
    ----------
    slope : float
        Exponent for a row's height.
    width, height, step : float
        Area for a row's height; height of the middle state, and of a step.
    bumps : float64[2]
        See `bump`.
    then : float64[3, states]
        Chances, and their first and second moments of the area.
    """
    half = then.shape[1] // 2
    middle = abs(height) + bumps[0]
    add_area(math.exp(slope * middle), width * middle, then, half)
    ratio = math.exp(slope * step)
    for sign in (1, -1):
        rise = sign * height - bumps[1]
        weight = math.exp(slope * rise)
        for away in range(1, half + 1):
            weight *= ratio
            add_area(weight, width * (away * step + rise), then, half + sign * away)


@in_place
def add_area(weight: float, area: float, then: Floats, state: int) -> None:
    """Weigh a state, and add an area to its moments."""
    a, b, c = then[0, state], then[1, state], then[2, state]
    then[0, state] = weight * a
    then[1, state] = weight * (b + area * a)
    then[2, state] = weight * (c + area * (2.0 * b + area * a))


@in_place
def walk(
    s: float,
    widths: Floats,
    moves: Floats,
    spans: NDArray[np.int64],
    heights: Floats,
    bumps: Floats,
    step: float,
    paths: Floats,
    out: Floats,
) -> bool:
    """Cumulant generating function of the area under a path's absolute heights.

    Parameters
    ----------
    s : float
    widths : float64[k]
        What a height of one row adds to the area after each bin; the last is 0.
    moves, spans, heights, bumps, step
        See `lay_path`.
    paths : float64[2, 3, states]
        Scratch.
    out : float64[3]
        Receives the function, with the chance of coming back to 0, and two derivatives.

    Returns
    -------
    bool
        False if a number was too large or small.
    """
    now, then = paths[0], paths[1]
    now[:] = 0.0
    half = paths.shape[2] // 2
    states = 2 * half + 1
    now[0, half] = 1.0
    for place in range(len(widths)):
        then[:] = 0.0
        first, number = spans[place]
        for move in range(number):
            chance, by = moves[place, move], first + move
            low, high = max(0, by), min(states, states + by)
            for order in range(3):
                source, target = now[order, low - by : high - by], then[order, low:high]
                for state in range(len(target)):
                    target[state] += chance * source[state]
        weigh(s * widths[place], widths[place], heights[place], bumps[place], step, then)
        now, then = then, now
    a, b, c = now[0, half], now[1, half], now[2, half]
    if not (FEWEST < a < np.inf and c < np.inf):
        return False
    out[0] = math.log(a)
    out[1] = b / a
    out[2] = c / a - out[1] * out[1]
    return True


@in_place
def area_tail(
    value: float,
    widths: Floats,
    moves: Floats,
    spans: NDArray[np.int64],
    heights: Floats,
    bumps: Floats,
    step: float,
    paths: Floats,
    out: Floats,
) -> float:
    """Chance of an area at least as large as a value; NaN if no saddlepoint is found.

    Parameters are those of `walk`.
    """
    if not walk(0.0, widths, moves, spans, heights, bumps, step, paths, out):
        return np.nan
    start, mean = out[0], out[1]
    low, high = 0.0, np.inf
    s = (value - mean) / out[2]
    if s <= 0.0:
        return np.nan
    best = np.nan
    for _ in range(ITERATIONS):
        good = walk(s, widths, moves, spans, heights, bumps, step, paths, out)
        if not good or not out[1] > mean:
            high = s
            s = 0.5 * (low + high)
            continue
        if abs(out[1] - value) <= CLOSE * value:
            return upper_tail(value, out[0] - start, s, out[2])
        if out[1] < value:
            low = s
            best = upper_tail(out[1], out[0] - start, s, out[2])
        else:
            high = s
        s += (value - out[1]) / out[2]
        if not low < s < high:
            s = 0.5 * (low + high) if high < np.inf else 2.0 * low
    return best
