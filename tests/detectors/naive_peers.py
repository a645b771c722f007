"""Siblings against each other, slow and obvious: numpy's median at every instant."""

import math

import naive_surprise
import numpy as np

from engine.detectors import peers_kernels as peers
from engine.detectors import surprise_kernels as tail
from engine.detectors.protocol import NOT_JUDGED

SILENT = (NOT_JUDGED, 0.0, math.nan, math.nan, math.nan, math.nan)


class NaiveSibling:
    """Remembers what is usual for one sibling."""

    def __init__(self):
        self.mean = self.spread = 0.0
        self.rows = 0
        self.follower = naive_surprise.NaiveFollower()

    def score(self, departure, middle, width):
        verdict = SILENT
        spread = self.spread + peers.WIDTH_PART * width
        band = peers.OUTLIER_SPREADS * spread
        if self.rows >= peers.USUAL_ROWS:
            distance = departure - self.mean
            deviation = math.copysign(peers.LARGEST, distance) if distance else 0.0
            if abs(distance) < peers.LARGEST * spread:
                deviation = distance / spread
            rarity = self.follower.follow(abs(deviation))
            if rarity is not None:
                expected = middle + self.mean
                onset = max(rarity - tail.QUIET_SURPRISE, 0.0)
                edges = expected - band, expected + band
                verdict = onset, self.follower.state, expected, *edges, deviation
        self._learn(departure, band)
        return verdict

    def _learn(self, departure, band):
        if self.rows == 0:
            self.mean = departure
        weight = 1.0 / min(self.rows + 1.0, peers.DEPARTURE_MEMORY_ROWS)
        deviation = departure - self.mean
        if self.rows >= peers.USUAL_ROWS:
            weight *= peers.SLOW_PACE if self.follower.patient else 1.0
            if band > 0.0:
                deviation = min(max(deviation, -band), band)
        self.mean += weight * deviation
        self.spread += weight * (abs(deviation) - self.spread)
        self.rows += 1


class NaivePeers:
    """Groups and their siblings."""

    def __init__(self):
        self.widths, self.siblings = {}, {}

    def score(self, group, start, slot, value):
        """float64[6, m] as of `PeerScorer.score`."""
        verdicts = []
        for number, place in enumerate(group.tolist()):
            rows = range(start[number], start[number + 1])
            values = {int(slot[row]): float(value[row]) for row in rows}
            known = {s: v for s, v in values.items() if abs(v) <= peers.LARGEST_VALUE}
            found = {}
            if len(known) >= peers.SIBLINGS_MIN:
                found = self._instant(place, known)
            verdicts += [found.get(s, SILENT) for s in values]
        return np.array(verdicts).reshape(-1, 6).T

    def _instant(self, group, values):
        middle = float(np.median(list(values.values())))
        apart = [abs(value - middle) for value in values.values()]
        now = float(np.median(apart)) or float(np.mean(apart))
        before, seen = self.widths.get(group, (now, 0))
        width = max(before, now)
        learned = min(now, peers.WIDTH_GROWTH * before) if before > 0.0 else now
        weight = 1.0 / min(seen + 1.0, peers.WIDTH_MEMORY_ROWS)
        self.widths[group] = before + weight * (learned - before), seen + 1
        found = {}
        for s, value in values.items():
            own = self.siblings.setdefault(s, NaiveSibling())
            found[s] = own.score(value - middle, middle, width)
        return found
