"""What a scan of OTLP metrics writes: the tags it knows, and records as columns."""

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

GAUGE = 0
"""The kind of a gauge; a sum's is 2 * temporality + (1 if it is monotonic)."""
HISTOGRAM = 5
"""The kind of a histogram is this plus its temporality."""
DELTA, CUMULATIVE = 1, 2
"""The temporalities."""
KIND_BITS = 3

PLACE_BYTES = 8
"""A place behind the messages holds the id of a metric, or of a row of a histogram."""
POINT_BYTES_MIN = 13
"""The shortest point of a gauge that the scan accepts: tag, length, time and flags."""

# Tags: the field's number times 8, plus the wire type.
RESOURCE_METRICS, RESOURCE, SCOPE_METRICS, SCHEMA_URL = 0x0A, 0x0A, 0x12, 0x1A
SCOPE, METRIC, NAME, DESCRIPTION, UNIT = 0x0A, 0x12, 0x0A, 0x12, 0x1A
GAUGE_DATA, SUM_DATA, HISTOGRAM_DATA, POINT, TEMPORALITY, MONOTONIC = (
    0x2A,
    0x3A,
    0x4A,
    0x0A,
    0x10,
    0x18,
)
START_TIME, TIME, DOUBLE, INTEGER, ATTRIBUTE, FLAGS = 0x11, 0x19, 0x21, 0x31, 0x3A, 0x40
COUNT, SUM, BUCKET_COUNTS, BOUNDS = 0x21, 0x29, 0x32, 0x3A
HISTOGRAM_ATTRIBUTE, HISTOGRAM_FLAGS, MINIMUM, MAXIMUM = 0x4A, 0x50, 0x59, 0x61

# Places in `Found.counts`.
SCOPES, METRICS, HISTOGRAMS, POINTS, PLACES = range(5)


class Scopes(NamedTuple):
    """ScopeMetrics as they were met.

    Attributes
    ----------
    message : int32[s]
        Index of the message.
    spans : int64[s, 4]
        Start and length of the bytes before the ResourceMetrics' first child, then of those before
        this one's first child.
    """

    message: NDArray[np.int32]
    spans: NDArray[np.int64]


class Metrics(NamedTuple):
    """Metrics as they were met.

    Attributes
    ----------
    message : int32[m]
    scope : int64[m]
        Row in `Scopes`.
    kind : uint64[m]
    place : int64[m]
        Number of the place for its id.
    spans : int64[m, 4]
        Start and length of that place, then of the bytes before the metric's data.
    """

    message: NDArray[np.int32]
    scope: NDArray[np.int64]
    kind: NDArray[np.uint64]
    place: NDArray[np.int64]
    spans: NDArray[np.int64]


class Histograms(NamedTuple):
    """Points of histograms as they were met.

    Attributes
    ----------
    message : int32[h]
    row : int64[h]
        First of its rows in `Points`: a bucket each, the sum, and the count.
    parts : int64[h]
        Number of these rows.
    place : int64[h]
        Number of the place for the first row's id; the other rows' follow.
    spans : int64[h, 4]
        Start and length of the place for its metric's id, then of its bounds and attributes.
    """

    message: NDArray[np.int32]
    row: NDArray[np.int64]
    parts: NDArray[np.int64]
    place: NDArray[np.int64]
    spans: NDArray[np.int64]


class Points(NamedTuple):
    """Rows as they were met: a point of a gauge or sum each, or a part of a histogram's.

    Attributes
    ----------
    message : int32[n]
    ts : int64[n]
        Nanoseconds since the epoch.
    value : float64[n]
    value_bits : uint64[n]
        The same memory as `value`.
    flags : uint8[n]
        As in `Columns`.
    spans : int64[n, 4]
        Start and length of the place for its metric's id, then of its attributes; of a part of a
        histogram's point, those of its own place, then of nothing.
    """

    message: NDArray[np.int32]
    ts: NDArray[np.int64]
    value: NDArray[np.float64]
    value_bits: NDArray[np.uint64]
    flags: NDArray[np.uint8]
    spans: NDArray[np.int64]


class Found(NamedTuple):
    """All that a scan finds.

    Attributes
    ----------
    counts : int64[5]
        How many of each of the records, and of places, there are.
    scopes, metrics, histograms, points : Scopes, Metrics, Histograms, Points
    places_max : int
        How many places there are room for.
    """

    counts: NDArray[np.int64]
    scopes: Scopes
    metrics: Metrics
    histograms: Histograms
    points: Points
    places_max: int

    @classmethod
    def empty(cls, places_max: int, points_max: int) -> Self:
        """Make room; memory that is never written costs nothing."""
        value = np.empty(points_max, np.float64)
        return cls(
            np.zeros(5, np.int64),
            Scopes(np.empty(places_max, np.int32), _spans(places_max)),
            Metrics(
                np.empty(places_max, np.int32),
                np.empty(places_max, np.int64),
                np.empty(places_max, np.uint64),
                np.empty(places_max, np.int64),
                _spans(places_max),
            ),
            Histograms(
                np.empty(places_max, np.int32),
                np.empty(places_max, np.int64),
                np.empty(places_max, np.int64),
                np.empty(places_max, np.int64),
                _spans(places_max),
            ),
            Points(
                np.empty(points_max, np.int32),
                np.empty(points_max, np.int64),
                value,
                value.view(np.uint64),
                np.empty(points_max, np.uint8),
                _spans(points_max),
            ),
            places_max,
        )

    def trimmed(self) -> Self:
        """Give the same records without the room behind them."""
        scopes, metrics, histograms, points, _ = self.counts.tolist()
        return type(self)(
            self.counts,
            Scopes(self.scopes.message[:scopes], self.scopes.spans[:scopes]),
            Metrics(
                self.metrics.message[:metrics],
                self.metrics.scope[:metrics],
                self.metrics.kind[:metrics],
                self.metrics.place[:metrics],
                self.metrics.spans[:metrics],
            ),
            Histograms(
                self.histograms.message[:histograms],
                self.histograms.row[:histograms],
                self.histograms.parts[:histograms],
                self.histograms.place[:histograms],
                self.histograms.spans[:histograms],
            ),
            Points(
                self.points.message[:points],
                self.points.ts[:points],
                self.points.value[:points],
                self.points.value_bits[:points],
                self.points.flags[:points],
                self.points.spans[:points],
            ),
            self.places_max,
        )


def _spans(size: int) -> NDArray[np.int64]:
    return np.empty((size, 4), np.int64)
