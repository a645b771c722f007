"""Hush and boundaries, slow and obvious: one sample at a time, counts in dictionaries."""

import math

from engine.detectors import calibration_kernels as pool
from engine.detectors.hush_kernels import HUSH_ROWS


class NaiveHush:
    """After a reported score only a higher one for a while."""

    def __init__(self):
        self.peak = 0.0
        self.age = 0

    def let(self, score):
        """The score or 0; a negative one stays."""
        if score < 0.0:
            return score
        self.age += 1
        if score == 0.0 or (score <= self.peak and self.age <= HUSH_ROWS):
            return 0.0
        self.peak, self.age = score, 0
        return score


class NaivePool:
    """The shard's scores in sorted lists, weights beside them."""

    def __init__(self, alarms_per_bucket, default_boundary):
        self.alarms = alarms_per_bucket
        self.default = default_boundary
        self.counts = [{}, {}]
        self.boundary = list(default_boundary)
        self.bucket, self.time, self.fresh = None, 0, 0

    def score(self, ts, raws):
        """Onset and state on the common scale."""
        if raws[0] < 0.0:
            return 0.0, raws[1]
        bucket = ts // pool.CALIBRATION_BUCKET_NS
        if self.bucket is None or bucket > self.bucket:
            self._begin(bucket)
        scaled = [raw / edge for raw, edge in zip(raws, self.boundary, strict=True)]
        for kind, raw in enumerate(raws):
            if raw > 0.0:
                suspect = scaled[kind] >= pool.SUSPECT_SCORE[kind]
                weight = pool.SUSPECT_WEIGHT[kind] if suspect else pool.ONE
                octave = math.log2(raw) - pool.LOWEST_OCTAVE
                index = min(
                    max(int(octave * pool.STEPS_PER_OCTAVE // 1), 0), pool.HISTOGRAM_BINS - 1
                )
                self.counts[kind][index] = self.counts[kind].get(index, 0) + weight
                self.fresh += weight if kind == 1 else 0
        return tuple(scaled)

    def _begin(self, bucket):
        if self.bucket is None:
            self.time = pool.ONE
        else:
            self.time += min(bucket - self.bucket, pool.LONGEST_PAUSE_BUCKETS) * pool.ONE
            if bucket // pool.FORGET_BUCKETS > self.bucket // pool.FORGET_BUCKETS:
                self.time -= self.time // 2**pool.FORGET_SHIFT
                for counts in self.counts:
                    for index in counts:
                        counts[index] -= counts[index] // 2**pool.FORGET_SHIFT
        self.bucket = bucket
        if self.fresh * 64 >= sum(self.counts[1].values()):
            self.fresh = 0
            self.boundary = [self._boundary(kind) for kind in range(2)]

    def _boundary(self, kind):
        allowed = max(self.alarms * self.time / pool.ONE, 1e-9)
        allowed *= pool.STATE_ROWS_PER_ONSET if kind == 1 else 1.0
        start = self.default[kind]
        seen = sum(self.counts[kind].values()) / pool.ONE
        if seen < pool.TAIL_SCORES:
            return start
        found = max(self._tail(self.counts[kind], allowed), pool.LEAST_BOUNDARY[kind])
        trust = seen**2 / (seen**2 + pool.PRIOR_SCORES**2)
        return trust * found + (1.0 - trust) * start

    def _tail(self, counts, allowed):
        """Walk down from the largest score, collecting pieces (weight, mean score)."""
        wanted = max(allowed, pool.TAIL_SCORES) * pool.ONE
        pieces = []
        for index in sorted(counts, reverse=True):
            left, right = (
                2.0 ** (pool.LOWEST_OCTAVE + edge / pool.STEPS_PER_OCTAVE)
                for edge in (index, index + 1)
            )
            missing = wanted - sum(weight for weight, _ in pieces)
            if counts[index] >= missing:
                level = right - missing / counts[index] * (right - left)
                pieces.append((missing, (level + right) / 2))
                break
            pieces.append((counts[index], (left + right) / 2))
        else:
            return 0.0
        if allowed >= pool.TAIL_SCORES:
            return level
        excess = sum(weight * (mean - level) for weight, mean in pieces) / wanted
        return level + excess * math.log(pool.TAIL_SCORES / allowed)
