"""Telegraf's JSON: what it means, and that it gives the series of the line protocol."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.codecs.influx_lines import read_lines
from engine.codecs.samples import Limits
from engine.codecs.telegraf_json import read_telegraf
from engine.series.identity import Series

SAMPLE = (
    b'{"fields":{"usage_idle":6.9,"usage_user":91.2},"name":"cpu",'
    b'"tags":{"cpu":"cpu0","host":"web-1"},"timestamp":1760000000}'
)
LINE = b"cpu,cpu=cpu0,host=web-1 usage_idle=6.9,usage_user=91.2 1760000000000000000"


def read(payload, unit="auto", limits=None):
    return read_telegraf(payload, 7, limits or Limits(), unit)


def rejected(payload, **options):
    return [(reject.reason, reject.row) for reject in read(payload, **options)[1]]


def timestamp_of(text, unit="auto"):
    """Give the nanoseconds of one metric's timestamp, None if it is rejected."""
    samples, rejects = read(b'{"name":"m","fields":{"f":1},"timestamp":%b}' % text, unit)
    assert [reject.reason for reject in rejects] == ([] if samples else ["bad_timestamp"])
    return samples[0].ts if samples else None


def test_golden_message():
    samples, rejects = read(SAMPLE)
    tags = {"cpu": "cpu0", "host": "web-1"}
    assert rejects == []
    assert [tuple(sample) for sample in samples] == [
        (Series.of("cpu_usage_idle", tags), 1760000000000000000, 6.9, 0),
        (Series.of("cpu_usage_user", tags), 1760000000000000000, 91.2, 0),
    ]


def test_equals_line_protocol():
    assert read(SAMPLE) == read_lines(LINE, 7, Limits(), 1)


def test_batch():
    samples, rejects = read(b' {"metrics": [%b,\n%b] }' % (SAMPLE, SAMPLE))
    assert (len(samples), rejects) == (4, [])
    assert read(b'{"metrics":[]}') == ([], [])


def test_bad_metric_of_a_batch():
    samples, rejects = read(b'{"metrics":[%b,{"name":1},%b]}' % (SAMPLE, SAMPLE))
    assert len(samples) == 4
    assert [(reject.message, reject.reason, reject.row) for reject in rejects] == [
        (7, "schema_error", b'{"name":1}')
    ]


def test_fields():
    message = (
        b'{"name":"m","timestamp":1,"fields":'
        b'{"a": true ,"b":false,"c":"x","d":null,"value":-0.0,"e":18446744073709551615}}'
    )
    samples, rejects = read(message)
    assert rejects == []
    assert [(sample.series.name, repr(sample.value)) for sample in samples] == [
        ("m_a", "1.0"),
        ("m_b", "0.0"),
        ("m", "-0.0"),
        ("m_e", repr(2.0**64)),
    ]


def test_only_texts_need_no_timestamp():
    assert read(b'{"name":"m","fields":{"a":"x"}}') == ([], [])


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "decode_error"),
        (b"{", "decode_error"),
        (SAMPLE + b"x", "decode_error"),
        (b'{"name":"\xff"}', "decode_error"),
        (b"[" * 100_000, "decode_error"),
        (b'{"a":' * 100_000, "decode_error"),
        (b"[]", "schema_error"),
        (b"1", "schema_error"),
        (b"{}", "schema_error"),
        (b'{"metrics":1}', "schema_error"),
        (b'{"name":"","fields":{"a":1},"timestamp":1}', "schema_error"),
        (b'{"name":"m","fields":{"":1},"timestamp":1}', "schema_error"),
        (b'{"name":"m","fields":[],"timestamp":1}', "schema_error"),
        (b'{"name":"m","fields":{"a":1},"tags":{"b":1},"timestamp":1}', "schema_error"),
        (b'{"name":"m","fields":{"a":1},"tags":{"__name__":"b"},"timestamp":1}', "schema_error"),
        (b'{"name":"m","fields":{"a":[1]},"timestamp":1}', "bad_value"),
        (b'{"name":"m","fields":{"a":1e400},"timestamp":1}', "bad_value"),
        (b'{"name":"m","fields":{"a":1}}', "bad_timestamp"),
    ],
)
def test_bad_message(payload, reason):
    assert rejected(payload) == [(reason, None)]


@pytest.mark.parametrize(
    ("text", "timestamp_ns"),
    [
        (b"0", 0),
        (b"1760000000", 1760000000 * 10**9),
        (b"1760000000.123456789", 1760000000123456789),
        (b"1.760000000123456789999e9", 1760000000123456789),
        (b"99999999999", None),
        (b"100000000000", 10**17),
        (b"1760000000000", 1760000000 * 10**9),
        (b"1760000000000.5", 1760000000000500000),
        (b"99999999999999", None),
        (b"100000000000000", 10**17),
        (b"1760000000000000", 1760000000 * 10**9),
        (b"99999999999999999", None),
        (b"100000000000000000", 10**17),
        (b"1760000000000000001", 1760000000000000001),
        (b"9223372036854775807", 2**63 - 1),
        (b"9223372036854775808", None),
        (b"-1", None),
        (b"1e99999999999999999999", None),
        (b"1e-999", 0),
        (b"null", None),
        (b"true", None),
        (b'"2025-10-09T08:53:20.5Z"', 1760000000500000000),
        (b'"1760000000"', None),
    ],
)
def test_timestamps(text, timestamp_ns):
    # In "auto", what is near the end of a unit's range lies beyond the year 2262.
    assert timestamp_of(text) == timestamp_ns


@pytest.mark.parametrize(("unit", "unit_ns"), [("s", 10**9), ("ms", 10**6), ("us", 10**3)])
def test_units(unit, unit_ns):
    assert timestamp_of(b"12.000000001", unit) == 12 * unit_ns + unit_ns // 10**9
    assert timestamp_of(b"%d" % ((2**63 - 1) // unit_ns), unit) is not None
    assert timestamp_of(b"%d" % ((2**63 - 1) // unit_ns + 1), unit) is None


def test_nanoseconds_drop_their_fraction():
    assert timestamp_of(b"1760000000000000001.9", "ns") == 1760000000000000001


def test_limits():
    limits = Limits(max_message_bytes=100, max_labels=1, max_label_bytes=5)
    assert rejected(SAMPLE, limits=limits) == [("too_large", None)]
    message = b'{"name":"%b","fields":{"%b":1},"tags":%b,"timestamp":1}'
    assert rejected(message % (b"m", b"f", b'{"a":"1"}'), limits=limits) == []
    assert rejected(message % (b"m", b"f", b'{"a":"1","b":"2"}'), limits=limits) == [
        ("limit", None)
    ]
    assert rejected(message % (b"abc", b"abc", b"{}"), limits=limits) == [("limit", None)]


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes(payload):
    read(payload)


@settings(deadline=None)
@given(st.integers(0, len(SAMPLE) - 1), st.binary(max_size=3), st.integers(0, 3))
def test_mutated(place, inserted, removed):
    read(SAMPLE[:place] + inserted + SAMPLE[place + removed :])
    read(b'{"metrics":[%b]}' % (SAMPLE[:place] + inserted + SAMPLE[place + removed :]))
