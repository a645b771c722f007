"""Lines of a recording of predictions: native messages, or flat ones as its tables would be.

Features and tags may stand beside the other fields as ``feature.<name>`` and ``tag.<name>``, times
may count in another unit than milliseconds, and what all rows share may be left out.
"""

from typing import Any

from msgspec import DecodeError
from msgspec.json import decode as decode_json

from engine.codecs.prediction_documents import TimestampUnit, document_of, row_bytes, time_of
from engine.codecs.prediction_frames import FEATURE, TAG
from engine.codecs.prediction_json import read_native
from engine.codecs.predictions import Rows
from engine.codecs.samples import Limits, RejectedError
from engine.codecs.timestamps import rfc3339_ns
from engine.events import rfc3339
from engine.sources.prediction_layout import PredictionLayout

_TIMES = ("ts", "label_ts")
_UNITS: dict[str, TimestampUnit] = {"s": "s", "ms": "ms", "us": "us", "ns": "ns"}


def is_native(layout: PredictionLayout) -> bool:
    """Tell whether lines can be read as native messages, as they are."""
    flat = any(name.startswith((FEATURE, TAG)) for name in layout.columns)
    return not (flat or layout.model or layout.version) and (layout.time_column, layout.unit) in {
        ("ts", "ms"),
        ("ts", ""),
    }


def read_line(payload: bytes, index: int, limits: Limits, layout: PredictionLayout) -> Rows:
    """Read one line; `index` is what its rows and rejects say of its place."""
    try:
        document = document_of(payload, limits)
        native = row_bytes(native_document(document, layout))
    except RejectedError as error:
        return [], [], [error.reject(index, None)]
    return read_native(native, index, limits)


def advance_of(payload: bytes) -> int | None:
    """Give the time (ns) up to which a line advances the watermark, if that is all it says."""
    try:
        document = decode_json(payload)
    except DecodeError:
        return None
    if not isinstance(document, dict) or document.keys() != {"ts"}:
        return None
    return rfc3339_ns(document["ts"]) if isinstance(document["ts"], str) else None


def native_document(document: dict[str, Any], layout: PredictionLayout) -> dict[str, Any]:
    """Give a line as a native message.

    Raises
    ------
    RejectedError
        A time can't be read.
    """
    found: dict[str, Any] = {}
    nested: dict[str, dict[str, Any]] = {"features": {}, "tags": {}}
    for name, value in document.items():
        if value is None:
            continue
        if name.startswith(FEATURE):
            nested["features"][name.removeprefix(FEATURE)] = value
        elif name.startswith(TAG):
            nested["tags"][name.removeprefix(TAG)] = value
        else:
            found["ts" if name == layout.time_column else name] = value
    for key, values in nested.items():
        own = found.get(key)
        if values and (own is None or isinstance(own, dict)):
            found[key] = {**values, **(own or {})}
    for key in _TIMES:
        if isinstance(found.get(key), int | float):
            found[key] = rfc3339(time_of(found[key], key, _UNITS.get(layout.unit, "ms")))
    for key, default in (("model", layout.model), ("version", layout.version)):
        if default:
            found.setdefault(key, default)
    return found
