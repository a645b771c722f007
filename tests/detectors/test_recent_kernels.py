"""The last rows: their mean, the level of the last hours, and the weekly rhythm made with them."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.detectors.recent_kernels import (
    BLOCK_ROWS,
    PLACES_WIDTH,
    RECENT_BLOCKS,
    RECENT_ROWS,
    RECENT_WIDTH,
    SCRATCH_WIDTH,
    learn_recent,
    moving_mean,
    recent_level,
    sort_rows,
    usual_by_week,
)
from engine.detectors.rhythm_kernels import (
    HOURS_WIDTH,
    NEARBY,
    NEARBY_COUNT,
    NEARBY_MAX,
    RHYTHM_WIDTH,
    ROWS_NOW,
    UNIT,
    code_of,
)


class Recent:
    """The arrays of one series."""

    def __init__(self, values=()):
        self.recent, self.places = np.zeros(RECENT_WIDTH), np.zeros(PLACES_WIDTH, np.int16)
        self.scratch = np.zeros(SCRATCH_WIDTH)
        for value in values:
            self.learn(value)

    def learn(self, value):
        learn_recent(self.recent, self.places, value, self.scratch)

    def by_week(self, fresh, numbers):
        """Expected with so many fresh rows and earlier weeks' means in units of 1/4."""
        rhythm, hours = np.zeros(RHYTHM_WIDTH), np.zeros(HOURS_WIDTH, np.int16)
        rhythm[UNIT] = 0.25
        hours[ROWS_NOW], hours[NEARBY_COUNT] = fresh, len(numbers)
        hours[NEARBY : NEARBY + len(numbers)] = [code_of(number) for number in sorted(numbers)]
        return usual_by_week(rhythm, hours, self.recent, self.places, self.scratch)


def test_mean_and_level_equal_those_of_all_rows():
    values = np.random.default_rng(41).normal(size=500)
    series = Recent()
    for row, value in enumerate(values, 1):
        series.learn(value)
        mean, level = (
            moving_mean(series.recent, series.places),
            recent_level(series.recent, series.places),
        )
        if row < RECENT_ROWS:
            assert math.isnan(mean)
        else:
            assert mean == pytest.approx(values[row - RECENT_ROWS : row].mean(), abs=1e-12)
        blocks = row // BLOCK_ROWS
        if blocks < RECENT_BLOCKS:
            assert math.isnan(level)
        else:
            means = values[: blocks * BLOCK_ROWS].reshape(-1, BLOCK_ROWS).mean(axis=1)
            assert level == pytest.approx(np.median(means[-RECENT_BLOCKS:]), abs=1e-12)


@settings(max_examples=200, deadline=None)
@given(
    rows=st.lists(st.floats(-100, 100), max_size=30),
    fresh=st.integers(0, 40),
    numbers=st.lists(st.integers(-400, 400), max_size=NEARBY_MAX),
)
def test_weekly_rhythm_is_the_median_of_weeks_and_rows(rows, fresh, numbers):
    evidence = [number / 4 for number in numbers]
    evidence += rows[len(rows) - min(fresh, RECENT_ROWS, len(rows)) :]
    found = Recent(rows).by_week(fresh, numbers)
    if len(evidence) < 2:
        assert math.isnan(found)
    else:
        assert found == pytest.approx(np.median(evidence), rel=1e-12, abs=1e-12)


def test_huge_rows_do_not_overflow():
    series = Recent([2e300] * 100)
    assert moving_mean(series.recent, series.places) == pytest.approx(2e300)
    assert recent_level(series.recent, series.places) == pytest.approx(2e300)
    assert series.by_week(12, [5]) == 2e300


NUMBERS = st.sampled_from([-1.0, 0.0, 0.5, 2.0, math.inf]) | st.floats(-9, 9)


@given(st.lists(NUMBERS, min_size=RECENT_ROWS, max_size=RECENT_ROWS))
def test_rows_are_sorted(rows):
    scratch = np.array([*rows, 7.0])
    sort_rows(scratch)
    assert scratch.tolist() == [*sorted(rows), 7.0]


def test_the_network_sorts_all_zeros_and_ones():
    """A network that sorts these sorts everything (Knuth's 0-1 principle)."""
    for bits in itertools.product((0.0, 1.0), repeat=RECENT_ROWS):
        scratch = np.array(bits)
        sort_rows(scratch)
        assert scratch.tolist() == sorted(bits)
