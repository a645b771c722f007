"""Output records: what is said on the output topics and in the output files.

Their JSON form is a contract; `json_schemas` gives its JSON Schema. An id depends only on what a
record says, never on when or where it was said, so a record that is said again can be recognised.
"""

from typing import Any

import msgspec

from engine.events.alerts import Alert, AlertEvent, RuleReference
from engine.events.dead_letters import DeadLetter, DeadLetterEvent, Reason, native_row
from engine.events.drift import (
    Action,
    Drift,
    DriftBudget,
    DriftCause,
    DriftEvent,
    DriftSegment,
    DriftWindow,
    Group,
    MovedValue,
    QualityEvent,
    QualityWindow,
    SmallPicture,
    TriggerEvent,
    quality_record,
    trigger_of,
)
from engine.events.forms import event_id, number, rfc3339, weekday_and_time
from engine.events.scores import ScoreBlock, ScoreEvent

__all__ = [
    "Action",
    "Alert",
    "AlertEvent",
    "DeadLetter",
    "DeadLetterEvent",
    "Drift",
    "DriftBudget",
    "DriftCause",
    "DriftEvent",
    "DriftSegment",
    "DriftWindow",
    "Group",
    "MovedValue",
    "QualityEvent",
    "QualityWindow",
    "Reason",
    "RuleReference",
    "ScoreBlock",
    "ScoreEvent",
    "SmallPicture",
    "TriggerEvent",
    "event_id",
    "json_schemas",
    "native_row",
    "number",
    "quality_record",
    "rfc3339",
    "trigger_of",
    "weekday_and_time",
]


def json_schemas() -> dict[str, dict[str, Any]]:
    """JSON Schema of each record's value, by output."""
    records: dict[str, Any] = {
        "alerts": AlertEvent,
        "scores": ScoreEvent,
        "drift": DriftEvent | QualityEvent | TriggerEvent,
        "dead_letters": DeadLetterEvent,
    }
    schemas = {name: msgspec.json.schema(record) for name, record in records.items()}
    # Defaults that are tuples are what JSON can say.
    return msgspec.json.decode(msgspec.json.encode(schemas))
