"""Fluent Bit's records: times, fields, nested objects and what is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.codecs.fluent_bit_json import read_fluent_bit
from engine.codecs.samples import Limits, Sample
from engine.series.identity import Series

S = 10**9
SAMPLE = b'{"@timestamp":1760000000.0,"cpu_p":93.0,"user_p":90.1,"system_p":2.9}'


def read(payload, **limits):
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return read_fluent_bit(raw, 5, Limits(**limits))


def texts(payload):
    """Series and values of a message without rejects."""
    samples, rejects = read(payload)
    assert rejects == []
    return {sample.series.text: sample.value for sample in samples}


def test_the_sample_of_the_contract():
    assert read(SAMPLE) == (
        [
            Sample(Series.of("cpu_p", {}), 1_760_000_000 * S, 93.0),
            Sample(Series.of("user_p", {}), 1_760_000_000 * S, 90.1),
            Sample(Series.of("system_p", {}), 1_760_000_000 * S, 2.9),
        ],
        [],
    )


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        (b"1760000000", 1_760_000_000 * S),
        (b"0", 0),
        (b"1760000000.123456789", 1_760_000_000 * S + 123_456_789),
        (b"1760000000.1234567899", 1_760_000_000 * S + 123_456_789),
        (b"1760000000." + b"9" * 100, 1_760_000_000 * S + 999_999_999),
        (b"1.7600000005E9", 1_760_000_000 * S + 500_000_000),
        (b"9223372036.854775807", 2**63 - 1),
        (b'"2025-10-09T08:53:20.5Z"', 1_760_000_000 * S + 500_000_000),
    ],
)
@pytest.mark.parametrize("key", [b"@timestamp", b"date"])
def test_times_are_exact(key, time, expected):
    [sample], rejects = read(b'{"%s":%s,"x":1}' % (key, time))
    assert (sample.series.text, sample.ts, rejects) == ("x", expected, [])


@pytest.mark.parametrize(
    "time",
    [
        b"null",
        b"true",
        b"-1",
        b"9223372036.854775808",
        b"1760000000000",
        b"1e999",
        b"1e99999999999999999999",
        b"9" * 9000,
        b'"1760000000"',
        b"{}",
    ],
)
def test_bad_times(time):
    payload = b'{"@timestamp":%s,"x":1}' % time
    samples, [reject] = read(payload)
    assert (samples, reject.reason, reject.row) == ([], "bad_timestamp", payload)


def test_a_record_without_a_time_is_rejected():
    samples, [reject] = read({"x": 1})
    assert (samples, reject.reason) == ([], "bad_timestamp")


def test_at_timestamp_goes_before_date_and_neither_is_a_field():
    [sample], _ = read({"@timestamp": 1, "date": 2.5, "x": 1})
    assert (sample.series.text, sample.ts) == ("x", S)


def test_strings_are_labels_and_objects_are_flattened():
    record = {
        "date": 1,
        "host-name": "web-1",
        "Mem": {"total.kb": 5, "free": {"kb": 2}, "type": "ram"},
        "up": True,
        "nothing": None,
        "list": [1, 2],
        "empty": "",
    }
    labels = '{Mem_type="ram",host_name="web-1"}'
    assert texts(record) == {
        f"Mem_total_kb{labels}": 5.0,
        f"Mem_free_kb{labels}": 2.0,
        f"up{labels}": 1.0,
    }


def test_a_log_line_is_no_fault():
    assert read({"date": 1, "log": "GET /"}) == ([], [])


def test_a_message_may_hold_several_records():
    for message in (b"[%s,%s]" % (SAMPLE, SAMPLE), SAMPLE + b"\n" + SAMPLE):
        samples, rejects = read(message)
        assert (len(samples), rejects) == (6, [])


@pytest.mark.parametrize("number", [b"-1e999", b"1" * 400, b"9" * 9000])
def test_a_number_beyond_float64_is_a_bad_value_of_its_row_only(number):
    samples, [reject] = read(b'{"date":1,"x":%s,"y":2}' % number)
    assert [sample.series.name for sample in samples] == ["y"]
    assert reject.reason == "bad_value"
    assert reject.row is not None
    assert json.loads(reject.row) == {"name": "x", "value": number.decode()[:100]}


def test_limits():
    for record in (
        {"log": "x" * 1025},
        {f"t{i}": "x" for i in range(65)},
        {"a" * 1000: {"b" * 1000: {"c": 1}}},
        {"a" * 1025: 1},
    ):
        samples, [reject] = read({"date": 1} | record | {"x" * 2: 1})
        assert reject.reason == "limit"
        assert len(samples) == ("a" * 1025 in record)


def test_deep_records_are_refused_not_raised():
    for depth in (300, 900, 990, 999, 1001, 100_000):
        payload = b'{"date":1,"x":' + b'{"a":' * depth + b"1" + b"}" * (depth + 1)
        samples, rejects = read(payload)
        assert samples or rejects


def test_a_wide_and_deep_record_stays_small():
    payload = b'{"date":1,"x":' + b'{"":' * 500 + b"{" + b'"a":1,' * 1000 + b'"b":2' + b"}" * 502
    samples, rejects = read(payload)
    assert (len(samples), rejects) == (2, [])


@pytest.mark.parametrize("payload", [b"", b"{", b"[1", b"\xff", b"nul", b"cpu x=1 1"])
def test_what_is_no_json(payload):
    samples, [reject] = read(payload)
    assert (samples, reject.reason, reject.row) == ([], "decode_error", None)


documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(st.binary(max_size=60))
def test_no_bytes_raise(payload):
    samples, rejects = read(payload)
    assert all(type(sample.value) is float for sample in samples)
    assert all(reject.message == 5 for reject in rejects)


@given(st.dictionaries(st.text(max_size=5), documents), documents)
def test_no_document_raises(record, time):
    samples, rejects = read(record | {"@timestamp": time})
    assert all(type(sample.ts) is int for sample in samples)
    assert len({reject.reason for reject in rejects}) <= 3
