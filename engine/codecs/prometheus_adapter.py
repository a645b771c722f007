"""The JSON of prometheus-kafka-adapter: one sample a message, its value as text.

``{"timestamp": "2025-10-09T08:53:20Z", "value": "93", "name": "cpu_usage_percent",
"labels": {"__name__": "cpu_usage_percent", "instance": "a"}}``, or an array of such objects.
"""

import re
from math import inf, isinf, nan
from typing import Any

import msgspec

from engine.codecs.samples import (
    Limits,
    RejectedError,
    Sample,
    check_size,
    checked_series,
)
from engine.codecs.timestamps import rfc3339_ns
from engine.series.columns import Reject
from engine.series.identity import NAME_LABEL, Series

_TEXT_VALUES = {"NaN": nan, "Inf": inf, "+Inf": inf, "-Inf": -inf}
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?", re.ASCII)
_SHOWN_CHARACTERS_MAX = 100

_decode = msgspec.json.Decoder().decode
_decode_rows = msgspec.json.Decoder(list[msgspec.Raw]).decode


def _series(row: dict[str, Any], limits: Limits) -> Series:
    """Read name and labels; the labels hold the name once more."""
    name, labels = row.get("name"), row.get("labels", {})
    if not isinstance(name, str):
        raise RejectedError("schema_error", "name is missing or no string")
    if not isinstance(labels, dict) or not all(isinstance(text, str) for text in labels.values()):
        raise RejectedError("schema_error", "labels is no object of strings")
    labels.pop(NAME_LABEL, None)
    return checked_series(name, labels, limits)


def _timestamp_ns(timestamp: object) -> int:
    timestamp_ns = rfc3339_ns(timestamp) if isinstance(timestamp, str) else None
    if timestamp_ns is None:
        raise RejectedError(
            "bad_timestamp",
            f"timestamp is {_shown(timestamp)}, not RFC 3339 between 1970 and 2262",
        )
    return timestamp_ns


def _value(text: object) -> float:
    """Read a JSON number that a float64 holds, or a text for what JSON has no number."""
    if isinstance(text, str):
        if text in _TEXT_VALUES:
            return _TEXT_VALUES[text]
        if _NUMBER.fullmatch(text):
            value = float(text)
            if not isinf(value):
                return value
    raise RejectedError("bad_value", f"value is {_shown(text)}, not the text of a float64")


def _shown(value: object) -> str:
    return "missing" if value is None else repr(value)[:_SHOWN_CHARACTERS_MAX]


def _read_row(raw: bytes, limits: Limits) -> Sample:
    row = _decode(raw)
    if not isinstance(row, dict):
        raise RejectedError("schema_error", "the row is no object")
    return Sample(
        _series(row, limits), _timestamp_ns(row.get("timestamp")), _value(row.get("value"))
    )


def _split_rows(payload: bytes, limits: Limits) -> list[bytes]:
    """Check a message as a whole and give the bytes of its rows."""
    check_size(payload, limits)
    try:
        payload.decode()  # raw values are not checked for UTF-8
        document = _decode(payload)
        if isinstance(document, dict):
            return [payload]
        if isinstance(document, list):
            return [bytes(row) for row in _decode_rows(payload)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RejectedError("decode_error", str(error)) from None
    raise RejectedError("schema_error", "the message is no object and no array")


def read_adapter(payload: bytes, index: int, limits: Limits) -> tuple[list[Sample], list[Reject]]:
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
