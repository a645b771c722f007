"""Telegraf's JSON: the strict reader.

``{"fields":{"usage_idle":6.9},"name":"cpu","tags":{"host":"web-1"},"timestamp":1760000000}``, or
``{"metrics":[...]}`` with such objects. Series are named as those of the line protocol
(`influx_lines.py`), so that the same data gives the same series in both formats.

Fields that are numbers or booleans are samples; texts and nulls are no metrics and are left out
silently; a field that is an object or array is a bad value. A bad metric is rejected with all its
fields; if it is the whole message, so is the message.
"""

from decimal import ROUND_FLOOR, Context, Decimal, InvalidOperation
from math import isinf

import msgspec

from engine.codecs.influx_lines import TimestampUnit, metric_name
from engine.codecs.samples import Limits, RejectedError, Sample, check_size, checked_series
from engine.codecs.timestamps import TIMESTAMP_NS_MAX, rfc3339_ns
from engine.series.columns import Reject

_NUMBER_STARTS = b"-0123456789"
_CONSTANTS = {b"true": 1.0, b"false": 0.0, b"null": None}

_POWERS_TO_NS = {"s": 9, "ms": 6, "us": 3, "ns": 0}
_AUTO_LIMITS: tuple[tuple[Decimal, TimestampUnit], ...] = (
    (Decimal(10**11), "s"),  # until the year 5138
    (Decimal(10**14), "ms"),  # from 1973 on
    (Decimal(10**17), "us"),
    (Decimal(TIMESTAMP_NS_MAX) + 1, "ns"),
)
"""Below which number "auto" takes a timestamp for which unit."""
_CONTEXT = Context(prec=60, rounding=ROUND_FLOOR)


class _Message(msgspec.Struct, gc=False):
    """What tells the two forms of a message apart."""

    metrics: msgspec.Raw = msgspec.Raw()


class _Metric(msgspec.Struct, gc=False):
    """A metric whose parts are still text, so that numbers keep all their digits."""

    name: msgspec.Raw = msgspec.Raw()
    tags: msgspec.Raw = msgspec.Raw(b"{}")
    fields: msgspec.Raw = msgspec.Raw()
    timestamp: msgspec.Raw = msgspec.Raw()


_decode_raw = msgspec.json.Decoder(msgspec.Raw).decode
_decode_message = msgspec.json.Decoder(_Message).decode
_decode_metrics = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_metric = msgspec.json.Decoder(_Metric).decode
_decode_text = msgspec.json.Decoder(str).decode
_decode_tags = msgspec.json.Decoder(dict[str, str]).decode
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def _epoch_ns(text: str, unit: TimestampUnit) -> int | None:
    """Give the nanoseconds of a JSON number of `unit`; what lies below one is dropped."""
    try:
        number = Decimal(text)
        if not 0 <= number <= TIMESTAMP_NS_MAX:
            return None
        if unit == "auto":
            unit = next(unit for limit, unit in _AUTO_LIMITS if number < limit)
        timestamp_ns = int(number.scaleb(_POWERS_TO_NS[unit], context=_CONTEXT))
    except InvalidOperation:  # an exponent beyond what a Decimal holds
        return None
    return timestamp_ns if timestamp_ns <= TIMESTAMP_NS_MAX else None


def _timestamp_ns(raw: bytes, unit: TimestampUnit) -> int:
    timestamp_ns = None
    if raw[:1] == b'"':
        timestamp_ns = rfc3339_ns(_decode_text(raw))
    elif raw and raw[0] in _NUMBER_STARTS:
        timestamp_ns = _epoch_ns(raw.decode(), unit)
    if timestamp_ns is None:
        raise RejectedError(
            "bad_timestamp", f"timestamp is {_shown(raw)}, not between 1970 and 2262"
        )
    return timestamp_ns


def _shown(raw: bytes) -> str:
    return raw[:100].decode(errors="replace") if raw else "missing"


def _value(field: str, raw: bytes) -> float | None:
    """Read a field; None if it is no metric."""
    if raw[:1] == b'"':
        return None
    if raw in _CONSTANTS:
        return _CONSTANTS[raw]
    if raw[0] in _NUMBER_STARTS:
        value = float(raw)
        if not isinf(value):
            return value
    raise RejectedError("bad_value", f"field {field} is {_shown(raw)}, not a number in a float64")


def _read_metric(raw: bytes, limits: Limits, unit: TimestampUnit) -> list[Sample]:
    """Read the samples of one metric, in the order of its fields."""
    try:
        metric = _decode_metric(raw)
        name = _decode_text(metric.name)
        tags = _decode_tags(metric.tags)
        fields = _decode_fields(metric.fields)
    except msgspec.DecodeError:
        detail = "a metric needs a name, an object of fields, and tags that are strings"
        raise RejectedError("schema_error", detail) from None
    if not name or "" in fields:
        raise RejectedError("schema_error", "name or a field's name is empty")
    values = {field: _value(field, bytes(text)) for field, text in fields.items()}
    numbers = {field: value for field, value in values.items() if value is not None}
    if not numbers:
        return []
    timestamp_ns = _timestamp_ns(bytes(metric.timestamp), unit)
    return [
        Sample(checked_series(metric_name(name, field), tags, limits), timestamp_ns, value)
        for field, value in numbers.items()
    ]


def _split(payload: bytes, limits: Limits) -> tuple[list[bytes], bool]:
    """Check a message as a whole; gives the bytes of its metrics, and whether it is a batch."""
    check_size(payload, limits)
    try:
        payload.decode()  # raw values are not checked for UTF-8
        document = bytes(_decode_raw(payload)).strip()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RejectedError("decode_error", str(error)) from None
    if document[:1] != b"{":
        raise RejectedError("schema_error", "the message is no object")
    metrics = bytes(_decode_message(document).metrics)
    if not metrics:
        return [document], False
    try:
        return [bytes(metric) for metric in _decode_metrics(metrics)], True
    except msgspec.DecodeError:
        raise RejectedError("schema_error", "metrics is no array") from None


def read_telegraf(
    payload: bytes, index: int, limits: Limits, timestamp_unit: TimestampUnit = "auto"
) -> tuple[list[Sample], list[Reject]]:
    """Read one message.

    Parameters
    ----------
    payload : bytes
    index : int
        What the rejects say is the message's number.
    limits : Limits
    timestamp_unit : {"auto", "s", "ms", "us", "ns"}
        What numeric timestamps count since the epoch. "auto" means seconds, Telegraf's default,
        below 1e11; milliseconds below 1e14; microseconds below 1e17; else nanoseconds.

    Returns
    -------
    list of Sample, list of Reject
    """
    samples: list[Sample] = []
    rejects: list[Reject] = []
    try:
        metrics, is_batch = _split(payload, limits)
        for metric in metrics:
            try:
                samples += _read_metric(metric, limits, timestamp_unit)
            except RejectedError as error:
                rejects.append(error.reject(index, metric if is_batch else None))
    except RejectedError as error:
        return [], [error.reject(index, None)]
    except RecursionError:  # nested just deeply enough to pass the first look
        return [], [Reject(index, "decode_error", "nested too deeply")]
    return samples, rejects
