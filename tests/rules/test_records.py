"""Records say what happened in the contract's form; their ids say only what they are of."""

import math

import numpy as np
import pytest
from made_rules import MINUTE_NS, GivenSource, block_of, evaluation_of, rule_of

from engine.detectors.signals import masks
from engine.events import event_id, rfc3339
from engine.promql.matrix import Matrix, Table
from engine.rules.lifecycle import HOLD_ON_ABSENT
from engine.rules.records import alert_records
from engine.series.identity import Series, fingerprint_of


def records(evaluation, rows, last_minute, *, full_from=-(2**63)):
    return records_of(evaluation, GivenSource({"m": rows}), last_minute, full_from=full_from)


def records_of(evaluation, source, last_minute=0, *, full_from=-(2**63)):
    changes, contexts = evaluation.evaluate(block_of(0, last_minute), source)
    return alert_records(evaluation, changes, contexts, full_from=full_from)


RULE = rule_of(
    "Hot", hold="1m", keep="1m", labels={"team": "of {{ $labels.i }}"},
    annotations={"a": "{{ $labels.__name__ }} {{ $value }}"},
)  # fmt: skip
ROWS = [(0, 7, 2.0), (1, 7, 3.0), (2, 7, 4.0), (3, 7, 5.0)]


def test_an_episode_in_all_its_records():
    told = records(evaluation_of(RULE), ROWS, 22)
    labels = {"alertname": "Hot", "i": "7", "team": "of 7"}
    fingerprint = f"{fingerprint_of(labels.items()):016x}"
    assert {alert.fingerprint for alert in told} == {fingerprint}
    events = [alert.event for alert in told]
    shown = [
        event and (event.status, event.value, event.annotations["a"], event.seq) for event in events
    ]
    assert shown == [
        ("pending", 2.0, "m 2", 0), ("firing", 3.0, "m 3", 1), ("firing", 5.0, "m 5", 2),
        ("resolved", 5.0, "m 5", 3), None,
    ]  # fmt: skip
    minutes = [(alert.tick // MINUTE_NS) for alert in told]
    assert minutes == [0, 1, 3, 5, 21]
    for event, minute in zip(events[:-1], minutes, strict=False):
        assert event.labels == labels
        assert event.activeAt == rfc3339(0)
        assert event.evaluatedAt == rfc3339(minute * MINUTE_NS)
        # An alert starts when it fires, as in Prometheus.
        assert event.startsAt == rfc3339(0 if minute == 0 else MINUTE_NS)
        ends = minute if event.status == "resolved" else minute + 4
        assert event.endsAt == rfc3339(ends * MINUTE_NS)
        assert not event.partial_window


def test_a_firing_record_ends_after_four_of_the_longer_times():
    evaluation = evaluation_of(rule_of(), interval_ns=MINUTE_NS // 4)
    assert records(evaluation, ROWS[:1], 0)[0].event.endsAt == rfc3339(4 * MINUTE_NS)
    evaluation = evaluation_of(rule_of(), interval_ns=5 * MINUTE_NS)
    assert records(evaluation, ROWS[:1], 0)[0].event.endsAt == rfc3339(20 * MINUTE_NS)


def test_a_dropped_pending_alert_leaves_a_tombstone():
    told = records(evaluation_of(RULE), ROWS[:1], 3)
    assert [alert.event and alert.event.status for alert in told] == ["pending", None]
    assert told[0].fingerprint == told[1].fingerprint


def test_the_id_is_the_documented_hash():
    (pending, *_) = records(evaluation_of(RULE), ROWS, 0)
    assert pending.event.id == event_id(
        "alert", "r.yaml", "g", "Hot", pending.fingerprint, 0, "pending", 0
    )


def test_ids_tell_records_apart_and_values_do_not_make_them():
    rows = [(minute, i, 2.0) for minute in range(5) for i in range(4)]
    told = [alert.event.id for alert in records(evaluation_of(RULE), rows, 10) if alert.event]
    assert len(set(told)) == len(told)
    other = [(minute, i, 9.0) for minute, i, _ in rows]
    again = [alert.event.id for alert in records(evaluation_of(RULE), other, 10) if alert.event]
    assert again == told


def test_records_of_a_tick_are_in_the_order_of_their_labels():
    rows = [(0, i, 2.0) for i in (3, 10, 2)]
    told = records(evaluation_of(rule_of()), rows, 0)
    assert [alert.event.labels["i"] for alert in told] == ["10", "2", "3"]


def test_before_its_windows_are_full_a_rule_says_so():
    evaluation = evaluation_of(rule_of())
    told = records(evaluation, ROWS, 3, full_from=2 * MINUTE_NS)
    assert [(alert.tick // MINUTE_NS, alert.event.partial_window) for alert in told] == [
        (0, True), (2, False),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "said"), [(math.inf, "+Inf"), (2.5, 2.5)]
)  # fmt: skip
def test_values_that_json_has_no_form_for_are_text(value, said):
    (told,) = records(evaluation_of(rule_of()), [(0, 1, value)], 0)
    assert told.event.value == said


def test_the_reason_of_a_rule_over_values():
    (told,) = records(evaluation_of(rule_of("A", "m > 1")), [(0, 1, 2.5)], 0)
    assert told.event.reason == 'm{i="1"} is 2.5 > 1 since 1970-01-01T00:00:00Z'
    rule = rule_of("A", "avg_over_time(m[5m])")
    (told,) = records(evaluation_of(rule), [(0, 1, 1234567.0)], 0)
    assert told.event.reason == 'avg_over_time(m{i="1"}[5m]) is 1.235M since 1970-01-01T00:00:00Z'


def masked(*names):
    return masks(names, np.ones((len(names), 1), np.float32))[0]


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        (
            (10.0, 8.0, 12.0, masked("range", "step", "daily rhythm"), 1.0),
            ", expected 10 (8 to 12) for Thursday 00:00; range, daily rhythm and step broke",
        ),
        ((10.0, 8.0, 12.0, 0.0, 1.0), ", expected 10 (8 to 12) for Thursday 00:00"),
        ((*(math.nan,) * 3, masked("range"), 1.0), "; range broke"),
        ((*(math.nan,) * 3, masked("range"), 2**0.5), "; range broke; boundary x1.41 by feedback"),
        ((*(math.nan,) * 3, 0.0, 0.5), "; boundary x0.50 by feedback"),
    ],
)
def test_the_reason_of_a_rule_over_anomalies(expected, text):
    told_of = Series.of("anomaly_onset", {"i": "1", "metric": "cpu", "detector": "default"})

    class Anomalies:
        def leaf(self, leaf, block, parameters):
            shape = 1, len(block.ticks)
            return Matrix(Table([told_of.all_labels]), np.full(shape, 3.0), np.ones(shape, bool))

        def contexts(self, leaf, interval_ns):
            return {(told_of.labels, 0): np.array([1500.0, 42.0, *expected])}

    (told,) = records_of(evaluation_of(rule_of("A", "anomaly_onset > 1")), Anomalies())
    assert told.event.reason == 'cpu{i="1"} was 42 at 1970-01-01T00:00:01.5Z' + text
    assert told.event.labels == {
        "alertname": "A", "i": "1", "metric": "cpu", "detector": "default",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("1 < m", 'm{i="1"} is 2.5 > 1 since 1970-01-01T00:00:00Z'),
        ("sum(m) > 2", "sum(m) is 2.5 > 2 since 1970-01-01T00:00:00Z"),
        ("m * 2 > 2", 'm * 2 of {i="1"} is 5 > 2 since 1970-01-01T00:00:00Z'),
        ("quantile_over_time(0.5, m[5m])",
         'quantile_over_time(0.5, m[5m]) of {i="1"} is 2.5 since 1970-01-01T00:00:00Z'),
        ("m unless other", 'm unless other of {i="1"} is 2.5 since 1970-01-01T00:00:00Z'),
    ],
)  # fmt: skip
def test_the_reason_names_the_expression_where_it_is_no_leaf(expression, reason):
    (told,) = records(evaluation_of(rule_of("A", expression)), [(0, 1, 2.5)], 0)
    assert told.event.reason == reason


def test_the_reason_of_a_series_that_is_gone():
    held = evaluation_of(rule_of("A", "m > 1"), on_absent=HOLD_ON_ABSENT)
    told = records(held, [(0, 1, 2.5)], 2)
    assert told[-1].event.reason == 'm{i="1"} has had no data since 1970-01-01T00:00:00Z'
    source = GivenSource({"m": [(0, 1, 2.5)]}, ended=[(1, 1, 1.0)])
    ended = evaluation_of(rule_of("A", "m > 1"), on_absent=HOLD_ON_ABSENT)
    told = records_of(ended, source, 1)
    assert told[-1].event.reason == 'm{i="1"} was ended by its source (stale marker)'
    assert told[-1].event.status == "resolved"
