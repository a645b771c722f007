"""The robust z-score, slow and obvious."""

import math

from naive_spread import NaiveEcho, NaiveScorer, NaiveSpread, unjudged

from engine.detectors import robust_z


class NaiveSeries:
    def __init__(self, params):
        self.params = params
        self.known = NaiveSpread(params.memory_rows)
        self.echo = NaiveEcho()
        self.state = 0.0

    def score(self, value):
        verdict = unjudged()
        if self.known.rows >= self.params.warm_up_rows:
            verdict = self._judge(value)
        self.known.learn(value)
        return verdict

    def _judge(self, value):
        deviation = value - self.known.level
        z = self.known.deviations(abs(deviation), robust_z.MOST_DEVIATIONS)
        onset = 0.2 * math.log(1 + z**2 / 3) if self.echo.hears(z) else 0.0
        self.state = 0.9 * self.state + 0.1 * (min(z, 12.0) - 1.0)
        level, reach = self.known.level, 4 * math.sqrt(math.pi / 2) * self.known.spread
        signed = math.copysign(min(z, 12.0), deviation)
        return onset, max(self.state, 0.0), level, level - reach, level + reach, signed


def naive_robust_z(params):
    return NaiveScorer(lambda: NaiveSeries(params))
