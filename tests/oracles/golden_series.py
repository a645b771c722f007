"""Made-up series for the differential oracle, seeded: the inputs of the golden cases.

Most values are eighths, so that sums of them are exact whatever their order is; some data sets
hold hundredths. Gaps, stale markers, NaN, infinities, counter resets, jittered timestamps and
buckets that are missing or fall are drawn per series.
"""

import math
import random
from dataclasses import dataclass, field
from itertools import product

STALE = "stale"
INTERVALS_MS = (15_000, 30_000, 60_000)
FIRST_TS_MS = 1_609_459_200_000  # 2021-01-01
DAYS = 1700
DAY_MS = 86_400_000
BUCKET_BOUNDS = ("0.05", "0.1", "0.5", "1", "2.5", "+Inf")


@dataclass(frozen=True)
class Metric:
    """What the grammar has to know of a metric.

    Attributes
    ----------
    name : str
        The metric's name.
    kind : str
        ``counter``, ``gauge``, ``bucket``, ``info`` (always 1) or ``odd`` (NaN and infinities).
    labels : dict of str to list of str
        Values of each label but the name.
    """

    name: str
    kind: str
    labels: dict[str, list[str]]


@dataclass
class Series:
    """One series; `value` holds floats and `STALE`.

    Attributes
    ----------
    labels : dict of str to str
        Labels with ``__name__``.
    ts_ms : list of int
        Timestamps, ms, rising.
    value : list of float or str
        Values.
    """

    labels: dict[str, str]
    ts_ms: list[int]
    value: list[float | str]


@dataclass
class DataSet:
    """Series of a few metrics over one span.

    Attributes
    ----------
    metrics : list of Metric
        Metrics, also of those labels that no series has.
    series : list of Series
        3 to 12 series.
    start_ms, end_ms : int
        Span of the samples, ms; the start is a whole minute.
    interval_ms : int
        Mean spacing of samples, ms.
    """

    metrics: list[Metric]
    series: list[Series]
    start_ms: int
    end_ms: int
    interval_ms: int


@dataclass(frozen=True)
class _Clock:
    """How the timestamps of a data set are drawn."""

    start_ms: int
    interval_ms: int
    samples: int
    on_grid: bool
    irregular: bool

    def ticks(self, rng: random.Random) -> list[int]:
        phase = 0 if self.on_grid else rng.randrange(1, self.interval_ms)
        grid = [self.start_ms + phase + k * self.interval_ms for k in range(self.samples)]
        if not self.irregular:
            return grid
        return [ts + rng.randrange(-self.interval_ms // 3, self.interval_ms // 3) for ts in grid]


def make_data_set(seed: int) -> DataSet:
    """Draw the data set of a seed."""
    rng = random.Random(f"series {seed}")
    interval_ms = rng.choice(INTERVALS_MS)
    span_ms = {15_000: 24, 30_000: 36, 60_000: 50}[interval_ms] * 60_000
    day = rng.randrange(DAYS)
    start_ms = FIRST_TS_MS + day * DAY_MS + rng.randrange(DAY_MS // 60_000) * 60_000
    clock = _Clock(
        start_ms, interval_ms, span_ms // interval_ms, rng.random() < 0.5, rng.random() < 0.25
    )
    unit = 8 if rng.random() < 0.75 else 100
    metrics, series = _PROFILES[seed % len(_PROFILES)](rng, clock, unit)
    return DataSet(metrics, series, start_ms, start_ms + span_ms, interval_ms)


@dataclass
class _Builder:
    rng: random.Random
    clock: _Clock
    unit: int
    metrics: list[Metric] = field(default_factory=list)
    series: list[Series] = field(default_factory=list)

    def metric(self, name: str, kind: str, **labels: list[str]) -> list[dict[str, str]]:
        """Note a metric; gives the label set of each of its possible series."""
        self.metrics.append(Metric(name, kind, labels))
        return [
            {"__name__": name, **dict(zip(labels, values, strict=True))}
            for values in product(*labels.values())
        ]

    def add(self, labels: dict[str, str], values: list[float]) -> None:
        """Add a series with gaps and stale markers."""
        ts_ms = self.clock.ticks(self.rng)
        kept_ts, kept = [], []
        silent = 0
        for ts, number in zip(ts_ms, values, strict=True):
            value: float | str = number
            if silent:
                silent -= 1
                continue
            if self.rng.random() < 0.02:
                # A gap, short or beyond the lookback; a scrape that fails first leaves a marker.
                silent = self.rng.choice((1, 2, 5, 14, 25))
                if self.rng.random() < 0.5:
                    continue
                value = STALE
            kept_ts.append(ts)
            kept.append(value)
        self.series.append(Series(labels, kept_ts, kept))

    def counter(self, labels: dict[str, str], mean: float) -> None:
        value = self.number(0, 400 * mean)
        values = []
        reset = self.rng.choice((0.0, 0.01, 0.05))
        for _ in range(self.clock.samples):
            if self.rng.random() < reset:
                value = self.number(0, mean)
            elif self.rng.random() < 0.85:
                value = self.rounded(value + self.number(0, 2 * mean))
            values.append(value)
        self.add(labels, values)

    def gauge(self, labels: dict[str, str], low: float, high: float) -> None:
        shape = self.rng.choice(("walk", "walk", "noise", "steps", "flat"))
        value = self.number(low, high)
        values = []
        for _ in range(self.clock.samples):
            if shape == "noise" or (shape == "steps" and self.rng.random() < 0.1):
                value = self.number(low, high)
            elif shape == "walk":
                value = self.rounded(value + self.number(-(high - low) / 8, (high - low) / 8))
            values.append(value)
        self.add(labels, values)

    def odd(self, labels: dict[str, str]) -> None:
        """Add a series of numbers between zeros, NaN, infinities, or what sums lose or overflow."""
        special: tuple[float, ...] = (math.nan, math.inf, -math.inf, 0.0, -0.0, 1e-9, -2.5)
        if self.rng.random() < 0.3:
            special = (1e16, -1e16, 0.125, 1.5e308, -1.5e308, 1.0, 1.0)
        share = self.rng.choice((0.1, 0.3, 0.6))
        numbers = (self.number(-40, 40) for _ in range(self.clock.samples))
        self.add(
            labels, [self.rng.choice(special) if self.rng.random() < share else n for n in numbers]
        )

    def buckets(self, labels: dict[str, str], bounds: tuple[str, ...], mean: int) -> None:
        """Add the cumulative buckets of one histogram; some lack a bound or dip."""
        left_out = self.rng.choice(bounds) if self.rng.random() < 0.3 else None
        dips = self.rng.random() < 0.25
        below = [0.0] * self.clock.samples
        for bound in bounds:
            total, values = 0.0, []
            for before in below:
                total += self.rng.randrange(2 * mean) if self.rng.random() < 0.7 else 0
                dip = self.rng.randrange(3) if dips and self.rng.random() < 0.2 else 0
                values.append(max(0.0, before + total - dip))
            below = values
            if bound != left_out:
                self.add({**labels, "le": bound}, values)

    def number(self, low: float, high: float) -> float:
        return self.rounded(self.rng.uniform(low, high))

    def rounded(self, value: float) -> float:
        return round(value * self.unit) / self.unit


def _services(rng: random.Random, clock: _Clock, unit: int) -> tuple[list[Metric], list[Series]]:
    made = _Builder(rng, clock, unit)
    jobs, instances = ["api", "web"][: rng.randrange(1, 3)], ["a:9100", "b:9100"]
    for labels in made.metric("requests_total", "counter", job=jobs, instance=instances):
        made.counter(labels, 12)
    for labels in made.metric("errors_total", "counter", job=jobs, instance=instances):
        if rng.random() < 0.8:
            made.counter(labels, 2)
    for labels in made.metric("load1", "gauge", instance=instances):
        made.gauge(labels, 0, 16)
    version = {"a:9100": "1.2", "b:9100": "1.3"}
    for labels in made.metric(
        "build_info", "info", instance=instances, version=sorted(version.values())
    ):
        if version[labels["instance"]] == labels["version"]:
            made.add(labels, [1.0] * clock.samples)
    return made.metrics, made.series


def _nodes(rng: random.Random, clock: _Clock, unit: int) -> tuple[list[Metric], list[Series]]:
    made = _Builder(rng, clock, unit)
    instances = ["n1", "n2", "n-3"][: rng.randrange(2, 4)]
    modes = ["idle", "user", "iowait"][: 3 if len(instances) == 2 else 2]
    for labels in made.metric("cpu_seconds_total", "counter", instance=instances, mode=modes):
        made.counter(labels, 20)
    for labels in made.metric("memory_free_bytes", "gauge", instance=instances):
        made.gauge(labels, 1000, 4000)
    for labels in made.metric("memory_size_bytes", "gauge", instance=instances, rack=["r1"]):
        made.gauge(labels, 4000, 4100)
    return made.metrics, made.series[:12]


def _histograms(rng: random.Random, clock: _Clock, unit: int) -> tuple[list[Metric], list[Series]]:
    made = _Builder(rng, clock, unit)
    jobs = ["api", "web"][: rng.randrange(1, 3)]
    bounds = BUCKET_BOUNDS if len(jobs) == 1 else BUCKET_BOUNDS[::2] + BUCKET_BOUNDS[-1:]
    made.metric("latency_seconds_bucket", "bucket", job=jobs, le=list(bounds))
    for job in jobs:
        made.buckets({"__name__": "latency_seconds_bucket", "job": job}, bounds, 6)
    for labels in made.metric("queue_length", "gauge", job=jobs):
        made.gauge(labels, 0, 30)
    if len(jobs) == 1:
        for labels in made.metric(
            "handled_total", "counter", job=jobs, path=["/", "/a.b", 'ü\n"x"']
        ):
            made.counter(labels, 5)
    return made.metrics, made.series


def _readings(rng: random.Random, clock: _Clock, unit: int) -> tuple[list[Metric], list[Series]]:
    made = _Builder(rng, clock, unit)
    for labels in made.metric("weird", "odd", sensor=["s1", "s2", "s3"]):
        made.odd(labels)
    sensors = ["s1", "s2", "s3", "s4"][: rng.randrange(2, 5)]
    for labels in made.metric("reading", "gauge", sensor=sensors, unit=["c"]):
        made.gauge(labels, -20, 30)
    for labels in made.metric("limit", "gauge", sensor=sensors[:2]):
        made.gauge(labels, 5, 25)
    if rng.random() < 0.5:
        for labels in made.metric("pulses_total", "counter", sensor=sensors[:2], unit=["1"]):
            made.counter(labels, 1e3)
    return made.metrics, made.series


_PROFILES = (_services, _nodes, _histograms, _readings)
