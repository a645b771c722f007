"""What a Prometheus remote write message means: the strict reader, by a protobuf library.

A message is the body of a remote write request: a snappy block. A message that is no valid snappy
block is taken as the protobuf message itself. The version is told from the fields: 1.0 has field 1
or 3, 2.0 has field 4 or 5; a message with both is refused, and one with neither has no rows.
`remote_write.py` gives the same rows faster.
"""

from collections.abc import Iterable, Iterator, Sequence
from math import isnan
from struct import pack
from typing import Any

import msgspec

from engine.codecs.compression import decompress
from engine.codecs.remote_write_messages import DecodeError, Request, TimeSeries, WriteRequest
from engine.codecs.samples import Limits, RejectedError, Sample, check_size, checked_series
from engine.codecs.timestamps import MILLISECOND_NS, TIMESTAMP_NS_MAX
from engine.series.columns import FLAG_STALE, STALE_NAN_BITS, Reject
from engine.series.identity import NAME_LABEL, Series

TIMESTAMP_MS_MAX = TIMESTAMP_NS_MAX // MILLISECOND_NS

_STALE = int(FLAG_STALE)
_STALE_BYTES = int(STALE_NAN_BITS).to_bytes(8, "little")
# A symbol can be named by very many series: what rejects show of each must stay small.
_SHOWN_LABELS_MAX = 16
_SHOWN_CHARACTERS_MAX = 64

Labels = Sequence[tuple[str, str]]


def body_of(payload: bytes, limits: Limits) -> bytes:
    """Give the protobuf message of a payload, which is a snappy block or the message itself.

    Raises
    ------
    RejectedError
        ``too_large``.
    """
    check_size(payload, limits)
    try:
        return decompress(payload, "snappy", limits.max_decompressed_bytes)
    except RejectedError as error:
        if error.reason == "too_large":
            raise
    return decompress(payload, "none", limits.max_decompressed_bytes)


def read_message(payload: bytes, index: int, limits: Limits) -> tuple[list[Sample], list[Reject]]:
    """Read one message; `index` is what its rejects say."""
    samples: list[Sample] = []
    rejects: list[Reject] = []
    try:
        for labels, series in _timeseries(body_of(payload, limits)):
            _read_timeseries(labels, series, index, limits, samples, rejects)
    except RejectedError as error:
        return [], [error.reject(index, None)]
    return samples, rejects


def read_identity(region: bytes, limits: Limits) -> Series | None:
    """Read the labels of a 1.0 time series, given as its fields 1; None if they can't be used."""
    try:
        return series_of(_pairs(TimeSeries.FromString(region)), limits)
    except (DecodeError, RejectedError):
        return None


def read_symbols(texts: Sequence[bytes], limits: Limits) -> Series | None:
    """Read the labels of a 2.0 time series, given as names and values in turn; None likewise."""
    try:
        decoded = [text.decode() for text in texts]
        return series_of(list(zip(decoded[::2], decoded[1::2], strict=True)), limits)
    except (ValueError, RejectedError):
        return None


def series_of(pairs: Labels, limits: Limits) -> Series:
    """Make a series of labels, one of which is the name.

    Raises
    ------
    RejectedError
        ``schema_error`` or ``limit``.
    """
    # No text has fewer bytes than characters; to encode a huge one just to measure it is slow.
    if any(max(len(name), len(value)) > limits.max_label_bytes for name, value in pairs):
        detail = f"a label is longer than {limits.max_label_bytes} bytes"
        raise RejectedError("limit", detail)
    labels = dict(pairs)
    if len(labels) < len(pairs):
        raise RejectedError("schema_error", "a label's name is there twice")
    if not labels.get(NAME_LABEL):
        raise RejectedError("schema_error", f"the label {NAME_LABEL} is missing or empty")
    return checked_series(labels.pop(NAME_LABEL), labels, limits)


def _timeseries(body: bytes) -> Iterator[tuple[Labels | None, Any]]:
    """Give the time series of a message that hold anything, each with its labels.

    Labels are None if they refer to nothing.
    """
    try:
        first, second = WriteRequest.FromString(body), Request.FromString(body)
    except DecodeError as error:
        raise RejectedError("decode_error", f"no remote write request: {error}") from None
    if not second.symbols and not second.timeseries:
        yield from ((_pairs(series), series) for series in first.timeseries if _holds(series))
        return
    if first.timeseries or first.metadata:
        raise RejectedError("schema_error", "the message has fields of both 1.0 and 2.0")
    symbols = list(second.symbols)
    if symbols and symbols[0]:
        raise RejectedError("schema_error", "the first symbol is not empty")
    for series in second.timeseries:
        if _holds(series):
            yield _resolved(list(series.labels_refs), symbols), series


def _holds(series: Any) -> bool:
    return bool(series.samples or series.histograms)


def _pairs(series: Any) -> Labels:
    return [(label.name, label.value) for label in series.labels]


def _resolved(references: Sequence[int], symbols: Sequence[str]) -> Labels | None:
    if len(references) % 2 or max(references, default=-1) >= len(symbols):
        return None
    texts = [symbols[reference] for reference in references]
    return list(zip(texts[::2], texts[1::2], strict=True))


def _read_timeseries(
    labels: Labels | None,
    series: Any,
    index: int,
    limits: Limits,
    samples: list[Sample],
    rejects: list[Reject],
) -> None:
    """Read one time series; what is wrong with its labels or histograms is one reject."""
    counts = {"samples": len(series.samples), "histograms": len(series.histograms)}
    if labels is None:
        detail = "label references are odd or beyond the symbols"
        rejects.append(Reject(index, "schema_error", detail, _row(labels, **counts)))
        return
    try:
        identity = series_of(labels, limits)
    except RejectedError as error:
        rejects.append(error.reject(index, _row(labels, **counts)))
        return
    for sample in series.samples:
        milliseconds, value = sample.timestamp, sample.value
        if 0 <= milliseconds <= TIMESTAMP_MS_MAX:
            flags = _STALE if isnan(value) and pack("<d", value) == _STALE_BYTES else 0
            samples.append(Sample(identity, milliseconds * MILLISECOND_NS, value, flags))
        else:
            detail = f"timestamp is {milliseconds}, not milliseconds between 1970 and 2262"
            row = _row(labels, ts=milliseconds, value=value)
            rejects.append(Reject(index, "bad_timestamp", detail, row))
    if series.histograms:
        detail = "native histograms are not supported"
        rejects.append(Reject(index, "unsupported", detail, _row(labels, **counts)))


def _row(labels: Iterable[tuple[str, str]] | None, **known: float) -> bytes:
    """Write what is known of a row as JSON, with long labels cut."""
    pairs = list(labels or ())[:_SHOWN_LABELS_MAX]
    shown = {name[:_SHOWN_CHARACTERS_MAX]: value[:_SHOWN_CHARACTERS_MAX] for name, value in pairs}
    return msgspec.json.encode({"labels": shown, **known})
