"""OTLP spans and log records of LLM calls, as protobuf or JSON.

A span with a GenAI operation, model or token count is a call. An event ``gen_ai.evaluation.result``
is an evaluation, as a log record or as an event of a span; it is joined by response id, or by the
span it belongs to. Sources: OpenTelemetry protocol 1.x, the GenAI semantic conventions.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from math import nan
from typing import Any, Literal, NamedTuple

import msgspec
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData
from opentelemetry.proto.trace.v1.trace_pb2 import Status, TracesData

from engine.codecs.genai_attributes import Attributes, json_attributes, proto_attributes
from engine.codecs.genai_calls import (
    CallRow,
    EvaluationRow,
    GenAIBatch,
    GenAIColumns,
    GenAIRows,
    read_all,
)
from engine.codecs.genai_names import GenAINames
from engine.codecs.otlp_json_strict import read_integer
from engine.codecs.prediction_documents import document_of
from engine.codecs.samples import Limits, RejectedError, check_size
from engine.codecs.timestamps import SECOND_NS, TIMESTAMP_NS_MAX

Signal = Literal["traces", "logs"]

EVALUATION = "gen_ai.evaluation.result"

_CALL_MARKS = (
    "gen_ai.operation.name",
    "gen_ai.request.model",
    "gen_ai.response.model",
    "gen_ai.usage.input_tokens",
)
_ID_CHARACTERS_MAX = 64
_UNKNOWN_ERROR = "_OTHER"  # what the conventions call an error without a type


class _Span(NamedTuple):
    """A span or log record, whatever it was written in; a record's start and end are its time."""

    name: str
    start: int
    end: int
    span_id: str
    failed: bool
    attributes: Attributes
    resource: Mapping[str, Any]
    events: Sequence["_Span"] = ()


class GenAICodec:
    """Decoder of spans or log records.

    Parameters
    ----------
    columns : GenAIColumns
    names : GenAINames
    signal : str
        What the messages hold: ``traces`` or ``logs``. JSON says so itself.
    encoding : str
        ``proto`` or ``json``.
    """

    def __init__(
        self,
        columns: GenAIColumns,
        names: GenAINames,
        *,
        signal: Signal = "traces",
        encoding: Literal["proto", "json"] = "proto",
    ) -> None:
        self.columns = columns
        reader: Callable[..., list[_Span]] = _json_spans
        if encoding == "proto":
            reader = _proto_spans if signal == "traces" else _proto_records
        self._read = partial(reader, limits=columns.limits.message, names=names)

    def decode(self, payloads: Sequence[bytes]) -> GenAIBatch:
        """Decode messages."""
        return self.columns.build(self.read(payloads))

    def read(self, payloads: Sequence[bytes]) -> GenAIRows:
        """Read messages, and make no columns of them."""
        return read_all(self._read_message, payloads)

    def _read_message(self, payload: bytes, index: int) -> GenAIRows:
        rows = GenAIRows()
        for span in self._read(payload):
            _take(span, index, rows)
        return rows


def _take(span: _Span, index: int, rows: GenAIRows) -> None:
    """Make the row of a span or record, and of the evaluations among its events."""
    attributes = span.attributes
    is_evaluation = span.name == EVALUATION or attributes.get("event.name") == EVALUATION
    is_call = any(name in attributes for name in _CALL_MARKS)
    if is_evaluation or is_call:
        try:
            _check_time(span)
        except RejectedError as error:
            row = msgspec.json.encode({"name": span.name[:100], "span_id": span.span_id})
            rows.rejects.append(error.reject(index, row))
            return
    else:
        rows.ignored += 1
    if is_evaluation:
        values = attributes.with_resource(span.resource)
        rows.evaluations.append(EvaluationRow(index, span.end, span.span_id, values))
    elif is_call:
        values = attributes.with_resource(span.resource)
        if span.failed:
            values.setdefault("error.type", _UNKNOWN_ERROR)
        duration_s = (span.end - span.start) / SECOND_NS if 0 < span.start <= span.end else nan
        rows.calls.append(CallRow(index, span.end, duration_s, span.span_id, values))
    for event in span.events:
        _take(event, index, rows)


def _check_time(span: _Span) -> None:
    if not 0 < span.end <= TIMESTAMP_NS_MAX:
        raise RejectedError("bad_timestamp", f"the time is {span.end} ns, not within 1970 to 2262")


def _proto_spans(payload: bytes, limits: Limits, names: GenAINames) -> list[_Span]:
    """Read `TracesData`, or the same bytes as an export request."""
    data = _parsed(TracesData, payload, limits)
    spans: list[_Span] = []
    for group in data.resource_spans:
        resource = proto_attributes(group.resource.attributes, names)
        for scope in group.scope_spans:
            for span in scope.spans:
                identity = span.span_id.hex()[:_ID_CHARACTERS_MAX]
                events = [
                    _Span(
                        event.name,
                        event.time_unix_nano,
                        event.time_unix_nano,
                        identity,
                        False,
                        proto_attributes(event.attributes, names),
                        resource,
                    )
                    for event in span.events
                    if event.name == EVALUATION
                ]
                spans.append(
                    _Span(
                        span.name,
                        span.start_time_unix_nano,
                        span.end_time_unix_nano,
                        identity,
                        span.status.code == Status.STATUS_CODE_ERROR,
                        proto_attributes(span.attributes, names),
                        resource,
                        events,
                    )
                )
    return spans


def _proto_records(payload: bytes, limits: Limits, names: GenAINames) -> list[_Span]:
    """Read `LogsData`, or the same bytes as an export request; only evaluations are of interest."""
    data = _parsed(LogsData, payload, limits)
    records: list[_Span] = []
    for group in data.resource_logs:
        resource = proto_attributes(group.resource.attributes, names)
        for scope in group.scope_logs:
            for record in scope.log_records:
                ts = record.time_unix_nano or record.observed_time_unix_nano
                attributes = proto_attributes(record.attributes, names)
                identity = record.span_id.hex()[:_ID_CHARACTERS_MAX]
                records.append(_record(record.event_name, ts, identity, attributes, resource))
    return records


def _record(
    name: str, ts: int, span_id: str, attributes: Attributes, resource: Mapping[str, Any]
) -> _Span:
    """Make a log record; one that is no evaluation is no call either, whatever it says."""
    if name != EVALUATION and attributes.get("event.name") != EVALUATION:
        attributes.clear()
    return _Span(name, ts, ts, span_id, False, attributes, resource)


def _parsed(kind: Any, payload: bytes, limits: Limits) -> Any:
    check_size(payload, limits)
    try:
        return kind.FromString(payload)
    except DecodeError as error:
        raise RejectedError("decode_error", str(error)) from None


def _json_spans(payload: bytes, limits: Limits, names: GenAINames) -> list[_Span]:
    """Read traces or logs of JSON."""
    document = document_of(payload, limits)
    groups = _list(document, "resourceSpans")
    if groups is not None:
        return [_json_span(*found, names) for found in _walk(groups, "scopeSpans", "spans", names)]
    groups = _list(document, "resourceLogs")
    if groups is not None:
        found = _walk(groups, "scopeLogs", "logRecords", names)
        return [_json_record(record, resource, names) for record, resource in found]
    raise RejectedError("schema_error", "the message has neither resourceSpans nor resourceLogs")


def _walk(
    groups: list[Any], scopes: str, leaves: str, names: GenAINames
) -> Iterator[tuple[dict[str, Any], Attributes]]:
    """Give each span or record with the attributes of its resource."""
    for group in filter(_is_object, groups):
        resource = group.get("resource")
        attributes = json_attributes(
            resource.get("attributes") if isinstance(resource, dict) else None, names
        )
        for scope in filter(_is_object, _list(group, scopes) or []):
            for leaf in filter(_is_object, _list(scope, leaves) or []):
                yield leaf, attributes


def _json_span(span: dict[str, Any], resource: Attributes, names: GenAINames) -> _Span:
    identity = _text(span, "spanId")
    status = span.get("status")
    code = status.get("code") if isinstance(status, dict) else None
    events = [
        _Span(
            EVALUATION,
            _nanoseconds(event, "timeUnixNano"),
            _nanoseconds(event, "timeUnixNano"),
            identity,
            False,
            json_attributes(event.get("attributes"), names),
            resource,
        )
        for event in filter(_is_object, _list(span, "events") or [])
        if event.get("name") == EVALUATION
    ]
    return _Span(
        _text(span, "name"),
        _nanoseconds(span, "startTimeUnixNano"),
        _nanoseconds(span, "endTimeUnixNano"),
        identity,
        code in (Status.STATUS_CODE_ERROR, "STATUS_CODE_ERROR"),
        json_attributes(span.get("attributes"), names),
        resource,
        events,
    )


def _json_record(record: dict[str, Any], resource: Attributes, names: GenAINames) -> _Span:
    ts = _nanoseconds(record, "timeUnixNano") or _nanoseconds(record, "observedTimeUnixNano")
    attributes = json_attributes(record.get("attributes"), names)
    return _record(_text(record, "eventName"), ts, _text(record, "spanId"), attributes, resource)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _field(holder: Mapping[str, Any], name: str) -> Any:
    """Give a field by its lowerCamelCase name or in snake_case."""
    if name in holder:
        return holder[name]
    return holder.get("".join(f"_{c.lower()}" if c.isupper() else c for c in name))


def _list(holder: Mapping[str, Any], name: str) -> list[Any] | None:
    value = _field(holder, name)
    return value if isinstance(value, list) else None


def _text(holder: Mapping[str, Any], name: str) -> str:
    value = _field(holder, name)
    return value[:_ID_CHARACTERS_MAX].lower() if isinstance(value, str) else ""


def _nanoseconds(holder: Mapping[str, Any], name: str) -> int:
    """Give a time, 0 if it is none."""
    try:
        return read_integer(_field(holder, name))
    except ValueError:
        return 0
