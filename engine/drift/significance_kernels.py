"""The null distribution of a distance between two vectors of counts, whatever the sample sizes.

If nothing has changed, every way to deal the pooled rows out to reference and window is equally
likely. Given the pooled counts c_i, the window's counts w_i then are binomials of one probability,
given that they add up to the window's rows. All our distances are sums ``S = sum f_i(w_i)``, so
the cumulant generating function of S under that condition follows from those of single bins, by a
saddlepoint approximation of the condition; a second one turns it into the tail (Lugannani, Rice,
"Saddle point approximation for the distribution of the sum of independent random variables", 1980;
Jing, Robinson, "Saddlepoint approximations for marginal and conditional probabilities of
transformed variables", Annals of Statistics 1994). Its error is relative, mostly
a few per cent however small the p-value. Nothing is drawn at random, and three rows expected in a
bin are enough, where the chi-square distribution needs five for one of our distances alone.
"""

import math

import numpy as np
from numpy.typing import NDArray

from engine.kernels.jit import in_place

Counts = NDArray[np.int64]
Tables = NDArray[np.float64]

PSI, KL, JENSEN_SHANNON, HELLINGER, CHI_SQUARE = range(5)

POINTS = 64
"""Counts at which a bin's terms are tabulated: all, or so many at equal steps."""

REACH = 11.0
"""Standard deviations to both sides that the points cover, and counts beyond that."""

OFFSET, TERM, CHANCE = range(3)
"""Rows of the tables: count less its mean, distance, and probability."""

HALF = 0.5
"""Rows that an empty bin is taken to have where a logarithm needs some."""

JUMP = 1.3
"""Terms larger than so many times the whole distance are counted one by one, see `beyond`."""

STEPS_MAX = 40
CLOSE = 1e-5
"""Steps to a saddlepoint, and relative distance from it that is close enough."""

SMALL, NEAR = 1e-3, 0.999
"""Second derivatives are differences from 0 to about SMALL, and from NEAR times s to s."""

NEAR_MEAN = 0.2
"""Deviations from the mean within which a tail's approximation is too rough."""

LARGEST_EXPONENT = 500.0


@in_place
def distance_term(
    method: int, taken: float, pooled: float, rows: int, reference_rows: int
) -> float:
    """One bin's part of a distance, in units in which the sum is about chi-square.

    Parameters
    ----------
    method : int
        PSI, KL, ...
    taken, pooled : float
        The window's rows in the bin, and all.
    rows, reference_rows : int
    """
    left = pooled - taken
    scale = rows * reference_rows / (rows + reference_rows)
    if method == CHI_SQUARE:
        off = taken / rows - left / reference_rows
        return scale * (rows + reference_rows) * off * off / pooled
    p, q = left / reference_rows, taken / rows
    if method == HELLINGER:
        root = math.sqrt(p) - math.sqrt(q)
        return 4.0 * scale * root * root
    if method == JENSEN_SHANNON:
        middle = 0.5 * (p + q)
        total = p * math.log(p / middle) if p > 0.0 else 0.0
        return 4.0 * scale * (total + (q * math.log(q / middle) if q > 0.0 else 0.0))
    p, q = max(left, HALF) / reference_rows, max(taken, HALF) / rows
    if method == KL:
        return 2.0 * scale * (p * math.log(p / q) - p + q)
    return scale * (p - q) * math.log(p / q)


@in_place
def distance(
    method: int, reference: Counts, window: Counts, rows: int, reference_rows: int
) -> float:
    """Sum of all terms; bins that are empty on both sides have none."""
    total = 0.0
    for place in range(len(reference)):
        pooled = reference[place] + window[place]
        if pooled > 0:
            total += distance_term(method, window[place], pooled, rows, reference_rows)
    return total


@in_place
def tabulate(method: int, pooled: int, rows: int, reference_rows: int, table: Tables) -> int:
    """Fill a bin's table; return its number of points.

    Parameters
    ----------
    method : int
    pooled : int
        Rows of both samples in the bin, at least 1.
    rows, reference_rows : int
    table : float64[3, POINTS]
    """
    share = rows / (rows + reference_rows)
    mean = pooled * share
    reach = REACH * (math.sqrt(mean * (1.0 - share)) + 1.0)
    low = max(0, pooled - reference_rows, math.floor(mean - reach))
    high = min(pooled, rows, math.ceil(mean + reach))
    step = (high - low) // POINTS + 1
    points = (high - low) // step + 1
    logit = math.log(rows / reference_rows)
    base = math.lgamma(pooled + 1.0) + pooled * math.log(1.0 - share)
    total = 0.0
    for point in range(points):
        taken = low + point * step
        chance = base + taken * logit - math.lgamma(taken + 1.0) - math.lgamma(pooled - taken + 1.0)
        table[OFFSET, point] = taken - mean
        table[TERM, point] = distance_term(method, taken, pooled, rows, reference_rows)
        table[CHANCE, point] = math.exp(chance)
        total += table[CHANCE, point]
    # A sum at equal steps is an integral of great accuracy, as of all smooth peaks.
    for point in range(points):
        table[CHANCE, point] /= total
    return points


@in_place
def cumulants(
    tables: Tables, points: Counts, s: float, t: float, most: float, out: NDArray[np.float64]
) -> bool:
    """Cumulant generating function of (S, window rows less their mean) and its derivatives.

    Parameters
    ----------
    tables : float64[k, 3, POINTS]
    points : int64[k]
    s, t : float
        Arguments of S and of the number of rows.
    most : float
        Points of larger terms are left out.
    out : float64[8]
        K, K_s, K_t, K_ss, K_st, K_tt, K_stt, K_ttt.

    Returns
    -------
    bool
        False if an exponent was too large.
    """
    out[:] = 0.0
    for place in range(len(points)):
        offset, term, chance = tables[place, OFFSET], tables[place, TERM], tables[place, CHANCE]
        m0, ms, mt, mss, mst, mtt, mstt, mttt = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for point in range(points[place]):
            f, w = term[point], offset[point]
            if f > most:
                continue
            exponent = s * f + t * w
            if exponent > LARGEST_EXPONENT:
                return False
            e = chance[point] * math.exp(exponent)
            ew, ef = e * w, e * f
            eww = ew * w
            m0 += e
            ms += ef
            mt += ew
            mss += ef * f
            mst += ef * w
            mtt += eww
            mstt += eww * f
            mttt += eww * w
        ms, mt, mss, mst, mtt, mstt, mttt = (
            ms / m0,
            mt / m0,
            mss / m0,
            mst / m0,
            mtt / m0,
            mstt / m0,
            mttt / m0,
        )
        out[0] += math.log(m0)
        out[1] += ms
        out[2] += mt
        out[3] += mss - ms * ms
        out[4] += mst - ms * mt
        out[5] += mtt - mt * mt
        out[6] += mstt - 2.0 * mst * mt - ms * mtt + 2.0 * ms * mt * mt
        out[7] += mttt - 3.0 * mtt * mt + 2.0 * mt * mt * mt
    return True


@in_place
def settle(
    tables: Tables, points: Counts, s: float, t: float, most: float, out: NDArray[np.float64]
) -> float:
    """Find the t at which the expected window rows are what they are; NaN if there is none."""
    for _ in range(STEPS_MAX):
        if not cumulants(tables, points, s, t, most, out) or not out[5] > 0.0:
            return np.nan
        if out[2] * out[2] <= 1e-8 * out[5]:
            return t
        t -= out[2] / out[5]
    return np.nan


@in_place
def slope(out: NDArray[np.float64]) -> float:
    """First derivative of the conditional generating function of S."""
    turn = -out[4] / out[5]
    return out[1] - 0.5 * (out[6] + out[7] * turn) / out[5]


@in_place
def upper_tail(value: float, exponent: float, s: float, curvature: float) -> float:
    """Lugannani and Rice's approximation; NaN at the mean, where it is a difference of infinities.

    Parameters
    ----------
    value : float
        At which the tail begins, above the mean.
    exponent, s, curvature : float
        Generating function, its argument more than 0, and second derivative at the saddlepoint.
    """
    r = math.sqrt(2.0 * max(s * value - exponent, 0.0))
    if not r > NEAR_MEAN:
        return np.nan
    u = s * math.sqrt(curvature)
    density = math.exp(-0.5 * r * r) / math.sqrt(2.0 * math.pi)
    return 0.5 * math.erfc(r / math.sqrt(2.0)) - density * (1.0 / r - 1.0 / u)


@in_place
def null_moments(
    method: int,
    pooled: Counts,
    rows: int,
    reference_rows: int,
    tables: Tables,
    points: Counts,
    out: NDArray[np.float64],
) -> tuple[float, float]:
    """Fill the tables of bins none of which is empty; return mean and variance of S."""
    for place in range(len(pooled)):
        points[place] = tabulate(method, pooled[place], rows, reference_rows, tables[place])
    cumulants(tables, points, 0.0, 0.0, np.inf, out)
    mean = slope(out)
    near = SMALL / math.sqrt(out[3])
    settle(tables, points, near, -near * out[4] / out[5], np.inf, out)
    return mean, (slope(out) - mean) / near


@in_place
def beyond(tables: Tables, points: Counts, width: float, most: float) -> float:
    """Chance that a single bin's term is larger; the other bins' rows are taken for normal.

    Such leaps of few rows are the far tail of sums that else are smooth. A saddlepoint can't be
    found for both at once.
    """
    total = 0.0
    for place in range(len(points)):
        offset, term, chance = tables[place, OFFSET], tables[place, TERM], tables[place, CHANCE]
        own = 0.0
        for point in range(points[place]):
            own += chance[point] * offset[point] * offset[point]
        rest = max(width - own, 1e-9 * width)
        for point in range(points[place]):
            if term[point] > most:
                others = math.exp(-0.5 * offset[point] * offset[point] / rest)
                total += chance[point] * others * math.sqrt(width / rest)
    return total


@in_place
def saddlepoint_tail(
    value: float,
    mean: float,
    variance: float,
    tables: Tables,
    points: Counts,
    out: NDArray[np.float64],
) -> float:
    """Chance that S is at least a value above its mean; NaN if no saddlepoint is found.

    Where the distribution ends below the value, the chance of a lower one is returned.
    """
    cumulants(tables, points, 0.0, 0.0, np.inf, out)
    width = out[5]
    most = JUMP * value
    leaps = beyond(tables, points, width, most)
    t = settle(tables, points, 0.0, 0.0, most, out)
    low, low_slope, low_t, low_exponent = 0.0, mean, t, 0.0
    low_turn = -out[4] / out[5]
    high, high_slope = np.inf, np.inf
    s = mean / variance * (1.0 - mean / value)
    for _ in range(STEPS_MAX):
        t = settle(tables, points, s, low_t + low_turn * (s - low), most, out)
        found = slope(out)
        if math.isnan(t) or not found > low_slope:
            high, high_slope = s, np.inf
            s = 0.5 * (low + high)
            continue
        curvature = out[3] - out[4] * out[4] / out[5]
        if found < value * (1.0 + CLOSE):
            low, low_slope, low_t, low_turn = s, found, t, -out[4] / out[5]
            low_exponent = out[0] - 0.5 * math.log(out[5] / width)
            if found > value * (1.0 - CLOSE):
                break
        else:
            high, high_slope = s, found
        # 1 / K' is a straight line for a gamma distribution, and so it is 1 / K' that is solved.
        s += found / curvature * (1.0 - found / value)
        if not low < s < high:
            part = (1.0 - low_slope / value) / (1.0 - low_slope / high_slope)
            s = low + part * (high - low) if high < np.inf else 2.0 * low
    if low == 0.0:
        return np.nan
    near = low * NEAR
    if math.isnan(settle(tables, points, near, low_t + low_turn * (near - low), most, out)):
        return np.nan
    curvature = (low_slope - slope(out)) / (low - near)
    return leaps + upper_tail(low_slope, low_exponent, low, curvature)
