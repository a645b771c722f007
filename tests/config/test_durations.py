"""Durations are read and written as Prometheus does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config.durations import MILLISECOND_NS, format_duration, parse_duration

SECOND_NS = 10**9


# The cases of TestParseDuration in prometheus/common, model/time_test.go.
@pytest.mark.parametrize(
    ("text", "duration_ns", "written"),
    [
        ("0", 0, "0"),
        ("0w", 0, "0"),
        ("0s", 0, "0"),
        ("324ms", 324 * MILLISECOND_NS, "324ms"),
        ("3s", 3 * SECOND_NS, "3s"),
        ("5m", 300 * SECOND_NS, "5m"),
        ("1h", 3600 * SECOND_NS, "1h"),
        ("4d", 4 * 86400 * SECOND_NS, "4d"),
        ("4d1h", (4 * 24 + 1) * 3600 * SECOND_NS, "4d1h"),
        ("14d", 14 * 86400 * SECOND_NS, "2w"),
        ("3w", 21 * 86400 * SECOND_NS, "3w"),
        ("3w2d1h", (23 * 24 + 1) * 3600 * SECOND_NS, "23d1h"),
        ("10y", 3650 * 86400 * SECOND_NS, "10y"),
        ("1m30s", 90 * SECOND_NS, "1m30s"),
    ],
)
def test_reads_and_writes_like_prometheus(text, duration_ns, written):
    assert parse_duration(text) == duration_ns
    assert format_duration(duration_ns) == written


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "1",
            "01",
            "00",
            "1.5d",
            "-1w",
            "d",
            "1s1m",
            "1s1s",
            "5 s",
            " 5s",
            "5s\n",
            "5S",
            "1e3s",
        ),
        *("294y", "200y10400w", "107675d", "٣s"),
    ],
)
def test_refuses_the_rest(text):
    with pytest.raises(ValueError):
        parse_duration(text)


@pytest.mark.parametrize("duration_ns", [-MILLISECOND_NS, 1, MILLISECOND_NS + 1])
def test_writes_no_duration_that_it_could_not_read(duration_ns):
    with pytest.raises(ValueError, match="whole number of milliseconds"):
        format_duration(duration_ns)


@given(st.integers(0, (2**63 - 1) // MILLISECOND_NS))
def test_what_is_written_reads_back(count):
    duration_ns = count * MILLISECOND_NS
    assert parse_duration(format_duration(duration_ns)) == duration_ns
