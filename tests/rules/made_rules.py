"""Rules, plans and blocks for the tests of stage 2."""

import numpy as np

from engine.config.durations import parse_duration
from engine.rules.leaves import LeafRows
from engine.rules.model import AlertRule, RuleGroup
from engine.rules.plan import Options, plan_rules
from engine.rules.promql import parse_expression
from engine.rules.templates import Template
from engine.series.identity import Series

MINUTE_NS = 60 * 10**9


def templates(texts):
    return tuple((name, Template.parse(text)) for name, text in sorted((texts or {}).items()))


def rule_of(
    name="A", expression="m > 1", *, hold="0s", keep="0s", labels=None, annotations=None, group="g"
):
    return AlertRule(
        file="r.yaml", group=group, name=name,
        expression=parse_expression(expression, max_window_ns=10**15),
        for_ns=parse_duration(hold), keep_firing_for_ns=parse_duration(keep),
        labels=templates(labels), annotations=templates(annotations), line=1,
    )  # fmt: skip


def group_of(*rules, name="g", interval_ns=MINUTE_NS):
    return RuleGroup(file="r.yaml", name=name, interval_ns=interval_ns, rules=rules)


def plan_of(*groups, **options):
    """Plan groups; the options are those of all their rules."""
    return plan_rules(groups, lambda rule: Options(**options))


def series_of(i, name="m"):
    return Series.of(name, {"i": str(i)})


def block_of(rows, *, query=0, name="m", context=None):
    """LeafRows of (minute, i, value) rows."""
    numbers = sorted({i for _, i, _ in rows})
    return LeafRows(
        query,
        [series_of(i, name) for i in numbers],
        np.array([numbers.index(i) for _, i, _ in rows], np.int64),
        np.array([minute * MINUTE_NS for minute, _, _ in rows], np.int64),
        np.array([value for _, _, value in rows], np.float64),
        context,
    )
