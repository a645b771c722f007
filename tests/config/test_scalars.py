"""Single values: places to start, addresses, topics, numbers and PromQL."""

import pytest

from engine.config.scalars import (
    ADDRESS,
    BOOLEAN,
    EXPRESSION,
    INTEGER,
    NUMBER,
    SELECTOR,
    START,
    TOPIC,
    Address,
    Start,
)

HOUR_NS = 3600 * 10**9


@pytest.mark.parametrize(
    ("scalar", "text", "value"),
    [
        (START, "latest", Start("latest")),
        (START, "earliest", Start("earliest")),
        (START, "-1h", Start("ago", HOUR_NS)),
        (START, "1970-01-01T00:00:00Z", Start("time", 0)),
        (START, "2026-01-31T12:00:00Z", Start("time", 1_769_860_800 * 10**9)),
        (START, "1970-01-01 01:00:00+01:00", Start("time", 0)),
        (START, "1970-01-01t00:00:01.000000001z", Start("time", 10**9 + 1)),
        (START, "1969-12-31T23:59:59.5Z", Start("time", -(10**9) // 2)),
        (ADDRESS, "127.0.0.1:9464", Address("127.0.0.1", 9464)),
        (ADDRESS, "localhost:0", Address("localhost", 0)),
        (ADDRESS, "[::1]:80", Address("::1", 80)),
        (ADDRESS, "", None),
        (TOPIC, "host.metrics_1-a", "host.metrics_1-a"),
        (INTEGER, "-3", -3),
        (INTEGER, "2_000", 2000),
        (INTEGER, "2e6", 2_000_000),
        (NUMBER, "1", 1.0),
        (NUMBER, "1e-3", 0.001),
        (BOOLEAN, "True", True),
        (BOOLEAN, "false", False),
        (SELECTOR, '{__name__=~".+"}', '{__name__=~".+"}'),
        (EXPRESSION, "sum(rate(a[5m])) > 1", "sum(rate(a[5m])) > 1"),
    ],
)
def test_reads(scalar, text, value):
    assert scalar.parse(text) == value
    assert type(scalar.parse(text)) is type(value)


@pytest.mark.parametrize(
    ("scalar", "text"),
    [
        *((START, text) for text in ("", "now", "1h", "--1h", "-x", "2026-01-31", "2026-01-31T12")),
        *((START, text) for text in ("2026-13-01T00:00:00Z", "2026-01-31T12:00:00", "1760000000")),
        *((ADDRESS, text) for text in ("9464", ":9464", "a:", "a:99999", "a:x", "::1:80", "a:-1")),
        *((TOPIC, text) for text in ("", "a b", ".", "..", "a/b", "a" * 250)),
        *((INTEGER, text) for text in ("", "1.5", "x", "true", "inf", "0x1F")),
        *((NUMBER, text) for text in ("", "x", "nan", "inf", "-inf", "1e999")),
        *((BOOLEAN, text) for text in ("", "yes", "1", "on")),
        *((SELECTOR, text) for text in ("", "{}", "rate(a[5m])", "a[5m]", "a offset 5m", "1")),
        *((SELECTOR, text) for text in ("a @ 3", '{a="b"', 'a{b=~"("}', "(a)")),
        *((EXPRESSION, text) for text in ("", "sum(", "a >", "nope(a)")),
    ],
)
def test_refuses(scalar, text):
    with pytest.raises(ValueError):
        scalar.parse(text)


@pytest.mark.parametrize("text", ["127.0.0.1:9464", "[::1]:80"])
def test_an_address_is_shown_as_it_was_written(text):
    assert str(ADDRESS.parse(text)) == text
