"""CloudEvents in Kafka records: binary mode (attributes as ``ce_*`` headers) and structured mode.

Source: CloudEvents 1.0.2, Kafka protocol binding, sections 3.2 and 3.3.
"""

from base64 import b64decode
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from engine.codecs.prediction_documents import document_of
from engine.codecs.samples import Limits, RejectedError, check_size

_STRUCTURED = "application/cloudevents"
_PREFIX = "ce_"
_CONTENT_TYPE = "content-type"


class Record(NamedTuple):
    """A Kafka record.

    Attributes
    ----------
    payload : bytes
    headers : sequence of (str, bytes or None)
        In their order; of two with the same name the last holds.
    ts : int or None
        The record's own timestamp, nanoseconds since the epoch, for events without a time.
    """

    payload: bytes
    headers: Sequence[tuple[str, bytes | None]] = ()
    ts: int | None = None


class CloudEvent(NamedTuple):
    """An event: its attributes without prefix, with `content-type` under that name, and data."""

    attributes: Mapping[str, str]
    data: dict[str, Any]


def read_event(record: Record, limits: Limits) -> CloudEvent:
    """Read an event whose data is a JSON object.

    Raises
    ------
    RejectedError
        ``too_large``, ``decode_error``, ``schema_error``, or ``unsupported`` for other data.
    """
    check_size(record.payload, limits)
    headers: dict[str, str] = {}
    try:
        for name, value in record.headers:
            headers[name.lower()] = "" if value is None else value.decode()
    except UnicodeDecodeError as error:
        raise RejectedError("decode_error", f"a header is no UTF-8: {error}") from None
    content_type = headers.get(_CONTENT_TYPE, "")
    if content_type.lower().startswith(_STRUCTURED):
        return _structured(record.payload, limits)
    attributes = {
        name[len(_PREFIX) :]: value
        for name, value in headers.items()
        if name.startswith((_PREFIX, "ce-"))  # HTTP's prefix where a bridge has left it
    }
    if not attributes:
        raise RejectedError("schema_error", "the record has no ce_ headers and is no CloudEvent")
    _check_content_type(content_type, headers)
    return CloudEvent(attributes, document_of(record.payload, limits))


def _check_content_type(content_type: str, headers: Mapping[str, str]) -> None:
    if headers.get("inference-header-content-length"):
        detail = "inference-header-content-length: the binary tensor extension is not read"
        raise RejectedError("unsupported", detail)
    kind = content_type.partition(";")[0].strip().lower()
    if kind and kind != "application/json" and not kind.endswith("+json"):
        raise RejectedError("unsupported", f"content-type is {kind[:100]}, only JSON is read")


def _structured(payload: bytes, limits: Limits) -> CloudEvent:
    """Read an event that is JSON as a whole."""
    document = document_of(payload, limits)
    data = document.pop("data", None)
    encoded = document.pop("data_base64", None)
    if isinstance(encoded, str):
        try:
            data = document_of(b64decode(encoded, validate=True), limits)
        except ValueError as error:
            raise RejectedError("decode_error", f"data_base64: {error}") from None
    if isinstance(data, str):  # JSON within JSON
        data = document_of(data.encode(), limits)
    if not isinstance(data, dict):
        raise RejectedError("schema_error", "data is no object")
    attributes = {
        name.lower(): value if isinstance(value, str) else msgspec.json.encode(value).decode()
        for name, value in document.items()
        if isinstance(value, str | int | bool)
    }
    return CloudEvent(attributes, data)
