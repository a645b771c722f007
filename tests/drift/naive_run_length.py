"""Slow twins of the run-length detectors: lists, no hulls kept, every sum taken anew."""

import math

import numpy as np

REFERENCE_MIN, NEWS_MIN = 200, 30
RATE_FLOOR, RATE_STEP_MIN = 0.01, 0.02
LEVEL, SPREAD = 0, 1


def divergence(p, q):
    terms = [(p, q), (1 - p, 1 - q)]
    return sum(a * math.log(a / b) for a, b in terms if a > 0)


def hull(values):
    """Moments on the lower convex hull of the running sums, all but the last, ascending."""
    sums = np.concatenate([[0.0], np.cumsum(values)])[:-1]
    vertices = []
    for n, s in enumerate(sums.tolist()):
        while len(vertices) >= 2:
            (n0, s0), (n1, s1) = vertices[-2:]
            if (s1 - s0) * (n - n1) < (s - s1) * (n1 - n0):
                break
            vertices.pop()
        vertices.append((n, s))
    return vertices


def inflation(part, before, rate):
    """Variance of sums over that of independent ones; `before` are the two values before `part`."""
    n, x = len(part), np.array([*before, *part])
    mean = x[2:].mean()
    variance = np.mean(x[2:] ** 2) - mean**2
    if variance <= 0:
        return 1.0
    first = (np.mean(x[2:] * x[1:-1]) - mean**2) / variance
    second = (np.mean(x[2:] * x[:-2]) - mean**2) / variance
    if first * math.sqrt(n) < 2.5:
        return 1.0
    margin = 1 + 0.13 * max((1 - 2 * rate) / math.sqrt(rate * (1 - rate)), 0)
    return 1 + margin * 2 * first / (1 - min(max(first, second / first), 0.95))


def independence(values, rates):
    """What is in use after so many values: the estimate before the newest."""
    estimates, begin = [], 0
    for n in range(1, len(values) + 1):
        if n - begin >= max(REFERENCE_MIN, n / 2):
            before = [0.0, 0.0, *values[:begin]][-2:]
            estimates.append(1 / inflation(values[begin:n], before, rates[n - 1]))
            begin = n
    return estimates[-2] if len(estimates) > 1 else (estimates or [0.0])[0]


def rate_evidence(values):
    """Largest evidence that the rate of ones has risen, and the moment."""
    n, total, found = len(values), sum(values), (0.0, 0)
    means = np.cumsum(values) / np.arange(1, n + 1)
    factor = independence(values, np.maximum([0.0, *means[:-1]], RATE_FLOOR))
    for before, ones in hull(values):
        since = n - before
        if before < REFERENCE_MIN or since < NEWS_MIN:
            continue
        old, new = max(ones / before, RATE_FLOOR), (total - ones) / since
        if new - old < RATE_STEP_MIN:
            continue
        pooled = (before * old + since * new) / n
        ratio = before * divergence(old, pooled) + since * divergence(new, pooled)
        found = max(found, (factor * ratio - math.log(since), before))
    return found


def level_evidence(scores, rates):
    """Largest evidence that scores have risen, and the moment."""
    n, total, found, rate = len(scores), sum(scores), (0.0, 0), rates[-1]
    factor = independence(scores, rates)
    for before, partial in hull(scores):
        since, rise = n - before, total - partial
        if before < REFERENCE_MIN or since < NEWS_MIN or rise <= 0:
            continue
        new = min(rate + rise / since * math.sqrt(rate * (1 - rate)), 1.0)
        found = max(found, (factor * since * divergence(new, rate) - math.log(since), before))
    return found


def ranks(values, kind=LEVEL, bins=64, first=256):
    """Score of each value by its rank among the earlier ones, and the rate of their skewness."""
    start = sorted(values[:first])
    distinct = sorted(set(start))
    if len(distinct) >= bins:
        distinct = sorted({start[i * first // bins] for i in range(1, bins)})
    places = np.searchsorted(distinct, values[first:])
    counts, scores = np.zeros(bins), [0.0] * min(first, len(values))
    rates = [0.5] * len(scores)
    rate, at = 0.5, 200
    for place in places:
        n, score = counts.sum(), 0.0
        if n > 0:
            below = np.concatenate([[0.0], np.cumsum(counts)[:-1]])
            told = (below + counts / 2) / n
            told = told if kind == LEVEL else np.abs(2 * told - 1)
            mean = np.average(told, weights=counts)
            variance = np.average((told - mean) ** 2, weights=counts)
            if variance > 1e-12:
                score = (told[place] - mean) / math.sqrt(variance)
                if n >= at:
                    skewness = np.average((told - mean) ** 3, weights=counts) / variance**1.5
                    rate, at = 0.5 * (1 - skewness / math.sqrt(4 + skewness**2)), 2 * n
        scores.append(score)
        rates.append(rate)
        counts[place] += 1
    return scores, rates
