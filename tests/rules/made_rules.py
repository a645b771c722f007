"""Rules, plans and results for the tests of stage 2."""

import numpy as np

from engine.config.durations import MINUTE_NS, parse_duration
from engine.promql.leaf import ENDED, passes
from engine.promql.matrix import Block, Matrix, Table
from engine.promql.parse import Language, parse_condition
from engine.rules.alerting import AlertEvaluation
from engine.rules.model import AlertRule, RecordingRule, RuleGroup
from engine.rules.plan import Options, plan_rules
from engine.rules.templates import Template
from engine.series.identity import Series


def templates(texts):
    return tuple((name, Template.parse(text)) for name, text in sorted((texts or {}).items()))


def expression_of(text):
    return parse_condition(text, Language(MINUTE_NS, 10**15))


def rule_of(
    name="A", expression="m > 1", *, hold="0s", keep="0s", labels=None, annotations=None, group="g"
):
    return AlertRule(
        file="r.yaml", group=group, name=name, expression=expression_of(expression),
        for_ns=parse_duration(hold), keep_firing_for_ns=parse_duration(keep),
        labels=templates(labels), annotations=templates(annotations), line=1,
    )  # fmt: skip


def recording_of(name, expression, *, labels=None, group="g"):
    return RecordingRule(
        file="r.yaml", group=group, name=name, expression=expression_of(expression),
        labels=tuple(sorted((labels or {}).items())), line=1,
    )  # fmt: skip


def group_of(*rules, name="g", interval_ns=MINUTE_NS, **fields):
    return RuleGroup(file="r.yaml", name=name, interval_ns=interval_ns, rules=rules, **fields)


def plan_of(*groups, **options):
    """Plan groups; the options are those of all their rules."""
    return plan_rules(groups, lambda rule: Options(**options))


def evaluation_of(rule, *, interval_ns=MINUTE_NS, limit=100, group_limit=0, **options):
    """Give the evaluation of an alert rule that is alone in its group."""
    plan = plan_of(group_of(rule, interval_ns=interval_ns), **options)
    (rule_plan,) = plan.rules
    return AlertEvaluation(rule_plan, rule, limit=limit, group_limit=group_limit)


def series_of(i, name="m"):
    return Series.of(name, {"i": str(i)})


def block_of(first_minute, last_minute):
    """A block of ticks, a minute apart, both ends included."""
    return Block(np.arange(first_minute, last_minute + 1) * MINUTE_NS, MINUTE_NS)


class GivenSource:
    """Results as they are given: (minute, i, value) rows, by metric.

    `ended` holds those where the source has ended a series; `contexts` those of the metric m.
    """

    def __init__(self, rows, *, ended=(), contexts=None):
        self.rows = rows
        self.ended = ended
        self.given_contexts = contexts or {}

    def leaf(self, leaf, block, parameters):
        del parameters
        name = leaf.selector.name
        rows = self.ended if leaf.function == ENDED else self.rows.get(name, ())
        first, last = int(block.ticks[0]), int(block.ticks[-1])
        inside = [row for row in rows if first <= row[0] * MINUTE_NS <= last]
        labels = sorted({series_of(i, name).all_labels for _, i, _ in inside})
        value = np.full((len(labels), len(block.ticks)), np.nan)
        present = np.zeros(value.shape, np.bool_)
        for minute, i, number in inside:
            row = labels.index(series_of(i, name).all_labels)
            place = (minute * MINUTE_NS - first) // block.interval_ns
            value[row, place], present[row, place] = number, True
        return Matrix(Table(labels), value, present & passes(value, leaf.comparison))

    def contexts(self, leaf, interval_ns):
        del leaf, interval_ns
        return {
            (series_of(i).labels, minute * MINUTE_NS): np.array(context, float)
            for (minute, i), context in self.given_contexts.items()
        }
