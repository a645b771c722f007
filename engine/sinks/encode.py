"""From outputs to Kafka records: key, JSON value, record timestamp and headers.

Alerts, scores and what is said of drift are CloudEvents 1.0 in the Kafka binding's binary mode:
attributes are headers ``ce_<name>``, the value is the data alone. Dead letters carry the bytes that
were rejected, with the header names of Kafka Connect's dead-letter queue.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.clock import now_ns
from engine.events import (
    Alert,
    DeadLetter,
    Drift,
    DriftEvent,
    QualityEvent,
    Reason,
    ScoreBlock,
    ScoreEvent,
    event_id,
    number,
)
from engine.series.identity import Series

Headers = list[tuple[str, str | bytes | None]]

CLIENT_TIME = 0
"""Record timestamp that lets the Kafka client put its own."""

_MILLISECOND_NS = 1_000_000
_NUMBERS = ("value", "onset", "state", "expected", "lower", "upper")

# Reasons found while a message's bytes are read; the others are found while its rows are used.
_CONVERSION = frozenset(
    {Reason.DECODE_ERROR, Reason.SCHEMA_ERROR, Reason.TOO_LARGE, Reason.UNSUPPORTED}
)
_HEADERS_BYTES_MAX = 8192


class Record(NamedTuple):
    """One record for a topic; a value of None is a tombstone, a timestamp of 0 the client's."""

    key: bytes | None
    value: bytes | None
    timestamp_ms: int
    headers: Headers


def alert_record(alert: Alert) -> Record:
    """Encode an alert: keyed by its fingerprint, at its tick."""
    key = alert.fingerprint.encode()
    timestamp_ms = _timestamp_ms(alert.tick)
    event = alert.event
    if event is None:
        return Record(key, None, timestamp_ms, [])
    headers = _attributes(f"alert.{event.status}", "alert", key)
    headers += [("ce_id", event.id.encode()), ("ce_time", event.evaluatedAt.encode())]
    return Record(key, msgspec.json.encode(event), timestamp_ms, headers)


def score_records(block: ScoreBlock) -> Iterator[Record]:
    """Encode the scores of a block, in row order: keyed by series, at the sample's time."""
    encode = msgspec.json.Encoder().encode
    subjects = [_Subject(series) for series in block.series]
    columns = [_numbers(getattr(block, name)) for name in _NUMBERS]
    times = rfc3339(block.ts)
    signals = block.contributions(np.arange(len(block)))
    rows = zip(block.index.tolist(), block.ts.tolist(), times, *columns, signals, strict=True)
    for index, ts, time, value, onset, state, expected, lower, upper, contributed in rows:
        subject = subjects[index]
        event = ScoreEvent(
            ts=time,
            name=subject.name,
            labels=subject.labels,
            value=value,
            onset=onset,
            state=state,
            expected=expected,
            lower=lower,
            upper=upper,
            detector=block.detector,
            signals=contributed,
        )
        id_ = event_id("score", block.detector, subject.fingerprint, ts)
        headers = [*subject.headers, ("ce_id", id_.encode()), ("ce_time", time.encode())]
        yield Record(subject.key, encode(event), _timestamp_ms(ts), headers)


def drift_record(drift: Drift) -> Record:
    """Encode an episode, a window's quality or a request: keyed by model/feature, at its tick."""
    event = drift.event
    if isinstance(event, DriftEvent):
        kind, time = f"drift.{event.status}", event.evaluatedAt
    elif isinstance(event, QualityEvent):
        kind, time = "quality", event.knownAt
    else:
        kind, time = "retrain.requested", event.requestedAt
    key = drift.key.encode()
    headers = _attributes(kind, "drift", key)
    headers += [("ce_id", event.id.encode()), ("ce_time", time.encode())]
    return Record(key, msgspec.json.encode(event), _timestamp_ms(drift.tick), headers)


def dead_letter_record(letter: DeadLetter, *, record_bytes_max: int) -> Record:
    """Encode a dead letter: the original key and value, where it came from and why.

    What does not fit into a record is cut off, and header ``x-dlq-truncated-from`` gives the
    value's size in bytes: a message that its own topic took must not stop the flow here.
    """
    stage = "VALUE_CONVERTER" if letter.reason in _CONVERSION else "TASK_PUT"
    detail = letter.detail[:500].encode()
    headers: Headers = [
        ("__connect.errors.topic", letter.source.encode()),
        ("__connect.errors.partition", str(letter.partition).encode()),
        ("__connect.errors.offset", str(letter.offset).encode()),
        ("__connect.errors.connector.name", b"streamgauge"),
        ("__connect.errors.stage", stage.encode()),
        ("__connect.errors.exception.message", detail),
        ("x-dlq-reason", letter.reason.encode()),
        ("x-dlq-detail", detail),
    ]
    room = max(0, record_bytes_max - _HEADERS_BYTES_MAX)
    key = letter.key if letter.key is None or len(letter.key) <= room // 2 else None
    value = letter.value[: room - len(key or b"")]
    if key != letter.key or len(value) < len(letter.value):
        headers.append(("x-dlq-truncated-from", str(len(letter.value)).encode()))
    # A wild time must not make the broker refuse the letter: then it gets the client's.
    timed = letter.reason is not Reason.BAD_TIMESTAMP and letter.ts <= now_ns()
    return Record(key, value, _timestamp_ms(letter.ts) if timed else CLIENT_TIME, headers)


def rfc3339(ts: NDArray[np.int64]) -> list[str]:
    """Write times as `engine.events.rfc3339` does, many at once."""
    text = np.datetime_as_string(ts.astype("datetime64[ns]")).tolist()
    return [f"{one.rstrip('0').rstrip('.')}Z" for one in text]


class _Subject:
    """What all score records of one series share."""

    __slots__ = ("fingerprint", "headers", "key", "labels", "name")

    def __init__(self, series: Series) -> None:
        self.fingerprint = f"{series.fingerprint:016x}"
        self.key = self.fingerprint.encode()
        self.name = series.name
        # Encoded once; msgspec copies it into each record.
        self.labels: Any = msgspec.Raw(msgspec.json.encode(dict(series.labels)))
        self.headers = _attributes("score", "score", self.key)


def _attributes(kind: str, schema: str, subject: bytes) -> Headers:
    return [
        ("ce_specversion", b"1.0"),
        ("ce_source", b"/streamgauge"),
        ("ce_type", f"io.streamgauge.{kind}.v1".encode()),
        ("ce_subject", subject),
        ("ce_partitionkey", subject),
        ("ce_dataschema", f"schemas/{schema}.v1.json".encode()),
        ("content-type", b"application/json"),
    ]


def _numbers(column: NDArray[np.float64]) -> list[Any]:
    values = column.tolist()
    if not np.isfinite(column).all():
        return [number(value) for value in values]
    return values


def _timestamp_ms(ts: int) -> int:
    return max(CLIENT_TIME, ts // _MILLISECOND_NS)
