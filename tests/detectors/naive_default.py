"""The default detector, slow and obvious: whole histories in lists, one series at a time."""

import math

import numpy as np
from naive_calibration import NaiveHush, NaivePool

from engine.detectors import calibration_kernels as pool
from engine.detectors import channel_kernels as channel
from engine.detectors import default_kernels as default
from engine.detectors import rhythm_kernels as rhythm
from engine.detectors.default import DefaultScorer


class NaiveChannel:
    """Remembers every value it learned."""

    def __init__(self):
        self.values = []
        self.level = self.spread = 0.0

    @property
    def warm(self):
        return len(self.values) >= channel.WARM_UP_ROWS

    def range(self):
        """Extremes of the block being filled and the two before it."""
        size = channel.BLOCK_ROWS
        full = (len(self.values) - 1) // size if self.values else 0
        recent = self.values[max(full - 2, 0) * size :]
        return min(recent, default=math.inf), max(recent, default=-math.inf)

    def novelty(self, value):
        low, high = self.range()
        excess = max(value - high, low - value)
        if not self.warm or excess <= 0.0:
            return 0.0
        if len(self.values) < channel.RANGE_ROWS:
            young = math.log(channel.RANGE_ROWS) / math.log(len(self.values)) - 1.0
            excess -= channel.GROWTH * (high - low) * young
        return 0.0 if excess <= 0.0 else excess / (excess + channel.SOFTNESS_SPREADS * self.spread)

    def tame(self, value):
        if not self.warm or self.spread == 0.0:
            return value
        low, high = self.range()
        reach = channel.REACH_SPREADS * self.spread
        return min(max(value, low - reach), high + reach)

    def learn(self, value, pace):
        if not self.values:
            self.level = value
        weight = 1.0 / min(len(self.values) + 1.0, channel.MEMORY_ROWS)
        deviation = value - self.level
        if self.warm:
            weight *= pace
            limit = channel.OUTLIER_SPREADS * self.spread
            if limit > 0.0:
                deviation = min(max(deviation, -limit), limit)
        self.level += weight * deviation
        self.spread += weight * (abs(deviation) - self.spread)
        self.values.append(value)

    def observe(self, value, pace=1.0):
        novelty = self.novelty(value)
        self.learn(self.tame(value), pace)
        return novelty


class NaiveRhythm:
    """Means of earlier visits by time of day; the visit under way is a list."""

    def __init__(self):
        self.mean, self.visits = {}, {}
        self.unit = 0.0
        self.period, self.visit = None, []

    def at(self, ts):
        own = ts // rhythm.BIN_NS % rhythm.BINS
        if own not in self.mean:
            return math.nan
        offset = (ts % rhythm.BIN_NS) / rhythm.BIN_NS - 0.5
        other = (own + (1 if offset > 0 else -1)) % rhythm.BINS
        near = self.mean.get(other, self.mean[own])
        return (self.mean[own] + abs(offset) * (near - self.mean[own])) * self.unit

    def learn(self, ts, value, spread):
        if self.unit == 0.0:
            if spread == 0.0:
                return
            self.unit = 2.0 ** math.frexp(spread)[1]
        period = ts // rhythm.BIN_NS
        if period != self.period:
            if self.visit:
                self._close()
            self.period, self.visit = period, []
        self.visit.append(value)

    def _close(self):
        own = self.period % rhythm.BINS
        mean = sum(self.visit) / len(self.visit) / self.unit
        mean = min(max(mean, -rhythm.LARGEST_UNITS), rhythm.LARGEST_UNITS)
        seen = self.visits[own] = min(self.visits.get(own, 0) + 1, rhythm.MEMORY_VISITS)
        before = self.mean.get(own, 0.0)
        self.mean[own] = float(np.float32(before + (mean - before) / seen))


class NaiveWatch:
    """Scores and learns one quantity."""

    def __init__(self):
        self.value, self.residual = NaiveChannel(), NaiveChannel()
        self.mean, self.deviation, self.step = NaiveChannel(), NaiveChannel(), NaiveChannel()
        self.rhythm = NaiveRhythm()
        self.previous = None
        self.fast_mean = self.fast_deviation = self.interval = 0.0
        self.loudness = self.state = 0.0
        self.high_rows = 0

    def score(self, ts, last_ts, watched):
        """Onset or None, expected, lower, upper; `self.state` beside."""
        warm = self.value.warm
        base = self.rhythm.at(ts)
        rhythmic = (
            self.residual.warm
            and self.residual.spread < default.RHYTHM_GAIN * self.value.spread
            and not math.isnan(base)
        )
        reference, shift = (self.residual, base) if rhythmic else (self.value, 0.0)
        expected = base if rhythmic else self.value.level
        low, high = reference.range()
        pace = self._follow_state(reference, watched - shift) if warm else 1.0
        tamed = self.value.tame(watched)
        self.rhythm.learn(ts, tamed, self.value.spread)
        signals = [self.value.observe(watched, pace)]
        if not math.isnan(base):
            novelty = self.residual.observe(tamed - base, pace)
            signals.append(novelty if rhythmic else 0.0)
        signals += self._neighbours(ts - last_ts, tamed)
        total = sum(float(np.float32(signal)) for signal in signals)
        score = total / (1.0 + default.DAMPING * self.loudness)
        self.loudness += default.LOUDNESS_WEIGHT * (total - self.loudness)
        if not warm:
            return None, math.nan, math.nan, math.nan
        return score, expected, shift + low, shift + high

    def _follow_state(self, reference, value):
        distance = abs(value - reference.level)
        deviation = default.STATE_LIMIT if distance > 0.0 else 0.0
        if reference.spread > 0.0:
            deviation = min(distance / reference.spread, default.STATE_LIMIT)
        self.state += default.STATE_WEIGHT * (deviation - 1.0 - self.state)
        self.high_rows = self.high_rows + 1 if self.state >= default.STATE_HIGH else 0
        if self.high_rows == 0:
            return 1.0
        patient = self.high_rows < default.STATE_PATIENCE_ROWS
        return default.SLOW_PACE if patient else default.CATCH_UP_PACE

    def _neighbours(self, pause, watched):
        if self.previous is None:
            self.previous = self.fast_mean = watched
            return []
        step, self.previous = watched - self.previous, watched
        gap = 0.0 < self.interval * default.GAP_INTERVALS < pause
        self.interval = self.interval or pause
        longest = 2.0 * default.GAP_INTERVALS * self.interval
        self.interval += default.INTERVAL_WEIGHT * (min(pause, longest) - self.interval)
        deviation = watched - self.fast_mean
        self.fast_mean += default.FAST_WEIGHT * deviation
        self.fast_deviation += default.FAST_WEIGHT * (abs(deviation) - self.fast_deviation)
        signals = [self.mean.observe(self.fast_mean), self.deviation.observe(self.fast_deviation)]
        return signals if gap else [*signals, self.step.observe(step)]


class NaiveSeries:
    """One series: gauge or counter."""

    def __init__(self):
        self.origin = self.last_ts = None
        self.previous = 0.0
        self.climb, self.counter = 0, False
        self.watch = NaiveWatch()

    def score(self, ts, value):
        """Raw onset (-1: not judged), state, expected, lower, upper."""
        silent = (-1.0, 0.0, math.nan, math.nan, math.nan)
        if not abs(value) <= default.LARGEST:
            return silent
        if self.origin is None:
            self.origin, self.last_ts = value, ts
        offset = value - self.origin
        step, previous = offset - self.previous, self.previous
        seconds, last_ts = (ts - self.last_ts) * 1e-9, self.last_ts
        self._weigh(step)
        self.previous, self.last_ts = offset, ts
        shift, scale, watched = self.origin, 1.0, offset
        if self.counter:
            if step < 0.0 or seconds <= 0.0 or step > default.LARGEST * seconds:
                return silent
            shift, scale, watched = self.origin + previous, seconds, step / seconds
        onset, *band = self.watch.score(ts, last_ts, watched)
        if onset is None:
            return silent
        return (onset, max(self.watch.state, 0.0), *(shift + scale * edge for edge in band))

    def _weigh(self, step):
        if step > 0.0:
            self.climb = min(self.climb + 1, default.CLIMB_LIMIT)
        elif step < 0.0:
            self.climb = max(self.climb - default.CLIMB_PENALTY, default.CLIMB_FLOOR)
        held = self.counter and self.climb >= 0
        counter = self.climb >= default.CLIMB_ENTER or held
        if counter != self.counter:
            self.watch = NaiveWatch()
        self.counter = counter


class NaiveDetector:
    """Many series and their pool; rows of one block in any order of series."""

    def __init__(self, false_alarms_per_day):
        self.series, self.hushes = {}, {}
        self.pool = NaivePool(
            false_alarms_per_day / pool.BUCKETS_PER_DAY, DefaultScorer.default_boundary
        )

    def score(self, slot, ts, value):
        """float64[5, n]: onset, state, expected, lower, upper."""
        raw = [
            self.series.setdefault(s, NaiveSeries()).score(t, v)
            for s, t, v in zip(slot.tolist(), ts.tolist(), value.tolist(), strict=True)
        ]
        scores = np.array(raw).T.copy()
        for i, s in enumerate(slot.tolist()):
            scores[0, i] = self.hushes.setdefault(s, NaiveHush()).let(scores[0, i])
        for i in np.argsort(ts // pool.CALIBRATION_BUCKET_NS, kind="stable"):
            scores[:2, i] = self.pool.score(int(ts[i]), scores[:2, i].tolist())
        return scores
