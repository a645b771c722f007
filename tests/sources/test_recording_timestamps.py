"""Timestamps of every form become the same nanoseconds; what is none becomes null."""

from datetime import UTC, datetime, timedelta, timezone

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.sources.timestamps import UNITS_NS, guess_unit, to_nanoseconds

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
US = timedelta(microseconds=1)


def nanoseconds(texts, unit=""):
    return to_nanoseconds(pl.Series(texts, dtype=pl.String), unit).to_list()


@given(
    moments=st.lists(
        st.datetimes(
            datetime(1700, 1, 1),  # noqa: DTZ001
            datetime(2260, 1, 1),  # noqa: DTZ001
            timezones=st.sampled_from([UTC, timezone(timedelta(hours=-9, minutes=-30))]),
        ),
        min_size=1,
    )
)
def test_text_of_any_zone_and_form_means_the_same_moment(moments):
    expected = [(moment - EPOCH) // US * 1000 for moment in moments]
    for form in ("T", " "):
        assert nanoseconds([moment.isoformat(sep=form) for moment in moments]) == expected
    plain = [moment.astimezone(UTC).replace(tzinfo=None) for moment in moments]
    for form in ("T", " "):
        assert nanoseconds([moment.isoformat(sep=form) for moment in plain]) == expected
    mixed = [moment.isoformat(sep="T "[i % 2]) for i, moment in enumerate(plain)]
    assert nanoseconds(mixed) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-10-09T08:53:20.123456789Z", 1_760_000_000_123_456_789),
        ("2025-10-09t08:53:20z", 1_760_000_000_000_000_000),
        (" 2025-10-09 08:53 ", 1_759_999_980_000_000_000),
        ("2025-10-09", 1_759_968_000_000_000_000),
        ("2025-10-09 10:53:20+02", 1_760_000_000_000_000_000),
        ("2025-02-30", None),
        ("2300-01-01 00:00:00", None),
        ("1600-01-01 00:00:00", None),
        ("1760000000", None),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_text(text, expected):
    assert nanoseconds([text]) == [expected]
    assert nanoseconds(["2025-10-09", text]) == [1_759_968_000_000_000_000, expected]


@pytest.mark.parametrize("unit", UNITS_NS)
def test_numbers_in_a_unit_and_text_beside_them(unit):
    factor = UNITS_NS[unit]
    texts = ["7", "-7", "2025-10-09", "x", None, str(2**63 - 1), str(2**64)]
    expected = [7 * factor, -7 * factor, 1_759_968_000_000_000_000, None, None]
    last = 2**63 - 1 if factor == 1 else None
    assert nanoseconds(texts, unit) == [*expected, last, None]
    numbers = to_nanoseconds(pl.Series([7, -7, None, 2**62]), unit).to_list()
    assert numbers == [7 * factor, -7 * factor, None, 2**62 if factor == 1 else None]


def test_fractions_are_exact_to_the_microsecond():
    assert to_nanoseconds(pl.Series([1_760_000_000.123457]), "s").to_list() == [
        1_760_000_000_123_457_000
    ]
    assert nanoseconds(["1760000000123.457"], "ms") == [1_760_000_000_123_457_000]
    assert to_nanoseconds(pl.Series([float("nan"), float("inf"), 1e300]), "s").null_count() == 3


def test_numbers_without_a_unit_mean_nothing():
    assert to_nanoseconds(pl.Series([1, 2]), "").to_list() == [None, None]
    assert to_nanoseconds(pl.Series([[1], [2]]), "s").to_list() == [None, None]


@pytest.mark.parametrize(
    ("column", "unit"),
    [
        ([None, 1_760_000_000], "s"),
        ([1_760_000_000.5], "s"),
        ([1_760_000_000_000], "ms"),
        (["1760000000000000"], "us"),
        ([1_760_000_000_000_000_000], "ns"),
        ([631_152_000], "s"),
        ([631_151_999], None),
        ([4_102_444_801], None),
        (["20251009"], None),
        (["2025-10-09"], ""),
        ([EPOCH], ""),
        ([], ""),
    ],
)
def test_the_unit_is_told_by_magnitude(column, unit):
    assert guess_unit(pl.Series(column)) == unit
