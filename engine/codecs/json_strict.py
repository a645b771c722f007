"""What the native JSON metric message means: the strict reader, one row at a time.

``{"ts": 1760000000000, "name": "cpu_usage", "labels": {"host": "web-1"}, "value": 0.93}``, or an
array of such objects. `native_json.py` gives the same rows faster.
"""

from collections.abc import Sequence
from math import inf, isinf, nan

import msgspec

from engine.codecs.samples import (
    Limits,
    RejectedError,
    Sample,
    check_size,
    checked_series,
    read_all,
)
from engine.codecs.timestamps import epoch_ms_ns, rfc3339_ns
from engine.series.columns import Decoded, Reject
from engine.series.identity import NAME_LABEL, Series

_TEXT_VALUES = {"NaN": nan, "Inf": inf, "+Inf": inf, "-Inf": -inf}
_NUMBER_STARTS = b"-0123456789"


class _Row(msgspec.Struct, gc=False):
    """A row whose values are still text, so that numbers keep all their digits."""

    ts: msgspec.Raw = msgspec.Raw()
    name: msgspec.Raw = msgspec.Raw()
    labels: msgspec.Raw = msgspec.Raw(b"{}")
    value: msgspec.Raw = msgspec.Raw()


class _Identity(msgspec.Struct, gc=False):
    """The name and labels of a row."""

    name: str
    labels: dict[str, str] = {}


_decode_row = msgspec.json.Decoder(_Row).decode
_decode_identity = msgspec.json.Decoder(_Identity).decode
_decode_rows = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_raw = msgspec.json.Decoder(msgspec.Raw).decode
_decode_value = msgspec.json.Decoder().decode
_decode_text = msgspec.json.Decoder(str).decode
_decode_labels = msgspec.json.Decoder(dict[str, str]).decode


def _series(row: _Row, limits: Limits) -> Series:
    """Read and check name and labels."""
    try:
        name = _decode_text(row.name)
    except msgspec.DecodeError:
        raise RejectedError("schema_error", "name is missing or no string") from None
    try:
        labels = _decode_labels(row.labels)
    except msgspec.DecodeError:
        raise RejectedError("schema_error", "labels is no object of strings") from None
    return checked_series(name, labels, limits)


def _timestamp_ns(raw: bytes) -> int:
    """Read epoch milliseconds or RFC 3339."""
    timestamp_ns = None
    if raw[:1] == b'"':
        timestamp_ns = rfc3339_ns(_decode_text(raw))
    elif raw and raw[0] in _NUMBER_STARTS:
        timestamp_ns = epoch_ms_ns(raw.decode())
    if timestamp_ns is None:
        raise RejectedError(
            "bad_timestamp",
            f"ts is {_shown(raw)}, not epoch milliseconds or RFC 3339 between 1970 and 2262",
        )
    return timestamp_ns


def _value(raw: bytes) -> float:
    """Read a number that a float64 holds, or one of the texts for what JSON has no number."""
    if raw and raw[0] in _NUMBER_STARTS:
        value = float(raw)
        if not isinf(value):
            return value
    elif raw[:1] == b'"':
        text = _decode_text(raw)
        if text in _TEXT_VALUES:
            return _TEXT_VALUES[text]
    raise RejectedError("bad_value", f"value is {_shown(raw)}, not a number within float64")


def _shown(raw: bytes) -> str:
    return raw[:100].decode(errors="replace") if raw else "missing"


def _read_row(raw: bytes, limits: Limits) -> Sample:
    try:
        row = _decode_row(raw)
    except msgspec.ValidationError:
        raise RejectedError("schema_error", "the row is no object") from None
    return Sample(_series(row, limits), _timestamp_ns(bytes(row.ts)), _value(bytes(row.value)))


def _split_rows(payload: bytes, limits: Limits) -> list[bytes]:
    """Check a message as a whole and give the bytes of its rows."""
    check_size(payload, limits)
    try:
        payload.decode()  # raw values are not checked for UTF-8
        document = bytes(_decode_raw(payload)).strip()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RejectedError("decode_error", str(error)) from None
    if document[:1] == b"{":
        return [document]
    if document[:1] != b"[":
        raise RejectedError("schema_error", "the message is no object and no array")
    return [bytes(row) for row in _decode_rows(document)]


def read_identity(document: bytes, limits: Limits) -> Series | None:
    """Read the series of a row that is a message of its own; None if it can't be used."""
    try:
        named = _decode_identity(document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    labels = named.labels
    # No text is longer than its JSON, so that mostly none has to be looked at.
    if len(document) <= limits.max_label_bytes and len(labels) <= limits.max_labels:
        if not named.name or "" in labels or NAME_LABEL in labels:
            return None
        return Series.of(named.name, labels)
    try:
        [row] = _split_rows(document, limits)
        return _series(_decode_row(row), limits)
    except (RejectedError, RecursionError):
        return None


def read_message(payload: bytes, index: int, limits: Limits) -> tuple[list[Sample], list[Reject]]:
    """Read one message; `index` is what its rejects say."""
    samples: list[Sample] = []
    rejects: list[Reject] = []
    try:
        for row in _split_rows(payload, limits):
            try:
                samples.append(_read_row(row, limits))
            except RejectedError as error:
                rejects.append(error.reject(index, row))
    except RejectedError as error:
        return [], [error.reject(index, None)]
    except RecursionError:  # nested just deeply enough to pass the first look
        return [], [Reject(index, "decode_error", "nested too deeply")]
    return samples, rejects


def decode_strict(payloads: Sequence[bytes], limits: Limits | None = None) -> Decoded:
    """Decode messages as `NativeJsonCodec.decode` does, slowly and obviously.

    `new_series` holds each series of these messages once.
    """
    return read_all(
        lambda payload, index: read_message(payload, index, limits or Limits()), payloads
    )
