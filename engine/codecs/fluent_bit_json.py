"""Fluent Bit's Kafka output: flat records, each number of which is a sample.

``{"@timestamp": 1760000000.0, "cpu_p": 93.0, "hostname": "web-1"}``. The record's time is
``@timestamp``, or ``date`` as other outputs of Fluent Bit call it: seconds as a decimal number, or
RFC 3339. Each number is a series by its key, each string a label of all of them; truth values are
1 and 0. Nested objects are flattened with ``_``; nulls and arrays are passed over. A record without
a number is a log line: no rows, and no fault.
"""

from decimal import ROUND_FLOOR, Context, Decimal, InvalidOperation, Overflow

from engine.codecs.json_documents import (
    Document,
    NumberText,
    Row,
    checked_labels,
    is_number,
    is_text,
    leaves_of,
    read_documents,
    rfc3339_timestamp_ns,
    shown,
)
from engine.codecs.samples import Limits, RejectedError, Sample
from engine.codecs.timestamps import epoch_ms_ns
from engine.series.columns import Reject

_TIMESTAMP_KEYS = ("@timestamp", "date")
# Wide enough that all digits down to a nanosecond stay; floors as `epoch_ms_ns` does.
_CONTEXT = Context(prec=60, rounding=ROUND_FLOOR)


def read_fluent_bit(
    payload: bytes, index: int, limits: Limits
) -> tuple[list[Sample], list[Reject]]:
    """Read one message strictly; `index` is what its rejects say."""
    return read_documents(payload, index, limits, _read_record)


def _read_record(record: Document, limits: Limits) -> list[Row]:
    timestamp_ns = _timestamp_ns(record)
    fields = {key: value for key, value in record.items() if key not in _TIMESTAMP_KEYS}
    numbers: list[tuple[str, object]] = []
    texts: dict[str, str] = {}
    for path, value in leaves_of(fields, limits):
        if is_number(value):
            numbers.append(("_".join(path), value))
        elif is_text(value):
            texts["_".join(path)] = value
    if not numbers:
        return []
    labels = checked_labels(texts, limits)
    return [Row(name, labels, timestamp_ns, value) for name, value in numbers]


def _timestamp_ns(record: Document) -> int:
    """Read the time of a record as nanoseconds since the epoch."""
    key = next((key for key in _TIMESTAMP_KEYS if record.get(key) is not None), "@timestamp")
    value = record.get(key)
    if not is_number(value):
        return rfc3339_timestamp_ns(value, key)
    timestamp_ns = _epoch_s_ns(value if isinstance(value, NumberText) else str(value))
    if timestamp_ns is None:
        detail = f"{key} is {shown(value)}, not epoch seconds between 1970 and 2262"
        raise RejectedError("bad_timestamp", detail)
    return timestamp_ns


def _epoch_s_ns(text: str) -> int | None:
    """Give the nanoseconds of a decimal number of seconds exactly; None if out of range."""
    try:
        milliseconds = Decimal(text).scaleb(3, context=_CONTEXT)
    except (InvalidOperation, Overflow):  # an exponent beyond what a Decimal holds
        return None
    return epoch_ms_ns(str(milliseconds))
