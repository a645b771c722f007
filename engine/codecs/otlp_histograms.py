"""Histograms and summaries of OTLP as the series that classic rules of Prometheus read.

A histogram becomes cumulative ``_bucket{le}`` up to ``+Inf``, ``_sum`` and ``_count``; a summary
``{quantile}``, ``_sum`` and ``_count``. An exponential histogram becomes a classic one whose bounds
are its own: on each side of zero buckets are merged by twos until no more than `SIDE_BUCKETS_MAX`
are left, so that bounds of a coarser point are always among those of a finer one.
"""

from collections.abc import Iterable
from itertools import accumulate, pairwise
from math import inf, isfinite
from typing import NamedTuple

import numpy as np
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
    SummaryDataPoint,
)

from engine.codecs.otlp_attributes import label_number
from engine.codecs.samples import RejectedError
from engine.series.columns import STALE_NAN_BITS

SIDE_BUCKETS_MAX = 20
"""How many buckets an exponential histogram keeps below, and above zero."""

STALE_VALUE = float(STALE_NAN_BITS.view(np.float64))
"""Value of a row that ends its series."""

_SCALES = range(-11, 53)  # what a float64's exponents and digits can tell apart
_EXPONENT_MAX = 1024  # 2**1024 is beyond float64


class Part(NamedTuple):
    """One series of a point: what it adds to the name and the labels, and its value."""

    suffix: str
    labels: dict[str, str]
    value: float


def histogram_parts(point: HistogramDataPoint, stale: bool) -> list[Part]:
    """Give the series of an explicit-bounds histogram.

    The bucket ``+Inf`` holds the sum of the buckets, or the count if the point has no buckets.
    """
    bounds, counts = list(point.explicit_bounds), list(point.bucket_counts)
    if not all(map(isfinite, bounds)) or any(low >= high for low, high in pairwise(bounds)):
        raise RejectedError("bad_value", "explicit_bounds do not rise")
    if stale:
        counts = [0] * (len(bounds) + 1)
    elif not bounds and not counts:
        counts = [point.count]
    if len(counts) != len(bounds) + 1:
        raise RejectedError(
            "bad_value", f"{len(counts)} bucket_counts do not fit {len(bounds)} explicit_bounds"
        )
    parts = _buckets(zip([*bounds, inf], accumulate(counts), strict=True))
    return _finished(parts, point, stale)


def exponential_parts(point: ExponentialHistogramDataPoint, stale: bool) -> list[Part]:
    """Give the series of an exponential histogram.

    Bounds are those of the buckets between the first and the last that is not empty on each side,
    also the one below the first, from which a quantile is interpolated; the zero bucket's is
    ``zero_threshold``. A stale point ends the series of the bounds it has.
    """
    threshold = point.zero_threshold
    if point.scale not in _SCALES or not 0 <= threshold < inf:
        raise RejectedError("bad_value", f"scale {point.scale} or zero_threshold {threshold}")
    above, above_scale = _merged(point.positive, point.scale)
    below, below_scale = _merged(point.negative, point.scale)
    counted = [(-_power(index, below_scale), count) for index, count in reversed(below)]
    if below:
        counted.append((-_power(below[-1][0] + 1, below_scale), 0))
    counted.append((threshold, point.zero_count))
    if above:
        counted.append((_power(above[0][0], above_scale), 0))
    counted += [(_power(index + 1, above_scale), count) for index, count in above]
    counted.sort(key=lambda bound_and_count: bound_and_count[0])
    # Bounds that float64 does not tell apart are one bucket: the last total counts.
    totals: dict[float, int] = {}
    total = 0
    for bound, count in counted:
        total += count
        if bound != -inf:
            totals[bound + 0.0] = total  # zero has no sign
    totals[inf] = total
    return _finished(_buckets(totals.items()), point, stale)


def summary_parts(point: SummaryDataPoint, stale: bool) -> list[Part]:
    """Give the series of a summary."""
    parts = []
    for quantile_value in point.quantile_values:
        quantile = quantile_value.quantile
        if not 0 <= quantile <= 1:
            raise RejectedError("bad_value", f"quantile {quantile} is not between 0 and 1")
        parts.append(Part("", {"quantile": label_number(quantile)}, quantile_value.value))
    parts += [Part("_sum", {}, point.sum), Part("_count", {}, float(point.count))]
    return _ended(parts) if stale else parts


def _buckets(totals: Iterable[tuple[float, int]]) -> list[Part]:
    return [Part("_bucket", {"le": label_number(bound)}, float(total)) for bound, total in totals]


def _finished(
    buckets: list[Part], point: HistogramDataPoint | ExponentialHistogramDataPoint, stale: bool
) -> list[Part]:
    """Append sum, if there is one, and count."""
    parts = list(buckets)
    if stale or point.HasField("sum"):
        parts.append(Part("_sum", {}, point.sum))
    parts.append(Part("_count", {}, float(point.count)))
    return _ended(parts) if stale else parts


def _ended(parts: list[Part]) -> list[Part]:
    return [part._replace(value=STALE_VALUE) for part in parts]


def _merged(
    buckets: ExponentialHistogramDataPoint.Buckets, scale: int
) -> tuple[list[tuple[int, int]], int]:
    """Merge buckets by twos until few are left; gives index and count of each, and the scale."""
    counts = {
        buckets.offset + position: count
        for position, count in enumerate(buckets.bucket_counts)
        if count
    }
    if not counts:
        return [], scale
    while max(counts) - min(counts) >= SIDE_BUCKETS_MAX:
        halved: dict[int, int] = {}
        for index, count in counts.items():
            halved[index >> 1] = halved.get(index >> 1, 0) + count
        counts, scale = halved, scale - 1
    return [(index, counts.get(index, 0)) for index in range(min(counts), max(counts) + 1)], scale


def _power(index: int, scale: int) -> float:
    """Give the lower bound of a bucket, base**index with base 2**(2**-scale)."""
    exponent = index * 2.0**-scale
    return 2.0**exponent if exponent < _EXPONENT_MAX else inf
