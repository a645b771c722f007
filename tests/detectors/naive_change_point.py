"""The change-point detector, slow and obvious: excursions are lists of standardised values."""

import math

from naive_spread import NaiveScorer, NaiveSpread, clipped, unjudged

from engine.detectors import change_point_kernels as kernels


class NaiveSum:
    """Page's sum in one direction, by the values of the excursion under way."""

    def __init__(self):
        self.excursion = []
        self.evidence = []

    def follow(self, step, allowance, independence, level_rows):
        """Worth and evidence of the sum, and the largest evidence of an excursion just ended."""
        self.excursion.append(step)
        total = sum(self.excursion) - allowance * len(self.excursion)
        if total <= 0.0:
            ended = max(self.evidence, default=0.0)
            self.excursion, self.evidence = [], []
            return 0.0, 0.0, ended
        rows = len(self.excursion)
        mean = sum(self.excursion) / rows
        # Variance of the difference of the excursion's mean and the level.
        variance = (1 / rows + 1 / level_rows) / independence
        self.evidence.append(0.5 * mean**2 / variance)
        return total / rows / variance, self.evidence[-1], 0.0


class NaiveSeries:
    def __init__(self, params):
        self.params = params
        self.known = NaiveSpread(params.memory_rows)
        self.level, self.level_rows = 0.0, 0
        self.sums = [NaiveSum(), NaiveSum()]
        self.previous = self.product = self.square = self.state = 0.0

    def score(self, value):
        deviation = value - self.level
        shrinkage = math.sqrt(self.level_rows / (self.level_rows + 1))
        distance = self.known.deviations(shrinkage * abs(deviation), 12.0)
        standardised = math.copysign(min(distance, 3.0), deviation)
        verdict, changed = unjudged(), False
        if self.known.rows >= self.params.warm_up_rows:
            told, changed = self._judge(deviation, standardised)
            reach = 4 * math.sqrt(math.pi / 2) * self.known.spread
            band = self.level, self.level - reach, self.level + reach
            signed = math.copysign(distance, deviation)
            verdict = told / 16, self.state * 3 / 8, *band, signed
        self._learn(deviation, shrinkage, standardised)
        if changed:
            self.level, self.level_rows = value, 1
            self.sums = [NaiveSum(), NaiveSum()]
        return verdict

    def _judge(self, deviation, standardised):
        if self.known.spread == 0.0 and deviation != 0.0:
            self.state = kernels.BROKEN_EVIDENCE
            return self.state, True
        correlation = 0.0
        if self.product > 0.0:
            correlation = min(self.product / self.square, kernels.MOST_CORRELATION)
        independence = (1 - correlation) / (1 + correlation)
        worth, evidence, ended = (
            max(pair)
            for pair in zip(
                *(
                    side.follow(step, self.params.allowance, independence, self.level_rows)
                    for side, step in zip(self.sums, (standardised, -standardised), strict=True)
                ),
                strict=True,
            )
        )
        self.state = max(self.state * 31 / 32, evidence)
        return (evidence, True) if worth >= self.params.limit else (ended, False)

    def _learn(self, deviation, shrinkage, standardised):
        weight = self.known.weight
        self.product += weight * (standardised * self.previous - self.product)
        self.square += weight * (standardised**2 - self.square)
        self.previous = standardised
        reach = 3 * math.sqrt(math.pi / 2) * self.known.spread
        step = clipped(deviation, reach) if reach > 0.0 else deviation
        self.level += step / (self.level_rows + 1)
        self.level_rows = min(self.level_rows + 1, self.params.memory_rows)
        self.known.learn_spread(shrinkage * abs(deviation))
        self.known.rows += 1


def naive_change_point(params):
    return NaiveScorer(lambda: NaiveSeries(params))
