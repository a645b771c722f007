"""The fast codec of line protocol against the strict reader."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.codecs import scanned
from engine.codecs.influx import InfluxCodec
from engine.codecs.influx_scan import FIELD_BYTES_MIN, scan
from engine.codecs.interning import IdentityTable
from engine.codecs.messages import Messages
from engine.codecs.samples import Limits, read_all

SAMPLE = b"cpu,cpu=cpu0,host=web-1 usage_idle=6.9,usage_user=91.2 1760000000000000000"


def assert_like_strict(codec, payloads):
    """Columns, messages and rejects are equal; gives what was decoded."""
    strict, fast = read_all(codec.read, payloads), codec.decode(payloads)
    assert fast.columns.fingerprint.tolist() == strict.columns.fingerprint.tolist()
    assert fast.columns.ts.tolist() == strict.columns.ts.tolist()
    assert fast.columns.value.tobytes() == strict.columns.value.tobytes()
    assert fast.columns.flags.tolist() == [0] * len(strict.columns)
    assert fast.message.tolist() == strict.message.tolist()
    assert fast.rejects == strict.rejects
    assert set(fast.new_series) <= set(strict.new_series)
    assert len(fast.new_series) == len(set(fast.new_series))
    return fast


def is_scanned(payload):
    """Tell whether the scan reads a message on its own."""
    buffer = Messages.of([payload]).buffer
    size = len(buffer) // FIELD_BYTES_MIN + 1
    plain = np.array([True])
    scan(
        buffer,
        np.array([len(payload)]),
        plain,
        1,
        np.empty(size, np.int64),
        np.empty(size),
        np.empty(size, np.int32),
        np.empty((size, 4), np.int64),
    )
    return bool(plain[0])


@pytest.mark.parametrize(
    "payload",
    [
        SAMPLE,
        SAMPLE + b"\n",
        SAMPLE + b"\r\n" + SAMPLE + b"\r",
        b"\n# a comment\n\n" + SAMPLE + b"\n#",
        b"",
        b"m f=1i,g=2u,h=-3i,i=-0i,j=0u 5",
        b"m a=t,b=T,c=true,d=True,e=TRUE,f=f,g=F,h=false,i=False,j=FALSE 5",
        b"m f=-0,g=0.0,h=-0.000,i=1e5,j=-1.5E-7,k=123456789012345678901 5",
        b'm a="x",b=1,c="y, z=",d=2,e="" 5',
        b"m,a=\xc3\xa9 f=1 5",
        b"m,a=b value=1 0",
        b"m f=1 9223372036854775799",
    ],
)
def test_usual_forms_are_scanned(payload):
    assert is_scanned(payload)
    codec = InfluxCodec(limits=Limits())
    for _ in range(2):
        assert_like_strict(codec, [payload, SAMPLE, payload])


@pytest.mark.parametrize(
    "payload",
    [
        b" m f=1 1",
        b"m  f=1 1",
        b"m f=1  1",
        b"m f=1 1 ",
        b"m f=1",
        b"m f=1 ",
        b"m f=1 -1",
        b"m f=1,f=2 1",
        b'm f="a",f=2 1',
        b"m a=1,b=2,c=3,a=4 1",
        b'm f="a" 1',
        b'm f="a"',
        b'm f="a\nb",g=1 1',
        b'm f="a\\"b",g=1 1',
        b'm f="\xc3\xa9",g=1 1',
        b'm f="\xff",g=1 1',
        b"# \xff\n" + SAMPLE,
        b"m\\ x f=1 1",
        b'm,a="x f=1 1',
        b"m f=5. 1",
        b"m f=.5 1",
        b"m f=1e-310 1",
        b"m f=1e-400 1",
        b"m f=1e400 1",
        b"m f=1.5i 1",
        b"m f=-1u 1",
        b"m f=9223372036854775807i 1",
        b"m f=nan 1",
        b"m f=tru 1",
        b"m f=1 9223372036854775806",
        b"m f=1 9223372036854775807",
        b"m f=1 00000000000000000001",
        b"m f=1 1\0",
        b"m f=1 1\r\r",
        b"m " + b",".join(b"f%d=1" % number for number in range(300)) + b" 1",
    ],
)
def test_what_the_scan_leaves(payload):
    assert not is_scanned(payload)
    codec = InfluxCodec(limits=Limits())
    assert_like_strict(codec, [payload, SAMPLE, payload])
    assert_like_strict(codec, [SAMPLE + b"\n" + payload + b"\n" + SAMPLE])


@pytest.mark.parametrize(
    "key",
    [b"m,a", b"m,a=", b"m,", b",a=1", b"m,a=1,a=2", b"m,\xff=1", b"m,__name__=x", b"m,a=b=c"],
)
def test_bad_identity_costs_its_line(key):
    codec = InfluxCodec(limits=Limits())
    line = b"%b f=1 1" % key
    assert is_scanned(line)
    decoded = assert_like_strict(codec, [SAMPLE, line, SAMPLE + b"\n" + line + b"\nn f=1 1"])
    assert len(decoded.rejects) == 2


@pytest.mark.parametrize("unit", ["auto", "s", "ms", "us", "ns"])
def test_units(unit):
    codec = InfluxCodec(limits=Limits(), timestamp_unit=unit)
    numbers = [0, 1, 1760000000, 9223372036, 9223372037, 9223372036854, 9223372036855, 2**63 - 2]
    payloads = [b"m f=1 %d" % number for number in numbers]
    decoded = assert_like_strict(codec, payloads)
    unit_ns = {"auto": 1, "s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[unit]
    assert decoded.columns.ts[2] == 1760000000 * unit_ns


def test_series_are_announced_once():
    codec = InfluxCodec(limits=Limits())
    spelled_otherwise = b"cpu,host=web-1,cpu=cpu0  usage_idle=1 1"
    assert len(codec.decode([SAMPLE, SAMPLE]).new_series) == 2
    assert codec.decode([SAMPLE, spelled_otherwise]).new_series == []


def test_limits():
    limits = Limits(max_message_bytes=80, max_labels=2, max_label_bytes=14)
    codec = InfluxCodec(limits=limits)
    long_field = b"m a2345678901234567890=1 1"
    decoded = assert_like_strict(
        codec, [SAMPLE, SAMPLE * 2, b"m,a=1,b=2,c=3 f=1 1", long_field, SAMPLE]
    )
    assert [reject.reason for reject in decoded.rejects] == ["too_large", "limit", "limit"]
    assert len(decoded.columns) == 4


def test_names_do_not_run_together():
    codec = InfluxCodec(limits=Limits())
    lines = [b"a_b c=1 1", b"a b_c=1 1", b"ab c=1 1", b"a bc=1 1", b"a,b=c value=1 1"]
    for _ in range(2):
        decoded = assert_like_strict(codec, lines)
    assert len(set(decoded.columns.fingerprint.tolist())) == 4  # two lines name a_b_c


def test_collisions_and_small_cache(monkeypatch):
    monkeypatch.setattr(
        scanned,
        "IdentityTable",
        lambda entries_max: IdentityTable(entries_max=entries_max, hash_mask=3),
    )
    codec = InfluxCodec(limits=Limits(), cache_entries=20)
    payloads = [b"m,a=%d f=1,g=2 %d" % (number % 13, number) for number in range(60)]
    for _ in range(3):
        strict, fast = read_all(codec.read, payloads), codec.decode(payloads)
        assert fast.columns.fingerprint.tolist() == strict.columns.fingerprint.tolist()


def test_no_messages():
    assert len(InfluxCodec(limits=Limits()).decode([]).columns) == 0


NUMBERS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.decimals(allow_nan=False, allow_infinity=False).map(str),
    st.integers(-(2**65), 2**65).map("{}i".format),
    st.integers(-5, 2**65).map("{}u".format),
    st.from_regex(r"\A-?[0-9]{1,25}(\.[0-9]{0,25})?([eE][+-]?[0-9]{1,3})?[iu]?\Z"),
)
VALUES = st.one_of(
    NUMBERS,
    st.sampled_from(
        ["t", "F", "true", "False", "tr", "", "-", "NaN", '""', '"a b"', '"é"', '"\\""']
    ),
)
NAMES = st.sampled_from(["f", "g", "h", "value", "a b", r"a\ b", r"a\,b", 'q"', "é", ""])
TIMES = st.one_of(
    st.sampled_from(["", " 1", " 1760000000000000000", " 0", "  7", " -1", " 007"]),
    st.integers(-2, 2**64).map(" {}".format),
)
PAIRS = st.lists(st.tuples(NAMES, VALUES), min_size=1, max_size=4)
KEYS = st.sampled_from(
    ["m", "cpu,host=a", "cpu,host=a,zone=b", "m,a=b,a=b", r"m\ m,a\==b", "é,é=é", "m,", "", "#m"]
)


@st.composite
def lines(draw):
    fields = ",".join(f"{name}={value}" for name, value in draw(PAIRS))
    return f"{draw(KEYS)} {fields}{draw(TIMES)}"


@st.composite
def messages(draw):
    """Join lines, and sometimes replace a byte or two."""
    separator = draw(st.sampled_from(["\n", "\r\n", "\n\n"]))
    message = separator.join(draw(st.lists(lines(), min_size=1, max_size=4))).encode()
    odd = st.sampled_from([b"", *(bytes([byte]) for byte in b' ,="\\\n\r\0#.-+eti1\t\xff')])
    for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
        place = draw(st.integers(0, len(message)))
        message = message[:place] + draw(odd) + message[place + draw(st.integers(0, 1)) :]
    return message


CODEC = InfluxCodec(limits=Limits(max_label_bytes=40, max_labels=2))


@settings(max_examples=300, deadline=None)
@given(st.lists(messages(), max_size=5))
def test_messages_like_strict(payloads):
    assert_like_strict(CODEC, payloads)


@settings(deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=5))
def test_any_bytes_like_strict(payloads):
    assert_like_strict(CODEC, payloads)


@settings(deadline=None)
@given(st.lists(NUMBERS, min_size=1, max_size=8))
def test_numbers_like_strict(numbers):
    assert_like_strict(CODEC, [f"m f={number} 1".encode() for number in numbers])
