"""Records of the output ``drift``: quality by window, and alerts that are requests."""

import re
from pathlib import Path

import jsonschema
import msgspec
import pytest

from engine.events import (
    Alert,
    AlertEvent,
    DriftEvent,
    QualityEvent,
    RuleReference,
    TriggerEvent,
    event_id,
    json_schemas,
    quality_record,
    rfc3339,
    trigger_of,
)

TICK = 1_767_225_600_000_000_000
HOUR_NS = 3_600_000_000_000
DOCUMENTED = Path(__file__).parent.parent / "docs" / "drift-events.md"
UNION = DriftEvent | QualityEvent | TriggerEvent


def alert(**changes):
    values = {
        "id": "0" * 32, "fingerprint": "f" * 16, "status": "firing",
        "labels": {"alertname": "Slump", "model": "credit", "version": "3",
                   "streamgauge_trigger": "roll_back"},
        "annotations": {}, "startsAt": rfc3339(TICK), "endsAt": rfc3339(TICK + HOUR_NS),
        "generatorURL": "", "activeAt": rfc3339(TICK - HOUR_NS), "evaluatedAt": rfc3339(TICK),
        "value": 0.5, "rule": RuleReference("r.yaml", "g", "Slump"), "seq": 0, "reason": "because",
    }  # fmt: skip
    return Alert("f" * 16, TICK, AlertEvent(**values | changes))


def labels(**changes):
    return alert().event.labels | changes


def round_trip(event):
    text = msgspec.json.encode(event)
    jsonschema.validate(msgspec.json.decode(text), json_schemas()["drift"])
    assert msgspec.json.decode(text, type=UNION) == event
    return msgspec.json.decode(text)


def test_an_alert_that_begins_to_fire_is_a_request():
    drift = trigger_of(alert())
    assert round_trip(drift.event) == {
        "type": "trigger",
        "id": event_id("trigger", "f" * 16, rfc3339(TICK), "roll_back"),
        "action": "roll_back",
        "model": "credit",
        "version": "3",
        "reason": "because",
        "requestedAt": rfc3339(TICK),
        "alert": "f" * 16,
    }
    assert (drift.key, drift.tick) == ("credit/Slump", TICK)


@pytest.mark.parametrize("action", ["retrain", "roll_back", "review"])
def test_the_label_says_what_is_asked_for(action):
    of_feature = alert(labels=labels(streamgauge_trigger=action, feature="income"))
    drift = trigger_of(of_feature)
    assert drift.event.action == action
    assert drift.key == "credit/income"


@pytest.mark.parametrize(
    "other",
    [
        alert(status="pending"),
        alert(status="resolved"),
        alert(evaluatedAt=rfc3339(TICK + HOUR_NS)),  # a refresh
        alert(labels={"alertname": "Slump"}),
        alert(labels=labels(streamgauge_trigger="delete everything")),
        Alert("f" * 16, TICK, None),
    ],
    ids=["pending", "resolved", "refresh", "no label", "another label", "tombstone"],
)
def test_no_other_alert_is_a_request(other):
    assert trigger_of(other) is None


def quality(**changes):
    values = {
        "model": "credit", "version": "3", "segment": "region=eu", "begin_ns": TICK - HOUR_NS,
        "end_ns": TICK, "revision": 2, "is_final": False, "known_at_ns": TICK + HOUR_NS,
        "labelled": 30, "predictions": 120, "metrics": {"f1": float("nan"), "accuracy": 0.9},
        "estimated": {"accuracy": 0.85}, "lags_s": {0.5: 60.0, 0.9: 90.5, 0.99: 3600.0},
    }  # fmt: skip
    return quality_record(**values | changes)


def test_quality_of_a_window_says_what_is_known():
    drift = quality()
    assert (drift.key, drift.tick) == ("credit/(quality)", TICK + HOUR_NS)
    assert round_trip(drift.event) == {
        "type": "quality",
        "id": event_id(
            "quality", "credit", "3", "region=eu", "", TICK - HOUR_NS, TICK, 2
        ),
        "model": "credit",
        "version": "3",
        "segment": "region=eu",
        "evaluator": "",
        "window": {"begin": rfc3339(TICK - HOUR_NS), "end": rfc3339(TICK)},
        "revision": 2,
        "final": False,
        "knownAt": rfc3339(TICK + HOUR_NS),
        "coverage": 0.25,
        "labelled": 30,
        "predictions": 120,
        "metrics": {"accuracy": 0.9, "f1": "NaN"},
        "estimated": {"accuracy": 0.85},
        "labelLagSeconds": {"0.5": 60.0, "0.9": 90.5, "0.99": 3600.0},
    }  # fmt: skip


def test_a_correction_is_the_same_but_for_its_revision():
    first, corrected = quality(revision=1), quality(revision=2, labelled=60)
    assert first.key == corrected.key
    assert first.event.window == corrected.event.window
    assert first.event.id != corrected.event.id == quality(labelled=0).event.id


def test_a_window_without_predictions_has_no_coverage():
    drift = quality(labelled=0, predictions=0, metrics={}, estimated=None, lags_s=None)
    value = round_trip(drift.event)
    assert value["coverage"] == "NaN"
    assert "estimated" not in value
    assert "labelLagSeconds" not in value


def test_an_evaluator_has_a_key_of_its_own():
    assert quality(evaluator="helpfulness").key == "credit/helpfulness"


def test_the_documented_records_are_such():
    text = DOCUMENTED.read_text(encoding="utf-8")
    values = [
        msgspec.json.decode(found) for found in re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    ]
    assert [value["type"] for value in values] == ["drift", "quality", "trigger"]
    for value in values:
        jsonschema.validate(value, json_schemas()["drift"])
        decoded = msgspec.convert(value, UNION)
        assert msgspec.to_builtins(decoded).keys() == value.keys()
