"""The strict reader of line protocol: what a line means, and what the library settles."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.codecs.influx_lines import read_lines
from engine.codecs.samples import Limits
from engine.series.identity import Series

SAMPLE = b"cpu,cpu=cpu0,host=web-1 usage_idle=6.9,usage_user=91.2 1760000000000000000"


def read(payload, unit_ns=1, limits=None):
    return read_lines(payload, 7, limits or Limits(), unit_ns)


def values(payload):
    """Give name and value of each row of a message that is wholly good."""
    samples, rejects = read(payload)
    assert rejects == []
    return [(sample.series.text, sample.value) for sample in samples]


def rejected(payload):
    """Give reason and row of each reject."""
    return [(reject.reason, reject.row) for reject in read(payload)[1]]


def test_golden_line():
    samples, rejects = read(SAMPLE)
    tags = {"cpu": "cpu0", "host": "web-1"}
    assert rejects == []
    assert [tuple(sample) for sample in samples] == [
        (Series.of("cpu_usage_idle", tags), 1760000000000000000, 6.9, 0),
        (Series.of("cpu_usage_user", tags), 1760000000000000000, 91.2, 0),
    ]


def test_fields_keep_the_order_of_the_line():
    assert values(b"m b=1,a=2,c=3 1") == [("m_b", 1.0), ("m_a", 2.0), ("m_c", 3.0)]


def test_field_value_names_no_suffix():
    assert values(b"m,a=b value=1,values=2 1") == [('m{a="b"}', 1.0), ('m_values{a="b"}', 2.0)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"1", 1.0),
        (b"5.", 5.0),
        (b".5", 0.5),
        (b"01", 1.0),
        (b"1e5", 1e5),
        (b"1.E+5", 1e5),
        (b"-12i", -12.0),
        (b"9223372036854775807i", 2.0**63),
        (b"-9223372036854775808i", -(2.0**63)),
        (b"18446744073709551615u", 2.0**64),
        (b"9007199254740993i", 9007199254740992.0),
        (b"0.1000000000000000055511151231257827", 0.1),
        *((text, 1.0) for text in (b"t", b"T", b"true", b"True", b"TRUE")),
        *((text, 0.0) for text in (b"f", b"F", b"false", b"False", b"FALSE")),
    ],
)
def test_types(text, value):
    assert values(b"m f=%b 1" % text) == [("m_f", value)]


def test_negative_zero_is_one_only_as_float():
    assert str(values(b"m f=-0 1")[0][1]) == "-0.0"
    assert str(values(b"m f=-0i 1")[0][1]) == "0.0"


def test_texts_are_left_out():
    assert values(b'm f="a b",g=1,h="c,d=e" 1') == [("m_g", 1.0)]
    assert values(b'm f="a"') == []


def test_escapes():
    line = rb"m\ x\,y,a\,b=c\=d f\ g=1 1"
    assert values(line) == [("m x,y_f g" + '{a,b="c=d"}', 1.0)]
    assert values(rb'm f="say \"hi\"",g=1 1') == [("m_g", 1.0)]


def test_of_a_repeated_field_the_first_counts():
    assert values(b"m f=1,g=3,f=2 1") == [("m_g", 3.0), ("m_f", 1.0)]
    assert values(b'm f="a",f=2 1') == []


@pytest.mark.parametrize(
    "line",
    [
        b"m",
        b"m f",
        b"m f= 1",
        b"m =1 1",
        b"m, f=1 1",
        b"m,a f=1 1",
        b"m,a= f=1 1",
        b"m,a=1,a=2 f=1 1",
        b",a=1 f=1 1",
        b"m f=1, 1",
        b"m f=1,,g=1 1",
        b"m f=NaN 1",
        b"m f=inf 1",
        b"m f=+5 1",
        b"m f=1e400 1",
        b"m f=1e-400 1",
        b"m f=0x10 1",
        b"m f=1.5i 1",
        b"m f=-1u 1",
        b"m f=9223372036854775808i 1",
        b"m f=18446744073709551616u 1",
        b'm f="a 1',
        b"m f=1 1.5",
        b"m f=1 1 2",
        b"m f=1 9223372036854775808",
        b"m f=1 1\0",
        b"m f=1 1\xff",
        b"m\tf=1 1",
    ],
)
def test_bad_line(line):
    assert rejected(line) == [("decode_error", None)]
    if b"\xff" not in line:
        samples, rejects = read(SAMPLE + b"\n" + line)
        assert len(samples) == 2
        assert [(reject.message, reject.reason, reject.row) for reject in rejects] == [
            (7, "decode_error", line)
        ]


def test_no_utf8_is_a_bad_message():
    assert rejected(SAMPLE + b"\nm f=\xff 1") == [("decode_error", None)]


def test_all_lines_bad():
    assert rejected(b"x\ny f=1\n") == [("decode_error", b"x"), ("bad_timestamp", b"y f=1")]


@pytest.mark.parametrize("line", [b"m f=1", b"m f=1 ", b"m f=1 -1"])
def test_bad_timestamp(line):
    assert rejected(line) == [("bad_timestamp", None)]


def test_units():
    [sample], _ = read(b"m f=1 1760000000", unit_ns=10**9)
    assert sample.ts == 1760000000 * 10**9
    assert read(b"m f=1 9223372037", unit_ns=10**9)[1][0].reason == "bad_timestamp"
    assert read(b"m f=1 9223372036854775806")[0][0].ts == 2**63 - 2


def test_lines_blanks_and_comments():
    message = b'\n# one\r\n  \r\n  # two="\nm f=1 1\r\n\n m f=2 2 \n#'
    assert values(message) == [("m_f", 1.0), ("m_f", 2.0)]
    assert read(b"") == ([], [])
    assert read(b"\n#\n") == ([], [])


def test_newline_in_text_belongs_to_it():
    assert values(b'm f="a\nb",g=1 1\nm g=2 2') == [("m_g", 1.0), ("m_g", 2.0)]


def test_open_quote_costs_one_line():
    samples, rejects = read(b'm f="a 1\nm g=2 2\nm g=3 3')
    assert [sample.value for sample in samples] == [2.0, 3.0]
    assert [reject.row for reject in rejects] == [b'm f="a 1']


def test_quotes_elsewhere_are_plain():
    assert values(b'm,a="x f"=1 1\nm f=1,g"=2 2') == [
        ('m_f"{a="\\"x"}', 1.0),
        ("m_f", 1.0),
        ('m_g"', 2.0),
    ]


def test_backslash_before_newline_hides_it_only_in_text():
    assert rejected(b'm f="a"\\\nm g=2') == [
        ("decode_error", b'm f="a"\\'),
        ("bad_timestamp", b"m g=2"),
    ]


def test_limits():
    limits = Limits(max_message_bytes=40, max_labels=2, max_label_bytes=5)
    assert read(SAMPLE, limits=limits)[1][0].reason == "too_large"
    assert read(b"m,a=1,b=2 f=1 1", limits=limits)[1] == []
    assert read(b"m,a=1,b=2,c=3 f=1 1", limits=limits)[1][0].reason == "limit"
    assert read(rb"m\,\,\,,a=1 value=1 1", limits=limits)[1] == []
    assert read(b"m,a=123456 f=1 1", limits=limits)[1][0].reason == "limit"
    assert read(b"m abcd=1 1", limits=limits)[1][0].reason == "limit"


def test_name_as_tag():
    assert rejected(b"m,__name__=x f=1 1") == [("schema_error", None)]


@given(st.binary(max_size=60))
def test_any_bytes(payload):
    read(payload)


@given(st.text('m,a= "\\f1\n\r#i.-tu\0é', max_size=40))
def test_any_text(text):
    samples, rejects = read(text.encode())
    assert all(sample.ts >= 0 for sample in samples)
    assert {reject.reason for reject in rejects} <= {"decode_error", "bad_timestamp"}
