"""One pass of compiled code over joined OTLP metrics messages: gauges, sums and histograms.

The scan recognises what producers write and leaves every other message to the slow reader: other
kinds of metrics, exemplars, fields in an order that no encoder chooses, anything malformed.

A message is a tree whose inner nodes are a head (resource; scope; name, description and unit) with
children behind it. Heads and attributes are only delimited here. Their bytes are parsed, and so
checked, when they are met for the first time; all that is not in them is checked here.
"""

from typing import Any

import numpy as np

from engine.codecs.otlp_histogram_scan import scan_histogram_point
from engine.codecs.otlp_records import (
    ATTRIBUTE,
    CUMULATIVE,
    DELTA,
    DESCRIPTION,
    DOUBLE,
    FLAGS,
    GAUGE,
    GAUGE_DATA,
    HISTOGRAM,
    HISTOGRAM_DATA,
    HISTOGRAMS,
    INTEGER,
    METRIC,
    METRICS,
    MONOTONIC,
    NAME,
    PLACE_BYTES,
    PLACES,
    POINT,
    POINTS,
    RESOURCE,
    RESOURCE_METRICS,
    SCHEMA_URL,
    SCOPE,
    SCOPE_METRICS,
    SCOPES,
    START_TIME,
    SUM_DATA,
    TEMPORALITY,
    TIME,
    UNIT,
    Found,
    Points,
)
from engine.codecs.protobuf_walk import is_ascii, read_fixed64, read_length, read_varint
from engine.codecs.timestamps import TIMESTAMP_NS_MAX
from engine.kernels.jit import in_place
from engine.series.columns import FLAG_DELTA, FLAG_STALE, STALE_NAN_BITS

_BAD = -1
_SEEN_VALUE, _SEEN_TIME, _SEEN_ATTRIBUTES = 1, 2, 4


@in_place
def _attributes_stop(buffer: Any, position: int, end: int) -> int:
    """Give the end of a run of attributes, of which the first's tag was read."""
    while True:
        position = read_length(buffer, position, end)[1]
        if position < 0 or position == end or buffer[np.uint64(position)] != ATTRIBUTE:
            return position
        position += 1


@in_place
def _scan_point(buffer: Any, position: int, end: int, row: int, points: Points) -> bool:
    """Read a point into a row; whether it is good."""
    seen = 0
    points.flags[row] = 0
    points.spans[row, 2] = position
    points.spans[row, 3] = 0
    while position < end:
        tag = buffer[np.uint64(position)]
        position += 1
        if tag == ATTRIBUTE:
            if seen & _SEEN_ATTRIBUTES:
                return False
            seen |= _SEEN_ATTRIBUTES
            start = position - 1
            position = _attributes_stop(buffer, position, end)
            points.spans[row, 2] = start
            points.spans[row, 3] = position - start
        elif tag == FLAGS:
            position, bits = read_varint(buffer, position, end)
            points.flags[row] = FLAG_STALE if bits & np.uint64(1) else 0
        elif tag in (START_TIME, TIME, DOUBLE, INTEGER):
            if end - position < 8:
                return False
            word = read_fixed64(buffer, position)
            position += 8
            if tag == TIME:
                if word == np.uint64(0) or word > np.uint64(TIMESTAMP_NS_MAX):
                    return False
                points.ts[row] = word
                seen |= _SEEN_TIME
            elif tag == DOUBLE:
                points.value_bits[row] = word
                seen |= _SEEN_VALUE
            elif tag == INTEGER:
                points.value[row] = np.float64(np.int64(word))
                seen |= _SEEN_VALUE
        else:
            return False
        if position < 0:
            return False
    if points.flags[row] & FLAG_STALE:
        points.value_bits[row] = STALE_NAN_BITS
        seen |= _SEEN_VALUE
    return seen & (_SEEN_TIME | _SEEN_VALUE) == (_SEEN_TIME | _SEEN_VALUE)


@in_place
def _scan_child(buffer: Any, position: int, end: int, is_histogram: bool, found: Found) -> bool:
    """Read a point of any kind and append it; whether it is good."""
    if is_histogram:
        return scan_histogram_point(buffer, position, end, found)
    row = found.counts[POINTS]
    if row == len(found.points.ts) or not _scan_point(buffer, position, end, row, found.points):
        return False
    found.counts[POINTS] = row + 1
    return True


@in_place
def _scan_data(buffer: Any, position: int, end: int, data: int, found: Found) -> int:
    """Read a metric's points; `data` is the tag that was read. Gives the kind, or -1."""
    temporality: Any = 0
    monotonic: Any = 0
    while position < end:
        tag = buffer[np.uint64(position)]
        if tag == POINT:
            start, position = read_length(buffer, position + 1, end)
            if position < 0:
                return _BAD
            if not _scan_child(buffer, start, position, data == HISTOGRAM_DATA, found):
                return _BAD
        elif (tag == TEMPORALITY and data != GAUGE_DATA) or (tag == MONOTONIC and data == SUM_DATA):
            position, number = read_varint(buffer, position + 1, end)
            if position < 0 or number > np.uint64(CUMULATIVE):
                return _BAD
            if tag == TEMPORALITY:
                temporality = np.int64(number)
            else:
                monotonic = np.int64(number)
        else:
            return _BAD
    if data == GAUGE_DATA:
        return GAUGE
    if temporality < DELTA or monotonic > 1:
        return _BAD
    return HISTOGRAM + temporality if data == HISTOGRAM_DATA else 2 * temporality + monotonic


@in_place
def _head_stop(buffer: Any, position: int, end: int) -> int:
    """Give the end of a metric's head; -1 if it is malformed or nothing follows."""
    while position < end:
        tag = buffer[np.uint64(position)]
        if tag not in (NAME, DESCRIPTION, UNIT):
            return position
        position = read_length(buffer, position + 1, end)[1]
        if position < 0:
            return _BAD
    return _BAD


@in_place
def _scan_metric(buffer: Any, position: int, end: int, scope: int, found: Found) -> bool:
    """Read a metric; whether it is good."""
    counts, metrics, points = found.counts, found.metrics, found.points
    metric, place = counts[METRICS], counts[PLACES]
    head_stop = _head_stop(buffer, position, end)
    if head_stop < 0 or place >= found.places_max or metric == len(metrics.scope):
        return False
    counts[METRICS], counts[PLACES] = metric + 1, place + 1
    metrics.scope[metric] = scope
    metrics.place[metric] = place
    metrics.spans[metric, 2] = position
    metrics.spans[metric, 3] = head_stop - position
    data = buffer[np.uint64(head_stop)]
    start, stop = read_length(buffer, head_stop + 1, end)
    if stop != end or data not in (GAUGE_DATA, SUM_DATA, HISTOGRAM_DATA):
        return False
    first, first_histogram = counts[POINTS], counts[HISTOGRAMS]
    kind = _scan_data(buffer, start, end, data, found)
    if kind < 0:
        return False
    metrics.kind[metric] = kind
    for histogram in range(first_histogram, counts[HISTOGRAMS]):
        found.histograms.spans[histogram, 0] = place
    if data != HISTOGRAM_DATA:
        for row in range(first, counts[POINTS]):
            points.spans[row, 0] = place
    if kind >> 1 == DELTA or kind == HISTOGRAM + DELTA:
        for row in range(first, counts[POINTS]):
            points.flags[row] |= FLAG_DELTA
    return True


@in_place
def _scan_scope(buffer: Any, position: int, end: int, found: Found) -> bool:
    """Read a ScopeMetrics; whether it is good."""
    scopes = found.scopes
    scope = found.counts[SCOPES]
    scopes.spans[scope, 2] = position
    while position < end and buffer[np.uint64(position)] == SCOPE:
        position = read_length(buffer, position + 1, end)[1]
        if position < 0:
            return False
    scopes.spans[scope, 3] = position - scopes.spans[scope, 2]
    found.counts[SCOPES] = scope + 1
    while position < end:
        tag = buffer[np.uint64(position)]
        start, position = read_length(buffer, position + 1, end)
        if position < 0:
            return False
        if tag == METRIC:
            if not _scan_metric(buffer, start, position, scope, found):
                return False
        elif tag != SCHEMA_URL or not is_ascii(buffer, start, position):
            return False
    return True


@in_place
def _scan_resource(buffer: Any, position: int, end: int, found: Found) -> bool:
    """Read a ResourceMetrics; whether it is good."""
    scopes = found.scopes
    head_start = position
    while position < end and buffer[np.uint64(position)] == RESOURCE:
        position = read_length(buffer, position + 1, end)[1]
        if position < 0:
            return False
    head_length = position - head_start
    # Without a ScopeMetrics, nothing would have the head checked.
    if position == end or buffer[np.uint64(position)] != SCOPE_METRICS:
        return False
    while position < end:
        tag = buffer[np.uint64(position)]
        start, position = read_length(buffer, position + 1, end)
        if position < 0:
            return False
        if tag == SCOPE_METRICS:
            scope = found.counts[SCOPES]
            if scope == len(scopes.spans):
                return False
            scopes.spans[scope, 0] = head_start
            scopes.spans[scope, 1] = head_length
            if not _scan_scope(buffer, start, position, found):
                return False
        elif tag != SCHEMA_URL or not is_ascii(buffer, start, position):
            return False
    return True


@in_place
def _scan_message(buffer: Any, position: int, end: int, found: Found) -> bool:
    """Read a message; whether it is good."""
    while position < end:
        if buffer[np.uint64(position)] != RESOURCE_METRICS:
            return False
        start, position = read_length(buffer, position + 1, end)
        if position < 0 or not _scan_resource(buffer, start, position, found):
            return False
    return True


@in_place
def _place_ids(start: int, count: int, spans: Any) -> None:
    """Turn numbers of places into spans of bytes."""
    for row in range(count):
        spans[row, 0] = start + PLACE_BYTES * spans[row, 0]
        spans[row, 1] = PLACE_BYTES


@in_place
def scan(buffer: Any, lengths: Any, plain: Any, found: Found) -> None:
    """Read the messages that lie one behind the other.

    Parameters
    ----------
    buffer : uint8[b]
        The messages, then `PLACE_BYTES` for each of `found.places_max`.
    lengths : int64[m]
        Bytes of each message.
    plain : bool[m]
        Messages to read; afterwards those that could be read. One that needs more room than there
        is in `found` is none of them.
    found : Found
        Written.
    """
    counts = found.counts
    position = 0
    for message in range(len(lengths)):
        scope, metric, histogram = counts[SCOPES], counts[METRICS], counts[HISTOGRAMS]
        point, place = counts[POINTS], counts[PLACES]
        end = position + lengths[message]
        if plain[message] and _scan_message(buffer, position, end, found):
            found.scopes.message[scope : counts[SCOPES]] = message
            found.metrics.message[metric : counts[METRICS]] = message
            found.histograms.message[histogram : counts[HISTOGRAMS]] = message
            found.points.message[point : counts[POINTS]] = message
        else:
            plain[message] = False
            counts[SCOPES], counts[METRICS], counts[HISTOGRAMS] = scope, metric, histogram
            counts[POINTS], counts[PLACES] = point, place
        position = end
    for metric in range(counts[METRICS]):
        found.metrics.spans[metric, 0] = found.metrics.place[metric]
    _place_ids(position, counts[METRICS], found.metrics.spans)
    _place_ids(position, counts[HISTOGRAMS], found.histograms.spans)
    _place_ids(position, counts[POINTS], found.points.spans)
