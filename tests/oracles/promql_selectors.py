"""Random PromQL leaves: numbers, durations, selectors, windows and subqueries over a data set."""

import random
from dataclasses import dataclass

from golden_series import DataSet, Metric

NUMBERS = ("0", "1", "2", "3", "0.5", "10", "100", "-1", "-2.5", "1e3", "0.125", "4")
# Constants that no sum, mean or interpolation of eighths and hundredths meets: where a computed
# value is compared, one last bit must not decide.
UNMET = ("0.73719", "3.17193", "12.09131", "0.04137", "-1.31719", "151.93713", "1731.19137")
QUANTILES = ("0", "0.1", "0.25", "0.5", "0.9", "0.95", "0.99", "1", "0.5", "0.75", "-0.5", "1.5")


@dataclass(frozen=True)
class Expr:
    """A piece of PromQL and what may be said of its value.

    Attributes
    ----------
    text : str
        PromQL.
    labels : tuple of str
        Labels its series may have, the name aside.
    scalar : bool
        A scalar, not a vector.
    rough : bool
        The last bits depend on the mathematical library or the order of sums: it must not be
        rounded, tested for equality, divided by or ordered.
    odd : bool
        It may hold NaN or infinities: no calendar function is asked about it.
    compound : bool
        An operator stands on its top level.
    """

    text: str
    labels: tuple[str, ...] = ()
    scalar: bool = False
    rough: bool = False
    odd: bool = False
    compound: bool = False

    def __str__(self) -> str:
        return self.text

    @property
    def operand(self) -> str:
        """The text, in parentheses where an operator may stand beside it."""
        return f"({self.text})" if self.compound else self.text


def duration(ms: int) -> str:
    """PromQL text of a duration, such as ``1m30s``."""
    parts = []
    for unit, size in (("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, ms = divmod(ms, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def quoted(text: str) -> str:
    """Give a regex that matches a text."""
    return "".join(f"[{char}]" if char in "+." else char for char in text)


def literal(text: str) -> str:
    """Give a text as PromQL's string literal."""
    escapes = {"\\": "\\\\", '"': '\\"', "\n": "\\n"}
    return '"' + "".join(escapes.get(char, char) for char in text) + '"'


class Selectors:
    """Draws leaves from the metrics of one data set."""

    def __init__(self, rng: random.Random, data: DataSet) -> None:
        self.rng = rng
        self.data = data

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def metric(self, *kinds: str) -> Metric:
        """One of the metrics of these kinds; any if there is none."""
        fitting = [metric for metric in self.data.metrics if metric.kind in kinds]
        return self.rng.choice(fitting or self.data.metrics)

    def has(self, kind: str) -> bool:
        return any(metric.kind == kind for metric in self.data.metrics)

    def number(self) -> str:
        if self.chance(0.05):
            return self.rng.choice(("Inf", "-Inf", "NaN", "1e-3", "0x1F", ".5", "7e2"))
        return self.rng.choice(NUMBERS)

    def matcher(self, metric: Metric) -> str:
        """One matcher; also of labels that no series has."""
        rng = self.rng
        if self.chance(0.12) or not metric.labels:
            return rng.choice(
                ('zone=""', 'zone!="x"', 'zone=~".*"', 'zone!~".+"', 'zone=~"|x"', 'zone!=""')
            )
        label = rng.choice(sorted(metric.labels))
        value = rng.choice(metric.labels[label])
        first, last = quoted(value[0]), quoted(value[-1])
        operator, text = rng.choice(
            (
                ("=", value),
                ("!=", value),
                ("=~", quoted(value)),
                ("!~", quoted(value)),
                ("=~", f"{first}.*|nope"),
                ("=~", ".+"),
                ("!~", f"{first}.+"),
                ("!=", ""),
                ("=~", f".*{last}"),
                ("=~", f"(?i:{quoted(value.upper())})"),
            )
        )
        return f"{label}{operator}{literal(text)}"

    def braces(self, metric: Metric, probability: float = 0.45) -> str:
        if not self.chance(probability):
            return "{}" if self.chance(0.04) else ""
        count = 2 if self.chance(0.25) else 1
        return "{" + ", ".join(self.matcher(metric) for _ in range(count)) + "}"

    def named(self, metric: Metric) -> str:
        """A selector of the metric, by name or by a matcher of the name."""
        if self.chance(0.04):
            return f'{{__name__="{metric.name}"}}'
        if self.chance(0.03):
            return f'{{__name__=~"{metric.name[:3]}.*"}}'
        return metric.name + self.braces(metric)

    def parameter(self, *texts: str) -> str:
        """One of these numbers, or a scalar that changes from tick to tick."""
        if self.chance(0.88):
            return self.rng.choice(texts)
        name = self.any_metric().name
        return self.rng.choice(
            (f"scalar(count({name}))", f"scalar({self.named(self.any_metric())})", "time() % 7")
        )

    def share(self) -> str:
        """Draw a quantile's share, constant or not."""
        if self.chance(0.88):
            return self.rng.choice((*QUANTILES, *QUANTILES, "NaN"))
        name = self.any_metric().name
        return self.rng.choice((f"scalar(count({name})) / 10", "time() % 60 / 60"))

    def offset(self) -> str:
        steps = (self.data.interval_ms, 30_000, 60_000, 67_000, 120_000, 300_000, 90_500)
        return f" offset {duration(self.rng.choice(steps))}"

    def at(self) -> str:
        """An @ modifier: a time within the data, or an end of the query's range."""
        if self.chance(0.4):
            return self.rng.choice((" @ start()", " @ end()"))
        span = self.data.end_ms - self.data.start_ms
        ms = self.data.start_ms + self.rng.randrange(span // 4, span)
        ms -= ms % self.rng.choice((1, 1000, self.data.interval_ms))
        seconds, rest = divmod(ms, 1000)
        return f" @ {seconds}.{rest:03d}" if rest else f" @ {seconds}"

    def moved(self, probability: float = 0.12) -> str:
        """Modifiers of the time, or nothing."""
        if not self.chance(probability):
            return ""
        kind = self.rng.randrange(4)
        if kind == 0:
            return self.at()
        if kind == 1:
            return self.offset() + self.at() if self.chance(0.5) else self.at() + self.offset()
        return self.offset()

    def instant(self, *kinds: str, moved: float = 0.12) -> Expr:
        """An instant selector."""
        metric = self.metric(*kinds) if kinds else self.any_metric()
        return self.of_metric(metric, self.named(metric) + self.moved(moved))

    def any_metric(self) -> Metric:
        kinds = [metric for metric in self.data.metrics if metric.kind != "info"]
        return self.rng.choice(kinds)

    @staticmethod
    def of_metric(metric: Metric, text: str) -> Expr:
        return Expr(text, tuple(metric.labels), odd=metric.kind == "odd")

    def range_ms(self) -> int:
        """Length of a window: some samples, often a multiple of the interval."""
        interval = self.data.interval_ms
        ms = interval * self.rng.choice((2, 3, 4, 5, 5, 8, 10, 10, 12))
        if self.chance(0.15):
            ms += self.rng.choice((1, -1, 7777))
        if self.chance(0.1):
            ms = self.rng.choice((60_000, 300_000, 600_000))
        return ms

    def window(self, metric: Metric, moved: float = 0.12) -> Expr:
        """A range selector."""
        text = f"{self.named(metric)}[{duration(self.range_ms())}]{self.moved(moved)}"
        return self.of_metric(metric, text)

    def subquery(self, inner: Expr, moved: float = 0.15) -> Expr:
        """Wrap a vector into a subquery, with a step or the default one."""
        rng = self.rng
        if self.chance(0.3):
            length, step = rng.choice((180_000, 300_000, 301_000, 600_000)), ""
        else:
            step_ms = rng.choice((15_000, 20_000, 30_000, 45_000, 60_000, 77_000))
            length = step_ms * rng.randrange(2, 9) + rng.choice((0, 0, 0, 1, 5000))
            step = duration(step_ms)
        text = f"{inner.operand}[{duration(length)}:{step}]{self.moved(moved)}"
        return Expr(text, inner.labels, rough=inner.rough, odd=inner.odd)
