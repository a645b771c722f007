"""Entries of a rule's alerts: made once, freed when nothing holds them, kept by a checkpoint."""

import msgspec
import numpy as np
from made_rules import rule_of, series_of

from engine.rules.lifecycle import FIRING, INACTIVE, NEVER
from engine.rules.table import AlertTable, alert_labels
from engine.series.blocks import decode_block, encode_block
from engine.series.identity import Series, fingerprint_of


def labels_of(i):
    return alert_labels(rule_of(), series_of(i), 0.0)


def entry(table, i):
    return table.entry(series_of(i), labels_of(i))


def test_labels_are_the_series_then_the_rules_then_alertname():
    rule = rule_of(
        "Hot",
        labels={
            "i": "",
            "b": "of {{ $labels.b }} {{ $value }}",
            "alertname": "x",
            "n": "{{ $labels.__name__ }}",
        },
    )
    series = Series.of("m", {"i": "1", "b": "2", "c": "3"})
    assert alert_labels(rule, series, 1.5) == (
        ("alertname", "Hot"), ("b", "of 2 1.5"), ("c", "3"), ("n", "m"),
    )  # fmt: skip


def test_an_alert_has_one_entry():
    table = AlertTable(100)
    numbers = [entry(table, i) for i in range(50)]
    assert len(set(numbers)) == len(table) == 50
    assert [entry(table, i) for i in range(50)] == numbers
    assert [table.find(labels_of(i)) for i in range(51)] == [*numbers, -1]
    identity = table.identities[numbers[7]]
    assert identity.series == series_of(7)
    assert identity.fingerprint == f"{fingerprint_of(labels_of(7)):016x}"


def test_beyond_the_limit_alerts_are_refused_and_counted():
    table = AlertTable(2)
    assert [entry(table, i) >= 0 for i in (0, 1, 2, 1, 3)] == [True, True, False, True, False]
    assert table.refused == 2
    table.release(0, 0)
    assert entry(table, 3) >= 0


def test_what_is_held_is_not_freed():
    table = AlertTable(100)
    firing, resolved, gone, seen = (entry(table, i) for i in range(4))
    table.alerts["state"][firing] = FIRING
    table.alerts["resolved_at"][resolved] = 5
    table.alerts["last_seen"][seen] = 90
    table.release(100, 0)
    assert [table.find(labels_of(i)) >= 0 for i in range(4)] == [True, True, False, False]
    assert table.identities[gone] is None
    entry(table, 3)
    table.alerts["last_seen"][table.find(labels_of(3))] = 90
    table.release(100, 10)
    assert table.find(labels_of(3)) >= 0
    table.release(101, 10)
    assert table.find(labels_of(3)) == -1


def test_a_freed_entry_begins_anew():
    table = AlertTable(100)
    number = entry(table, 0)
    for field in table.alerts.dtype.names[1:]:
        table.alerts[field][number] = 7
    table.alerts["state"][number], table.alerts["resolved_at"][number] = INACTIVE, NEVER
    table.context[number] = 1.0
    table.release(0, 0)
    again = entry(table, 1)
    assert again == number
    fresh = AlertTable(1)
    assert table.alerts[again].tobytes() == fresh.alerts[entry(fresh, 0)].tobytes()
    assert np.isnan(table.context[again]).all()


def test_a_checkpoint_keeps_it_all():
    table = AlertTable(100)
    for i in range(20):
        entry(table, i)
    table.alerts["state"][::2] = FIRING
    table.context[3] = 2.5
    table.release(0, 0)
    arrays, meta = decode_block(b"".join(encode_block(table.arrays(), table.meta())), "b")
    again = AlertTable(100)
    again.restore(arrays, msgspec.msgpack.decode(meta))
    assert len(again) == len(table)
    assert [again.find(labels_of(i)) for i in range(20)] == [
        table.find(labels_of(i)) for i in range(20)
    ]
    assert again.alerts.tobytes() == table.alerts.tobytes()
    np.testing.assert_array_equal(again.context, table.context)
    held = {table.find(labels_of(i)) for i in range(20)} - {-1}
    assert not {entry(again, i) for i in range(30, 60)} & held
