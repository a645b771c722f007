"""Rejected messages and rows on their way out."""

import base64
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from engine.events.forms import number, rfc3339
from engine.series.identity import Series


class Reason(StrEnum):
    """Why a message or row became a dead letter: a closed list."""

    DECODE_ERROR = "decode_error"
    SCHEMA_ERROR = "schema_error"
    BAD_TIMESTAMP = "bad_timestamp"
    BAD_VALUE = "bad_value"
    TOO_LARGE = "too_large"
    LATE = "late"
    UNSUPPORTED = "unsupported"
    LIMIT = "limit"
    ORPHAN_LABEL = "orphan_label"
    DIMENSION_MISMATCH = "dimension_mismatch"
    MODEL_ERROR = "model_error"


class DeadLetterEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A rejected message or row as it stands in a file; on a topic the fields are headers."""

    source: str
    partition: int
    offset: int
    reason: str
    detail: str
    value: str
    encoding: str = "utf-8"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A rejected message or row with where it came from.

    `key` and `value` are the bytes that go on; `ts` is the event or record time in nanoseconds.
    """

    source: str
    partition: int
    offset: int
    reason: Reason
    detail: str
    key: bytes | None
    value: bytes
    ts: int

    def event(self) -> DeadLetterEvent:
        """The record's form for a file; bytes that are no UTF-8 are carried as Base64."""
        try:
            value, encoding = self.value.decode(), "utf-8"
        except UnicodeDecodeError:
            value, encoding = base64.b64encode(self.value).decode(), "base64"
        return DeadLetterEvent(
            source=self.source,
            partition=self.partition,
            offset=self.offset,
            reason=self.reason,
            detail=self.detail[:500],
            value=value,
            encoding=encoding,
        )


def native_row(series: Series, ts: int, value: float) -> bytes:
    """Write a sample as a native JSON message, for a dead letter."""
    milliseconds, rest = divmod(ts, 1_000_000)
    return msgspec.json.encode(
        {
            "ts": rfc3339(ts) if rest else milliseconds,
            "name": series.name,
            "labels": dict(series.labels),
            "value": number(value),
        }
    )
