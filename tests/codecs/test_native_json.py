"""The fast codec against the strict reader, on what producers write and on what nobody would."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.codecs import scanned
from engine.codecs.interning import IdentityTable
from engine.codecs.json_scan import ROW_BYTES_MIN, scan
from engine.codecs.json_strict import decode_strict
from engine.codecs.messages import Messages
from engine.codecs.native_json import NativeJsonCodec
from engine.codecs.samples import Limits

PLAIN = b'{"ts":1760000000000,"name":"cpu","labels":{"host":"web-%d","zone":"b"},"value":%r}'


def assert_like_strict(codec, payloads):
    """Columns, messages and rejects are equal; gives the new series, each only once."""
    limits = codec.limits
    strict, fast = decode_strict(payloads, limits), codec.decode(payloads)
    assert fast.columns.fingerprint.tolist() == strict.columns.fingerprint.tolist()
    assert fast.columns.ts.tolist() == strict.columns.ts.tolist()
    assert fast.columns.value.tobytes() == strict.columns.value.tobytes()
    assert fast.columns.flags.tolist() == [0] * len(strict.columns)
    assert fast.message.tolist() == strict.message.tolist()
    assert fast.rejects == strict.rejects
    assert set(fast.new_series) <= set(strict.new_series)
    assert len(fast.new_series) == len(set(fast.new_series))
    return fast.new_series


def is_scanned(payload):
    """Tell whether the scan reads a message on its own."""
    buffer = Messages.of([payload]).buffer
    size = len(buffer) // ROW_BYTES_MIN + 1
    plain = np.array([True])
    scan(
        buffer,
        np.array([len(payload)]),
        plain,
        np.empty(size, np.int64),
        np.empty(size),
        np.empty(size, np.int32),
        np.empty((size, 4), np.int64),
    )
    return bool(plain[0])


@pytest.mark.parametrize(
    "payload",
    [
        PLAIN % (1, 0.5),
        b"[" + PLAIN % (1, 0.5) + b" ,\n" + PLAIN % (2, -1e-7) + b"]",
        b"[]",
        *(
            b'{"ts":1,"name":"a","value":"%b"}' % text
            for text in (b"NaN", b"Inf", b"+Inf", b"-Inf")
        ),
        b'{"unit":"s","ts":1,"x":true,"name":"a","y" : null , "value":0,"n":-1e5,"f":false}',
        b'{"ts":1,"name":"a","value":0}',
        b'{ "value" : 12345678901234567890.5 , "name" : "a" , "ts" : 0 } ',
        b'{\n  "ts": 1,\n  "name": "a",\n  "labels": {\n    "b": "c"\n  },\n  "value": 1\n}\n',
        b'{"ts":"2025-10-09T08:53:20.123Z","name":"a","value":1}',
        b'{"ts":1,"name":"\\u0061\\"","labels":{"b}":"\\\\"},"value":1}',
        '{"ts":1,"name":"größe","labels":{"城市":"東京都 {1}"},"value":1}'.encode(),
    ],
)
def test_what_producers_write_needs_no_strict_reader(payload):
    assert is_scanned(payload)
    assert assert_like_strict(NativeJsonCodec(), [payload, payload]) or payload == b"[]"


def test_a_series_is_announced_once_whatever_its_spelling():
    codec = NativeJsonCodec()
    spellings = [
        b'{"ts":1,"name":"m","labels":{"a":"1","b":"2"},"value":1}',
        b'{"ts":1,"name":"m","labels":{"b":"2","a":"1"},"value":2}',
        b'{"ts":1,"name":"m","labels":{"b": "2", "a": "1"},"value":"NaN"}',
        b'{"ts":1.5,"name":"\\u006d","labels":{"b":"2","a":"\\u0031","c":""},"value":1}',
    ]
    assert len(assert_like_strict(codec, spellings)) == 1
    assert assert_like_strict(codec, spellings) == []
    assert len(set(codec.decode(spellings).columns.fingerprint.tolist())) == 1


def test_a_series_of_a_rejected_message_is_announced_with_its_first_good_row():
    good = b'{"ts":1,"name":"m","value":1}'
    codec = NativeJsonCodec()
    assert assert_like_strict(codec, [b'[%b,{"ts":1,"name":"\xff","value":1}]' % good]) == []
    assert len(assert_like_strict(codec, [good])) == 1
    assert assert_like_strict(codec, [good]) == []


@pytest.mark.parametrize("cache_entries", [1, 7, 1 << 20])
def test_a_small_cache_only_repeats_definitions(cache_entries):
    rng = random.Random(5)
    codec = NativeJsonCodec(cache_entries=cache_entries)
    announced = []
    for _ in range(20):
        payloads = [PLAIN % (rng.randrange(50), rng.random()) for _ in range(30)]
        announced += assert_like_strict(codec, payloads)
        assert len(codec._identities) <= cache_entries
        assert len(codec._announcer) <= cache_entries
    assert len(set(announced)) == 50
    assert (len(announced) == 50) == (cache_entries > 50)


def test_colliding_hashes_change_nothing(monkeypatch):
    monkeypatch.setattr(
        scanned, "IdentityTable", lambda **options: IdentityTable(**options, hash_mask=1)
    )
    codec = NativeJsonCodec()
    payloads = [PLAIN % (index % 20, 0.5) for index in range(60)]
    assert len(assert_like_strict(codec, payloads)) == 20
    assert assert_like_strict(codec, payloads) == []
    assert len(codec._identities) == 2


def test_large_arrays():
    rows = [PLAIN % (index % 100, index / 7) for index in range(5000)]
    array = b"[" + b",".join(rows) + b"]"
    cut = [
        array[:-1],
        array[:-2],
        array[: len(array) // 2],
        array + b",",
        array.replace(b":", b"", 1),
    ]
    codec = NativeJsonCodec()
    assert_like_strict(codec, [array, *cut, array])
    assert len(codec.decode([array]).columns) == 5000


def test_every_truncation():
    payload = b"[" + PLAIN % (1, 0.25) + b', {"ts":"2025-10-09T08:53:20Z","name":"m","value":-1e5}]'
    codec = NativeJsonCodec()
    assert_like_strict(codec, [payload[:end] for end in range(len(payload) + 1)])
    assert_like_strict(codec, [payload[start:] for start in range(len(payload))])


def test_every_byte_at_every_place():
    """One foreign byte, put in or put instead; the neighbours in the batch must not suffer."""
    codec = NativeJsonCodec()
    payload = b'[{"ts":17,"name":"m","labels":{"ab":"c\\n"},"value":-1.5e3}]'
    for place in range(len(payload)):
        before, after = payload[:place], payload[place + 1 :]
        changed = [
            before + bytes([byte]) + rest
            for byte in b'\0\x1f "\\{}[],:.-+eE01tn\x7f\x80\xc3\xff'
            for rest in (after, payload[place:])
        ]
        assert_like_strict(codec, [payload, *changed, payload])


spaces = st.text(alphabet=" \n\t\r", max_size=2)
odd_text = st.text(
    alphabet=st.sampled_from('ab"\\{}[],:é日\0\n') | st.characters(exclude_categories=["Cs"]),
    max_size=12,
)


@st.composite
def strings(draw):
    """A JSON string in one of its spellings."""
    text = draw(odd_text | st.sampled_from(["cpu", "host", "web-1", "", "__name__"]))
    if draw(st.booleans()):
        return '"' + "".join(f"\\u{ord(c):04x}" if ord(c) < 65536 else c for c in text) + '"'
    escapes = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\0": "\\u0000"}
    return '"' + "".join(escapes.get(c, c if c >= " " else f"\\u{ord(c):04x}") for c in text) + '"'


numbers = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.integers(-(10**25), 10**25).map(str),
    st.decimals(allow_nan=False, allow_infinity=False).map(lambda d: str(d).replace("E+", "e+")),
    st.from_regex(r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,4})?", fullmatch=True),
)
timestamps = st.one_of(
    st.integers(0, 9_223_372_036_856).map(str),
    st.datetimes().map(lambda moment: f'"{moment.isoformat()}Z"'),
    numbers,
)
values = numbers | st.sampled_from(['"NaN"', '"+Inf"', '"-Inf"', "null", "true", '"nan"', "[1,{}]"])


@st.composite
def objects(draw, keys, members):
    """A JSON object of (key, value) texts with whitespace anywhere."""
    parts = [
        f"{draw(spaces)}{draw(keys) if key is None else key}{draw(spaces)}:{draw(spaces)}"
        f"{draw(value)}{draw(spaces)}"
        for key, value in members
    ]
    return "{" + (",".join(parts) or draw(spaces)) + "}"


@st.composite
def rows(draw):
    labels = objects(strings(), [(None, strings())] * draw(st.integers(0, 4)))
    members = [
        ('"ts"', timestamps),
        ('"name"', strings()),
        ('"labels"', labels),
        ('"value"', values),
        *draw(
            st.lists(
                st.sampled_from([('"unit"', strings()), ('"ts"', timestamps), (None, values)]),
                max_size=1,
            )
        ),
    ]
    members = draw(st.permutations(members))
    dropped = draw(st.integers(0, 40))
    return draw(objects(strings(), members[:dropped] + members[dropped + 1 :]))


@st.composite
def messages(draw):
    if draw(st.booleans()):
        text = draw(rows())
    else:
        text = "[" + ",".join(draw(st.lists(rows(), max_size=4))) + "]"
    return (draw(spaces) + text + draw(spaces)).encode()


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.lists(messages(), min_size=1, max_size=4))
def test_generated_messages(payloads):
    codec = NativeJsonCodec(limits=Limits(max_labels=3, max_label_bytes=20))
    first = assert_like_strict(codec, payloads)
    assert set(first) == set(decode_strict(payloads, codec.limits).new_series)
    assert assert_like_strict(codec, payloads) == []


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.lists(st.tuples(messages(), st.randoms(use_true_random=False)), min_size=1, max_size=4))
def test_mutated_messages(originals):
    codec = NativeJsonCodec()
    codec.decode([payload for payload, _ in originals])
    assert_like_strict(codec, [mutated(payload, rng) for payload, rng in originals])


def mutated(payload, rng):
    """Change, drop, repeat or swap some bytes."""
    text = bytearray(payload)
    for _ in range(rng.randint(1, 3)):
        place, other = rng.randrange(len(text)), rng.randrange(len(text))
        action = rng.randrange(4)
        if action == 0:
            text[place] = rng.choice(b'"\\{}[],:0e. \0\xff')
        elif action == 1:
            del text[place : place + rng.randint(1, 4)]
        elif action == 2:
            text[place:place] = text[other : other + 8]
        else:
            text[place], text[other] = text[other], text[place]
        text = text or bytearray(b" ")
    return bytes(text)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.binary(max_size=40), max_size=5))
def test_garbage(payloads):
    assert_like_strict(NativeJsonCodec(), payloads)


def test_the_cut_into_batches_does_not_show():
    rng = random.Random(6)
    payloads = [PLAIN % (rng.randrange(9), rng.random()) for _ in range(200)]
    payloads[50:50] = [b"nonsense", b'{"ts":1.5,"name":"m","value":1}']
    whole = NativeJsonCodec().decode(payloads)
    codec = NativeJsonCodec()
    parts = []
    while payloads:
        size = rng.randint(1, 40)
        parts.append(codec.decode(payloads[:size]))
        payloads = payloads[size:]
    for column in ("fingerprint", "ts", "value"):
        joined = np.concatenate([getattr(part.columns, column) for part in parts])
        assert joined.tolist() == getattr(whole.columns, column).tolist()
    assert [series for part in parts for series in part.new_series] == whole.new_series


def test_columns_do_not_keep_the_batch_alive():
    """What travels on owns its memory; neither payloads nor scratch columns hang on to it."""
    decoded = NativeJsonCodec().decode([PLAIN % (1, 0.5)] * 10)
    columns = decoded.columns
    for column in (columns.fingerprint, columns.ts, columns.value, columns.flags, decoded.message):
        assert column.base is None
        assert column.flags.writeable


def test_default_limits_are_those_of_the_strict_reader():
    assert NativeJsonCodec().limits == Limits()
