"""Sizes in bytes, with units of 1000 and 1024."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config.sizes import format_size, parse_size


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("0", 0),
        ("1000000", 1_000_000),
        ("1_000_000", 1_000_000),
        ("7B", 7),
        ("500kB", 500_000),
        ("1KB", 1_000),
        ("1KiB", 1_024),
        ("2MB", 2_000_000),
        ("1MiB", 1_048_576),
        ("3GB", 3 * 10**9),
        ("1GiB", 2**30),
    ],
)
def test_reads_sizes(text, size_bytes):
    assert parse_size(text) == size_bytes


@pytest.mark.parametrize("text", ["", "MiB", "1.5MiB", "-1", "1 MiB", "1mib", "1M", "9" * 20, "٣"])
def test_refuses_the_rest(text):
    with pytest.raises(ValueError):
        parse_size(text)


@pytest.mark.parametrize(
    ("size_bytes", "text"), [(0, "0"), (1000, "1000"), (1024, "1KiB"), (5 * 2**30, "5GiB")]
)
def test_writes_the_largest_exact_unit(size_bytes, text):
    assert format_size(size_bytes) == text


@given(st.integers(0, 2**63 - 1))
def test_what_is_written_reads_back(size_bytes):
    assert parse_size(format_size(size_bytes)) == size_bytes
