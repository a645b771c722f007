"""The plan of all rules: their leaves for stage 1, their combinations for stage 2."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.rules.leaves import Query
from engine.rules.lifecycle import FIRE_ON_ABSENT, HOLD_ON_ABSENT, RESOLVE_ON_ABSENT
from engine.rules.model import AlertRule, RuleGroup
from engine.rules.promql import Comparison, Expression

LANES = 8
"""Rule lanes of a flow, over which the groups are spread by their name; part of the state."""


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


ON_ABSENT = {
    "resolve": RESOLVE_ON_ABSENT,
    "hold": HOLD_ON_ABSENT,
    "fire": FIRE_ON_ABSENT,
}


@dataclass(frozen=True, kw_only=True)
class RulePlan:
    """One alert rule with the queries it reads.

    `query` gives its results, or all values where `comparison` is left to stage 2; `hold_query`
    those of `options.hold_while`.
    """

    rule: AlertRule
    interval_ns: int
    query: int
    comparison: Comparison | None
    hold_query: int | None
    options: Options

    @property
    def key(self) -> str:
        """What a rule keeps its state by: group, name and labels (design 3.3)."""
        rule = self.rule
        labels = ",".join(f"{name}={template.text}" for name, template in rule.labels)
        return f"{rule.file}|{rule.group}|{rule.name}|{labels}"


@dataclass(frozen=True, kw_only=True)
class GroupPlan:
    """A rule group in its lane."""

    file: str
    name: str
    interval_ns: int
    lane: int
    rules: tuple[RulePlan, ...]


@dataclass(frozen=True, kw_only=True)
class RulesPlan:
    """All queries and groups; `lanes_of` says which lanes a query's results go to."""

    queries: tuple[Query, ...]
    groups: tuple[GroupPlan, ...]
    lanes_of: tuple[tuple[int, ...], ...]

    @property
    def lanes(self) -> tuple[int, ...]:
        """Lanes that have a group."""
        return tuple(sorted({group.lane for group in self.groups}))


def plan_rules(
    groups: Sequence[RuleGroup], options_of: Callable[[AlertRule], Options]
) -> RulesPlan:
    """Plan rule groups, each alert with its options.

    Equal leaves are evaluated once. Groups are put into lanes by their file and name alone, so
    that adding one moves none of the others.
    """
    queries: dict[Query, int] = {}

    def number(expression: Expression, interval_ns: int, *, filtered: bool) -> int:
        comparison = expression.comparison if filtered else None
        query = Query(expression.leaf, interval_ns, comparison)
        return queries.setdefault(query, len(queries))

    def plan_rule(rule: AlertRule, interval_ns: int) -> RulePlan:
        its_options = options_of(rule)
        filtered = not its_options.needs_presence
        hold = its_options.hold_while
        return RulePlan(
            rule=rule,
            interval_ns=interval_ns,
            query=number(rule.expression, interval_ns, filtered=filtered),
            comparison=None if filtered else rule.expression.comparison,
            hold_query=number(hold, interval_ns, filtered=True) if hold else None,
            options=its_options,
        )

    planned = tuple(
        GroupPlan(
            file=group.file,
            name=group.name,
            interval_ns=group.interval_ns,
            lane=lane_of(group.file, group.name),
            rules=tuple(plan_rule(rule, group.interval_ns) for rule in group.rules),
        )
        for group in groups
    )
    readers: list[set[int]] = [set() for _ in queries]
    for group in planned:
        for rule in group.rules:
            readers[rule.query].add(group.lane)
            if rule.hold_query is not None:
                readers[rule.hold_query].add(group.lane)
    return RulesPlan(
        queries=tuple(queries),
        groups=planned,
        lanes_of=tuple(tuple(sorted(lanes)) for lanes in readers),
    )


def lane_of(file: str, group: str) -> int:
    """Lane of a group: the sum of its text's bytes modulo the lanes, stable across versions."""
    return sum(f"{file}|{group}".encode()) % LANES
