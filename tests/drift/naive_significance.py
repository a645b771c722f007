"""Slow twins of the null distributions: every split of the pooled rows, one by one."""

import itertools
import math

import numpy as np

PSI, KL, JENSEN_SHANNON, HELLINGER, CHI_SQUARE = range(5)


def splits(pooled, rows):
    """All ways to split pooled counts so that the window gets its rows, with their chances."""
    ways = math.comb(sum(pooled), rows)
    for taken in itertools.product(*(range(count + 1) for count in pooled)):
        if sum(taken) == rows:
            chances = [math.comb(count, some) for count, some in zip(pooled, taken, strict=True)]
            yield taken, math.prod(chances) / ways


def distance(method, reference, window):
    """A distance in units in which it is about chi-square."""
    rows, others = sum(window), sum(reference)
    unit = 1 / rows + 1 / others
    total = 0.0
    for own, other in zip(reference, window, strict=True):
        if own + other == 0:
            continue
        p, q = own / others, other / rows
        middle = (p + q) / 2
        filled_p, filled_q = max(own, 0.5) / others, max(other, 0.5) / rows
        if method == PSI:
            total += (filled_p - filled_q) * math.log(filled_p / filled_q)
        elif method == KL:
            total += 2 * (filled_p * math.log(filled_p / filled_q) - filled_p + filled_q)
        elif method == JENSEN_SHANNON:
            halves = [share * math.log(share / middle) for share in (p, q) if share > 0]
            total += 4 * sum(halves)
        elif method == HELLINGER:
            total += 4 * (math.sqrt(p) - math.sqrt(q)) ** 2
        else:
            total += (p - q) ** 2 / ((own + other) / (rows + others))
    return total / unit


def tail(score_of, reference, window):
    """Exact chance of a score at least as large, given the pooled counts."""
    pooled = [own + other for own, other in zip(reference, window, strict=True)]
    observed = score_of(reference, window)
    chance = 0.0
    for taken, part in splits(pooled, sum(window)):
        left = [count - some for count, some in zip(pooled, taken, strict=True)]
        if score_of(left, taken) >= observed * (1 - 1e-9):
            chance += part
    return chance


def area(reference, window, positions):
    """Area between the distribution functions of counts at positions."""
    gaps = np.cumsum(window) / sum(window) - np.cumsum(reference) / sum(reference)
    return float(np.abs(gaps[:-1]) @ np.diff(positions))


def area_cumulants(pooled, rows, widths, s):
    """Generating function, mean and variance, tilted by s, of the area under a path's heights."""
    share = rows / sum(pooled)
    areas, chances = [], []
    for taken, chance in splits(pooled, rows):
        heights = np.cumsum(np.array(taken) - np.array(pooled) * share)
        areas.append(float(np.abs(heights) @ widths))
        chances.append(chance * math.exp(s * areas[-1]))
    areas, chances = np.array(areas), np.array(chances)
    total = chances.sum()
    mean = areas @ chances / total
    return math.log(total), mean, areas**2 @ chances / total - mean**2


def bin_cumulants(chances, terms, offsets, s, t):
    """Cumulants of one bin's term and rows, tilted by s and t: K, K_s, K_t, K_ss, ..."""
    weights = chances * np.exp(s * terms + t * offsets)
    total = weights.sum()
    weights = weights / total
    f, w = terms - weights @ terms, offsets - weights @ offsets
    central = (f * f, f * w, w * w, f * w * w, w**3)
    first = (math.log(total), (weights @ terms), (weights @ offsets))
    return np.array([*first, *(weights @ moment for moment in central)])


def join_rare(reference, window, least):
    """Pairs of counts after bins of few rows are joined in their order."""
    joined, rest = [], (0, 0)
    for own, other in zip(reference, window, strict=True):
        if own + other >= least:
            joined.append((own, other))
            continue
        rest = (rest[0] + own, rest[1] + other)
        if sum(rest) >= least:
            joined.append(rest)
            rest = (0, 0)
    if sum(rest):
        if len(joined) < 2:
            return [*joined, rest]
        place = min(range(len(joined)), key=lambda number: sum(joined[number]))
        joined[place] = (joined[place][0] + rest[0], joined[place][1] + rest[1])
    return joined


def holm(p_values, alpha):
    """Which hypotheses are rejected: the smallest p-value first, until one stays."""
    known = sorted((p, place) for place, p in enumerate(p_values) if not math.isnan(p))
    rejected = [False] * len(p_values)
    for done, (p, place) in enumerate(known):
        if p > alpha / (len(known) - done):
            break
        rejected[place] = True
    return rejected
