"""What native JSON messages mean: rows, reasons and limits, by the strict reader and the codec."""

import numpy as np
import pytest

from engine.codecs.json_strict import decode_strict
from engine.codecs.native_json import NativeJsonCodec
from engine.codecs.samples import Limits
from engine.series.identity import Series

MS = 1_000_000


def decode_both(payloads, **limits):
    """Decode by the strict reader and by a codec, which must agree on everything."""
    strict = decode_strict(payloads, Limits(**limits))
    fast = NativeJsonCodec(limits=Limits(**limits)).decode(payloads)
    for column in ("fingerprint", "ts", "flags"):
        assert getattr(strict.columns, column).tolist() == getattr(fast.columns, column).tolist()
        assert getattr(strict.columns, column).dtype == getattr(fast.columns, column).dtype
    assert strict.columns.value.tobytes() == fast.columns.value.tobytes()
    assert strict.message.tolist() == fast.message.tolist()
    assert strict.message.dtype == fast.message.dtype == np.int32
    assert strict.rejects == fast.rejects
    assert set(strict.new_series) == set(fast.new_series)
    assert len(fast.new_series) == len(set(fast.new_series))
    return fast


def row_of(payload, **limits):
    """(series, ts, value) of a message that is one good row."""
    decoded = decode_both([payload], **limits)
    assert decoded.rejects == []
    [series] = decoded.new_series
    assert decoded.columns.fingerprint.tolist() == [series.fingerprint]
    assert decoded.columns.flags.tolist() == [0]
    return series, int(decoded.columns.ts[0]), float(decoded.columns.value[0])


def reject_of(payload, **limits):
    decoded = decode_both([payload], **limits)
    assert len(decoded.columns) == 0
    [reject] = decoded.rejects
    assert 0 < len(reject.detail) <= 500
    return reject


def test_the_message_of_the_contract():
    payload = (
        b'{"ts": 1760000000000, "name": "cpu_usage", "labels": {"host": "web-1"}, "value": 0.93}'
    )
    assert row_of(payload) == (
        Series.of("cpu_usage", {"host": "web-1"}),
        1_760_000_000_000 * MS,
        0.93,
    )


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (b"", {}),
        (b'"labels":{},', {}),
        (b'"labels":{"b":"2","a":"1"},', {"a": "1", "b": "2"}),
        (b'"labels": {\n\t"a" :\r"1" } ,', {"a": "1"}),
        (b'"labels":{"a":"","b":"2"},', {"b": "2"}),
        (b'"labels":{"a":"1","a":"2"},', {"a": "2"}),
        (b'"labels":{"a":"1","a":""},', {}),
        (b'"labels":{"a":"1"},"labels":{"b":"2"},', {"b": "2"}),
        (b'"labels":{"a":"}","b":"{","c":"[\\"}\\\\"},', {"a": "}", "b": "{", "c": '["}\\'}),
        (b'"labels":{"a b":"x,y:z"},', {"a b": "x,y:z"}),
        (b'"labels":{"\\u0061":"\\u00e9\\ud83d\\ude00"},', {"a": "é😀"}),
        ('"labels":{"größe":"日本語"},'.encode(), {"größe": "日本語"}),
        (b'"labels":{"a":"nul\\u0000"},', {"a": "nul\0"}),
        (b'"labels":{"a":"\x7f"},', {"a": "\x7f"}),
    ],
)
def test_labels(labels, expected):
    series, _, _ = row_of(b'{"ts":1,"name":"m",%b"value":1}' % labels)
    assert series == Series.of("m", expected)


@pytest.mark.parametrize(
    ("text", "expected_ns"),
    [
        (b"0", 0),
        (b"-0", 0),
        (b"1", MS),
        (b"9223372036854", 9_223_372_036_854 * MS),
        (b"1.5", 1_500_000),
        (b"1760000000000.1234569", 1_760_000_000_000_123_456),
        (b"1.76e12", 1_760_000_000_000 * MS),
        (b'"2025-10-09T08:53:20Z"', 1_760_000_000_000 * MS),
        (b'"2025-10-09T08:53:20.000000001+00:00"', 1_760_000_000_000 * MS + 1),
        (b'"2025-10-09T08:53:20\\u005a"', 1_760_000_000_000 * MS),
    ],
)
def test_timestamps(text, expected_ns):
    assert row_of(b'{"ts":%b,"name":"m","value":1}' % text)[1] == expected_ns


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *((b"0", 0.0), (b"-0", -0.0), (b"-0.0", -0.0), (b"1", 1.0), (b"1e3", 1000.0)),
        *((b"9007199254740993", 9007199254740992.0), (b"1" * 400, None), (b"1e-400", 0.0)),
        *((b"0.1000000000000000055511151231257827021181583404541015625", 0.1), (b"1e309", None)),
        *((b'"NaN"', float("nan")), (b'"Inf"', float("inf")), (b'"+Inf"', float("inf"))),
        *((b'"-Inf"', float("-inf")), (b'"\\u004eaN"', float("nan")), (b'"nan"', None)),
        *((b'"0.5"', None), (b'""', None), (b"null", None), (b"true", None), (b"[1]", None)),
    ],
)
def test_values(text, expected):
    payload = b'{"ts":1,"name":"m","value":%b}' % text
    if expected is None:
        assert reject_of(payload).reason == "bad_value"
    else:
        assert np.float64(row_of(payload)[2]).tobytes() == np.float64(expected).tobytes()


@pytest.mark.parametrize(
    "payload",
    [
        b'{"value":1,"labels":{"a":"1"},"name":"m","ts":1}',
        b' \n\r\t{ "ts" :\t1 ,\n"name": "m" ,\r"labels": {"a":"1"} , "value" : 1 } \n',
        b'{"ts":1,"name":"m","labels":{"a":"1"},"value":1,"unit":"s","more":[{"ts":[]}]}',
        b'{"tsx":"s","ts":1,"x":1e999,"name":"m","x":true,"labels":{"a":"1"},"":null,"value":1}',
        b'{"ts":7,"ts":1,"name":"n","name":"m","labels":{"a":"1"},"value":2,"value":1}',
        b'{"\\u0074s":1,"nam\\u0065":"\\u006d","labels":{"a":"1"},"value":1.0}',
        b'[{"ts":1,"name":"m","labels":{"a":"1"},"value":1}]',
    ],
)
def test_spellings_of_one_row(payload):
    assert row_of(payload) == (Series.of("m", {"a": "1"}), MS, 1.0)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "decode_error"),
        (b" ", "decode_error"),
        (b"\0", "decode_error"),
        (b'{"ts":1,"name":"m","value":1', "decode_error"),
        (b'{"ts":1,"name":"m","value":1}}', "decode_error"),
        (b'{"ts":1,"name":"m","value":1}\0', "decode_error"),
        (b'{"ts":1,"name":"m","value":1}{"ts":1,"name":"m","value":1}', "decode_error"),
        (b'{"ts":1,"name":"m","value":1,}', "decode_error"),
        (b'{"ts":01,"name":"m","value":1}', "decode_error"),
        (b'{"ts":1,"name":"m","value":01}', "decode_error"),
        (b'{"ts":1,"name":"m","value":NaN}', "decode_error"),
        (b'{"ts":1,"name":"m","value":1.}', "decode_error"),
        (b'{"ts":1,"name":"m\xff","value":1}', "decode_error"),
        (b'{"ts":1,"name":"m","labels":{"a":"\xed\xa0\x80"},"value":1}', "decode_error"),
        (b'{"ts":1,"name":"m\\ud800","value":1}', "decode_error"),
        (b'{"ts":1,"name":"m\\udc00","value":1}', "decode_error"),
        (b'{"ts":1,"name":"m\\x","value":1}', "decode_error"),
        (b'{"ts":1,"name":"m\n","value":1}', "decode_error"),
        (b'{"ts":1,"name":"m","labels":{"a":"1",},"value":1}', "decode_error"),
        (b'{"ts":1,"name":"m","labels":{"a" "1"},"value":1}', "decode_error"),
        (b'{"ts":1,"name":"m","labels":{"a":{"b":"c"},"value":1}', "decode_error"),
        (b'{"ts":1,"name":"m","labels":{,},"value":1}', "decode_error"),
        (b'{"ts":1,"name":"m","labels":{"a":1x},"value":1}', "decode_error"),
        (b'{"ts":1,"name":"m","value":1,"x":"\xff"}', "decode_error"),
        (b'{"ts":1,"name":"m","value":1,"x":"\t"}', "decode_error"),
        (b'{"ts":1,"name":"m","value":1,"x":truex}', "decode_error"),
        (b'{"ts":1,"name":"m","value":1,"x":01}', "decode_error"),
        (b'{"ts":1,"name":"m","value":1,"x" 1}', "decode_error"),
        (b'{"ts":1,"name":"m","value":1,"x":}', "decode_error"),
        (b'\xef\xbb\xbf{"ts":1,"name":"m","value":1}', "decode_error"),
        (b"[" * 100_000, "decode_error"),
        (b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "decode_error"),
        (b"1", "schema_error"),
        (b"null", "schema_error"),
        (b'"text"', "schema_error"),
    ],
)
def test_whole_messages_that_are_rejected(payload, reason):
    reject = reject_of(payload)
    assert (reject.message, reject.reason, reject.row) == (0, reason, None)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"{}", "schema_error"),
        (b'{"ts":1,"value":1}', "schema_error"),
        (b'{"ts":1,"name":null,"value":1}', "schema_error"),
        (b'{"ts":1,"name":7,"value":1}', "schema_error"),
        (b'{"ts":1,"name":"","value":1}', "schema_error"),
        (b'{"ts":1,"name":"m","labels":null,"value":1}', "schema_error"),
        (b'{"ts":1,"name":"m","labels":[],"value":1}', "schema_error"),
        (b'{"ts":1,"name":"m","labels":"a","value":1}', "schema_error"),
        (b'{"ts":1,"name":"m","labels":{"a":1},"value":1}', "schema_error"),
        (b'{"ts":1,"name":"m","labels":{"a":true},"value":1}', "schema_error"),
        (b'{"ts":1,"name":"m","labels":{"a":null},"value":1}', "schema_error"),
        (b'{"ts":1,"name":"m","labels":{"a":{"b":"c"}},"value":1}', "schema_error"),
        (b'{"ts":1,"name":"m","labels":{"":"1"},"value":1}', "schema_error"),
        (b'{"ts":1,"name":"m","labels":{"__name__":"n"},"value":1}', "schema_error"),
        (b'{"ts":1,"name":"m","labels":{"__name__":""},"value":1}', "schema_error"),
        (b'{"ts":1,"name":"m","labels":{"__nam\\u0065__":"n"},"value":1}', "schema_error"),
        (b'{"name":"m","value":1}', "bad_timestamp"),
        (b'{"ts":null,"name":"m","value":1}', "bad_timestamp"),
        (b'{"ts":-1,"name":"m","value":1}', "bad_timestamp"),
        (b'{"ts":9223372036855,"name":"m","value":1}', "bad_timestamp"),
        (b'{"ts":1760000000000000000,"name":"m","value":1}', "bad_timestamp"),
        (b'{"ts":1e400,"name":"m","value":1}', "bad_timestamp"),
        (b'{"ts":"1760000000000","name":"m","value":1}', "bad_timestamp"),
        (b'{"ts":"2025-10-09","name":"m","value":1}', "bad_timestamp"),
        (b'{"ts":[1],"name":"m","value":1}', "bad_timestamp"),
        (b'{"ts":1,"name":"m"}', "bad_value"),
    ],
)
def test_rows_that_are_rejected(payload, reason):
    reject = reject_of(payload)
    assert (reject.message, reject.reason, reject.row) == (0, reason, payload)


def test_good_rows_of_a_message_are_kept_in_order():
    good = b'{"ts":%d,"name":"m","value":1}'
    bad = b'{"ts": -1,"name":"m","value":1}'
    payloads = [
        good % 1,
        b"[%b,%b , 7,%b]" % (good % 2, bad, good % 3),
        b"nonsense",
        b"[]",
        b"[%b,%b]" % (good % 4, good % 5),
    ]
    decoded = decode_both(payloads)
    assert (decoded.columns.ts // MS).tolist() == [1, 2, 3, 4, 5]
    assert decoded.message.tolist() == [0, 1, 1, 4, 4]
    assert [(reject.message, reject.reason, reject.row) for reject in decoded.rejects] == [
        (1, "bad_timestamp", bad),
        (1, "schema_error", b"7"),
        (2, "decode_error", None),
    ]


def test_no_messages():
    assert len(decode_both([]).columns) == 0


def labelled(labels):
    inside = ",".join(f'"{name}":"{value}"' for name, value in labels.items())
    return f'{{"ts":1,"name":"m","labels":{{{inside}}},"value":1}}'.encode()


def test_limits():
    many = {f"label{index}": "x" for index in range(4)}
    assert row_of(labelled(many), max_labels=4)
    assert reject_of(labelled(many | {"one": "more"}), max_labels=4).reason == "limit"
    assert row_of(labelled(many | {"empty": ""}), max_labels=4)
    for text in ("é" * 4, "x" * 8):
        named = f'{{"ts":1,"name":"{text}","value":1}}'.encode()
        longer = named.replace(text.encode(), text.encode() + b"x")
        assert row_of(named, max_label_bytes=8)
        assert reject_of(longer, max_label_bytes=8).reason == "limit"
        assert row_of(labelled({"a": text, text: "b"}), max_label_bytes=8)
        assert reject_of(labelled({"a": text + "x"}), max_label_bytes=8).reason == "limit"
        assert reject_of(labelled({text + "x": "a"}), max_label_bytes=8).reason == "limit"


def test_a_message_that_is_too_large():
    payload = b'{"ts":1,"name":"m","value":1}'
    assert row_of(payload, max_message_bytes=len(payload))
    reject = reject_of(payload, max_message_bytes=len(payload) - 1)
    assert (reject.reason, reject.row) == ("too_large", None)


def test_details_are_short():
    payload = b'{"ts":"%b","name":"m","value":1}' % (b"x" * 10_000)
    assert len(reject_of(payload).detail) < 300
    unreadable = labelled({"l" * 800: "x" * 1025})
    assert len(reject_of(unreadable).detail) == 500
