"""The tail of distances, slow and obvious: every bin's edges are computed from its number."""

import math

from engine.detectors import surprise_kernels as tail


class NaiveTail:
    """Counts distances by bin, two bins to an octave."""

    def __init__(self):
        self.counts = {}
        self.rows = 0

    @staticmethod
    def place(distance):
        """Bin and the part of it that is below the distance; None below all bins."""
        if distance < 2.0**tail.LOW_EXPONENT:
            return None
        octave = math.floor(math.log2(distance))
        if 2.0 ** (octave + 1) <= distance:  # the logarithm was rounded down
            octave += 1
        low = 2.0**octave
        half = 0 if distance < 1.5 * low else 1
        return 2 * (octave - tail.LOW_EXPONENT) + half, (distance - (1 + half / 2) * low) / low * 2

    def surprise(self, distance):
        found = self.place(distance)
        if found is None:
            return 0.0
        own, part = found
        assumed = tail.PRIOR_ROWS * 2.0 ** (-(own + part) / 2)
        last = tail.TAIL_BINS - 1
        if own > last:
            own, part = last, 1.0
        beyond = self.counts.get(own, 0) * (1.0 - part)
        beyond += sum(count for number, count in self.counts.items() if number > own)
        return -math.log((beyond + assumed) / (self.rows + tail.PRIOR_ROWS))

    def count(self, distance):
        if self.rows >= tail.TAIL_ROWS:
            self.counts = {number: count // 2 for number, count in self.counts.items()}
            self.rows //= 2
        self.rows += 1
        found = self.place(distance)
        if found is not None:
            own = min(found[0], tail.TAIL_BINS - 1)
            self.counts[own] = self.counts.get(own, 0) + 1


class NaiveFollower:
    """A state that follows the surprise of distances."""

    def __init__(self):
        self.tail = NaiveTail()
        self.state, self.high_rows = 0.0, 0

    @property
    def patient(self):
        return 0 < self.high_rows < tail.PATIENCE_ROWS

    def follow(self, distance):
        """Surprise of a distance, None while it is too early."""
        rarity = None
        if self.tail.rows >= tail.TAIL_WARM_UP_ROWS:
            rarity = self.tail.surprise(distance)
            cube = (rarity / tail.SURPRISE_UNIT) ** 3
            self.state += tail.STATE_WEIGHT * (cube - self.state)
        self.high_rows = self.high_rows + 1 if self.state >= tail.STATE_HIGH else 0
        young = self.tail.rows < tail.YOUNG_ROWS
        if young or not self.patient or self.high_rows % tail.HIGH_SHARE == 0:
            self.tail.count(distance)
        return rarity
