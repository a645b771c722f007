"""Compiled code that reads one point of an OTLP histogram into the rows of its series."""

from typing import Any

import numpy as np

from engine.codecs.otlp_records import (
    BOUNDS,
    BUCKET_COUNTS,
    COUNT,
    HISTOGRAM_ATTRIBUTE,
    HISTOGRAM_FLAGS,
    HISTOGRAMS,
    MAXIMUM,
    MINIMUM,
    PLACES,
    POINTS,
    START_TIME,
    SUM,
    TIME,
    Found,
)
from engine.codecs.protobuf_walk import read_fixed64, read_length, read_varint
from engine.codecs.timestamps import TIMESTAMP_NS_MAX
from engine.kernels.jit import in_place
from engine.series.columns import FLAG_STALE, STALE_NAN_BITS

PARTS_MAX = 1 << 16
"""More rows than this are left to the slow reader."""

_BAD = -1
_SEEN_SUM, _SEEN_BUCKETS, _SEEN_IDENTITY = 1, 2, 4


@in_place
def _identity_stop(buffer: Any, position: int, end: int) -> tuple[int, int]:
    """Give the end of a run of bounds and attributes, and how many bounds it has."""
    bounds = -1
    while position < end:
        tag = buffer[np.uint64(position)]
        if tag not in (BOUNDS, HISTOGRAM_ATTRIBUTE):
            break
        start, position = read_length(buffer, position + 1, end)
        if position < 0:
            return _BAD, 0
        if tag == BOUNDS:
            if bounds >= 0 or (position - start) & 7:
                return _BAD, 0
            bounds = (position - start) >> 3
    return position, max(bounds, 0)


@in_place
def _append_rows(
    buffer: Any, buckets_start: int, buckets: int, count: Any, sum_bits: Any, found: Found
) -> bool:
    """Write the values of the newest histogram point's rows; whether its buckets can be used."""
    histograms, points = found.histograms, found.points
    histogram = found.counts[HISTOGRAMS]
    row, parts = histograms.row[histogram], histograms.parts[histogram]
    if buckets != parts - 2 and (buckets or parts != 3):
        return False
    total = np.uint64(0)
    for part in range(parts - 2):
        bucket = count if buckets == 0 else read_fixed64(buffer, buckets_start + 8 * part)
        total += bucket
        if total < bucket:
            return False  # beyond 64 bits
        points.value[row + part] = np.float64(total)
    points.value_bits[row + parts - 2] = sum_bits
    points.value[row + parts - 1] = np.float64(count)
    return True


@in_place
def _append(
    buffer: Any,
    timestamp: Any,
    flags: int,
    bounds: int,
    buckets_start: int,
    buckets: int,
    count: Any,
    sum_bits: Any,
    found: Found,
) -> bool:
    """Write a point whose identity's span is written; whether it is good."""
    counts, histograms, points = found.counts, found.histograms, found.points
    histogram, row, place = counts[HISTOGRAMS], counts[POINTS], counts[PLACES]
    parts = bounds + 3
    if parts > PARTS_MAX or row + parts > len(points.ts) or place + parts > found.places_max:
        return False
    histograms.row[histogram] = row
    histograms.parts[histogram] = parts
    histograms.place[histogram] = place
    for part in range(parts):
        points.ts[row + part] = timestamp
        points.flags[row + part] = flags
        points.spans[row + part, 0] = place + part
        points.spans[row + part, 2] = 0
        points.spans[row + part, 3] = 0
    if flags:
        for part in range(parts):
            points.value_bits[row + part] = STALE_NAN_BITS
    elif not _append_rows(buffer, buckets_start, buckets, count, sum_bits, found):
        return False
    counts[HISTOGRAMS] = histogram + 1
    counts[POINTS] = row + parts
    counts[PLACES] = place + parts
    return True


@in_place
def scan_histogram_point(buffer: Any, position: int, end: int, found: Found) -> bool:
    """Read a point of a histogram.

    Parameters
    ----------
    buffer : uint8[b]
    position, end : int64
        The point's bytes.
    found : Found
        The point and its rows are appended.

    Returns
    -------
    bool
        Whether it is good.
    """
    histogram = found.counts[HISTOGRAMS]
    if histogram == len(found.histograms.row):
        return False
    timestamp, count, sum_bits = np.uint64(0), np.uint64(0), np.uint64(0)
    flags: Any = 0
    seen, bounds, buckets, buckets_start = 0, 0, 0, 0
    found.histograms.spans[histogram, 2] = position
    found.histograms.spans[histogram, 3] = 0
    while position < end:
        tag = buffer[np.uint64(position)]
        if tag in (BOUNDS, HISTOGRAM_ATTRIBUTE):
            if seen & _SEEN_IDENTITY:
                return False
            seen |= _SEEN_IDENTITY
            start = position
            position, bounds = _identity_stop(buffer, position, end)
            found.histograms.spans[histogram, 2] = start
            found.histograms.spans[histogram, 3] = position - start
        elif tag == BUCKET_COUNTS:
            buckets_start, position = read_length(buffer, position + 1, end)
            if seen & _SEEN_BUCKETS or (position - buckets_start) & 7:
                return False
            seen |= _SEEN_BUCKETS
            buckets = (position - buckets_start) >> 3
        elif tag == HISTOGRAM_FLAGS:
            position, bits = read_varint(buffer, position + 1, end)
            flags = np.int64(FLAG_STALE) if bits & np.uint64(1) else 0
        elif tag in (START_TIME, TIME, COUNT, SUM, MINIMUM, MAXIMUM) and end - position > 8:
            word = read_fixed64(buffer, position + 1)
            position += 9
            if tag == TIME:
                timestamp = word
            elif tag == COUNT:
                count = word
            elif tag == SUM:
                sum_bits = word
                seen |= _SEEN_SUM
        else:
            return False
        if position < 0:
            return False
    if timestamp == np.uint64(0) or timestamp > np.uint64(TIMESTAMP_NS_MAX):
        return False
    # Without a sum there is a row less, which is not worth a case of its own.
    if not (seen & _SEEN_SUM or flags):
        return False
    return _append(buffer, timestamp, flags, bounds, buckets_start, buckets, count, sum_bits, found)
