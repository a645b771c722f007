"""Output records: what is said on the output topics and in the output files.

Their JSON form is a contract; `json_schemas` gives its JSON Schema. An id depends only on what a
record says, never on when or where it was said, so a record that is said again can be recognised.
"""

import base64
import math
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.series.identity import Series

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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


def rfc3339(ts: int) -> str:
    """Write nanoseconds since the epoch as RFC 3339 in UTC, with as many digits as needed."""
    seconds, fraction = divmod(ts, 1_000_000_000)
    text = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    digits = f".{fraction:09d}".rstrip("0") if fraction else ""
    return f"{text}{digits}Z"


def weekday_and_time(ts: int) -> str:
    """Say which hour of the week a timestamp is in, such as ``Tuesday 14:05`` (UTC)."""
    return (_EPOCH + timedelta(seconds=ts // 1_000_000_000)).strftime("%A %H:%M")


def number(value: float) -> float | str:
    """Give a number that JSON can carry: NaN and infinities become text, as in Prometheus' API."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"


class RuleReference(msgspec.Struct, frozen=True):
    """Which rule made an alert."""

    file: str
    group: str
    name: str


class AlertEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A transition or refresh of an alert.

    `labels`, `annotations`, `startsAt`, `endsAt` and `generatorURL` are what Alertmanager's
    ``POST /api/v2/alerts`` takes. Times are RFC 3339 in event time.
    """

    id: str
    fingerprint: str
    status: str
    labels: dict[str, str]
    annotations: dict[str, str]
    startsAt: str  # noqa: N815
    endsAt: str  # noqa: N815
    generatorURL: str  # noqa: N815
    activeAt: str  # noqa: N815
    evaluatedAt: str  # noqa: N815
    value: float | str
    rule: RuleReference
    seq: int
    reason: str
    partial_window: bool = False


class ScoreEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The score of one sample; 1.0 is the alarm boundary of `onset` and `state`.

    `signals` gives what contributed to the onset before it was hushed, and how much.
    """

    ts: str
    name: str
    labels: dict[str, str]
    value: float | str
    onset: float | str
    state: float | str
    expected: float | str
    lower: float | str
    upper: float | str
    detector: str
    signals: dict[str, float] = {}


class DeadLetterEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A rejected message or row as it stands in a file; on a topic the fields are headers."""

    source: str
    partition: int
    offset: int
    reason: str
    detail: str
    value: str
    encoding: str = "utf-8"


def event_id(*parts: object) -> str:
    """32 hex digits of SHA-256 over the parts, which say all that the record says."""
    return sha256("|".join(map(str, parts)).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert's record on its way out; `event` is None for a tombstone."""

    fingerprint: str
    tick: int
    event: AlertEvent | None


@dataclass(frozen=True, slots=True)
class ScoreBlock:
    """Scores of one block as columns of equal length n.

    Attributes
    ----------
    detector : str
    series : list of Series
        The series that occur.
    index : int64[n]
        Which of them each row is of.
    ts : int64[n]
        Nanoseconds since the epoch.
    value, onset, state, expected, lower, upper : float64[n]
    signal_names : tuple of str
        What the detector looks at.
    signals : float32[k, n]
        What each of them contributed to the onset.
    drivers : list of dict or None
        In the place of signals: the series that drive each row's joint score, and how much.
    """

    detector: str
    series: list[Series]
    index: NDArray[np.int64]
    ts: NDArray[np.int64]
    value: NDArray[np.float64]
    onset: NDArray[np.float64]
    state: NDArray[np.float64]
    expected: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    signal_names: tuple[str, ...] = ()
    signals: NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 0), np.float32))
    drivers: list[dict[str, float]] | None = None

    def __len__(self) -> int:
        return len(self.ts)

    def contributions(self, rows: NDArray[np.int64]) -> list[dict[str, float]]:
        """What contributed to the onset of some rows, by name, to four digits."""
        if self.drivers is not None:
            return [self.drivers[row] for row in rows.tolist()]
        if not self.signal_names:
            return [{}] * len(rows)
        return [
            {name: part for name, part in zip(self.signal_names, parts, strict=True) if part > 0}
            for parts in self.signals[:, rows].T.astype(np.float64).round(4).tolist()
        ]


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


def json_schemas() -> dict[str, dict[str, Any]]:
    """JSON Schema of each record's value, by output."""
    records = {"alerts": AlertEvent, "scores": ScoreEvent, "dead_letters": DeadLetterEvent}
    return {name: msgspec.json.schema(record) for name, record in records.items()}
