"""Verbs of Go's fmt; `test_template_oracle.py` compares many more with a real Prometheus."""

import math

import pytest

from engine.rules.go_format import parse_format, print_value, sprintf

INF, NAN = math.inf, math.nan


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (999999.0, "999999"),
        (1234567.0, "1.234567e+06"),
        (20999999.5, "2.09999995e+07"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (100000.0, "100000"),
        (1e6, "1e+06"),
        (-0.0, "-0"),
        (5e-324, "5e-324"),
        (INF, "+Inf"),
        (-INF, "-Inf"),
        (NAN, "NaN"),
        (7, "7"),
        (True, "true"),
        ({"b": "1", "a": ""}, "map[a: b:1]"),
        ({}, "map[]"),
    ],
)
def test_values_print_with_the_shortest_digits(value, text):
    assert print_value(value) == text
    assert sprintf(parse_format("%v"), value) == text


@pytest.mark.parametrize("value", [0.1, 1 / 3, 1e22, 123456.789, 2.5e-10, 1.7976931348623157e308])
def test_the_shortest_digits_read_back(value):
    assert float(print_value(value)) == value


@pytest.mark.parametrize(
    ("format_text", "values", "text"),
    [
        ("%.2f", (59.98765,), "59.99"),
        ("%.0f", (2.5,), "2"),  # half to even, as in Go
        ("%f", (1.5,), "1.500000"),
        ("%e", (1500.0,), "1.500000e+03"),
        ("%.4g", (1234567.0,), "1.235e+06"),
        ("%G", (1e-7,), "1E-07"),
        ("%8.2f|%-8.2f|%08.2f|%+.1f", (-1.5, -1.5, -1.5, 1.0), "   -1.50|-1.50   |-0001.50|+1.0"),
        ("%06f|% f|%+f|%5v", (INF, INF, NAN, NAN), "  +Inf| Inf|+NaN|  NaN"),
        ("%d", (999999.0,), "%!d(float64=999999)"),
        ("%s", (1.5,), "%!s(float64=1.5)"),
        ("%d%%", (5,), "5%"),
        ("%q", ('a"b\n',), '"a\\"b\\n"'),
        ("%x %X", ("hi", 255), "6869 FF"),
        ("%d %d", (1,), "1 %!d(MISSING)"),
        ("%d", (1, "x", 2.5), "1%!(EXTRA string=x, float64=2.5)"),
        ("50%", (), "50%!(NOVERB)"),
        ("%t %t", (True, 1), "true %!t(int=1)"),
        ("%.1s|%5s", ({"a": "xyz"}, {"a": "b"}), "map[a:x]|map[    a:    b]"),
    ],
)
def test_sprintf(format_text, values, text):
    assert sprintf(parse_format(format_text), *values) == text


@pytest.mark.parametrize("format_text", ["%*d", "%[1]d", "%#v", "%T", "%p", "%2000d", "%.1001f"])
def test_what_is_not_supported_is_refused_when_parsed(format_text):
    with pytest.raises(ValueError, match="printf format"):
        parse_format("x " + format_text)


def test_a_verb_that_cannot_print_its_type_is_refused():
    assert sprintf(parse_format("%x"), "a") == "61"
    with pytest.raises(ValueError, match="%x of a float64 is not supported yet"):
        sprintf(parse_format("%s %x"), "a", 1.5)
