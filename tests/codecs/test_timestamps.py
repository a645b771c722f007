"""Timestamps against the standard library's datetime."""

import re
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.codecs.timestamps import TIMESTAMP_NS_MAX, epoch_ms_ns, rfc3339_ns

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
RFC3339 = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2})(?:\.(\d+))?(?:[Zz]|([+-]\d{2}:\d{2}))", re.ASCII
)


def naive(text):
    """Nanoseconds by datetime, which knows no leap seconds; None if it is no timestamp of ours."""
    match = RFC3339.fullmatch(text)
    if match is None:
        return None
    date, time, fraction, offset = match.groups()
    if offset and offset[-2:] > "59":
        return None
    try:
        moment = datetime.fromisoformat(f"{date}T{time}{offset or '+00:00'}")
        seconds = (moment - EPOCH) // timedelta(seconds=1)
    except (ValueError, OverflowError):
        return None
    timestamp_ns = seconds * 10**9 + int(f"{fraction or ''}000000000"[:9])
    return timestamp_ns if 0 <= timestamp_ns <= TIMESTAMP_NS_MAX else None


GOLDEN = {
    "1970-01-01T00:00:00Z": 0,
    "2025-10-09T08:53:20Z": 1_760_000_000 * 10**9,
    "2025-10-09t08:53:20.5z": 1_760_000_000_500_000_000,
    "2025-10-09 10:53:20.123456789+02:00": 1_760_000_000_123_456_789,
    "2025-10-09T08:53:20.1234567899-00:00": 1_760_000_000_123_456_789,
    "2000-02-29T00:00:00Z": 951_782_400 * 10**9,
    "1969-12-31T23:30:00-01:00": 1_800 * 10**9,
    "2262-04-11T23:47:16.854775807Z": TIMESTAMP_NS_MAX,
    "2016-12-31T23:59:60Z": 1_483_228_800 * 10**9,  # a leap second
    "2017-01-01T01:59:60.5+02:00": 1_483_228_800_500_000_000,
}

BAD = [
    "",
    "2025-10-09",
    "2025-10-09T08:53:20",
    "2025-10-09T08:53Z",
    "2025-10-09T08:53:20.Z",
    "2025-10-09T08:53:20,5Z",
    "2025-10-09T08:53:20+0200",
    "2025-10-09T08:53:20+02",
    "2025-10-09T08:53:20+24:00",
    "2025-10-09T08:53:20+02:60",
    "2025-10-09T08:53:20*02:00",
    "2025-10-09T08:53:20Z ",
    " 2025-10-09T08:53:20Z",
    "2025-10-09X08:53:20Z",
    "2025/10-09T08:53:20Z",
    "2025-10/09T08:53:20Z",
    "2025-10-09T08-53:20Z",
    "2025-10-09T08:53-20Z",
    "2025-13-09T08:53:20Z",
    "2025-00-09T08:53:20Z",
    "2025-02-29T08:53:20Z",
    "2100-02-29T08:53:20Z",
    "2025-04-31T08:53:20Z",
    "2025-10-00T08:53:20Z",
    "2025-10-09T24:00:00Z",
    "2025-10-09T08:60:20Z",
    "2025-10-09T08:53:61Z",
    "2025-10-09T08:53:60Z",  # no leap second in the middle of a day
    "-025-10-09T08:53:20Z",
    "٢٠٢٥-10-09T08:53:20Z",
    "1969-12-31T23:59:59Z",
    "1970-01-01T00:30:00+01:00",
    "2262-04-11T23:47:16.854775808Z",
    "9999-12-31T23:59:59Z",
    "0000-01-01T00:00:00Z",
]


@pytest.mark.parametrize("text", GOLDEN)
def test_rfc3339(text):
    assert rfc3339_ns(text) == GOLDEN[text]


@pytest.mark.parametrize("text", BAD)
def test_rfc3339_refused(text):
    assert rfc3339_ns(text) is None


def test_every_day_of_the_range():
    for day in range((TIMESTAMP_NS_MAX // (86_400 * 10**9)) + 1):
        text = f"{EPOCH + timedelta(days=day):%Y-%m-%dT%H:%M:%SZ}"
        assert rfc3339_ns(text) == day * 86_400 * 10**9


@settings(max_examples=1000, deadline=None, derandomize=True)
@given(
    st.from_regex(RFC3339, fullmatch=True)
    | st.builds(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{}{}".format,
        st.integers(1969, 2263),
        st.integers(0, 13),
        st.integers(0, 32),
        st.integers(0, 25),
        st.integers(0, 61),
        st.integers(0, 59),
        st.integers(0, 10**12),
        st.sampled_from(["Z", "+01:30", "-12:00", "+00:60"]),
    )
)
def test_rfc3339_like_datetime(text):
    if ":60" not in text[13:19]:
        assert rfc3339_ns(text) == naive(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("-0", 0),
        ("1760000000000", 1_760_000_000_000_000_000),
        ("1760000000000.0", 1_760_000_000_000_000_000),
        ("1760000000000.000001", 1_760_000_000_000_000_001),
        ("1760000000000.1234569", 1_760_000_000_000_123_456),
        ("1.76e12", 1_760_000_000_000_000_000),
        ("9223372036854.775807", TIMESTAMP_NS_MAX),
        ("9223372036854.775807" + "9" * 100, TIMESTAMP_NS_MAX),
        ("9223372036854.775808", None),
        ("9223372036855", None),
        ("-1", None),
        ("-0.1", None),
        ("1e-300", 0),
        ("1e999999999", None),
        ("1e99999999999999999999999", None),
    ],
)
def test_epoch_milliseconds(text, expected):
    assert epoch_ms_ns(text) == expected


@settings(max_examples=500, deadline=None, derandomize=True)
@given(st.integers(0, 10**13), st.integers(0, 10**9))
def test_epoch_milliseconds_are_exact(whole, fraction):
    text = f"{whole}.{fraction:09}"
    exact = Fraction(text) * 10**6 // 1
    assert epoch_ms_ns(text) == (exact if exact <= TIMESTAMP_NS_MAX else None)
