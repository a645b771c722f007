"""A rule over blocks of ticks: which results make, hold and end its alerts, at any cut."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_rules import MINUTE_NS, block_of, group_of, plan_of, rule_of, series_of
from naive_lifecycle import NaiveRule
from naive_windows import OPERATORS

from engine.rules.evaluate import RuleEvaluation, passes
from engine.rules.leaves import LeafRows
from engine.rules.lifecycle import (
    BECAME_FIRING,
    BECAME_RESOLVED,
    FALSE,
    FIRE_ON_ABSENT,
    HOLD_ON_ABSENT,
    HOLDS,
    REFRESH,
    RESOLVE_ON_ABSENT,
    TRUE,
)
from engine.rules.promql import Comparison, parse_expression

SERIES = 3
MINUTES = 30
VALUES = st.dictionaries(
    st.tuples(st.integers(0, MINUTES - 1), st.integers(0, SERIES - 1)),
    st.sampled_from([0.0, 1.0, 1.5, 2.0, 3.0, float("nan")]),
    max_size=60,
)
CUTS = st.sets(st.integers(1, MINUTES - 1), max_size=6)


def evaluation_of(rule, **options):
    return RuleEvaluation(plan_of(group_of(rule), **options).groups[0].rules[0], limit=100)


def run(evaluation, rows, holds=(), cuts=()):
    """Changes as (tick, series, transition, value, active_at, sequence), by tick."""
    said = []
    edges = [0, *sorted(cuts), MINUTES]
    for begin, end in itertools.pairwise(edges):
        parts = []
        for source, name in ((rows, "m"), (holds, "held")):
            inside = [row for row in source if begin <= row[0] < end]
            # Two shards, as it were.
            halves = [inside[::2], inside[1::2]]
            parts.append([block_of(half, name=name) for half in halves if half])
        changes, _ = evaluation.evaluate(*parts, begin * MINUTE_NS, (end - 1) * MINUTE_NS)
        for change in changes:
            labels = dict(evaluation.table.identities[change["alert"]].labels)
            fields = ("transition", "value", "active_at", "sequence")
            said.append(
                (int(change["tick"]), int(labels["i"]), *(change[name].item() for name in fields))
            )
        evaluation.release((end - 1) * MINUTE_NS)
    # An alert without a result yet has the value NaN, which equals nothing.
    return sorted((*c[:3], 0.0 if np.isnan(c[3]) else c[3], *c[4:]) for c in said)


def naive(rule, options, conditions):
    """The twin on (minute, series, condition, value) rows."""
    twin = NaiveRule(rule.for_ns, rule.keep_firing_for_ns, remember_ns=10**15, **options)
    return sorted(
        (*change[:5], change[6])
        for minute in range(MINUTES)
        for change in twin.tick(
            minute * MINUTE_NS, [row[1:] for row in conditions if row[0] == minute], range(SERIES)
        )
    )


@settings(max_examples=100, deadline=None, derandomize=True)
@given(VALUES, CUTS)
def test_filtered_results_make_alerts(values, cuts):
    rule = rule_of(hold="2m", keep="1m")
    # Stage 1 has left out what fails the comparison.
    rows = [(minute, i, value) for (minute, i), value in values.items() if value > 1]
    got = run(evaluation_of(rule), rows, cuts=cuts)
    conditions = [(minute, i, TRUE, value) for minute, i, value in rows]
    assert got == naive(rule, {}, conditions)


OPTIONS = st.fixed_dictionaries(
    {
        "gap_tolerance": st.sampled_from([0, 2]),
        "on_absent": st.sampled_from([RESOLVE_ON_ABSENT, HOLD_ON_ABSENT, FIRE_ON_ABSENT]),
    }
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(VALUES, VALUES, OPTIONS, CUTS)
def test_all_values_say_what_they_mean(values, held, options, cuts):
    rule = rule_of(hold="1m")
    options |= {"resolve": Comparison(">=", 1.5)}
    evaluation = evaluation_of(
        rule_of(expression="m > 2", hold="1m"),
        hold_while=parse_expression("held", max_window_ns=1), **options,
    )  # fmt: skip
    rows = [(minute, i, value) for (minute, i), value in values.items()]
    holds = [(minute, i, 7.0) for minute, i in held]
    conditions = [
        (minute, i, TRUE if value > 2 else HOLDS if value >= 1.5 else FALSE, value)
        for minute, i, value in rows
    ] + [(minute, i, HOLDS, value) for minute, i, value in holds]
    del options["resolve"]
    got = run(evaluation, rows, holds, cuts)
    assert got == naive(rule, options, conditions)


def test_equal_labels_fail_the_tick():
    rule = rule_of(labels={"i": "0"})
    evaluation = evaluation_of(rule)
    rows = [(0, 1, 2.0), (1, 1, 2.0), (1, 2, 2.0), (3, 2, 5.0)]
    said = run(evaluation, rows)
    # At minute 1 nothing changes, at minute 2 the alert ends.
    assert [(tick // MINUTE_NS, transition) for tick, _, transition, *_ in said][:3] == [
        (0, BECAME_FIRING), (2, BECAME_RESOLVED), (3, BECAME_FIRING),
    ]  # fmt: skip
    assert evaluation.failures == 1


def test_a_label_by_value_makes_an_alert_of_each_value():
    rule = rule_of(labels={"level": "{{ $value }}"})
    evaluation = evaluation_of(rule)
    said = run(evaluation, [(0, 1, 2.0), (1, 1, 3.0)])
    assert [(tick // MINUTE_NS, transition, value) for tick, _, transition, value, *_ in said][
        :3
    ] == [
        (0, BECAME_FIRING, 2.0), (1, BECAME_FIRING, 3.0), (1, BECAME_RESOLVED, 2.0),
    ]  # fmt: skip


def test_nothing_is_kept_of_what_nothing_holds():
    evaluation = evaluation_of(rule_of(hold="5m"))
    run(evaluation, [(minute, i, 2.0) for minute in range(2) for i in range(90)])
    assert len(evaluation.table) == 0


@pytest.mark.parametrize("cuts", [(), (1, 2, 3, 4), (3,)])
def test_a_change_comes_with_the_context_of_its_last_result(cuts):
    rows = [(0, 0, 2.0), (1, 0, 3.0), (4, 0, 4.0)]
    evaluation = evaluation_of(rule_of(keep="2m"))
    found = []
    edges = [0, *cuts, 6]
    for begin, end in itertools.pairwise(edges):
        inside = [row for row in rows if begin <= row[0] < end]
        context = np.array([[minute, value, 0, 0, 0] for minute, _, value in inside], np.float64)
        blocks = [block_of(inside, context=context)] if inside else []
        changes, contexts = evaluation.evaluate(
            blocks, [], begin * MINUTE_NS, (end - 1) * MINUTE_NS
        )
        found += [
            (int(change["tick"]) // MINUTE_NS, int(change["transition"]), row[1])
            for change, row in zip(changes, contexts, strict=True)
        ]
        evaluation.release((end - 1) * MINUTE_NS)
    assert found == [(0, BECAME_FIRING, 2.0), (2, REFRESH, 3.0), (4, REFRESH, 4.0)]


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.sampled_from(sorted(OPERATORS)), st.lists(st.floats(), max_size=5), st.floats())
def test_comparisons_are_ieee(op, values, bound):
    got = passes(np.array(values), Comparison(op, bound))
    assert got.tolist() == [OPERATORS[op](value, bound) for value in values]


def test_no_comparison_lets_all_pass():
    assert passes(np.array([float("nan"), 1.0]), None).tolist() == [True, True]
    assert LeafRows(0, [series_of(0)], *(np.empty(0),) * 3).context is None
