"""The fast codec against the slow reader on damaged messages and odd encodings."""

import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from otlp_messages import TIME_NS, any_message, assert_like_twin, codec_of, gauge, point

SEEDS = [any_message(random.Random(seed)) for seed in range(40)]
SEEDS = [seed for seed in SEEDS if seed]
FUZZED = codec_of()


@st.composite
def mutated(draw):
    """Damage a message as a bad producer or disk would."""
    raw = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(0, len(raw) - 1)))
        match draw(st.sampled_from(["truncate", "flip", "set", "splice", "delete", "repeat"])):
            case "truncate":
                del raw[place:]
            case "flip" if raw:
                raw[place] ^= 1 << draw(st.integers(0, 7))
            case "set" if raw:
                raw[place] = draw(st.sampled_from([0, 1, 0x0A, 0x12, 0x1A, 0x3A, 0x40, 0x80, 255]))
            case "splice":
                other = draw(st.sampled_from(SEEDS))
                start = draw(st.integers(0, len(other) - 1))
                raw[place:place] = other[start : start + draw(st.integers(1, 40))]
            case "delete":
                del raw[place : place + draw(st.integers(1, 20))]
            case "repeat":
                raw += bytes(raw)
    return bytes(raw[:20_000])


@settings(deadline=None, max_examples=400)
@given(st.lists(mutated(), min_size=1, max_size=4))
def test_damaged_messages_give_the_slow_readers_rows(payloads):
    assert_like_twin(codec_of(), payloads)
    assert_like_twin(FUZZED, payloads)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.binary(max_size=60), max_size=4))
def test_any_bytes_give_the_slow_readers_rows(payloads):
    assert_like_twin(FUZZED, payloads)


def test_every_single_byte_changed_gives_the_slow_readers_rows():
    raw = gauge(point(), point(2.0, flags=1)).SerializeToString()
    payloads = [
        raw[:place] + bytes([raw[place] ^ bits]) + raw[place + 1 :]
        for place in range(len(raw))
        for bits in (1, 2, 8, 0x10, 0x80)
    ]
    codec = codec_of()
    assert_like_twin(codec, payloads)
    assert_like_twin(codec, payloads)


def field(number, content):
    assert len(content) < 128
    return bytes([number << 3 | 2, len(content)]) + content


def raw_point(*parts):
    """Make a gauge's message of the encoded fields of one point."""
    content = field(1, b"".join(parts))
    return field(1, field(2, field(2, field(1, b"cpu") + field(5, content))))


TIME = b"\x19" + struct.pack("<Q", TIME_NS)
VALUE = b"\x21" + struct.pack("<d", 1.5)
INT = b"\x31" + struct.pack("<q", -3)
ATTRIBUTE = field(7, field(1, b"a") + field(2, field(1, b"b")))
OTHER = field(7, field(1, b"c") + field(2, field(1, b"d")))


@pytest.mark.parametrize(
    "parts",
    [
        (ATTRIBUTE, TIME, VALUE, OTHER),
        (ATTRIBUTE, OTHER, VALUE, TIME),
        (TIME, VALUE, INT, ATTRIBUTE),
        (TIME, INT, VALUE, ATTRIBUTE),
        (TIME, VALUE, b"\x40\x01\x40\x02"),
        (TIME, VALUE, b"\x40\x81\x80\x80\x80\x80\x80\x80\x80\x80\x01"),
        (TIME, VALUE, b"\x40\x81\x80\x80\x80\x80\x80\x80\x80\x80\x02"),
        (TIME, VALUE, b"\x20\x01"),
        (TIME, VALUE, b"\x38\x01"),
        (TIME, VALUE, b"\xba\x00" + ATTRIBUTE[1:]),
        (TIME, VALUE, b"\x3a\xff\xff\xff\xff\x0f"),
        (TIME, VALUE, b"\x3a\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00"),
        (TIME, VALUE, b"\x9d\x06abcd"),
        (TIME, VALUE, b"\x0b\x0c"),
        (TIME, TIME, VALUE),
        (TIME, b"\x21" + struct.pack("<Q", 0x7FF0000000000002)),
        (TIME, b"\x21" + struct.pack("<Q", 0xFFF8000000000123)),
    ],
)
def test_odd_encodings_of_a_point_mean_what_the_library_says(parts):
    payload = raw_point(*parts)
    codec = codec_of()
    assert_like_twin(codec, [payload])
    assert_like_twin(codec, [payload, payload])


RESOURCE = field(1, field(1, field(1, b"h") + field(2, field(1, b"w"))))
GAUGE = field(5, field(1, TIME + VALUE))
SUM = field(7, field(1, TIME + VALUE) + b"\x10\x02")
NAME = field(1, b"cpu")


@pytest.mark.parametrize(
    "metric",
    [
        NAME + GAUGE + NAME,
        GAUGE + NAME,
        NAME + NAME + GAUGE,
        NAME + GAUGE + GAUGE,
        NAME + GAUGE + SUM,
        NAME + SUM + GAUGE,
        NAME + GAUGE + field(12, b""),
        NAME,
        b"",
        NAME + field(7, b"\x10\x02\x18\x01" + field(1, TIME + VALUE)),
        NAME + field(7, field(1, TIME + VALUE) + b"\x10\x02\x10\x01"),
        NAME + field(7, field(1, TIME + VALUE) + b"\x10\x02\x18\x80\x01"),
        NAME + field(7, field(1, TIME + VALUE) + b"\x10\x82\x80\x80\x80\x10"),
        NAME + field(5, field(1, TIME + VALUE) + b"\x10\x02"),
        NAME + b"\xaa\x00" + GAUGE[1:],
    ],
)
def test_odd_orders_of_fields_mean_what_the_library_says(metric):
    codec = codec_of()
    scope = field(2, field(2, metric))
    for resource_metrics in (
        RESOURCE + scope,
        scope + RESOURCE,
        RESOURCE + RESOURCE + scope,
        RESOURCE + scope + scope,
        scope + field(3, b"\xff"),
        RESOURCE,
        field(1, b"\xff") + field(2, b""),
    ):
        payload = field(1, resource_metrics) if len(resource_metrics) < 128 else b""
        assert_like_twin(codec, [payload, payload])


COUNT = b"\x21" + struct.pack("<Q", 3)
SUM_VALUE = b"\x29" + struct.pack("<d", 2.5)
BUCKETS = field(6, struct.pack("<QQ", 1, 2))
BOUNDS = field(7, struct.pack("<d", 0.5))
PATH = field(9, field(1, b"a") + field(2, field(1, b"b")))


@pytest.mark.parametrize(
    "parts",
    [
        (TIME, COUNT, SUM_VALUE, BUCKETS, BOUNDS, PATH),
        (PATH, BOUNDS, BUCKETS, SUM_VALUE, COUNT, TIME),
        (TIME, COUNT, SUM_VALUE, BOUNDS, BUCKETS, PATH),
        (TIME, COUNT, SUM_VALUE, BUCKETS, BOUNDS, BOUNDS),
        (TIME, COUNT, SUM_VALUE, BUCKETS, BUCKETS, BOUNDS),
        (TIME, COUNT, SUM_VALUE, BUCKETS, BOUNDS, field(7, b"")),
        (TIME, COUNT, SUM_VALUE, field(6, b""), field(7, b"")),
        (TIME, COUNT, SUM_VALUE, BUCKETS, b"\x39" + BOUNDS[2:]),
        (TIME, COUNT, SUM_VALUE, b"\x31" + bytes(8), PATH),
        (TIME, COUNT, SUM_VALUE, field(6, bytes(7)), PATH),
        (TIME, COUNT, SUM_VALUE, field(7, bytes(7)), PATH),
        (TIME, SUM_VALUE, BUCKETS, BOUNDS, PATH, b"\x50\x01"),
        (TIME, BOUNDS, PATH, b"\x50\x01"),
        (TIME, BUCKETS, PATH, b"\x50\x01"),
        (TIME, COUNT, BUCKETS, BOUNDS, PATH),
        (TIME, SUM_VALUE[:5]),
    ],
)
def test_odd_encodings_of_a_histogram_mean_what_the_library_says(parts):
    codec = codec_of()
    data = field(9, field(1, b"".join(parts)) + b"\x10\x02")
    payload = field(1, field(2, field(2, field(1, b"cpu") + data)))
    assert_like_twin(codec, [payload])
    assert_like_twin(codec, [payload, payload])
