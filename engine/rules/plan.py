"""The plan of all rules: their queries for stage 1, their groups and clusters for stage 2."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from engine.promql.leaf import Comparison
from engine.promql.prepare import at_ends, prepare
from engine.promql.selector import Selector
from engine.promql.syntax import Expression
from engine.rules.lifecycle import FIRE_ON_ABSENT, HOLD_ON_ABSENT, RESOLVE_ON_ABSENT
from engine.rules.model import AlertRule, RecordingRule, Rule, RuleGroup
from engine.rules.queries import Query
from engine.rules.reads import ended, queries_of, unfiltered
from engine.rules.templates import NO_EXTERNAL, External
from engine.series.identity import NAME_LABEL

LANES = 8
"""Rule lanes of a flow, over which the groups are spread by their name; part of the state."""

ALERTS, ALERTS_FOR_STATE = "ALERTS", "ALERTS_FOR_STATE"
"""Series that alerts make, as in Prometheus: 1 while it is pending or firing, and since when."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What Prometheus' format can't say of an alert.

    Attributes
    ----------
    gap_tolerance : int
        Ticks without data that neither break off `for` nor resolve.
    resolve : Comparison or None
        A firing alert stays while its value passes this.
    on_absent : int
        `RESOLVE_ON_ABSENT`, `HOLD_ON_ABSENT` or `FIRE_ON_ABSENT`.
    hold_while : Expression or None
        A firing alert stays while this has a result with its labels.
    """

    gap_tolerance: int = 0
    resolve: Comparison | None = None
    on_absent: int = RESOLVE_ON_ABSENT
    hold_while: Expression | None = None

    @property
    def needs_presence(self) -> bool:
        """Whether results that fail the comparison matter, too."""
        return self.gap_tolerance > 0 or self.on_absent != RESOLVE_ON_ABSENT or bool(self.resolve)


NO_OPTIONS = Options()

ON_ABSENT = {
    "resolve": RESOLVE_ON_ABSENT,
    "hold": HOLD_ON_ABSENT,
    "fire": FIRE_ON_ABSENT,
}


@dataclass(frozen=True, kw_only=True)
class RulePlan:
    """One rule with the expressions that are evaluated for it.

    `key` is what the rule keeps its state by. `present` has a result wherever the rule's series
    are there, `ended` where their source has ended them, `hold` is that of its options. `is_read`
    says that rules may see what it makes.
    """

    rule: Rule
    key: str
    interval_ns: int
    expression: Expression
    present: Expression | None
    ended: Expression | None
    hold: Expression | None
    options: Options
    is_read: bool


@dataclass(frozen=True, kw_only=True)
class GroupPlan:
    """A rule group."""

    file: str
    name: str
    interval_ns: int
    limit: int
    rules: tuple[RulePlan, ...]

    @property
    def key(self) -> str:
        """What the group keeps its last tick by."""
        return f"{self.file}|{self.name}|{self.interval_ns}"


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Groups that read each other's series, in file order; they share a lane.

    Attributes
    ----------
    groups : tuple of GroupPlan
    lane : int
    wait_ns : int
        How much longer than the lateness its groups wait: the largest `query_offset`.
    by_ticks : bool
        Whether a rule reads what it or a later one makes, so that ticks can't be taken together.
    """

    groups: tuple[GroupPlan, ...]
    lane: int
    wait_ns: int
    by_ticks: bool


@dataclass(frozen=True, kw_only=True)
class RulesPlan:
    """All queries and clusters; `lanes_of` says which lanes a query's results go to.

    `external` is what templates know of the installation.
    """

    queries: tuple[Query, ...]
    clusters: tuple[Cluster, ...]
    lanes_of: tuple[tuple[int, ...], ...]
    external: External = NO_EXTERNAL

    @property
    def lanes(self) -> tuple[int, ...]:
        """Lanes that have a group."""
        return tuple(sorted({cluster.lane for cluster in self.clusters}))

    @property
    def rules(self) -> Iterator[RulePlan]:
        """All rules."""
        for cluster in self.clusters:
            for group in cluster.groups:
                yield from group.rules


@dataclass(frozen=True, slots=True)
class _Reader:
    """A rule on the way to its plan: its place among groups, and what it reads."""

    rule: Rule
    key: str
    group: int
    expression: Expression
    present: Expression | None
    ended: Expression | None
    hold: Expression | None
    options: Options
    queries: tuple[Query, ...]


def plan_rules(
    groups: Sequence[RuleGroup],
    options_of: Callable[[AlertRule], Options],
    *,
    external: External = NO_EXTERNAL,
    keep_all: bool = False,
) -> RulesPlan:
    """Plan rule groups, each alert with its options; `keep_all` makes all rules' series.

    Equal leaves are evaluated once. Clusters are put into lanes by their first group's file and
    name alone, so that adding one moves none of the others.
    """
    readers = [
        _reader(rule, key, number, group.interval_ns, options_of)
        for number, group in enumerate(groups)
        for rule, key in zip(group.rules, _keys(group.rules), strict=True)
    ]
    links = list(_links(readers))
    read = set(range(len(readers))) if keep_all else {writer for writer, _ in links}
    clusters = []
    queries: dict[Query, set[int]] = {}
    for numbers in _joined(len(groups), [(readers[w].group, readers[r].group) for w, r in links]):
        members = frozenset(numbers)
        lane = lane_of(groups[numbers[0]].file, groups[numbers[0]].name)
        for reader in readers:
            if reader.group in members:
                for query in reader.queries:
                    queries.setdefault(query, set()).add(lane)
        clusters.append(
            Cluster(
                groups=tuple(_group_plan(groups[n], n, readers, read) for n in numbers),
                lane=lane,
                wait_ns=max(groups[number].query_offset_ns for number in numbers),
                by_ticks=any(w >= r for w, r in links if readers[r].group in members),
            )
        )
    return RulesPlan(
        queries=tuple(queries),
        clusters=tuple(clusters),
        lanes_of=tuple(tuple(sorted(lanes)) for lanes in queries.values()),
        external=external,
    )


def lane_of(file: str, group: str) -> int:
    """Lane of a group: the sum of its text's bytes modulo the lanes, stable across versions."""
    return sum(f"{file}|{group}".encode()) % LANES


def _keys(rules: Sequence[Rule]) -> Iterator[str]:
    """Name the rules of a group; of those with equal name and labels the order tells."""
    seen: dict[str, int] = {}
    for rule in rules:
        count = seen[rule.key] = seen.get(rule.key, 0) + 1
        yield rule.key if count == 1 else f"{rule.key}#{count}"


def _reader(
    rule: Rule,
    key: str,
    group: int,
    interval_ns: int,
    options_of: Callable[[AlertRule], Options],
) -> _Reader:
    options = options_of(rule) if isinstance(rule, AlertRule) else NO_OPTIONS
    expression = at_ends(rule.expression, None, None)
    present = unfiltered(expression) if options.needs_presence else None
    its_end = ended(present) if present is not None else None
    hold = at_ends(options.hold_while, None, None) if options.hold_while is not None else None
    queries = dict.fromkeys(
        query
        for item in (expression, present, its_end, hold)
        if item is not None
        for query in queries_of(prepare(item), interval_ns)
    )
    return _Reader(rule, key, group, expression, present, its_end, hold, options, tuple(queries))


def _group_plan(
    group: RuleGroup, number: int, readers: Sequence[_Reader], read: set[int]
) -> GroupPlan:
    return GroupPlan(
        file=group.file,
        name=group.name,
        interval_ns=group.interval_ns,
        limit=group.limit,
        rules=tuple(
            RulePlan(
                rule=reader.rule,
                key=reader.key,
                interval_ns=group.interval_ns,
                expression=reader.expression,
                present=reader.present,
                ended=reader.ended,
                hold=reader.hold,
                options=reader.options,
                is_read=place in read,
            )
            for place, reader in enumerate(readers)
            if reader.group == number
        ),
    )


def _links(readers: Sequence[_Reader]) -> Iterator[tuple[int, int]]:
    """Yield (writer, reader) for each rule that may read another one's series, or its own."""
    by_name: dict[str, list[int]] = {}
    for place, reader in enumerate(readers):
        for name in _writes(reader.rule):
            by_name.setdefault(name, []).append(place)
    for place, reader in enumerate(readers):
        writers = {
            writer
            for query in reader.queries
            for name in _names_of(query.leaf.selector, by_name)
            for writer in by_name[name]
            if _may_select(query.leaf.selector, readers[writer].rule)
        }
        yield from ((writer, place) for writer in sorted(writers))


def _writes(rule: Rule) -> tuple[str, ...]:
    return (rule.name,) if isinstance(rule, RecordingRule) else (ALERTS, ALERTS_FOR_STATE)


def _names_of(selector: Selector, names: dict[str, list[int]]) -> list[str]:
    """Which of the written names a selector may mean."""
    if selector.name is not None:
        return [selector.name] if selector.name in names else []
    on_name = [matcher for matcher in selector.matchers if matcher.name == NAME_LABEL]
    return [name for name in names if all(matcher.matches(name) for matcher in on_name)]


def _may_select(selector: Selector, rule: Rule) -> bool:
    """Whether the labels that a rule always gives allow that the selector takes its series."""
    fixed = dict(rule.labels) if isinstance(rule, RecordingRule) else {"alertname": rule.name}
    return all(
        matcher.matches(fixed[matcher.name])
        for matcher in selector.matchers
        if matcher.name in fixed
    )


def _joined(count: int, links: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Give the connected sets of ``range(count)``, each in order."""
    root = list(range(count))

    def find(number: int) -> int:
        while root[number] != number:
            number = root[number]
        return number

    for one, other in links:
        low, high = sorted((find(one), find(other)))
        root[high] = low
    sets: dict[int, list[int]] = {}
    for number in range(count):
        sets.setdefault(find(number), []).append(number)
    return list(sets.values())
