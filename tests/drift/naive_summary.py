"""Summaries, slow and obvious: all rows are kept, and everything is worked out anew from them."""

import math
from collections import Counter
from fractions import Fraction
from itertools import pairwise

import numpy as np

MASK = 2**64 - 1


def place_of(value, edges):
    return sum(edge <= value for edge in edges)


def counts_of(values, edges):
    """Counts of finite numbers by the number of edges that are not above."""
    found = Counter(place_of(value, edges) for value in values if math.isfinite(value))
    return [found[place] for place in range(len(edges) + 1)]


def steps_of(value, centre, scale):
    """Whole steps from the centre, ties to even."""
    far = min(max((value - centre) * scale, -(2.0**62)), 2.0**62)
    return round(far)


def sums_of(values, edges, centre, scale):
    """Steps inside, below and above the edges, and what squares see of them, at most 2**31."""
    sums = {"inside": 0, "below": 0, "above": 0, "squares": 0, "outside": 0}
    for value in values:
        if math.isfinite(value):
            place, steps = place_of(value, edges), steps_of(value, centre, scale)
            where = "below" if place == 0 else "above" if place == len(edges) else "inside"
            sums[where] += steps
            if where != "inside":
                sums["outside"] += min(max(steps, -(2**31)), 2**31)
            sums["squares"] += min(abs(steps), 2**31) ** 2
    return sums


def mixed(word):
    word = (word + 0x9E3779B97F4A7C15) & MASK
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & MASK
    return word ^ (word >> 31)


def registers_of(values):
    registers = [0] * 256
    for value in values:
        if math.isfinite(value):
            word = mixed(int(np.float64(value + 0.0).view(np.uint64)))
            place, rest = word >> 56, word & (2**56 - 1)
            registers[place] = max(registers[place], 57 - rest.bit_length())
    return registers


def gaps_of(reference, window, edges):
    """Differences of the shares below each edge, as fractions."""
    return [share_below(reference, edge) - share_below(window, edge) for edge in edges]


def share_below(values, edge):
    return Fraction(sum(value < edge for value in values), len(values))


def areas_of(edges, gaps):
    """Areas above and below zero of the line through the gaps, cut where it crosses."""
    above, below = 0.0, 0.0
    for place in range(len(edges) - 1):
        points = [(edges[place], gaps[place]), (edges[place + 1], gaps[place + 1])]
        (x, left), (end, right) = points
        if left * right < 0.0:
            points.insert(1, (x + (end - x) * left / (left - right), 0.0))
        for (a, low), (b, high) in pairwise(points):
            area = (low + high) / 2.0 * (b - a)
            above, below = above + max(area, 0.0), below + max(-area, 0.0)
    return above, below


def psi(reference, window):
    """Population stability index of counts, with empty places filled as the rarest share has it."""
    sides = []
    for counts in (reference, window):
        shares = [count / sum(counts) for count in counts]
        rarest = min(share for share in shares if share)
        filler = rarest / 1e6 if rarest <= 0.0001 else 0.0001
        sides.append([share or filler for share in shares])
    return sum((p - q) * math.log(p / q) for p, q in zip(*sides, strict=True))


def jensen_shannon(reference, window):
    def entropy(shares):
        return -sum(share * math.log(share) for share in shares if share)

    p, q = ([count / sum(counts) for count in counts] for counts in (reference, window))
    middle = [(a + b) / 2.0 for a, b in zip(p, q, strict=True)]
    return math.sqrt(max(entropy(middle) - (entropy(p) + entropy(q)) / 2.0, 0.0))


def hellinger(reference, window):
    p, q = ([count / sum(counts) for count in counts] for counts in (reference, window))
    return math.sqrt(
        sum((math.sqrt(a) - math.sqrt(b)) ** 2 for a, b in zip(p, q, strict=True)) / 2.0
    )


def chi_square(reference, window):
    """Pearson's statistic of a table of two rows, by ``1 / rows + 1 / other rows``."""
    rows, others = sum(reference), sum(window)
    total = 0.0
    for counts, size in ((reference, rows), (window, others)):
        for count, own, other in zip(counts, reference, window, strict=True):
            expected = (own + other) * size / (rows + others)
            total += (count - expected) ** 2 / expected
    return total * (1.0 / rows + 1.0 / others)
