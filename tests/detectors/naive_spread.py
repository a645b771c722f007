"""Robust level and spread, slow and obvious."""

import math

from engine.detectors import spread_kernels as spread


def clipped(value, reach):
    return min(max(value, -reach), reach)


class NaiveSpread:
    """The level and the two spreads of one series, which remembers how many values it learned."""

    def __init__(self, memory):
        self.memory = memory
        self.rows = 0
        self.level = self.narrow = self.wide = 0.0

    @property
    def spread(self):
        return max(self.narrow, self.wide / 4)

    @property
    def weight(self):
        return 1 / min(self.rows + 1, self.memory)

    def deviations(self, distance, most=math.inf):
        """A distance in standard deviations of a normal law."""
        if distance == 0.0:
            return 0.0
        if self.spread == 0.0:
            return most
        return min(distance / (math.sqrt(math.pi / 2) * self.spread), most)

    def learn_spread(self, distance):
        young = self.rows < spread.PLAIN_ROWS
        near = distance if young else min(distance, 4 * self.spread)
        far = distance if young or self.spread == 0.0 else min(distance, 1000 * self.spread)
        self.narrow += self.weight * (near - self.narrow)
        self.wide += self.weight * (far - self.wide)

    def learn(self, value):
        deviation = value - self.level
        step = deviation
        if self.rows >= spread.PLAIN_ROWS:
            step = clipped(deviation, 1.5 * self.spread)
        self.learn_spread(abs(deviation))
        self.level += self.weight * step
        self.rows += 1


class NaiveEcho:
    """Hears distances; says which of them stand out."""

    def __init__(self):
        self.echo = 0.0

    def hears(self, distance):
        """Whether it is more than half as much again as the echo, which then follows."""
        news = distance > 1.5 * self.echo
        self.echo += (distance - self.echo) * (1 if distance >= self.echo else 1 / 32)
        return news


def unjudged():
    """Raw scores of a sample without a verdict."""
    return -1.0, 0.0, math.nan, math.nan, math.nan, math.nan


class NaiveScorer:
    """Scores many series, each by an object of its own.

    Parameters
    ----------
    make_series : callable
        Gives an object whose ``score(value)`` gives the six raw scores of a finite value.
    """

    def __init__(self, make_series):
        self.make_series = make_series
        self.series = {}

    def score(self, slot, value):
        """Six raw scores for each sample."""
        rows = []
        for s, v in zip(slot.tolist(), value.tolist(), strict=True):
            if abs(v) <= spread.LARGEST:
                if s not in self.series:
                    self.series[s] = self.make_series(), v
                series, origin = self.series[s]
                onset, state, *band, deviation = series.score(v - origin)
                rows.append((onset, state, *(origin + edge for edge in band), deviation))
            else:
                rows.append(unjudged())
        return rows
