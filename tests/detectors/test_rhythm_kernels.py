"""The daily and weekly rhythm: what earlier hours say of an hour, in 16-bit codes."""

import math

import naive_default
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.detectors.rhythm_kernels import (
    BASE,
    HOUR_NS,
    HOURS_WIDTH,
    LARGEST_NUMBER,
    NEARBY,
    NEARBY_COUNT,
    NEARBY_MAX,
    OLDER_WEEKS,
    OWN,
    RHYTHM_WIDTH,
    ROWS_BEFORE,
    ROWS_EARLIER,
    ROWS_NOW,
    UNIT,
    WEEK_HOURS,
    code_of,
    insert,
    is_week_old,
    learn_visit,
    number_of,
    turn_hour,
    usual_by_day,
)


class Rhythm:
    """The arrays of one series."""

    def __init__(self, older_weeks=OLDER_WEEKS):
        self.rhythm, self.hours = np.zeros(RHYTHM_WIDTH), np.zeros(HOURS_WIDTH, np.int16)
        self.older = np.zeros((older_weeks, WEEK_HOURS), np.int16)
        self.scratch = np.zeros(NEARBY_MAX)
        self.hour = None

    def see(self, hour, value, level=0.0, spread=0.0):
        if hour != self.hour:
            self.turn(hour, level, spread)
        learn_visit(self.rhythm, self.hours, value)

    def turn(self, hour, level=0.0, spread=0.0):
        turn_hour(self.rhythm, self.hours, self.older, hour, level, spread, self.scratch)
        self.hour = hour

    def nearby(self):
        codes = self.hours[NEARBY : NEARBY + self.hours[NEARBY_COUNT]]
        numbers = [number_of(int(code)) for code in codes]
        return [float(self.rhythm[BASE] + self.rhythm[UNIT] * number) for number in numbers]


@given(st.integers(-LARGEST_NUMBER, LARGEST_NUMBER))
def test_codes_are_numbers_and_0_is_none(number):
    assert number_of(code_of(number)) == number
    assert code_of(number) != 0


@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=12))
def test_inserting_sorts(numbers):
    ascending = np.zeros(12)
    for count, number in enumerate(numbers):
        assert insert(ascending, count, number) == count + 1
    assert ascending[: len(numbers)].tolist() == sorted(numbers)


def test_unknown_until_the_hour_is_over():
    rhythm = Rhythm()
    rhythm.see(0, 5.0)
    assert math.isnan(rhythm.rhythm[OWN])
    rhythm.turn(24)
    assert rhythm.rhythm[OWN] == 5.0
    rhythm.turn(25)
    assert math.isnan(rhythm.rhythm[OWN])


def test_usual_is_the_median_of_the_last_seven_days():
    rhythm = Rhythm()
    for day, value in enumerate([900.0, 1.0, 2.0, 3.0, -700.0, 4.0, 5.0, 6.0]):
        rhythm.see(24 * day, value)
    rhythm.turn(24 * 8)
    assert rhythm.rhythm[OWN] == pytest.approx(3.0, abs=rhythm.rhythm[UNIT])


def test_usual_is_linear_between_the_centres_of_hours():
    rhythm = Rhythm()
    for hour, value in ((23, 20.0), (24, 10.0)):
        rhythm.see(hour, value)
    rhythm.turn(48)
    half = HOUR_NS // 2
    at = [usual_by_day(rhythm.rhythm, 48 * HOUR_NS + offset) for offset in (half, 0, half // 2)]
    assert at == pytest.approx([10.0, 15.0, 12.5], abs=0.01)
    assert usual_by_day(rhythm.rhythm, 49 * HOUR_NS - 1) == pytest.approx(10.0, abs=0.01)


def test_nearby_are_earlier_weeks_around_this_hour():
    for older_weeks in (0, OLDER_WEEKS):
        rhythm = Rhythm(older_weeks)
        for hour in range(6 * WEEK_HOURS):
            rhythm.see(hour, float(hour))
        rhythm.turn(6 * WEEK_HOURS)
        weeks = range(5 - older_weeks, 6)
        # Of the hour before, the newest is of this week and left out; the oldest has been dropped.
        expected = [week * WEEK_HOURS + near for week in weeks for near in (0, 1)]
        expected += [week * WEEK_HOURS - 1 for week in range(6 - max(older_weeks, 1), 6)]
        tolerance = pytest.approx(sorted(expected), abs=rhythm.rhythm[UNIT])
        assert rhythm.nearby() == tolerance


def test_a_week_is_old_when_its_first_hour_is_over_again():
    rhythm = Rhythm()
    for hour in range(WEEK_HOURS + 1):
        assert not is_week_old(rhythm.rhythm, rhythm.hours, hour * HOUR_NS)
        rhythm.see(hour, 1.0)
    assert not is_week_old(rhythm.rhythm, rhythm.hours, (WEEK_HOURS + 1) * HOUR_NS - 1)
    assert is_week_old(rhythm.rhythm, rhythm.hours, (WEEK_HOURS + 1) * HOUR_NS)


def test_rows_of_the_hours_before_are_counted():
    rhythm = Rhythm()
    counts = []
    for hour, rows in ((0, 3), (1, 40), (2, 5), (4, 1), (9, 2)):
        for _ in range(rows):
            rhythm.see(hour, 1.0)
        counts.append([int(rhythm.hours[at]) for at in (ROWS_NOW, ROWS_BEFORE, ROWS_EARLIER)])
    assert counts == [[3, 0, 0], [12, 3, 0], [5, 12, 3], [1, 0, 5], [2, 0, 0]]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 60), st.floats(-1e300, 1e300)), min_size=2, max_size=60),
    st.integers(0, OLDER_WEEKS),
)
def test_any_means_stay_on_the_scale(steps, older_weeks):
    rhythm, hour = Rhythm(older_weeks), 0
    for step, value in steps:
        hour += step
        rhythm.see(hour, value)
    rhythm.turn(hour + 1)
    numbers = [abs(number_of(int(code))) for code in rhythm.hours[:WEEK_HOURS]]
    assert max(numbers) <= LARGEST_NUMBER
    assert np.isfinite(rhythm.rhythm[[BASE, UNIT]]).all()


def test_equals_its_twin():
    rng = np.random.default_rng(31)
    for older_weeks in (0, OLDER_WEEKS):
        rhythm, twin = Rhythm(older_weeks), naive_default.NaiveRhythm(older_weeks)
        ts = np.cumsum(rng.integers(1, 2 * HOUR_NS, 4000))
        scale = 1.0
        for row, moment in enumerate(ts.tolist()):
            value = scale * float(rng.normal())
            scale *= 1.002
            spread = 0.0 if row < 100 else 0.8 * scale
            hour = moment // HOUR_NS
            twin.turn(hour, 0.5, spread)
            if hour != rhythm.hour:
                rhythm.turn(hour, 0.5, spread)
                np.testing.assert_allclose(rhythm.nearby(), sorted(twin.nearby()), rtol=1e-12)
            np.testing.assert_allclose(
                usual_by_day(rhythm.rhythm, moment), twin.by_day(moment), rtol=1e-12
            )
            rhythm.see(hour, value)
            twin.learn(value)
            fresh = sum(int(rhythm.hours[at]) for at in (ROWS_NOW, ROWS_BEFORE, ROWS_EARLIER))
            assert fresh == twin.fresh()
