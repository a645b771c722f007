"""The default scorer, slow and obvious: whole histories in lists, one series at a time."""

import math

import numpy as np
from naive_surprise import NaiveFollower

from engine.detectors import channel_kernels as channel
from engine.detectors import counter_kernels as counter
from engine.detectors import default_kernels as default
from engine.detectors import recent_kernels as recent
from engine.detectors import rhythm_kernels as rhythm
from engine.detectors import signal_kernels as signal
from engine.detectors.protocol import UNTOLD


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
        recent_values = self.values[max(full - 2, 0) * size :]
        return min(recent_values, default=math.inf), max(recent_values, default=-math.inf)

    def novelty(self, value, least):
        low, high = self.range()
        excess = max(value - high, low - value)
        if not self.warm or excess <= 0.0:
            return 0.0
        if len(self.values) < channel.RANGE_ROWS:
            young = math.log(channel.RANGE_ROWS) / math.log(len(self.values)) - 1.0
            excess -= channel.GROWTH * (high - low) * young
        if excess <= 0.0:
            return 0.0
        return excess / (excess + channel.SOFTNESS_SPREADS * max(self.spread, least))

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

    def observe(self, value, least=0.0, pace=1.0):
        novelty = self.novelty(value, least)
        self.learn(self.tame(value), pace)
        return novelty

    def deviation(self, value):
        """Distance from the level in spreads."""
        distance = value - self.level
        if abs(distance) >= signal.LARGEST_SPREADS * self.spread:
            return math.copysign(signal.LARGEST_SPREADS, distance) if distance != 0.0 else 0.0
        return distance / self.spread


class NaiveRhythm:
    """Each hour of the week has a list of the means it had, the newest first, as whole numbers."""

    def __init__(self, older_weeks):
        self.older_weeks = older_weeks
        self.seen = {}
        self.base, self.unit, self.settled = None, 0.0, False
        self.hour, self.visit, self.rows = None, [], {}
        self.previous_hour = None

    def turn(self, hour, level, spread):
        """Begin a row's hour."""
        if hour == self.hour:
            return
        if self.visit:
            self._close(level, spread)
        self.previous_hour, self.hour, self.visit = self.hour, hour, []

    def _close(self, level, spread):
        mean = sum(self.visit) / len(self.visit)
        if self.base is None:
            self.base = mean
        elif not self.settled and spread > 0.0:
            self._settle(level, spread)
        if self.settled:
            reach = rhythm.HELD_SPREADS * spread
            mean = min(max(mean, level - reach), level + reach)
        distance = mean - self.base
        if distance != 0.0:
            self.unit = self.unit or max(abs(distance) / rhythm.FIRST_UNITS, rhythm.SMALLEST)
        while abs(distance) > rhythm.LARGEST_NUMBER * self.unit:
            self.unit *= 2.0
            for numbers in self.seen.values():
                numbers[:] = [int(number / 2) for number in numbers]
        own = self.seen.setdefault(self.hour % 168, [])
        own.insert(0, round(distance / self.unit) if distance else 0)
        del own[1 + max(self.older_weeks, 1) :]

    def _settle(self, level, spread):
        means = {hour: [self._mean(n) for n in numbers] for hour, numbers in self.seen.items()}
        reach = rhythm.HELD_SPREADS * spread
        held = {
            hour: [min(max(mean - level, -reach), reach) for mean in old]
            for hour, old in means.items()
        }
        largest = max(abs(distance) for old in held.values() for distance in old)
        self.unit = max(spread / rhythm.SPREAD_UNITS, rhythm.SMALLEST)
        while largest > rhythm.LARGEST_NUMBER * self.unit:
            self.unit *= 2.0
        self.seen = {h: [round(d / self.unit) for d in old] for h, old in held.items()}
        self.base, self.settled = level, True

    def _mean(self, number):
        return self.base + self.unit * number

    def learn(self, value):
        self.visit.append(value)
        self.rows[self.hour] = self.rows.get(self.hour, 0) + 1

    def _usual(self, hour):
        newest = [
            self.seen[h % 168][0] for h in range(hour, hour + 168, 24) if h % 168 in self.seen
        ]
        return self._mean(float(np.median(newest))) if newest else math.nan

    def by_day(self, ts):
        offset = (ts % rhythm.HOUR_NS) / rhythm.HOUR_NS - 0.5
        own = self._usual(self.hour)
        other = self._usual(self.hour + (1 if offset > 0 else -1))
        return own if math.isnan(other) else own + abs(offset) * (other - own)

    def nearby(self):
        """What earlier weeks saw around this hour of the week."""
        found = []
        for hour in (self.hour - 1, self.hour, self.hour + 1):
            numbers = self.seen.get(hour % 168, [])
            if hour == self.hour - 1 == self.previous_hour:
                numbers = numbers[1:]  # the first is of this week
            elif self.older_weeks == 0:
                numbers = numbers[:1]
            found += [self._mean(number) for number in numbers]
        return found

    def fresh(self):
        """Rows of this hour and the two before."""
        hours = range(self.hour - 2, self.hour + 1)
        return sum(min(self.rows.get(hour, 0), rhythm.ROWS_MAX) for hour in hours)


class NaiveWatch:
    """Scores and learns one quantity."""

    def __init__(self, older_weeks):
        self.channels = [NaiveChannel() for _ in range(signal.CHANNELS)]
        self.rhythm = NaiveRhythm(older_weeks)
        self.follower = NaiveFollower()
        self.values = []
        self.up = self.down = self.loudness = 0.0

    @property
    def pace(self):
        if self.follower.patient:
            return default.SLOW_PACE
        return default.CATCH_UP_PACE if self.follower.high_rows else 1.0

    def score(self, ts, value):
        """Onset or None, signals, expected, lower, upper, deviation."""
        value_channel, by_day_channel = self.channels[signal.VALUE], self.channels[signal.BY_DAY]
        warm = value_channel.warm
        spread = value_channel.spread
        self.rhythm.turn(ts // rhythm.HOUR_NS, value_channel.level, spread if warm else 0.0)
        by_day = self.rhythm.by_day(ts)
        rhythmic = (
            by_day_channel.warm
            and by_day_channel.spread < default.RHYTHM_GAIN * spread
            and not math.isnan(by_day)
        )
        reference, shift = (by_day_channel, by_day) if rhythmic else (value_channel, 0.0)
        expected = by_day if rhythmic else value_channel.level
        low, high = reference.range()
        deviation = reference.deviation(value - shift)
        if len(value_channel.values) >= default.FOLLOWED_ROWS:
            self.follower.follow(abs(deviation))
        signals = self._signals(value, by_day, self.pace)
        total = sum(signals)
        score = total / (1.0 + default.DAMPING * self.loudness)
        if math.isnan(by_day) and score < default.FIRST_DAY_LEAST:
            score = UNTOLD - score
        self.loudness += default.LOUDNESS_WEIGHT * (total - self.loudness)
        if not warm:
            return None, signals, math.nan, math.nan, math.nan, math.nan
        return score, signals, expected, shift + low, shift + high, deviation

    def _by_week(self):
        fresh = min(self.rhythm.fresh(), recent.RECENT_ROWS, len(self.values))
        evidence = self.rhythm.nearby() + self.values[len(self.values) - fresh :]
        return float(np.median(evidence)) if len(evidence) >= recent.LEAST_EVIDENCE else math.nan

    def _level(self):
        size, blocks = recent.BLOCK_ROWS, len(self.values) // recent.BLOCK_ROWS
        if blocks < recent.RECENT_BLOCKS:
            return math.nan
        ends = range((blocks - recent.RECENT_BLOCKS + 1) * size, blocks * size + 1, size)
        return float(np.median([sum(self.values[end - size : end]) / size for end in ends]))

    def _signals(self, value, by_day, pace):
        seen = [0.0] * signal.CHANNELS
        least = signal.LEAST_SPREAD * self.channels[signal.VALUE].spread

        def observe(number, quantity, least=least, pace=1.0):
            if not math.isnan(quantity):
                seen[number] = self.channels[number].observe(quantity, least, pace)

        tamed = self.channels[signal.VALUE].tame(value)
        observe(signal.VALUE, value, pace=pace)
        observe(signal.BY_DAY, tamed - by_day, pace=pace)
        residual = tamed - self._by_week()
        if len(self.channels[signal.BY_WEEK].values) >= signal.DRIFT_ROWS:
            observe(signal.DRIFT, self._drift(residual), signal.DRIFT_LEAST_SPREAD)
        observe(signal.BY_WEEK, residual)
        observe(signal.BY_RECENT, tamed - self._level())
        self.values.append(tamed)
        self.rhythm.learn(tamed)
        last = self.values[-recent.RECENT_ROWS :]
        if len(last) == recent.RECENT_ROWS:
            observe(signal.MOVING_MEAN, sum(last) / len(last))
        seen[signal.DRIFT] *= signal.DRIFT_SHARE
        return [float(np.float32(novelty)) for novelty in seen]

    def _drift(self, residual):
        if math.isnan(residual):
            return math.nan
        deviation = self.channels[signal.BY_WEEK].deviation(residual)
        held = min(max(deviation, -signal.DRIFT_LIMIT), signal.DRIFT_LIMIT)
        self.up = max(self.up + held - signal.DRIFT_SLACK, 0.0)
        self.down = max(self.down - held - signal.DRIFT_SLACK, 0.0)
        return max(self.up, self.down)


class NaiveSeries:
    """One series: gauge or counter."""

    def __init__(self, older_weeks):
        self.older_weeks = older_weeks
        self.origin = self.last_ts = None
        self.previous = 0.0
        self.climb, self.counter = 0, False
        self.watch = NaiveWatch(older_weeks)

    def score(self, ts, value):
        """Raw onset (-1: not judged), state, expected, lower, upper, deviation; signals."""
        silent = (-1.0, 0.0, math.nan, math.nan, math.nan, math.nan), [0.0] * signal.CHANNELS
        if not abs(value) <= default.LARGEST:
            return silent
        if self.origin is None:
            self.origin, self.last_ts = value, ts
        offset = value - self.origin
        step, previous = offset - self.previous, self.previous
        seconds = (ts - self.last_ts) * 1e-9
        self._weigh(step)
        self.previous, self.last_ts = offset, ts
        shift, scale, watched = self.origin, 1.0, offset
        if self.counter:
            if step < 0.0 or seconds <= 0.0 or step > default.LARGEST * seconds:
                return silent
            shift, scale, watched = self.origin + previous, seconds, step / seconds
        onset, signals, *band, deviation = self.watch.score(ts, watched)
        if onset is None:
            return silent[0], signals
        band = [shift + scale * edge for edge in band]
        return (onset, self.watch.follower.state, *band, deviation), signals

    def _weigh(self, step):
        if step > 0.0:
            self.climb = min(self.climb + 1, counter.CLIMB_LIMIT)
        elif step < 0.0:
            self.climb = max(self.climb - counter.CLIMB_PENALTY, counter.CLIMB_FLOOR)
        held = self.counter and self.climb >= 0
        is_counter = self.climb >= counter.CLIMB_ENTER or held
        if is_counter != self.counter:
            self.watch = NaiveWatch(self.older_weeks)
        self.counter = is_counter


class NaiveScorer:
    """Many series; rows of one block in any order of series."""

    def __init__(self, older_weeks=rhythm.OLDER_WEEKS):
        self.older_weeks = older_weeks
        self.series = {}

    def score(self, slot, ts, value):
        """Raw scores float64[SCORE_ROWS, n] and signals float64[k, n]."""
        rows = [
            self.series.setdefault(s, NaiveSeries(self.older_weeks)).score(t, v)
            for s, t, v in zip(slot.tolist(), ts.tolist(), value.tolist(), strict=True)
        ]
        scores, signals = zip(*rows, strict=True)
        return np.array(scores).T, np.array(signals).T
