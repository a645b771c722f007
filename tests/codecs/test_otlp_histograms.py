"""The rows that OTLP histograms and summaries give."""

import json
from itertools import pairwise
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
    SummaryDataPoint,
)
from otlp_rows import (
    DELTA,
    TS,
    flags,
    histogram,
    is_stale,
    read,
    reasons,
    summary,
    text_attribute,
    values,
)

from engine.series.columns import FLAG_DELTA


def test_histogram_buckets_are_cumulative():
    point = HistogramDataPoint(
        time_unix_nano=TS,
        count=6,
        sum=12.5,
        explicit_bounds=[0.005, 10, 1e6],
        bucket_counts=[1, 2, 0, 3],
        attributes=[text_attribute("le", "mine")],
    )
    assert values(histogram(point)) == {
        'h_bucket{le="0.005"}': 1.0,
        'h_bucket{le="10"}': 3.0,
        'h_bucket{le="1e+06"}': 3.0,
        'h_bucket{le="+Inf"}': 6.0,
        'h_sum{le="mine"}': 12.5,
        'h_count{le="mine"}': 6.0,
    }
    assert flags(histogram(point, temporality=DELTA)) == {int(FLAG_DELTA)}
    assert reasons(histogram(point, temporality=0)) == ["unsupported"]


def test_histogram_without_buckets_and_sum():
    point = HistogramDataPoint(time_unix_nano=TS, count=6)
    assert values(histogram(point)) == {'h_bucket{le="+Inf"}': 6.0, "h_count": 6.0}


def test_stale_histogram_ends_all_series():
    point = HistogramDataPoint(time_unix_nano=TS, explicit_bounds=[1, 2], flags=1)
    samples, _ = read(histogram(point))
    assert is_stale(samples)
    assert {sample.series.text for sample in samples} == {
        'h_bucket{le="1"}',
        'h_bucket{le="2"}',
        'h_bucket{le="+Inf"}',
        "h_sum",
        "h_count",
    }


@pytest.mark.parametrize(
    ("bounds", "counts"),
    [
        ([1, 2], [1, 2]),
        ([1], []),
        ([], [1, 2]),
        ([2, 1], [1, 1, 1]),
        ([1, 1], [1, 1, 1]),
        ([nan], [1, 1]),
        ([inf], [1, 1]),
    ],
)
def test_malformed_histograms_are_rejected(bounds, counts):
    point = HistogramDataPoint(time_unix_nano=TS, explicit_bounds=bounds, bucket_counts=counts)
    samples, [reject] = read(histogram(point))
    assert samples == []
    assert reject.reason == "bad_value"
    assert json.loads(reject.row)["count"] == 0


def exponential(**fields):
    sides = {}
    for side in ("positive", "negative"):
        if side in fields:
            offset, counts = fields.pop(side)
            sides[side] = ExponentialHistogramDataPoint.Buckets(offset=offset, bucket_counts=counts)
    return ExponentialHistogramDataPoint(time_unix_nano=TS, **fields, **sides)


def test_exponential_histogram_has_classic_buckets():
    point = exponential(
        scale=0,
        count=10,
        sum=5.0,
        zero_count=2,
        zero_threshold=0.001,
        positive=(0, [0, 3, 0, 1]),
        negative=(-1, [4, 0]),
    )
    assert values(histogram(point)) == {
        'h_bucket{le="-1"}': 0.0,
        'h_bucket{le="-0.5"}': 4.0,
        'h_bucket{le="0.001"}': 6.0,
        'h_bucket{le="2"}': 6.0,
        'h_bucket{le="4"}': 9.0,
        'h_bucket{le="8"}': 9.0,
        'h_bucket{le="16"}': 10.0,
        'h_bucket{le="+Inf"}': 10.0,
        "h_sum": 5.0,
        "h_count": 10.0,
    }


def test_bounds_that_float64_does_not_hold_are_merged():
    point = exponential(
        scale=-11, zero_count=1, count=6, positive=(-9, [2]), negative=(-9, [3] + [0] * 9 + [4])
    )
    assert values(histogram(point)) == {
        'h_bucket{le="-1"}': 4.0,
        'h_bucket{le="0"}': 10.0,
        'h_bucket{le="+Inf"}': 10.0,
        "h_count": 6.0,
    }


def test_empty_and_stale_exponential_histograms():
    assert values(histogram(exponential(scale=3))) == {
        'h_bucket{le="0"}': 0.0,
        'h_bucket{le="+Inf"}': 0.0,
        "h_count": 0.0,
    }
    samples, _ = read(histogram(exponential(scale=3, flags=1)))
    assert is_stale(samples)
    assert len(samples) == 4


@pytest.mark.parametrize(
    "fields",
    [{"scale": 60}, {"scale": -60}, {"zero_threshold": nan}, {"zero_threshold": -1.0}],
)
def test_malformed_exponential_histograms_are_rejected(fields):
    assert reasons(histogram(exponential(**fields))) == ["bad_value"]


sides = st.tuples(st.integers(-(2**31), 2**31 - 1), st.lists(st.integers(0, 9), max_size=200))


@given(
    st.integers(-11, 20), sides, sides | st.tuples(st.integers(-90, 0), st.lists(st.integers(0, 9)))
)
def test_exponential_buckets_are_few_and_rise(scale, negative, positive):
    point = exponential(scale=scale, zero_count=1, negative=negative, positive=positive)
    samples, rejects = read(histogram(point))
    assert rejects == []
    buckets = [
        (float(dict(sample.series.labels)["le"]), sample.value)
        for sample in samples
        if sample.series.name == "h_bucket"
    ]
    assert len(buckets) <= 2 * 21 + 2
    assert all(low[0] < high[0] and low[1] <= high[1] for low, high in pairwise(buckets))
    assert buckets[-1] == (inf, 1 + sum(negative[1]) + sum(positive[1]))


def test_summary_gives_quantiles():
    point = SummaryDataPoint(time_unix_nano=TS, count=4, sum=2.0)
    point.quantile_values.add(quantile=0.5, value=0.25)
    point.quantile_values.add(quantile=1, value=1.5)
    expected = {
        's{quantile="0.5"}': 0.25,
        's{quantile="1"}': 1.5,
        "s_sum": 2.0,
        "s_count": 4.0,
    }
    assert values(summary(point)) == expected
    point.flags = 1
    samples, _ = read(summary(point))
    assert is_stale(samples)
    assert {sample.series.text for sample in samples} == set(expected)
    point.quantile_values.add(quantile=1.5)
    assert reasons(summary(point)) == ["bad_value"]
