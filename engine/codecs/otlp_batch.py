"""A batch of OTLP messages with what a scan found in them, and small messages made of its parts."""

import sys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.codecs.interning import WORD_PADDING
from engine.codecs.otlp_records import (
    BUCKET_COUNTS,
    DOUBLE,
    GAUGE,
    GAUGE_DATA,
    HISTOGRAM,
    HISTOGRAM_DATA,
    METRIC,
    MONOTONIC,
    PLACE_BYTES,
    POINT,
    POINT_BYTES_MIN,
    RESOURCE_METRICS,
    SCOPE_METRICS,
    SUM,
    SUM_DATA,
    TEMPORALITY,
    TIME,
    Found,
)
from engine.codecs.otlp_scan import scan

_PLACE_EVERY_BYTES = 12  # fewer than producers need, to bound the room for places
_PLACES_PER_MESSAGE = 16
# Any time and value will do where only the series is asked for.
_TIME = bytes([TIME, 1, *bytes(7)])
_VALUE = bytes([DOUBLE, *bytes(8)])
_SUM = bytes([SUM, *bytes(8)])


class Batch:
    """Some messages, scanned.

    Parameters
    ----------
    payloads : sequence of bytes
    max_message_bytes : int
        Longer ones are not scanned.

    Attributes
    ----------
    buffer : uint8[b]
        The messages, one behind the other, and behind them the places.
    places : uint64[p]
        The places' content.
    plain : bool[k]
        Messages that need no slow reader.
    found : Found
    """

    def __init__(self, payloads: Sequence[bytes], max_message_bytes: int) -> None:
        lengths = np.fromiter(map(len, payloads), np.int64, len(payloads))
        total = int(lengths.sum())
        places_max = total // _PLACE_EVERY_BYTES + _PLACES_PER_MESSAGE * len(payloads)
        # Zeroed memory is free until it is used, and of the places few are.
        self._bytes = bytearray(total + places_max * PLACE_BYTES + WORD_PADDING)
        self._bytes[:total] = b"".join(payloads)
        self.buffer = np.frombuffer(self._bytes, np.uint8)
        self.plain = lengths <= max_message_bytes
        found = Found.empty(places_max, total // POINT_BYTES_MIN + 1)
        scan(self.buffer, lengths, self.plain, found)
        self.found = found.trimmed()
        self.places = np.frombuffer(self._bytes, np.uint64, int(found.counts[-1]), total)

    def _span(self, spans: NDArray[np.int64], row: int, column: int) -> bytes:
        start, length = spans[row, column : column + 2].tolist()
        return bytes(self._bytes[start : start + length])

    def key(self, spans: NDArray[np.int64], row: int) -> tuple[int, bytes]:
        """Give what tables know a record by: the id of what is above it, and its bytes."""
        return int.from_bytes(self._span(spans, row, 0), sys.byteorder), self._span(spans, row, 2)

    def metric_of(self, place_start: int) -> int:
        """Give the row of the metric whose id stands at this byte."""
        return int(np.searchsorted(self.found.metrics.spans[:, 0], place_start))

    def histogram_of(self, row: int) -> int:
        """Give the histogram that a row is a part of."""
        return int(np.searchsorted(self.found.histograms.row, row, side="right")) - 1

    def scope_document(self, scope: int, children: bytes = b"") -> bytes:
        """Make a message of one scope."""
        spans = self.found.scopes.spans
        scope_metrics = self._span(spans, scope, 2) + children
        resource_metrics = self._span(spans, scope, 0) + _field(SCOPE_METRICS, scope_metrics)
        return _field(RESOURCE_METRICS, resource_metrics)

    def metric_document(self, metric: int, data: bytes = b"") -> bytes:
        """Make a message of one metric with these encoded points."""
        metrics = self.found.metrics
        kind = int(metrics.kind[metric])
        if kind == GAUGE:
            data = _field(GAUGE_DATA, data)
        elif kind > HISTOGRAM:
            data = _field(HISTOGRAM_DATA, data + bytes([TEMPORALITY, kind - HISTOGRAM]))
        else:
            data += bytes([TEMPORALITY, kind >> 1, MONOTONIC, kind & 1])
            data = _field(SUM_DATA, data)
        head = self._span(metrics.spans, metric, 2)
        return self.scope_document(int(metrics.scope[metric]), _field(METRIC, head + data))

    def points_document(self, metric: int, attributes: Sequence[bytes]) -> bytes:
        """Make a message with points of a gauge or sum that have these attributes."""
        points = (_field(POINT, _TIME + _VALUE + some) for some in attributes)
        return self.metric_document(metric, b"".join(points))

    def histogram_document(self, histogram: int) -> bytes:
        """Make a message with a histogram's point, whose buckets are empty."""
        histograms = self.found.histograms
        buckets = bytes(8 * (int(histograms.parts[histogram]) - 2))
        identity = self._span(histograms.spans, histogram, 2)
        point = _TIME + _SUM + _field(BUCKET_COUNTS, buckets) + identity
        metric = self.metric_of(int(histograms.spans[histogram, 0]))
        return self.metric_document(metric, _field(POINT, point))


def _field(tag: int, content: bytes) -> bytes:
    """Encode a length-delimited field."""
    length = len(content)
    varint = bytearray()
    while length >= 0x80:
        varint.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes([tag, *varint, length]) + content
