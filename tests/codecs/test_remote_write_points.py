"""What a remote write message means, by hand-made messages and the strict reader."""

import json
import math

import cramjam
import pytest

from engine.codecs.remote_write_messages import Request, TimeSeries, WriteRequest
from engine.codecs.remote_write_points import (
    TIMESTAMP_MS_MAX,
    read_identity,
    read_message,
    read_symbols,
)
from engine.codecs.samples import Limits, Sample
from engine.series.columns import FLAG_STALE, STALE_NAN_BITS
from engine.series.identity import Series

LIMITS = Limits()
CPU = Series.of("cpu", {"host": "a"})

# WriteRequest{timeseries{labels{__name__=cpu}, labels{host=a}, samples{value=1.5, timestamp=1000}}}
WIRE_1 = bytes.fromhex(
    "0a2a 0a0f 0a085f5f6e616d655f5f 1203637075 0a09 0a04686f7374 120161"
    "120c 09000000000000f83f 10e807"
)
# Request{symbols ["", "__name__", "cpu", "host", "a"],
#         timeseries{labels_refs [1, 2, 3, 4], samples{value=1.5, timestamp=1000}}}
WIRE_2 = bytes.fromhex(
    "2200 22085f5f6e616d655f5f 2203637075 2204686f7374 220161"
    "2a14 0a0401020304 120c 09000000000000f83f 10e807"
)


def read(message, limits=LIMITS):
    body = message if isinstance(message, bytes) else message.SerializeToString()
    return read_message(bytes(cramjam.snappy.compress_raw(body)), 7, limits)


def old(*labels, samples=((1000, 1.5),)):
    request = WriteRequest()
    series = request.timeseries.add()
    for name, value in labels:
        series.labels.add(name=name, value=value)
    for timestamp, value in samples:
        series.samples.add(timestamp=timestamp, value=value)
    return request


def new(symbols, references):
    request = Request(symbols=symbols)
    series = request.timeseries.add(labels_refs=references)
    series.samples.add(timestamp=1000, value=1.5)
    return request


def reason_of(message, limits=LIMITS):
    samples, [reject] = read(message, limits)
    assert (samples, reject.message) == ([], 7)
    return reject.reason


@pytest.mark.parametrize("wire", [WIRE_1, WIRE_2])
def test_bytes_written_by_hand(wire):
    expected = [Sample(CPU, 1_000_000_000, 1.5)]
    assert read(wire) == (expected, [])
    assert read_message(wire, 7, LIMITS) == (expected, [])  # not compressed


def test_the_library_writes_the_same_bytes():
    assert old(("__name__", "cpu"), ("host", "a")).SerializeToString() == WIRE_1
    symbols = ["", "__name__", "cpu", "host", "a"]
    assert new(symbols, [1, 2, 3, 4]).SerializeToString() == WIRE_2


def test_an_empty_request_has_no_rows():
    assert read_message(b"", 0, LIMITS) == ([], [])
    assert read(b"") == ([], [])
    assert read(Request(symbols=[""])) == ([], [])
    assert read(WriteRequest(metadata=[b"anything"])) == ([], [])


def test_a_message_of_both_versions_is_refused():
    assert reason_of(WIRE_1 + WIRE_2) == "schema_error"
    assert reason_of(WIRE_2 + WriteRequest(metadata=[b""]).SerializeToString()) == "schema_error"


def test_a_first_symbol_that_is_not_empty_is_refused():
    assert reason_of(new(["__name__", "cpu"], [0, 1])) == "schema_error"


@pytest.mark.parametrize(
    "labels",
    [
        [],
        [("host", "a")],
        [("__name__", "")],
        [("__name__", "cpu"), ("__name__", "cpu")],
        [("__name__", "cpu"), ("a", "1"), ("a", "1")],
        [("__name__", "cpu"), ("", "1")],
    ],
)
def test_labels_that_name_no_series(labels):
    request = old(*labels, samples=[(1, 1.0), (2, 2.0)])
    request.MergeFrom(old(("__name__", "cpu"), ("host", "a")))
    samples, [reject] = read(request)
    assert samples == [Sample(CPU, 1_000_000_000, 1.5)]
    assert reject.reason == "schema_error"
    assert json.loads(reject.row) == {"labels": dict(labels), "samples": 2, "histograms": 0}


@pytest.mark.parametrize(
    ("symbols", "references"),
    [
        (["", "__name__", "cpu"], [1]),
        (["", "__name__", "cpu"], [1, 3]),
        (["", "__name__", "cpu"], [1, 2**32 - 1]),
        ([], [0, 0]),
        ([], []),
        ([""], [0, 0]),
    ],
)
def test_references_that_name_no_series(symbols, references):
    assert reason_of(new(symbols, references)) == "schema_error"


def test_stale_markers_keep_their_bits():
    stale = old(("__name__", "cpu"), samples=[(1, math.nan)]).SerializeToString()
    stale = stale.replace(
        b"\x00\x00\x00\x00\x00\x00\xf8\x7f", int(STALE_NAN_BITS).to_bytes(8, "little")
    )
    [sample], [] = read(stale)
    assert sample.flags == FLAG_STALE
    assert math.isnan(sample.value)


def test_times_out_of_range_are_rejected_alone():
    times = [-1, 0, TIMESTAMP_MS_MAX, TIMESTAMP_MS_MAX + 1, -(2**63), 2**63 - 1]
    samples, rejects = read(old(("__name__", "cpu"), samples=[(time, 2.0) for time in times]))
    assert [sample.ts for sample in samples] == [0, TIMESTAMP_MS_MAX * 10**6]
    assert {reject.reason for reject in rejects} == {"bad_timestamp"}
    assert [json.loads(reject.row)["ts"] for reject in rejects] == [times[0], *times[3:]]
    assert json.loads(rejects[0].row)["labels"] == {"__name__": "cpu"}


def test_histograms_are_one_reject_beside_the_samples():
    request = old(("__name__", "cpu"), ("host", "a"))
    request.timeseries[0].histograms.extend([b"one", b"two"])
    samples, [reject] = read(request)
    assert samples == [Sample(CPU, 1_000_000_000, 1.5)]
    assert reject.reason == "unsupported"
    assert json.loads(reject.row)["histograms"] == 2


def test_limits():
    many = [(f"l{number}", "v") for number in range(65)]
    assert reason_of(old(("__name__", "cpu"), *many)) == "limit"
    assert reason_of(old(("__name__", "cpu"), ("a", "x" * 1025))) == "limit"
    assert reason_of(old(("__name__", "cpu"), ("a", "ö" * 600))) == "limit"
    assert reason_of(WIRE_1 * 100, Limits(max_decompressed_bytes=4000)) == "too_large"
    assert reason_of(WIRE_1, Limits(max_message_bytes=20)) == "too_large"


def test_a_symbol_that_very_many_series_name_costs_little():
    request = Request(symbols=["", "__name__", "x" * 1_000_000])
    for _ in range(2000):
        request.timeseries.add(labels_refs=[1, 2] * 10).samples.add(timestamp=1)
    _, rejects = read(request)
    assert len(rejects) == 2000
    assert sum(len(reject.row) for reject in rejects) < 1_000_000


def test_no_message_at_all():
    assert reason_of(b"\x0a\xff") == "decode_error"
    assert reason_of(b"\x0b" * 10_000) == "decode_error"
    assert reason_of(WIRE_1.replace(b"cpu", b"c\xffu")) == "decode_error"
    assert read_message(b"junk", 7, LIMITS)[1][0].reason == "decode_error"


def test_identities():
    request = WriteRequest.FromString(WIRE_1).timeseries[0]
    region = TimeSeries(labels=request.labels).SerializeToString()
    assert read_identity(region, LIMITS) == CPU
    assert read_identity(region[:-1], LIMITS) is None
    assert read_identity(b"", LIMITS) is None
    assert read_symbols([b"__name__", b"cpu", b"host", b"a"], LIMITS) == CPU
    assert read_symbols([b"__name__", b"\xff"], LIMITS) is None
    assert read_symbols([b"__name__"], LIMITS) is None
    assert read_symbols([], LIMITS) is None
