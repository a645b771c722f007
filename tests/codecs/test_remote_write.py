"""The fast remote write codec against the strict reader, on usual messages and on damaged ones."""

import random
import struct

import cramjam
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.codecs import remote_write
from engine.codecs.remote_write import RemoteWriteCodec
from engine.codecs.remote_write_messages import Request, WriteRequest
from engine.codecs.samples import Limits, read_all
from engine.series.columns import FLAG_STALE, STALE_NAN_BITS

NOW_MS = 1_760_000_000_000
STALE = float(STALE_NAN_BITS.view(np.float64))
VALUES = [0.0, -0.0, 1.5, -1e300, float("inf"), float("nan"), STALE]


def snap(message):
    body = message if isinstance(message, bytes) else message.SerializeToString()
    return bytes(cramjam.snappy.compress_raw(body))


def first(series):
    """Make a 1.0 request of (labels, samples) pairs."""
    request = WriteRequest()
    for labels, samples in series:
        one = request.timeseries.add()
        for name, value in labels:
            one.labels.add(name=name, value=value)
        for milliseconds, value in samples:
            one.samples.add(timestamp=milliseconds, value=value)
    return request


def second(series):
    """Make a 2.0 request of (labels, samples) pairs."""
    request = Request()
    symbols = {"": 0}
    for labels, samples in series:
        one = request.timeseries.add()
        for text in (text for label in labels for text in label):
            one.labels_refs.append(symbols.setdefault(text, len(symbols)))
        for milliseconds, value in samples:
            one.samples.add(timestamp=milliseconds, value=value)
    request.symbols.extend(symbols)
    return request


VERSIONS = {"1.0": first, "2.0": second}


@pytest.fixture(params=list(VERSIONS))
def make(request):
    return VERSIONS[request.param]


def some_series(rng, count, *, samples=2):
    return [
        (
            [
                ("__name__", rng.choice(["cpu", "größe", "http_requests_total"])),
                ("host", f"web-{rng.randrange(30)}"),
                ("城市", rng.choice(["東京都", "b", ""])),
            ][: rng.choice([1, 2, 3, 3])],
            [
                (NOW_MS + rng.randrange(10**6), rng.choice([*VALUES, rng.random()]))
                for _ in range(rng.randint(1, samples))
            ],
        )
        for _ in range(count)
    ]


def assert_like_strict(codec, payloads):
    """Columns, messages and rejects are equal to the last bit; gives the decoded."""
    strict, fast = read_all(codec.read, payloads), codec.decode(payloads)
    assert fast.columns.fingerprint.tolist() == strict.columns.fingerprint.tolist()
    assert fast.columns.ts.tolist() == strict.columns.ts.tolist()
    assert fast.columns.value.tobytes() == strict.columns.value.tobytes()
    assert fast.columns.flags.tolist() == strict.columns.flags.tolist()
    assert fast.columns.flags.dtype == np.uint8
    assert fast.message.tolist() == strict.message.tolist()
    assert fast.message.dtype == np.int32
    assert fast.rejects == strict.rejects
    assert set(fast.new_series) <= set(strict.new_series)
    return fast


def codec_of(**limits):
    return RemoteWriteCodec(limits=Limits(**limits))


@pytest.fixture
def no_strict_reader(monkeypatch):
    """Make every message fail that the scan leaves to the strict reader."""

    def refuse(*_):
        raise AssertionError

    monkeypatch.setattr(remote_write, "merge_read", refuse)


def test_what_producers_write_needs_no_strict_reader(make, no_strict_reader):
    rng = random.Random(1)
    payloads = [snap(make(some_series(rng, 20))) for _ in range(10)] + [snap(make([])), b""]
    codec = codec_of()
    decoded = assert_like_strict(codec, payloads)
    assert len(decoded.new_series) == len(set(decoded.columns.fingerprint.tolist()))
    assert decoded.columns.flags.any()
    assert assert_like_strict(codec, payloads).new_series == []


def test_metadata_exemplars_and_start_times_need_no_strict_reader(no_strict_reader):
    old = first(some_series(random.Random(1), 3))
    old.metadata.append(b"anything")
    old.timeseries[0].exemplars.append(b"anything")
    new = second(some_series(random.Random(2), 3))
    new.timeseries[0].metadata = b"anything"
    new.timeseries[1].exemplars.append(b"anything")
    new.timeseries[2].samples[0].start_timestamp = NOW_MS
    assert_like_strict(codec_of(), [snap(old), snap(new), old.SerializeToString()])


def test_both_versions_are_one_series():
    series = [([("__name__", "cpu"), ("host", "a")], [(NOW_MS, 1.0)])]
    payloads = [snap(make(series)) for make in (first, second, second, first)]
    decoded = assert_like_strict(codec_of(), payloads)
    assert len(set(decoded.columns.fingerprint.tolist())) == len(decoded.new_series) == 1


def test_stale_markers_keep_their_bits(make):
    payload = snap(make([([("__name__", "a")], [(1, STALE), (2, float("nan")), (3, 1.0)])]))
    columns = assert_like_strict(codec_of(), [payload]).columns
    assert columns.flags.tolist() == [FLAG_STALE, 0, 0]
    assert columns.value.view(np.uint64)[0] == STALE_NAN_BITS


def test_bad_messages_between_good_ones(make):
    rng = random.Random(3)
    good = [snap(make(some_series(rng, 5))) for _ in range(4)]
    nameless = [([("host", "a")], [(NOW_MS, 1.0)]), *some_series(rng, 2)]
    twice = [([("__name__", "a"), ("b", "c"), ("b", "d")], [(NOW_MS, 1.0)]), *some_series(rng, 2)]
    early = [([("__name__", "a")], [(-1, 1.0), (NOW_MS, 1.0), (1 << 62, 2.0)])]
    empty = [([("__name__", "a")], []), ([], []), *some_series(rng, 1)]
    bad = [snap(make(series)) for series in (nameless, twice, early, empty)]
    payloads = [*good, *bad, b"junk", *good, snap(b"junk"), bad[2]]
    codec = codec_of()
    decoded = assert_like_strict(codec, payloads)
    assert {reject.reason for reject in decoded.rejects} == {
        "schema_error",
        "bad_timestamp",
        "decode_error",
    }
    assert_like_strict(codec, payloads[::-1])


def test_limits_hold(make):
    rng = random.Random(4)
    payloads = [snap(make(some_series(rng, count))) for count in (1, 5, 200)]
    long = [([("__name__", "a" * 600), ("b", "ö" * 600)], [(NOW_MS, 1.0)])]
    many = [([("__name__", "a"), *((f"l{k}", "v") for k in range(70))], [(NOW_MS, 1.0)])]
    payloads += [snap(make(long)), snap(make(many))]
    for limits in ({}, {"max_message_bytes": 300}, {"max_decompressed_bytes": 1000}):
        assert assert_like_strict(codec_of(**limits), payloads).rejects


def test_invalid_utf8_rejects_the_message(make):
    body = make([([("__name__", "cpu"), ("host", "abcd")], [(NOW_MS, 1.0)])]).SerializeToString()
    for damage in (b"ab\xffd", b"\xc0\x80cd", b"\xed\xa0\x80d", b"\xf4\x90\x80\x80", b"abc\xc3"):
        codec = codec_of()
        bad = snap(body.replace(b"abcd", damage))
        [reject] = assert_like_strict(codec, [snap(body), bad]).rejects
        assert (reject.message, reject.reason, reject.row) == (1, "decode_error", None)
    for text in ("äbc", "𝄞", "a東", "\U0010ffff"):
        good = snap(body.replace(b"abcd", text.encode()))
        assert not assert_like_strict(codec_of(), [good]).rejects


def test_a_small_cache_only_forgets(make):
    rng = random.Random(5)
    codec = RemoteWriteCodec(limits=Limits(), cache_entries=3)
    for _ in range(5):
        assert_like_strict(codec, [snap(make(some_series(rng, 10))) for _ in range(3)])


def test_symbol_ids_begin_anew(monkeypatch):
    monkeypatch.setattr(remote_write, "_IDS_MAX", 20)
    rng = random.Random(6)
    codec = codec_of()
    for _ in range(10):
        assert_like_strict(codec, [snap(second(some_series(rng, 3)))])


def test_large_messages_are_groups_of_their_own(make, monkeypatch):
    monkeypatch.setattr(remote_write, "_GROUP_BYTES", 500)
    rng = random.Random(7)
    payloads = [snap(make(some_series(rng, count))) for count in (1, 30, 2, 0, 3, 1, 1, 40)]
    assert_like_strict(codec_of(), payloads)


def test_versions_may_alternate():
    rng = random.Random(8)
    payloads = [
        snap(rng.choice([first, second])(some_series(rng, rng.randrange(4)))) for _ in range(30)
    ]
    assert_like_strict(codec_of(), payloads)


@pytest.mark.parametrize(
    ("beginning", "smallest"),
    [
        (b"", b"\x0a\x02\x12\x00"),
        (b"", b"\x0a\x06\x0a\x02\x0a\x00\x12\x00"),
        (b"", b"\x1a\x00"),
        (b"", b"\x22\x00"),
        (b"\x22\x00", b"\x2a\x04\x0a\x00\x12\x00"),
        (b"\x22\x00", b"\x2a\x06\x0a\x02\x00\x00\x12\x00"),
    ],
)
def test_there_is_room_for_as_many_of_the_smallest_as_a_message_holds(beginning, smallest):
    body = beginning + smallest * 20_000
    payloads = [snap(body), snap(body + b"\x0a"), snap(first(some_series(random.Random(1), 3)))]
    assert_like_strict(codec_of(), payloads)


def test_there_is_room_for_as_many_samples_as_a_message_holds():
    labels = first([([("__name__", "a")], [])]).SerializeToString()[2:]
    series = labels + b"\x12\x00" * 5000
    old = b"\x0a" + varint(len(series)) + series
    assert len(assert_like_strict(codec_of(), [snap(old), snap(old * 3)]).columns) == 20_000
    series = b"\x0a\x02\x01\x02" + b"\x12\x00" * 5000
    new = b"\x2a" + varint(len(series)) + series
    symbols = b"\x22\x00\x22\x08__name__\x22\x01a"
    assert len(assert_like_strict(codec_of(), [snap(symbols + new * 4)]).columns) == 20_000


CODEC = codec_of()
BODIES = [
    make(some_series(random.Random(seed), 3)).SerializeToString()
    for seed in range(4)
    for make in (first, second)
]


@settings(max_examples=300)
@given(st.data())
def test_damaged_messages_are_read_alike(data):
    payloads = []
    for body in data.draw(st.lists(st.sampled_from(BODIES), min_size=1, max_size=3)):
        damaged = bytearray(body)
        for _ in range(data.draw(st.integers(0, 2))):
            place = data.draw(st.integers(0, len(damaged) - 1))
            byte = data.draw(st.sampled_from([0, 1, 8, 10, 18, 26, 34, 42, 127, 128, 255]))
            kind = data.draw(st.sampled_from(["set", "insert", "delete"]))
            damaged[place : place + (kind != "insert")] = b"" if kind == "delete" else [byte]
        payloads.append(data.draw(st.sampled_from([snap, bytes]))(bytes(damaged)))
    assert_like_strict(CODEC, payloads)


def test_randomly_damaged_messages_are_read_alike():
    rng = random.Random(9)
    for _ in range(1500):
        damaged = bytearray(rng.choice(BODIES))
        for _ in range(rng.randint(1, 3)):
            damaged[rng.randrange(len(damaged))] = rng.choice([rng.randrange(256), 0x80, 0])
        assert_like_strict(CODEC, [snap(bytes(damaged)), snap(rng.choice(BODIES))])


@pytest.mark.parametrize("padding", range(9))
def test_padded_lengths_are_read_alike(padding):
    length = b"\x83" + b"\x80" * padding + b"\x00"
    labels = b"\x0a\x0d\x0a\x08__name__\x12\x01a"
    for series in (labels + b"\x12" + length + b"\x10\x80\x01", b"\x0a" + length + b"\x0a\x01a"):
        assert_like_strict(codec_of(), [snap(b"\x0a" + bytes([len(series)]) + series)])
    assert_like_strict(codec_of(), [snap(b"\x1a" + length + b"abc")])
    assert_like_strict(codec_of(), [snap(b"\x22" + length.replace(b"\x83", b"\x80"))])


def varint(number):
    groups = [number >> 7 * place & 0x7F for place in range(max(1, -(-number.bit_length() // 7)))]
    return bytes([group | 0x80 for group in groups[:-1]] + groups[-1:])


def field(number, content):
    """Write a field: a varint for a number, eight bytes for a float, else with its length."""
    if isinstance(content, int):
        return varint(number << 3) + varint(content % 2**64)
    if isinstance(content, float):
        return varint(number << 3 | 1) + struct.pack("<d", content)
    return varint(number << 3 | 2) + varint(len(content)) + content


STRANGE = st.one_of(
    st.builds(field, st.integers(1, 20), st.integers(0, 2**64 - 1)),
    st.builds(field, st.integers(1, 20), st.sampled_from(VALUES)),
    st.builds(field, st.integers(1, 20), st.sampled_from([b"", b"a", b"\x0a\x00", b"\xff"])),
    st.sampled_from(
        [b"\x1b\x1c", b"\x1b", b"\x25abcd", b"\x8a\x00\x00", b"\x00\x00", b"\x8a\x01\x00"]
    ),
)


def mostly(usual):
    """Lists of usual fields, seldom with strange ones between."""
    return st.one_of(
        st.lists(usual, max_size=4),
        st.lists(usual, min_size=1, max_size=4),
        st.lists(st.one_of(usual, usual, usual, STRANGE), max_size=4),
    ).map(b"".join)


TIMES = st.one_of(
    st.just(NOW_MS), st.sampled_from([0, -1, 2**63 - 1, 9223372036854, 9223372036855])
)
SAMPLES = mostly(
    st.one_of(
        st.builds(field, st.just(1), st.sampled_from(VALUES)), st.builds(field, st.just(2), TIMES)
    )
).map(lambda content: field(2, content))
NAMES = st.sampled_from([b"__name__", b"a", b"b", "ö".encode(), b"", b"\xff", b"c" * 1100])
LABELS = st.tuples(NAMES, NAMES).map(
    lambda label: field(1, field(1, label[0]) + field(2, label[1]))
)
NAMED = field(1, field(1, b"__name__") + field(2, b"cpu"))
SERIES_1 = st.tuples(st.sampled_from([NAMED, NAMED, b""]), mostly(LABELS), mostly(SAMPLES)).map(
    lambda parts: field(1, b"".join(parts))
)
REFERENCES = st.one_of(
    st.just([1, 2]), st.just([1, 2, 3, 4]), st.lists(st.sampled_from([0, 1, 2, 3, 200, 2**32 + 1]))
)
SERIES_2 = st.tuples(
    REFERENCES.map(lambda numbers: field(1, b"".join(map(varint, numbers)))), mostly(SAMPLES)
).map(lambda parts: field(5, b"".join(parts)))
SYMBOLS = b"".join(field(4, text) for text in (b"", b"__name__", b"cpu", b"a", "ö".encode()))
MESSAGES = st.one_of(
    mostly(SERIES_1),
    mostly(SERIES_2).map(SYMBOLS.__add__),
    st.tuples(mostly(NAMES.map(lambda text: field(4, text))), mostly(SERIES_2)).map(b"".join),
)


@settings(max_examples=300)
@given(st.lists(MESSAGES, max_size=4))
def test_strange_but_well_framed_messages_are_read_alike(bodies):
    assert_like_strict(CODEC, [snap(body) for body in bodies])
