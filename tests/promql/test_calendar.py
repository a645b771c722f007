"""The calendar equals `datetime`, far years and Go's end of time included."""

import datetime as dt
import math

import naive_vector_functions as naive
import numpy as np
import pytest
from function_cases import block_of, evaluated, labels, matrix_of, random_matrix, same, vectors
from hypothesis import given
from hypothesis import strategies as st

NAMES = (
    "minute",
    "hour",
    "day_of_week",
    "day_of_month",
    "day_of_year",
    "days_in_month",
    "month",
    "year",
)
EDGES = (
    "1600-02-29T23:59:59",
    "1899-12-31T23:59:59",
    "1900-02-28T23:59:59",
    "1900-03-01T00:00:00",
    "1969-12-31T23:59:59",
    "1970-01-01T00:00:00",
    "2000-02-29T00:00:00",
    "2000-12-31T23:59:59",
    "2024-02-29T12:34:56",
    "2025-12-31T23:59:59",
    "2100-02-28T23:59:59",
    "2100-03-01T00:00:00",
)


def part(name, seconds):
    (result,) = evaluated(name, matrix_of({labels("a"): [seconds]}), block=block_of(1))
    return result[()]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("text", EDGES)
def test_edges_of_the_calendar(name, text):
    time = dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)

    assert part(name, time.timestamp()) == naive.calendar_part(name, time.timestamp())


@pytest.mark.parametrize("name", NAMES)
@given(
    seconds=st.floats()
    | st.floats(-1e12, 1e12)
    | st.sampled_from([-(2.0**63), 2.0**63, -9.223372028741760e18, 9.2e18])
)
def test_any_number_equals_the_twin(name, seconds):
    assert part(name, seconds) == naive.calendar_part(name, seconds)


@pytest.mark.parametrize(("name", "expected"), [("hour", 17.0), ("day_of_week", 3.0)])
def test_the_twin_has_known_values(name, expected):
    # 2020-01-01, a Wednesday.
    assert part(name, 1577898000.0) == expected


def test_a_fraction_is_cut_off_towards_zero():
    assert part("day_of_month", -0.9) == 1.0
    assert part("minute", 59.999) == 0.0


@pytest.mark.parametrize("name", NAMES)
def test_rows_lose_their_name_and_keep_holes(name):
    rng = np.random.default_rng(7)
    table = [labels("a", x="1"), labels("a", x="2"), labels("b", x="2")]
    matrix = random_matrix(rng, table, 9, scale=1e9)
    block = block_of(9)
    before = vectors(matrix, block)

    result = evaluated(name, matrix, block=block)

    for vector, after in zip(before, result, strict=True):
        assert same(after, naive.mapped(lambda x: naive.calendar_part(name, x), vector))


@pytest.mark.parametrize("name", NAMES)
def test_without_argument_it_is_the_ticks_own_time(name):
    times = [0.0, -1.5, 1_709_164_800.25, 1_709_251_199.999, 4_102_444_800.0]

    result = evaluated(name, block=block_of(times))

    assert result == [{(): naive.calendar_part(name, time)} for time in times]


def test_no_number_is_a_date_as_in_go_on_x86():
    # int64(NaN) is the smallest integer, whose year comes round at the end of Go's calendar.
    assert part("year", math.nan) == part("year", math.inf) == part("year", -(2.0**63))
    assert part("year", math.nan) > 2.9e11
