"""The daily rhythm: what earlier days say about a time of day."""

import math

import naive_default
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.detectors.rhythm_kernels import (
    BIN_NS,
    BINS,
    DAY_NS,
    LARGEST_UNITS,
    MEMORY_VISITS,
    VISITS_WIDTH,
    end_visit,
    rhythm_at,
    set_visits,
    visits_of,
)


def empty():
    return np.zeros(BINS, np.float32), np.zeros(VISITS_WIDTH, np.uint8)


def at(rhythm, visits, ts):
    return rhythm_at(rhythm, visits, ts, ts // BIN_NS)


def test_unknown_until_the_visit_is_over():
    rhythm, visits = empty()
    assert math.isnan(at(rhythm, visits, 0))
    end_visit(rhythm, visits, 0, 5.0)
    assert at(rhythm, visits, DAY_NS) == 5.0
    assert math.isnan(at(rhythm, visits, DAY_NS + BIN_NS))


def test_linear_between_the_centres_of_known_bins_around_midnight():
    rhythm, visits = empty()
    end_visit(rhythm, visits, 0, 10.0)
    end_visit(rhythm, visits, BINS - 1, 20.0)
    assert at(rhythm, visits, DAY_NS + BIN_NS // 2) == 10.0
    assert at(rhythm, visits, DAY_NS) == pytest.approx(15.0)
    assert at(rhythm, visits, DAY_NS - BIN_NS // 4) == pytest.approx(17.5)


def test_plain_mean_of_few_days_then_forgetting():
    rhythm, visits = empty()
    for day in range(4):
        end_visit(rhythm, visits, day * BINS, float(day))
    assert rhythm[0] == 1.5
    for day in range(4, 200):
        end_visit(rhythm, visits, day * BINS, 9.0)
    assert visits_of(visits, 0) == MEMORY_VISITS
    assert rhythm[0] == pytest.approx(9.0, abs=1e-5)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, BINS - 1), st.integers(0, 15)), max_size=60))
def test_visits_are_a_list_of_small_numbers(writes):
    _, visits = empty()
    twin = [0] * BINS
    for own, days in writes:
        set_visits(visits, own, days)
        twin[own] = days
    assert [visits_of(visits, own) for own in range(BINS)] == twin


def test_means_beyond_float32_are_held():
    rhythm, visits = empty()
    end_visit(rhythm, visits, 3, 1e300)
    assert rhythm[3] == np.float32(LARGEST_UNITS)


def test_equals_its_twin():
    rng = np.random.default_rng(31)
    rhythm, visits = empty()
    twin = naive_default.NaiveRhythm()
    ts = np.cumsum(rng.integers(1, BIN_NS // 2, 20_000))
    period, visit = None, []
    for moment in ts.tolist():
        value = float(rng.normal())
        known = at(rhythm, visits, moment)
        np.testing.assert_allclose(known, twin.at(moment) / (twin.unit or 1.0), rtol=1e-12)
        twin.learn(moment, value, 0.75)
        if moment // BIN_NS != period:
            if visit:
                end_visit(rhythm, visits, period, sum(visit) / len(visit))
            period, visit = moment // BIN_NS, []
        visit.append(value)
