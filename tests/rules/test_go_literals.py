"""Numbers and quoted texts are read as Go's strconv and Prometheus' lexer read them."""

import math

import pytest

from engine.rules.go_literals import parse_number, quoted_at, unquote


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0.0),
        ("-5", -5.0),
        ("+5", 5.0),
        ("1_000", 1000.0),
        ("1_0.5", 10.5),
        ("0x1F", 31.0),
        ("-0X_ff", -255.0),
        ("0b101", 5.0),
        ("0o17", 15.0),
        ("017", 15.0),
        ("0_7", 7.0),
        ("08", 8.0),  # no octal number, but a decimal one
        ("00", 0.0),
        ("9223372036854775808", 2.0**63),  # beyond an int64: a float, then
        (".5", 0.5),
        ("5.", 5.0),
        ("1e3", 1000.0),
        ("2.5E-3", 0.0025),
        ("0x1p-2", 0.25),
        ("0x.8p1", 1.0),
        ("Inf", math.inf),
        ("-inf", -math.inf),
        ("+Infinity", math.inf),
    ],
)
def test_numbers(text, number):
    assert parse_number(text) == number


def test_nan_has_no_sign():
    assert math.isnan(parse_number("NaN"))
    with pytest.raises(ValueError, match="isn't a number"):
        parse_number("-NaN")


@pytest.mark.parametrize(
    "text",
    ["", "x", "1e", "1_", "_1", "1__0", "0x", "1.2.3", "5m", " 1", "1 ", "--1", "0x1.8", "²"],
)
def test_what_is_no_number(text):
    with pytest.raises(ValueError, match="isn't a number"):
        parse_number(text)


@pytest.mark.parametrize("text", ["1e400", "-1e400", "0x1p2000"])
def test_numbers_that_are_too_large(text):
    with pytest.raises(ValueError, match="too large"):
        parse_number(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('""', ""),
        ('"a"', "a"),
        ("'it\\'s \"x\"'", 'it\'s "x"'),
        ("`\\n`", "\\n"),
        ("`a\nb`", "a\nb"),
        (r'"\a\b\f\n\r\t\v\\\""', '\a\b\f\n\r\t\v\\"'),
        (r'"\101\x41\u0041\U00000041"', "AAAA"),
        (r'"\xc3\xbcü"', "üü"),
        (r'"\U0001F600"', "\U0001f600"),
    ],
)
def test_quoted_texts(text, value):
    assert unquote(text) == value
    assert quoted_at(f"={text}, ", 1) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (r'"\q"', "unknown"),
        (r'"\'"', "unknown"),
        (r'"\x6"', "unknown"),
        (r'"\777"', "no byte"),
        (r'"\ud800"', "no character"),
        (r'"\U00110000"', "no character"),
        (r'"\xff"', "isn't UTF-8"),
    ],
)
def test_quoted_texts_with_mistakes(text, message):
    with pytest.raises(ValueError, match=message):
        unquote(text)


@pytest.mark.parametrize("text", ['"open', "'open\"", '"a\nb"', '"open\\"', "`open", "none", ""])
def test_where_no_quoted_text_begins_or_ends(text):
    assert quoted_at(text, 0) is None
