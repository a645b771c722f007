"""Public rules on fewer series: metrics of unrelated rules become one.

A thousand public rules name 750 metrics; fifty series of each are 40,000. Folding renames metrics,
and nothing else of a rule, so that several rules read the same series. Two metrics become one only
if both are counters, buckets or gauges, no rule reads both, no two leaves become equal (which
streamgauge would evaluate once), their matchers can share series, and alerts fire at the same
end of their values.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any

from rules_load import Metric, PublicRule, holding, wanted_metrics

from engine.promql.prepare import at_ends, prepare
from engine.promql.selector import Selector
from engine.rules.reads import queries_of


@dataclass
class _Use:
    """How the rules use a metric: in which rules, and in which leaves, the name left out."""

    rules: set[int] = field(default_factory=set)
    leaves: set[str] = field(default_factory=set)
    selectors: list[Selector] = field(default_factory=list)


def folded(rules: list[PublicRule]) -> list[PublicRule]:
    """Give the rules with metrics renamed, so that they need few series."""
    uses = _uses(rules)
    wanted = wanted_metrics(rules)
    pools: dict[str, Metric] = {}
    names: dict[str, str] = {}
    for name in sorted(wanted, key=lambda name: -len(wanted[name].families)):
        best = None
        for pool in pools.values():
            merged = _merged(pool, uses[pool.name], wanted[name], uses[name])
            if merged is None:
                continue
            added = len(merged.families) - len(pool.families)
            price = added, len(pool.labels ^ wanted[name].labels)
            if added < len(wanted[name].families) and (best is None or price < best[0]):
                best = price, merged
        pool = best[1] if best else wanted[name]
        pools[pool.name] = pool
        names[name] = pool.name
        if best:
            use = uses[pool.name]
            use.rules |= uses[name].rules
            use.leaves |= uses[name].leaves
            use.selectors += [replace(item, name=pool.name) for item in uses[name].selectors]
    return [_renamed_rule(rule, names) for rule in rules]


def _uses(rules: list[PublicRule]) -> dict[str, _Use]:
    uses: dict[str, _Use] = defaultdict(_Use)
    for number, rule in enumerate(rules):
        for query in queries_of(prepare(at_ends(rule.expression, None, None)), 1):
            name = query.leaf.selector.name
            if name is not None:
                use = uses[name]
                use.rules.add(number)
                use.leaves.add(query.leaf.text.replace(name, "", 1))
        for selector in rule.selectors():
            if selector.name is not None and selector not in uses[selector.name].selectors:
                uses[selector.name].selectors.append(selector)
    return uses


def _merged(pool: Metric, use: _Use, other: Metric, its_use: _Use) -> Metric | None:
    """Give the metric that two become, None if they can't be one."""
    if pool.kind != other.kind or use.rules & its_use.rules or use.leaves & its_use.leaves:
        return None
    merged = Metric(pool.name, labels=pool.labels | other.labels, bounds=pool.bounds + other.bounds)
    if holding(merged.level(0.0), merged.bounds) > holding(pool.level(0.0), pool.bounds) + holding(
        other.level(0.0), other.bounds
    ):
        return None
    for selector in (*use.selectors, *its_use.selectors):
        merged.want(selector)
    merged.families[0].alarming = pool.alarming + other.alarming
    return merged


def _renamed_rule(rule: PublicRule, names: Mapping[str, str]) -> PublicRule:
    expression = _renamed(rule.expression, names)
    return PublicRule(rule.group, rule.fields | {"expr": str(expression)}, expression)


def _renamed(node: Any, names: Mapping[str, str]) -> Any:
    if isinstance(node, tuple):
        return tuple(_renamed(item, names) for item in node)
    if not is_dataclass(node) or isinstance(node, type):
        return node
    if isinstance(node, Selector):
        return replace(node, name=names.get(node.name or "", node.name))
    return replace(
        node, **{item.name: _renamed(getattr(node, item.name), names) for item in fields(node)}
    )
