"""The statistics of drift, slow and obvious: sorted lists, fractions, one formula a function."""

import math
from collections import Counter
from fractions import Fraction
from itertools import pairwise

import numpy as np


def share_up_to(values, limit):
    return Fraction(sum(value <= limit for value in values), len(values))


def wasserstein(reference, window):
    """Area between the distribution functions, without any rounding."""
    steps = sorted({*reference, *window})
    return sum(
        abs(share_up_to(reference, low) - share_up_to(window, low))
        * (Fraction(high) - Fraction(low))
        for low, high in pairwise(steps)
    )


def gap(reference, window):
    """Kolmogorov-Smirnov statistic, as a fraction."""
    return max(
        abs(share_up_to(reference, value) - share_up_to(window, value))
        for value in {*reference, *window}
    )


def p_value(statistic, rows, others):
    """Share of lattice paths on which two samples come at least this far apart."""
    inside = {(0, 0): 1}
    for x in range(rows + 1):
        for y in range(others + 1):
            if (x, y) != (0, 0):
                far = abs(Fraction(x, rows) - Fraction(y, others)) >= statistic
                before = inside.get((x - 1, y), 0) + inside.get((x, y - 1), 0)
                inside[x, y] = 0 if far else before
    return 1 - Fraction(inside[rows, others], math.comb(rows + others, rows))


def value_counts(reference, window):
    """Counts of every value on both sides, in ascending order."""
    left, right = Counter(reference), Counter(window)
    values = sorted({*left, *right})
    return [left[value] for value in values], [right[value] for value in values]


def bin_counts(reference, window, combined):
    """Counts in the bins that NumPy makes of some values."""
    edges = np.histogram_bin_edges(combined, bins="sturges")
    return [np.histogram(side, edges)[0].tolist() for side in (reference, window)]


def shares(counts):
    return [count / sum(counts) for count in counts]


def filled(counts):
    """Shares without zeros, as Evidently has it."""
    found = shares(counts)
    rarest = min(share for share in found if share)
    filler = rarest / 1e6 if rarest <= 0.0001 else 0.0001
    return [share or filler for share in found]


def divergence(left, right):
    left, right = ([share / sum(side) for share in side] for side in (left, right))
    return sum(p * math.log(p / q) for p, q in zip(left, right, strict=True) if p)


def psi(reference, window):
    pairs = zip(filled(reference), filled(window), strict=True)
    return sum((p - q) * math.log(p / q) for p, q in pairs)


def kullback_leibler(reference, window):
    return divergence(filled(reference), filled(window))


def jensen_shannon(reference, window):
    left, right = shares(reference), shares(window)
    middle = [(p + q) / 2 for p, q in zip(left, right, strict=True)]
    return math.sqrt(max(0, divergence(left, middle) + divergence(right, middle)) / 2)


def hellinger(reference, window):
    pairs = zip(shares(reference), shares(window), strict=True)
    return math.sqrt(max(0, 1 - sum(math.sqrt(p * q) for p, q in pairs)))


def chi_square(reference, window):
    """Statistic; infinite with a new value."""
    ratio = Fraction(sum(window), sum(reference))
    terms = []
    for count, other in zip(reference, window, strict=True):
        expected = count * ratio
        terms.append((other - expected) ** 2 / expected if expected else math.inf)
    return float(sum(terms))


def z_p_value(reference, window):
    """p-value of equal shares of all but the first value."""
    rows, others = sum(reference), sum(window)
    left, right = 1 - reference[0] / rows, 1 - window[0] / others
    pooled = (left * rows + right * others) / (rows + others)
    deviation = math.sqrt(pooled * (1 - pooled) * (1 / rows + 1 / others))
    return math.erfc(abs(left - right) / deviation / math.sqrt(2))
