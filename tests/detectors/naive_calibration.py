"""Hush and boundaries, slow and obvious: one sample at a time, counts in dictionaries."""

import math
from collections import Counter

from engine.detectors import calibration_kernels as pool
from engine.detectors import pareto_kernels as tail
from engine.detectors.hush_kernels import HUSH_ROWS
from engine.detectors.protocol import UNTOLD


class NaiveHush:
    """After a reported score only a higher one for a while."""

    def __init__(self):
        self.peak = 0.0
        self.age = 0

    def let(self, score):
        """The score or 0; what is not judged stays, what is untold is so afterwards."""
        if score <= UNTOLD:
            return UNTOLD - self.let(UNTOLD - score)
        if score < 0.0:
            return score
        self.age += 1
        if score == 0.0 or (score <= self.peak and self.age <= HUSH_ROWS):
            return 0.0
        self.peak, self.age = score, 0
        return score


def naive_bin(score):
    """Number of the bin that a score falls into."""
    if score < 0.5:
        octave = math.log2(score) - tail.LOWEST_OCTAVE
        return max(math.floor(octave * tail.STEPS_PER_OCTAVE), 0)
    if score < 1.0:
        octave = -math.log2(1.0 - score) - 1.0
        return min(math.floor(octave * tail.STEPS_NEAR_ONE) + tail.HALF_BIN, tail.ONE_BIN - 1)
    index = math.floor(math.log2(score) * tail.STEPS_PER_OCTAVE) + tail.ONE_BIN
    return min(index, tail.HISTOGRAM_BINS - 1)


class NaiveTail:
    """A histogram as a dictionary from bins to numbers of scores."""

    def __init__(self, counts):
        self.counts = counts
        self.seen = sum(counts.values())

    def quantile(self, allowed):
        """The score that no more than `allowed` scores exceed."""
        above = 0.0
        for index in sorted(self.counts, reverse=True):
            count = self.counts[index]
            if above + count > allowed:
                left, right = tail.lower_edge(index), tail.lower_edge(index + 1)
                outer = index in (0, tail.HISTOGRAM_BINS - 1)
                beside = self.counts.get(index - 1, 0) + self.counts.get(index + 1, 0)
                if outer or count > tail.TIE_RATIO * beside:
                    return right
                return right - (allowed - above) / count * (right - left)
            above += count
        return tail.lower_edge(0)

    def pieces(self, number):
        """The largest scores, from the top: ranks from, to, and scores at these, linear between."""
        found, above = [], 0.0
        for index in sorted(self.counts, reverse=True):
            if above >= number or not self.counts[index]:
                continue
            left = right = tail.lower_edge(index)
            if index < tail.HISTOGRAM_BINS - 1:
                right = tail.lower_edge(index + 1)
            taken = min(self.counts[index], number - above)
            level = right - taken / self.counts[index] * (right - left)
            found.append((above, above + taken, right, level))
            above += taken
        return found

    def law(self, number):
        """Level, shape and scale of the generalised Pareto law of the largest scores."""
        pieces = self.pieces(number)
        level = pieces[-1][3]

        def moment(weight):
            """Mean of excess times weight(rank), by Simpson's rule: exact for two lines."""
            total = 0.0
            for first, last, high, low in pieces:
                ends = weight(first / number) * (high - level) + weight(last / number) * (
                    low - level
                )
                middle = weight((first + last) / 2 / number) * ((high + low) / 2 - level)
                total += (last - first) / number * (ends + 4 * middle) / 6
            return total

        mean, ranked = moment(lambda _: 1.0), moment(lambda rank: rank)
        if mean <= 1e-9 * level:
            return level, None, None
        rest = mean - 2.0 * ranked
        shape = 2.0 - mean / rest if rest > 1e-9 * mean else -1.0
        shape *= number / (number + tail.PRIOR_SHAPE_SCORES)
        shape = min(max(shape, -1.0), tail.LARGEST_SHAPE)
        return level, shape, mean * (1.0 - shape)

    def boundary(self, allowed):
        """The score that may be expected to be exceeded `allowed` times."""
        number = min(
            max(self.seen * tail.TAIL_PART, tail.SMALLEST_TAIL), tail.LARGEST_TAIL, self.seen
        )
        number = max(number, min(self.seen * tail.LONG_TAIL_PART, tail.LONGEST_TAIL))
        if allowed >= number:
            return self.quantile(allowed)
        level, shape, scale = self.law(number)
        if shape is None:
            found = tail.lower_edge(naive_bin(level) + 1)
        else:
            folds = math.log(number / allowed)
            doubt = folds**2 / number + 1.3 * folds**4 / 4 / (number + tail.PRIOR_SHAPE_SCORES)
            folds += min(tail.CAUTION * doubt / 2, folds)
            found = level + scale * (
                folds if abs(shape) < 1e-6 else (math.exp(shape * folds) - 1) / shape
            )
        return max(found, self.quantile(allowed + (1 + math.sqrt(allowed)) / 2))


class NaivePool:
    """The shard's scores by bin, weights beside them as whole numbers."""

    def __init__(self, alarms_per_bucket, default_boundary):
        self.alarms = alarms_per_bucket
        self.default = default_boundary
        self.boundary = list(default_boundary)
        self.counts, self.hour = [Counter(), Counter()], [Counter(), Counter()]
        self.bucket, self.age, self.time, self.rows = None, 1, [0, 0], 0
        self.recent = {"buckets": 1, "rows": 0, "alarms": 0}
        self.credit, self.beyond, self.debt = pool.CREDIT_ALARMS, 0.0, 0.0
        self.correction, self.loud_hours, self.quiet_hours = 0.0, 0, 0
        self.was_settled = False

    @property
    def settled(self):
        """Whether onsets are known well."""
        return self.seen(0) >= pool.FEWEST_UNAIDED

    def seen(self, kind):
        """Number of scores in the pool."""
        return sum(self.counts[kind].values()) / pool.ONE

    def score(self, ts, raws):
        """Onset and state on the common scale."""
        told = raws[0] > UNTOLD
        if not told:
            raws = [UNTOLD - raws[0], *raws[1:]]
        if raws[0] < 0.0:
            return 0.0, raws[1]
        bucket = ts // pool.CALIBRATION_BUCKET_NS
        if self.bucket is None:
            self.bucket = bucket
        elif bucket > self.bucket:
            self._begin(bucket)
        self.recent["rows"] += 1
        scaled = [raw / edge for raw, edge in zip(raws, self.boundary, strict=True)]
        self.recent["alarms"] += told and scaled[0] > 1.0
        most = [
            pool.SUSPECT_SCALED[0] if self.was_settled else pool.SUSPECT_UNSETTLED,
            pool.SUSPECT_SCALED[1],
        ]
        for kind, raw in enumerate(raws):
            if raw > 0.0:
                suspect = scaled[kind] > most[kind]
                counted = most[kind] * self.boundary[kind] if suspect else raw
                weight = pool.SUSPECT_STATE_WEIGHT if suspect and kind == 1 else pool.ONE
                self.hour[kind][naive_bin(counted)] += weight
        return scaled[0] if told else 0.0, scaled[1]

    def _begin(self, bucket):
        before, self.bucket = self.bucket, bucket
        elapsed = min(bucket - before, pool.LONGEST_PAUSE_BUCKETS)
        hour, day = pool.BUCKETS_PER_HOUR, pool.BUCKETS_PER_DAY
        if self.age < hour or bucket // hour > before // hour:
            self._end_hour()
            ages = self.age // hour, (self.age + elapsed) // hour
            young = ages[0] < pool.YOUNG_HOURS
            if young and ages[1].bit_length() > ages[0].bit_length():
                self._forget(2)
            if bucket // day > before // day:
                self._forget(2**pool.FORGET_SHIFT)
            self.was_settled = self.settled
            self.boundary = [self._onset_boundary(), self._state_boundary()]
        self.age += elapsed
        self.recent["buckets"] += elapsed

    def _end_hour(self):
        weight = self._weigh_hour()
        self.rows += self.recent["rows"] * weight
        for kind in range(2):
            self.time[kind] += self.recent["buckets"] * weight
            for index, count in self.hour[kind].items():
                self.counts[kind][index] += count * weight // pool.ONE
            self.hour[kind].clear()
        self.recent = {"buckets": 0, "rows": 0, "alarms": 0}

    def _weigh_hour(self):
        if self.seen(0) < tail.FEWEST_SCORES:
            return pool.ONE
        expected = self.alarms * self.recent["buckets"]
        alarms = self.recent["alarms"]
        most = pool.CREDIT_ALARMS + pool.CREDIT_HOURS * pool.BUCKETS_PER_HOUR * self.alarms
        self.credit = min(self.credit + pool.CREDIT_PACE * expected, most)
        paid = min(alarms, self.credit)
        self.credit -= paid
        loud = alarms > paid
        self.loud_hours = self.loud_hours + 1 if loud else 0
        part = 1.0 if self.loud_hours > pool.PATIENCE_HOURS else pool.BEYOND_CREDIT_PART
        counted = paid + (alarms - paid) * part
        per_day = self.alarms * pool.BUCKETS_PER_DAY
        if loud:
            least, most = pool.RECURRENCE_HOURS
            if self.quiet_hours >= least:
                if self.quiet_hours <= most:
                    self.debt = min(self.debt + self.beyond, pool.DEBT_DAYS * per_day)
                self.beyond = 0.0
            self.beyond += alarms - counted
        self.quiet_hours = 0 if loud else self.quiet_hours + 1
        late = min(self.debt, expected)
        self.debt -= late
        slowness = max(per_day / pool.SLOWEST_ALARMS, 1.0)
        self.correction += pool.CORRECTION_STEP / slowness * (counted + late - expected)
        low, high = pool.MOST_CORRECTION
        self.correction = min(max(self.correction, low), high)
        return int(pool.ONE * counted / alarms) if alarms else pool.ONE

    def _forget(self, part):
        for kind in range(2):
            if self.seen(kind) >= pool.KEPT_SCORES:
                self.time[kind] -= self.time[kind] // part
                if kind == 0:
                    self.rows -= self.rows // part
                for index in self.counts[kind]:
                    self.counts[kind][index] -= self.counts[kind][index] // part

    def _tail(self, kind):
        return NaiveTail({index: n / pool.ONE for index, n in self.counts[kind].items() if n})

    def _onset_boundary(self):
        onsets, default = self._tail(0), self.default[0]
        allowed = self.alarms * self.time[0] / pool.ONE
        excess = pool.DEFAULT_RATE * self.rows / pool.ONE / allowed
        start = default * (1.0 + pool.DEFAULT_GROWTH * math.log(max(excess, 1.0)))
        allowed *= math.exp(-self.correction)
        observed = onsets.quantile(allowed + (1.0 + math.sqrt(allowed)) / 2.0)
        unaided = start == math.inf
        if onsets.seen < (pool.FEWEST_UNAIDED if unaided else tail.FEWEST_SCORES):
            return max(start, observed)
        found = onsets.boundary(allowed)
        if not unaided:
            prior = pool.PRIOR_SCORES[0 if found < start else 1]
            found = max(found, pool.LEAST_PART[0] * default)
            trust = onsets.seen**2 / (onsets.seen**2 + prior**2)
            found = trust * found + (1.0 - trust) * start
        return max(found, observed)

    def _state_boundary(self):
        states, default = self._tail(1), self.default[1]
        if states.seen < tail.FEWEST_SCORES:
            return default
        rows = pool.STATE_ROWS_PER_ONSET * self.alarms * self.time[1] / pool.ONE
        found = states.boundary(max(rows, pool.STATE_LEAST_ROWS))
        if default == math.inf:
            return found
        found = max(found, pool.LEAST_PART[1] * default)
        prior = pool.PRIOR_SCORES[0]
        trust = states.seen**2 / (states.seen**2 + prior**2)
        return trust * found + (1.0 - trust) * default
