"""A rule over blocks of ticks: which results make, hold and end its alerts, at any cut."""

import itertools
import operator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_rules import MINUTE_NS, GivenSource, block_of, evaluation_of, expression_of, rule_of
from naive_leaves import OPERATORS
from naive_lifecycle import NaiveRule

from engine.promql.leaf import Comparison, passes
from engine.rules.alerting import SAME_LABELS
from engine.rules.lifecycle import (
    BECAME_FIRING,
    BECAME_PENDING,
    BECAME_RESOLVED,
    DROPPED,
    ENDED,
    FALSE,
    FIRE_ON_ABSENT,
    HOLD_ON_ABSENT,
    HOLDS,
    REFRESH,
    RESOLVE_ON_ABSENT,
    TRUE,
)

SERIES = 3
MINUTES = 30
VALUES = st.dictionaries(
    st.tuples(st.integers(0, MINUTES - 1), st.integers(0, SERIES - 1)),
    st.sampled_from([0.0, 1.0, 1.5, 2.0, 3.0, float("nan")]),
    max_size=60,
)
CUTS = st.sets(st.integers(1, MINUTES - 1), max_size=6)


def rows_of(values):
    return [(minute, i, value) for (minute, i), value in values.items()]


def run(evaluation, source, cuts=(), failed=()):
    """Changes as (tick, series, transition, value, active_at, sequence), by tick."""
    said = []
    for begin, end in itertools.pairwise([0, *sorted(cuts), MINUTES]):
        block = block_of(begin, end - 1)
        block.fail(np.isin(block.ticks // MINUTE_NS, list(failed)), "no luck")
        changes, _ = evaluation.evaluate(block, source)
        assert len(evaluation.change_series) == len(changes)
        for change in changes:
            labels = dict(evaluation.table.identities[change["alert"]].labels)
            fields = ("transition", "value", "active_at", "sequence")
            said.append(
                (int(change["tick"]), int(labels["i"]), *(change[name].item() for name in fields))
            )
        evaluation.release((end - 1) * MINUTE_NS)
    # An alert without a result yet has the value NaN, which equals nothing.
    return sorted((*c[:3], 0.0 if np.isnan(c[3]) else c[3], *c[4:]) for c in said)


def naive(rule, options, conditions, failed=()):
    """The twin on (minute, series, condition, value) rows; a tick that failed changes nothing."""
    twin = NaiveRule(rule.for_ns, rule.keep_firing_for_ns, remember_ns=10**15, **options)
    said = [
        (*change[:5], change[6])
        for minute in range(MINUTES)
        if minute not in failed
        for change in twin.tick(
            minute * MINUTE_NS, [row[1:] for row in conditions if row[0] == minute], range(SERIES)
        )
    ]
    return sorted((*c[:3], 0.0 if np.isnan(c[3]) else c[3], *c[4:]) for c in said)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(VALUES, CUTS, st.sets(st.integers(0, MINUTES - 1), max_size=4))
def test_results_make_alerts_and_failed_ticks_change_nothing(values, cuts, failed):
    rule = rule_of(hold="2m", keep="1m")
    evaluation = evaluation_of(rule)
    got = run(evaluation, GivenSource({"m": rows_of(values)}), cuts, failed)
    conditions = [(minute, i, TRUE, value) for minute, i, value in rows_of(values) if value > 1]
    assert got == naive(rule, {}, conditions, failed)
    assert evaluation.failures == len(failed)
    assert evaluation.error == ("no luck" if MINUTES - 1 in failed else "")


OPTIONS = st.fixed_dictionaries(
    {
        "gap_tolerance": st.sampled_from([0, 2]),
        "on_absent": st.sampled_from([RESOLVE_ON_ABSENT, HOLD_ON_ABSENT, FIRE_ON_ABSENT]),
    }
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(VALUES, VALUES, VALUES, OPTIONS, CUTS)
def test_all_values_say_what_they_mean(values, held, ended, options, cuts):
    rule = rule_of(expression="m > 2", hold="1m")
    evaluation = evaluation_of(
        rule, resolve=Comparison(">=", 1.5), hold_while=expression_of("held"), **options
    )
    # Where a source has ended a series there is no value.
    ended = [row for row in rows_of(ended) if row[:2] not in values]
    source = GivenSource({"m": rows_of(values), "held": rows_of(held)}, ended=ended)
    conditions = [
        (minute, i, TRUE if value > 2 else HOLDS if value >= 1.5 else FALSE, value)
        for minute, i, value in rows_of(values)
    ]
    conditions += [(minute, i, HOLDS, value) for minute, i, value in rows_of(held)]
    conditions += [(minute, i, ENDED, value) for minute, i, value in ended]
    assert run(evaluation, source, cuts) == naive(rule, options, conditions)


def test_equal_labels_fail_the_tick():
    evaluation = evaluation_of(rule_of(labels={"i": "0"}))
    rows = [(0, 1, 2.0), (1, 1, 2.0), (1, 2, 2.0), (3, 2, 5.0)]
    said = run(evaluation, GivenSource({"m": rows}))
    # At minute 1 nothing changes, at minute 2 the alert ends.
    assert [(tick // MINUTE_NS, transition) for tick, _, transition, *_ in said][:3] == [
        (0, BECAME_FIRING), (2, BECAME_RESOLVED), (3, BECAME_FIRING),
    ]  # fmt: skip
    assert evaluation.failures == 1
    assert evaluation.error == ""
    evaluation.evaluate(block_of(30, 31), GivenSource({"m": [(31, 1, 2.0), (31, 2, 2.0)]}))
    assert evaluation.error == SAME_LABELS


def test_a_label_by_value_makes_an_alert_of_each_value():
    evaluation = evaluation_of(rule_of(labels={"level": "{{ $value }}"}))
    said = run(evaluation, GivenSource({"m": [(0, 1, 2.0), (1, 1, 3.0)]}))
    assert [(tick // MINUTE_NS, transition, value) for tick, _, transition, value, *_ in said][
        :3
    ] == [
        (0, BECAME_FIRING, 2.0), (1, BECAME_FIRING, 3.0), (1, BECAME_RESOLVED, 2.0),
    ]  # fmt: skip


def test_beyond_the_groups_limit_all_alerts_end():
    evaluation = evaluation_of(rule_of(hold="1m"), group_limit=2)
    rows = [(0, 0, 2.0), (1, 0, 2.0), (2, 0, 2.0), (2, 1, 2.0), (2, 2, 2.0), (3, 0, 2.0)]
    said = run(evaluation, GivenSource({"m": rows}), cuts=(2, 3))
    assert [(tick // MINUTE_NS, i, transition) for tick, i, transition, *_ in said] == [
        (0, 0, BECAME_PENDING), (1, 0, BECAME_FIRING),
        (2, 0, BECAME_RESOLVED), (2, 1, BECAME_PENDING), (2, 1, DROPPED),
        (2, 2, BECAME_PENDING), (2, 2, DROPPED),
        (3, 0, BECAME_PENDING), (4, 0, DROPPED),
    ]  # fmt: skip
    assert evaluation.failures == 1


def test_nothing_is_kept_of_what_nothing_holds():
    evaluation = evaluation_of(rule_of(hold="5m"))
    run(evaluation, GivenSource({"m": [(m, i, 2.0) for m in range(2) for i in range(90)]}))
    assert len(evaluation.table) == 0


@pytest.mark.parametrize("cuts", [(), (1, 2, 3, 4), (3,)])
def test_a_change_comes_with_the_context_of_its_last_result(cuts):
    rows = [(0, 0, 2.0), (1, 0, 3.0), (4, 0, 4.0)]
    contexts = {(minute, 0): [minute, value, 0, 0, 0, 0, 1] for minute, _, value in rows}
    evaluation = evaluation_of(rule_of(keep="2m"))
    source = GivenSource({"m": rows}, contexts=contexts)
    found = []
    for begin, end in itertools.pairwise([0, *cuts, 6]):
        changes, context = evaluation.evaluate(block_of(begin, end - 1), source)
        found += [
            (int(change["tick"]) // MINUTE_NS, int(change["transition"]), row[1])
            for change, row in zip(changes, context, strict=True)
        ]
        evaluation.release((end - 1) * MINUTE_NS)
    assert found == [(0, BECAME_FIRING, 2.0), (2, REFRESH, 3.0), (4, REFRESH, 4.0)]


def test_a_result_of_no_labels_makes_an_alert():
    evaluation = evaluation_of(rule_of(expression="1 + 1"))
    changes, _ = evaluation.evaluate(block_of(0, 0), GivenSource({}))
    assert changes["transition"].tolist() == [BECAME_FIRING]
    assert changes["value"].tolist() == [2.0]


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.sampled_from(sorted(OPERATORS)), st.lists(st.floats(), max_size=5), st.floats())
def test_comparisons_are_ieee(op, values, bound):
    got = passes(np.array(values), Comparison(op, bound))
    assert got.tolist() == [OPERATORS[op](value, bound) for value in values]
    assert operator.not_(passes(np.array(values), None).tolist().count(False))
