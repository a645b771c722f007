"""The humanize family gives Prometheus' outputs."""

import math

import pytest

from engine.rules.humanize import (
    humanize,
    humanize1024,
    humanize_duration,
    humanize_percentage,
    humanize_timestamp,
    to_float,
)

VALUES = [1.2345e-05, 1234567.891, -90061.5, 59.98765, 1e21, math.nan, 0.0]


@pytest.mark.parametrize(
    ("function", "texts"),
    [
        (humanize, ["12.35u", "1.235M", "-90.06k", "59.99", "1Z", "NaN", "0"]),
        (
            humanize1024,
            ["1.234e-05", "1.177Mi", "-87.95ki", "59.99", "867.4Ei", "NaN", "0"],
        ),
        (
            humanize_percentage,
            ["0.001234%", "1.235e+08%", "-9.006e+06%", "5999%", "1e+23%", "NaN%", "0%"],
        ),
        (
            humanize_duration,
            ["12.35us", "14d 6h 56m 7s", "-1d 1h 1m 1s", "59.99s", None, "NaN", "0s"],
        ),
    ],
)
def test_measured_outputs(function, texts):
    """The table in the project's notes on alerting; a duration of 1e21 s overflows in Go."""
    for value, text in zip(VALUES, texts, strict=True):
        if text is not None:
            assert function(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1760000000.0, "2025-10-09 08:53:20 +0000 UTC"),
        (1760000000.5, "2025-10-09 08:53:20.5 +0000 UTC"),
        (-0.001, "1969-12-31 23:59:59.999 +0000 UTC"),
        (math.inf, "+Inf"),
        (math.nan, "NaN"),
        ("0", "1970-01-01 00:00:00 +0000 UTC"),
    ],
)
def test_timestamps(seconds, text):
    assert humanize_timestamp(seconds) == text


def test_infinities():
    assert humanize(math.inf) == humanize1024(math.inf) == humanize_duration(math.inf) == "+Inf"
    assert humanize_percentage(-math.inf) == "-Inf%"


@pytest.mark.parametrize("text", ["1", "-.5", "1.", "1e3", "Inf", "-infinity", "nan", "+1E-2"])
def test_text_is_read_as_a_number(text):
    number = to_float(text)
    assert number == float(text) or math.isnan(number)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", 'parsing "": invalid syntax'),
        (" 1", 'parsing " 1": invalid syntax'),
        ("1__0", 'parsing "1__0": invalid syntax'),
        ("1e999", 'parsing "1e999": value out of range'),
        (True, "can't convert bool to float"),
        ({}, r"can't convert map\[string\]string to float"),
    ],
)
def test_other_things_are_no_number(value, message):
    with pytest.raises(ValueError, match=message):
        to_float(value)


def test_a_timestamp_too_far_away():
    with pytest.raises(ValueError, match="overflows int64"):
        humanize_timestamp(1e300)
