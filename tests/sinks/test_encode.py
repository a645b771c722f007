"""Kafka records of outputs: keys, values that keep their schemas, timestamps and headers."""

import json
from datetime import UTC, datetime

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import events
from engine.clock import now_ns
from engine.events import (
    Alert,
    AlertEvent,
    DeadLetter,
    Drift,
    DriftBudget,
    DriftCause,
    DriftEvent,
    DriftWindow,
    Reason,
    RuleReference,
    ScoreBlock,
    TriggerEvent,
    quality_record,
)
from engine.series.identity import Series
from engine.sinks.encode import (
    alert_record,
    dead_letter_record,
    drift_record,
    rfc3339,
    score_records,
)

SECOND_NS = 1_000_000_000
TICK = 1_767_225_600 * SECOND_NS  # 2026-01-01
FINGERPRINT = "00ff00ff00ff00ff"
ROOM = 100_000


def alert(status="firing"):
    event = AlertEvent(
        id="1" * 32,
        fingerprint=FINGERPRINT,
        status=status,
        labels={"alertname": "A"},
        annotations={"summary": "ü"},
        startsAt="2026-01-01T00:00:00Z",
        endsAt="2026-01-01T00:04:00Z",
        generatorURL="",
        activeAt="2026-01-01T00:00:00Z",
        evaluatedAt="2026-01-01T00:00:00Z",
        value="+Inf",
        rule=RuleReference("rules.yaml", "g", "A"),
        seq=1,
        reason="because",
    )
    return Alert(FINGERPRINT, TICK, event)


def letter(**changes):
    given = {
        "source": "metrics",
        "partition": 3,
        "offset": 17,
        "reason": Reason.DECODE_ERROR,
        "detail": "why",
        "key": b"key",
        "value": b"\xff\x00",
        "ts": TICK + 999_999,
    }
    return DeadLetter(**given | changes)


def scores():
    series = [Series.of("cpu", {"zone": "ü", "host": "a"}), Series.of("memory", {})]
    ts = np.array([TICK, TICK + 1, TICK + SECOND_NS // 10])
    column = np.array([0.1, 1e300, -3.0])
    odd = np.array([np.nan, np.inf, -np.inf])
    index = np.array([1, 0, 1])
    return ScoreBlock("default", series, index, ts, column, column, column, odd, column, odd)


@pytest.mark.parametrize("status", ["pending", "firing", "resolved"])
def test_an_alert_is_a_cloud_event(status):
    record = alert_record(alert(status))
    assert record.key == FINGERPRINT.encode()
    assert record.timestamp_ms == TICK // 1_000_000
    value = json.loads(record.value)
    jsonschema.validate(value, events.json_schemas()["alerts"])
    assert (value["status"], value["annotations"], value["value"]) == (
        status,
        {"summary": "ü"},
        "+Inf",
    )
    assert dict(record.headers) == {
        "ce_specversion": b"1.0",
        "ce_id": b"1" * 32,
        "ce_source": b"/streamgauge",
        "ce_type": f"io.streamgauge.alert.{status}.v1".encode(),
        "ce_subject": FINGERPRINT.encode(),
        "ce_partitionkey": FINGERPRINT.encode(),
        "ce_time": b"2026-01-01T00:00:00Z",
        "ce_dataschema": b"schemas/alert.v1.json",
        "content-type": b"application/json",
    }


def test_a_tombstone_has_a_key_and_no_value():
    record = alert_record(Alert(FINGERPRINT, TICK, None))
    assert record == (FINGERPRINT.encode(), None, TICK // 1_000_000, [])


def test_scores_are_cloud_events_keyed_by_series():
    block = scores()
    records = list(score_records(block))

    for row, record in enumerate(records):
        series = block.series[block.index[row]]
        fingerprint = f"{series.fingerprint:016x}"
        ts = int(block.ts[row])
        value = json.loads(record.value)
        assert value == {
            "ts": events.rfc3339(ts),
            "name": series.name,
            "labels": dict(series.labels),
            **{
                name: events.number(float(getattr(block, name)[row]))
                for name in ("value", "onset", "state", "expected", "lower", "upper")
            },
            "detector": "default",
        }
        jsonschema.validate(value, events.json_schemas()["scores"])
        assert (record.key, record.timestamp_ms) == (fingerprint.encode(), ts // 1_000_000)
        headers = dict(record.headers)
        assert headers["ce_id"] == events.event_id("score", "default", fingerprint, ts).encode()
        assert headers["ce_time"] == events.rfc3339(ts).encode()
        assert headers["ce_type"] == b"io.streamgauge.score.v1"
        assert headers["ce_subject"] == headers["ce_partitionkey"] == record.key
        assert headers["ce_dataschema"] == b"schemas/score.v1.json"
    assert len({dict(record.headers)["ce_id"] for record in records}) == 3


AT = "2026-01-01T00:00:00Z"
WINDOW = DriftWindow(AT, AT, 10, 20)


def drift(status):
    cause = DriftCause(
        feature="größe", segment="", kind="data", method="psi", score="+Inf", effect=2.0,
        pValue=1e-300, importance=1.0, share=1.0,
    )  # fmt: skip
    event = DriftEvent(
        id="2" * 32, episode="3" * 32, status=status, seq=0, model="m", version="1", group="drift",
        severity="warning", openedAt=AT, onsetAt=AT, evaluatedAt=AT, window=WINDOW,
        budget=DriftBudget(1.0, 1e-5), causes=(cause,), segments=(), reason="because",
    )  # fmt: skip
    return Drift("m", "größe", TICK, event)


def trigger():
    event = TriggerEvent(
        id="4" * 32, action="retrain", model="m", version="1", reason="because", requestedAt=AT
    )
    return Drift("m", "größe", TICK, event)


def quality():
    return quality_record(
        model="m", version="1", segment="", begin_ns=0, end_ns=TICK, revision=1, is_final=True,
        known_at_ns=TICK, labelled=1, predictions=2, metrics={"accuracy": 0.5},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("said", "kind", "feature"),
    [
        (drift("open"), "drift.open", "größe"),
        (drift("update"), "drift.update", "größe"),
        (drift("closed"), "drift.closed", "größe"),
        (quality(), "quality", "(quality)"),
        (trigger(), "retrain.requested", "größe"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_said_of_drift_is_a_cloud_event(said, kind, feature):
    record = drift_record(said)
    key = f"m/{feature}".encode()
    assert (record.key, record.timestamp_ms) == (key, TICK // 1_000_000)
    value = json.loads(record.value)
    jsonschema.validate(value, events.json_schemas()["drift"])
    assert dict(record.headers) == {
        "ce_specversion": b"1.0",
        "ce_id": value["id"].encode(),
        "ce_source": b"/streamgauge",
        "ce_type": f"io.streamgauge.{kind}.v1".encode(),
        "ce_subject": key,
        "ce_partitionkey": key,
        "ce_time": AT.encode(),
        "ce_dataschema": b"schemas/drift.v1.json",
        "content-type": b"application/json",
    }


def test_a_dead_letter_keeps_its_bytes_and_says_where_it_came_from():
    record = dead_letter_record(letter(), record_bytes_max=ROOM)
    assert (record.key, record.value) == (b"key", b"\xff\x00")
    assert record.timestamp_ms == TICK // 1_000_000
    assert dict(record.headers) == {
        "__connect.errors.topic": b"metrics",
        "__connect.errors.partition": b"3",
        "__connect.errors.offset": b"17",
        "__connect.errors.connector.name": b"streamgauge",
        "__connect.errors.stage": b"VALUE_CONVERTER",
        "__connect.errors.exception.message": b"why",
        "x-dlq-reason": b"decode_error",
        "x-dlq-detail": b"why",
    }


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_a_stage_of_kafka_connect(reason):
    headers = dict(dead_letter_record(letter(reason=reason), record_bytes_max=ROOM).headers)
    assert headers["x-dlq-reason"] == reason.value.encode()
    assert headers["__connect.errors.stage"] in {b"VALUE_CONVERTER", b"TASK_PUT"}


def test_a_letter_without_a_trusted_time_gets_the_clients():
    for changes in (
        {"ts": 0},
        {"ts": -5},
        {"reason": Reason.BAD_TIMESTAMP},
        {"ts": now_ns() + 3600 * SECOND_NS},
    ):
        assert dead_letter_record(letter(**changes), record_bytes_max=ROOM).timestamp_ms == 0


@pytest.mark.parametrize(
    ("key", "kept_key"), [(None, None), (b"k" * 1000, b"k" * 1000), (b"k" * ROOM, None)]
)
def test_a_letter_that_is_too_large_is_cut(key, kept_key):
    value = bytes(range(256)) * 1000
    record = dead_letter_record(letter(key=key, value=value), record_bytes_max=ROOM)
    size = len(record.key or b"") + len(record.value)
    size += sum(len(name) + len(data) for name, data in record.headers)
    assert size <= ROOM
    assert record.key == kept_key
    assert value.startswith(record.value)
    assert len(record.value) > ROOM // 2
    assert dict(record.headers)["x-dlq-truncated-from"] == b"256000"


def test_long_details_are_cut_and_leave_room():
    record = dead_letter_record(letter(detail="ü" * 9999), record_bytes_max=ROOM)
    assert dict(record.headers)["x-dlq-detail"] == ("ü" * 500).encode()


@given(
    st.lists(
        st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1)).map(  # noqa: DTZ001
            lambda at: int(at.replace(tzinfo=UTC).timestamp()) * SECOND_NS
        )
        | st.integers(-(2**62), 2**62)
        | st.integers(-(10**6), 10**6).map(lambda at: at * 1_000_000)
    )
)
def test_times_are_written_as_one_by_one(times):
    assert rfc3339(np.array(times, np.int64)) == [events.rfc3339(ts) for ts in times]
