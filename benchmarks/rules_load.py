"""The load of the rules benchmark: public alert rules, and series that their selectors select.

Rules are taken as they are; those that share metrics are taken first, so that few series serve
many rules. Each selector gets `SERIES_PER_SELECTOR` series at least: selectors of one metric whose
matchers can hold together share theirs. Labels that rules group or join by number the series in
the same way for all metrics, so that joins find their partners. Levels are such that few alerts
fire, as in a healthy system.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rules_patterns import matching_texts

from engine.config.positions import Position, YamlList, YamlMapping, load_yaml, text_of
from engine.promql.errors import ExpressionError
from engine.promql.parse import Language, parse_condition
from engine.promql.selector import Matcher, Selector
from engine.promql.syntax import (
    COMPARISONS,
    Aggregate,
    Binary,
    Call,
    Expression,
    Number,
    VectorSelector,
    children,
    walk,
)
from engine.series.identity import NAME_LABEL, Series

RULES_FOLDER = Path(__file__).resolve().parents[2] / "shared" / "data" / "promrules"
SERIES_PER_SELECTOR = 50
BUCKETS = ("0.1", "0.5", "1", "5", "+Inf")
SEED = 1
WINDOW_MAX_NS = 40 * 86_400_000_000_000  # the furthest that public rules look back
_COARSE = frozenset({"cluster", "datacenter", "region", "namespace", "environment"})
_COARSE_VALUES = 5
_COUNTER = re.compile("_(total|count|sum|bucket)$")
_CHANGES = frozenset({"rate", "increase", "irate", "delta", "idelta", "changes", "resets"})
_TROUBLE = re.compile("err|fail|drop|timeout|reject|abort|restart|oom|lost|corrupt|exceed|evict")
_MOMENT = re.compile("timestamp|expir|not_after|_time_seconds$|_time$")
_RESTLESS = 0.01  # of the series that make alerts when they rise
_DAY_S = 86_400
_AGES = (("start", -30), ("boot", -30), ("expir", 90), ("not_after", 90))
_TEMPLATED = ("labels", "annotations")


@dataclass(frozen=True)
class PublicRule:
    """An alert rule of a rule file, with its group's name and its text."""

    group: str
    fields: dict[str, Any]
    expression: Expression

    def selectors(self) -> list[Selector]:
        """Give the selectors of its expression."""
        nodes = walk(self.expression)
        return [node.selector for node in nodes if isinstance(node, VectorSelector)]

    def metrics(self) -> set[str | None]:
        """Give the metric names that it selects, None for a selector without one."""
        return {selector.name for selector in self.selectors()}


def public_rules(folder: Path) -> list[PublicRule]:
    """Read all alert rules below a folder whose expressions differ; tests are left out."""
    found: dict[str, PublicRule] = {}
    for path in sorted([*folder.rglob("*.yml"), *folder.rglob("*.yaml")]):
        if "test" not in path.stem and path.parent.name != "tests":
            root, _ = load_yaml(path.read_text(encoding="utf-8"), path.name)
            for rule in _rules_of(root, f"{path.parent.name}/{path.stem}"):
                found.setdefault(str(rule.expression), rule)
    return list(found.values())


def _rules_of(root: Any, file: str) -> Iterator[PublicRule]:
    for group in _items(root, "groups"):
        for node in _items(group, "rules"):
            if "alert" not in node:
                continue
            fields: dict[str, Any] = {
                key: text_of(node, key) or "" for key in ("alert", "expr", "for") if key in node
            }
            for key in _TEMPLATED:
                inside = node.get(key)
                if not isinstance(inside, YamlMapping):
                    inside = YamlMapping(Position(1, 1))
                fields[key] = {name: text_of(inside, name) or "" for name in inside}
            try:
                expression = parse_condition(fields["expr"], Language(max_window_ns=WINDOW_MAX_NS))
            except ExpressionError:
                continue
            yield PublicRule(f"{file}/{text_of(group, 'name')}", fields, expression)


def _items(node: Any, key: str) -> list[YamlMapping]:
    items = node.get(key) if isinstance(node, YamlMapping) else None
    return list(items) if isinstance(items, YamlList) else []


def choose(rules: list[PublicRule], number: int, *, nameless: bool = False) -> list[PublicRule]:
    """Take the rules that need the fewest metrics: always the next that adds the fewest.

    Rules with a selector that names no metric may read every series there is, alerts included;
    `nameless` takes them, too.
    """
    rules = [rule for rule in rules if nameless or None not in rule.metrics()]
    metrics = [rule.metrics() for rule in rules]
    popular = Counter(name for names in metrics for name in names)
    have: set[str | None] = set()
    left = dict.fromkeys(range(len(rules)))
    chosen: list[int] = []
    while left and len(chosen) < number:
        best = min(
            left, key=lambda i: (len(metrics[i] - have), -sum(popular[name] for name in metrics[i]))
        )
        have |= metrics[best]
        del left[best]
        chosen.append(best)
    return [rules[i] for i in sorted(chosen)]


def rule_file_text(rules: list[PublicRule], interval: str) -> str:
    """Write the rules as a rule file, in groups like those that they come from."""
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    names: set[tuple[str, ...]] = set()
    for rule in rules:
        fields = dict(rule.fields)
        while (rule.group, fields["alert"], *map(str, fields["labels"].items())) in names:
            fields["alert"] += "_"
        names.add((rule.group, fields["alert"], *map(str, fields["labels"].items())))
        groups[rule.group].append(fields)
    made = [{"name": name, "interval": interval, "rules": held} for name, held in groups.items()]
    return json.dumps({"groups": made})  # JSON is YAML


@dataclass
class Family:
    """Series of a metric that some selectors share.

    Attributes
    ----------
    matchers : dict
        By label; they hold for all its series.
    alarming : int
        In how many comparisons more of it makes an alert, less those in which less does.
    """

    matchers: dict[str, list[Matcher]]
    alarming: int = 0


@dataclass
class Metric:
    """What the rules want of a metric.

    Attributes
    ----------
    families : list of Family
    labels : set of str
        Labels that rules group or join by.
    bounds : list of tuple of (str, float)
        Comparisons of the metric's values that make an alert.
    """

    name: str
    families: list[Family] = field(default_factory=list)
    labels: set[str] = field(default_factory=lambda: {"instance", "job"})
    bounds: list[tuple[str, float]] = field(default_factory=list)

    def want(self, selector: Selector) -> Family:
        """Let the selector select a family: the first that it can share, or one of its own."""
        for family in self.families:
            merged = {name: list(matchers) for name, matchers in family.matchers.items()}
            for matcher in selector.matchers:
                if matcher not in merged.setdefault(matcher.name, []):
                    merged[matcher.name].append(matcher)
            if all(self.value_of(name, held, 0) is not None for name, held in merged.items()):
                family.matchers = merged
                return family
        own: dict[str, list[Matcher]] = {}
        for matcher in selector.matchers:
            own.setdefault(matcher.name, []).append(matcher)
        self.families.append(Family(own))
        return self.families[-1]

    def value_of(self, label: str, matchers: list[Matcher], number: int) -> str | None:
        """Give a label's value in the series of this number; None if nothing matches."""
        usual = f"{label}-{number % _COARSE_VALUES if label in _COARSE else number}"
        if label == NAME_LABEL:
            usual = self.name
        elif label == "job":
            usual = self.name.partition("_")[0]
        elif label == "le":
            usual = BUCKETS[number % len(BUCKETS)]
        elif self.name.endswith("_bucket"):
            usual = f"{label}-{number // len(BUCKETS)}"
        candidates = [usual]
        for matcher in matchers:
            if matcher.operator == "=":
                candidates.append(matcher.value)
            elif matcher.operator == "=~":
                candidates += matching_texts(matcher.value)
        for candidate in (*candidates, ""):
            if all(matcher.matches(candidate) for matcher in matchers):
                return candidate
        return None

    @property
    def alarming(self) -> int:
        """That of all its families."""
        return sum(family.alarming for family in self.families)

    @property
    def kind(self) -> tuple[object, ...]:
        """What its name and the rules say of its values."""
        found = [pattern.findall(self.name)[-1:] for pattern in (_COUNTER, _MOMENT)]
        return *found, bool(_TROUBLE.search(self.name)), np.sign(self.alarming)

    def level(self, now_s: float) -> float:
        """Give a usual value of a gauge: one at which the fewest comparisons hold."""
        if _MOMENT.search(self.name):
            return now_s + _DAY_S * next((days for word, days in _AGES if word in self.name), 0)
        numbers = [number for _, number in self.bounds]
        candidates = [1.0, 0.0]
        if self.alarming:
            candidates = [0.0, 1.0] if self.alarming > 0 else [1e6, 1.0]
        candidates += [near for n in numbers for near in (n / 2, n * 2, n - 1, n + 1)]
        return min(candidates, key=lambda level: holding(level, self.bounds))


def holding(level: float, bounds: list[tuple[str, float]]) -> int:
    """How many of the comparisons hold at a level."""
    return sum(_holds(level, *bound) for bound in bounds)


def _holds(level: float, operator: str, number: float) -> bool:
    signs = {"<": level < number, ">": level > number, "==": level == number}
    return (signs | {"<=": not signs[">"], ">=": not signs["<"], "!=": not signs["=="]})[operator]


def wanted_metrics(rules: list[PublicRule]) -> dict[str, Metric]:
    """Find what the rules want of each metric that they name."""
    metrics: dict[str, Metric] = {}
    for rule in rules:
        families = {
            selector: metrics.setdefault(selector.name, Metric(selector.name)).want(selector)
            for selector in rule.selectors()
            if selector.name is not None
        }
        for node in walk(rule.expression):
            if isinstance(node, Binary) and node.operator in COMPARISONS:
                _note_bound(node, metrics, families)
    _spread_labels(rules, metrics)
    return metrics


def _note_bound(node: Binary, metrics: dict[str, Metric], families: dict[Selector, Family]) -> None:
    """Note what a comparison says of the series that stand in it."""
    inside = [item.selector for item in walk(node.left) if isinstance(item, VectorSelector)]
    if not inside or inside[0] not in families:
        return
    more = {">": 1, ">=": 1, "!=": 1, "<": -1, "<=": -1}.get(node.operator, 0)
    families[inside[0]].alarming += more
    if len(inside) > 1 and inside[1] in families:
        families[inside[1]].alarming -= more
    name = inside[0].name
    changes = any(isinstance(item, Call) and item.function in _CHANGES for item in walk(node.left))
    if isinstance(node.right, Number) and len(inside) == 1 and name is not None and not changes:
        metrics[name].bounds.append((node.operator, node.right.value))


def _spread_labels(rules: list[PublicRule], metrics: dict[str, Metric]) -> None:
    """Give metrics the labels to group or join by; all the same if they are matched by all."""
    changed = True
    while changed:
        changed = False
        for rule in rules:
            held = [metrics[name] for name in rule.metrics() if name is not None]
            labels: set[str] = set()
            for node in walk(rule.expression):
                if isinstance(node, Aggregate) and not node.without:
                    labels |= set(node.grouping)
                if isinstance(node, Binary):
                    labels |= set(node.matching.labels if node.matching.on else ())
                    labels |= set(node.matching.include)
                    if not (node.matching.on or _is_grouped(node.left) or _is_grouped(node.right)):
                        labels = labels.union(*(metric.labels for metric in held))
            labels -= {"le", NAME_LABEL}
            for metric in held:
                changed = changed or not labels <= metric.labels
                metric.labels |= labels


def _is_grouped(expression: Expression) -> bool:
    """Whether the labels of its results are those that it groups by, whatever its series have."""
    if isinstance(expression, Aggregate) and not expression.without:
        return True
    if isinstance(expression, VectorSelector):
        return False
    return all(_is_grouped(child) for child in children(expression))


@dataclass(frozen=True)
class Load:
    """Rules and series, with what is known of them.

    Attributes
    ----------
    level : float64[series]
        Usual value of a gauge.
    is_counter, is_calm : bool[series]
        Whether a series is a counter, and whether it stays as it is.
    offset_ms : int64[series]
        When in an interval a series is sampled.
    """

    rules: list[PublicRule]
    series: list[Series]
    level: NDArray[np.float64]
    is_counter: NDArray[np.bool_]
    is_calm: NDArray[np.bool_]
    offset_ms: NDArray[np.int64]

    def values(self, steps: int) -> NDArray[np.float64]:
        """Give the values of all series, float64[series, steps]: counters rise, gauges wander."""
        generator = np.random.default_rng(SEED)
        shape = len(self.series), steps
        rise = generator.poisson(20.0, shape) * ~self.is_calm[:, None]
        le = np.array([_bucket_rank(series) for series in self.series])
        counters = np.cumsum(rise * le[:, None], axis=1) + 1e4
        wander = 1 + np.cumsum(generator.normal(0, 1e-4, shape), axis=1)
        still = self.is_calm | (self.level == np.rint(self.level))
        gauges = np.where(still[:, None], 1.0, wander) * self.level[:, None]
        return np.where(self.is_counter[:, None], counters, gauges)

    def selected(self) -> tuple[int, int]:
        """Count rules each of whose selectors select enough series, and the leaves they have."""
        by_name = defaultdict(list)
        for series in self.series:
            by_name[series.name].append(series)
        enough = 0
        pairs = 0
        for rule in self.rules:
            counts = []
            for selector in rule.selectors():
                tried = by_name[selector.name] if selector.name else self.series
                counts.append(sum(selector.matches(s.name, dict(s.labels)) for s in tried))
            enough += min(counts, default=0) >= SERIES_PER_SELECTOR
            pairs += sum(counts)
        return enough, pairs


def _bucket_rank(series: Series) -> int:
    bound = dict(series.labels).get("le")
    return BUCKETS.index(bound) + 1 if bound in BUCKETS else len(BUCKETS)


def make_load(rules: list[PublicRule], now_s: float) -> Load:
    """Make the series that the rules want."""
    generator = np.random.default_rng(SEED)
    series, levels, calm = [], [], []
    for name, metric in wanted_metrics(rules).items():
        level = float(metric.level(now_s))
        trouble = bool(_TROUBLE.search(name))
        for family in metric.families:
            calmly = trouble or family.alarming > 0
            for number in range(SERIES_PER_SELECTOR):
                labels = {
                    label: metric.value_of(label, family.matchers.get(label, []), number) or ""
                    for label in {*metric.labels, *family.matchers, *_bucket_label(name)}
                    - {NAME_LABEL}
                }
                series.append(Series.of(name, labels))
                levels.append(level)
                calm.append(calmly and generator.random() > _RESTLESS)
    unique = list(dict.fromkeys(series))
    place = {item: number for number, item in enumerate(series)}
    rows = np.array([place[item] for item in unique])
    return Load(
        rules,
        unique,
        np.array(levels)[rows],
        np.array([bool(_COUNTER.search(item.name)) for item in unique]),
        np.array(calm)[rows],
        generator.integers(0, 15_000, len(unique)),
    )


def _bucket_label(name: str) -> tuple[str, ...]:
    return ("le",) if name.endswith("_bucket") else ()
