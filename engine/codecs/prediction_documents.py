"""What the readers of prediction streams share: documents of JSON, and fields that all rows have.

A message is one JSON object, an array of them, or objects one a line.
"""

import json
from collections.abc import Sequence
from decimal import Decimal
from math import inf
from typing import Any, Literal

import msgspec

from engine.codecs.json_documents import shown
from engine.codecs.samples import REJECTS_MAX, Limits, RejectedError, check_size
from engine.codecs.timestamps import TIMESTAMP_NS_MAX, epoch_ms_ns, rfc3339_ns
from engine.series.columns import Reject

TimestampUnit = Literal["s", "ms", "us", "ns"]

_UNIT_NS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
_UNIT_EXPONENT = {"s": 3, "ms": 0, "us": -3, "ns": -6}  # of milliseconds
_INTEGER_DIGITS_MAX = 400  # beyond what float64 holds, and Python refuses very long ones

_decode = msgspec.json.Decoder().decode
_decode_lines = msgspec.json.Decoder().decode_lines


def documents_of(payload: bytes, limits: Limits) -> list[Any]:
    """Decode the documents of a message; they may be of any type.

    Numbers beyond float64 are infinite.

    Raises
    ------
    RejectedError
        ``too_large`` or ``decode_error``.
    """
    check_size(payload, limits)
    try:
        try:
            found = _decode_lines(payload)
        except msgspec.ValidationError:  # a number that is beyond float64 or very long
            found = _slow_lines(payload)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise RejectedError("decode_error", _plain(error)) from None
    if not found:
        raise RejectedError("decode_error", "the message is empty")
    return found[0] if len(found) == 1 and isinstance(found[0], list) else found


def document_of(payload: bytes, limits: Limits) -> dict[str, Any]:
    """Decode a message of one object, which may have line feeds.

    Raises
    ------
    RejectedError
        ``too_large``, ``decode_error`` or ``schema_error``.
    """
    check_size(payload, limits)
    try:
        try:
            document = _decode(payload)
        except msgspec.ValidationError:
            document = _slow(payload)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise RejectedError("decode_error", _plain(error)) from None
    if not isinstance(document, dict):
        raise RejectedError("schema_error", "the message is no object")
    return document


def _plain(error: Exception) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)


def _slow_lines(payload: bytes) -> list[Any]:
    try:
        return [_slow(payload)]
    except ValueError:  # not one document, maybe one a line
        return [_slow(line) for line in payload.splitlines() if line.strip()]


def _slow(text: bytes) -> Any:
    """Decode what msgspec does not because of a number."""
    document = json.loads(text.decode(), parse_int=_integer, parse_constant=_refused)
    # Halves of surrogate pairs are no text, and must not get any further.
    json.dumps(document, ensure_ascii=False).encode()
    return document


def _integer(text: str) -> int | float:
    if len(text) <= _INTEGER_DIGITS_MAX:
        return int(text)
    return -inf if text.startswith("-") else inf


def _refused(text: str) -> Any:
    raise ValueError(f"JSON has no {text}")


def time_of(value: Any, what: str, unit: TimestampUnit = "ms") -> int:
    """Read a timestamp: a number since the epoch in `unit`, or RFC 3339.

    Raises
    ------
    RejectedError
        ``bad_timestamp``.
    """
    ts = None
    if isinstance(value, str):
        ts = rfc3339_ns(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        ts = value * _UNIT_NS[unit]
        if not 0 <= ts <= TIMESTAMP_NS_MAX:
            ts = None
    elif isinstance(value, float):
        ts = epoch_ms_ns(str(Decimal(repr(value)).scaleb(_UNIT_EXPONENT[unit])))
    if ts is None:
        detail = f"{what} is {shown(value)}, not a time between 1970 and 2262"
        raise RejectedError("bad_timestamp", detail)
    return ts


def text_of(value: Any, what: str) -> str:
    """Read an id or name: text or an integer.

    Raises
    ------
    RejectedError
        ``schema_error``.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 128:
        return str(value)
    raise RejectedError("schema_error", f"{what} is {shown(value)}, neither text nor an integer")


def mapping_of(value: Any, what: str) -> dict[str, Any]:
    """Read an object; null is an empty one.

    Raises
    ------
    RejectedError
        ``schema_error``.
    """
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise RejectedError("schema_error", f"{what} is {shown(value)}, not an object")
    return value


def row_bytes(document: Any) -> bytes:
    """Give a row of a message as JSON, for its dead letter."""
    try:
        return msgspec.json.encode(document)
    except (ValueError, TypeError, OverflowError):  # an integer beyond 64 bits
        return json.dumps(document).encode()


def bounded(rejects: Sequence[Reject], index: int) -> Reject | None:
    """Refuse a message with very many bad rows as a whole: each of them would be a dead letter."""
    if len(rejects) <= REJECTS_MAX:
        return None
    return Reject(index, "limit", f"more than {REJECTS_MAX} rows can't be used")
