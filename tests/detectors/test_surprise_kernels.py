"""The tail of distances against its twin, and what it promises."""

import math

import naive_surprise
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.detectors.protocol import NOT_JUDGED
from engine.detectors.surprise_kernels import (
    FOLLOWED,
    LOW_EXPONENT,
    STATE_HIGH,
    TAIL_BINS,
    TAIL_ROWS,
    TAIL_WARM_UP_ROWS,
    count_distance,
    follow,
    is_patient,
    surprise,
    tail_place,
)


class Tail:
    def __init__(self, distances=()):
        self.bins, self.rows = np.zeros(TAIL_BINS, np.uint16), 0
        for distance in distances:
            self.count(distance)

    def count(self, distance):
        self.rows = count_distance(self.bins, self.rows, distance)

    def surprise(self, distance):
        return surprise(self.bins, self.rows, distance)


@pytest.mark.parametrize("shape", [0.5, 2.0, 6.0])
def test_tail_equals_its_twin_beyond_its_memory(shape):
    tail, twin = Tail(), naive_surprise.NaiveTail()
    distances = np.abs(np.random.default_rng(1).standard_t(shape, 2 * TAIL_ROWS))
    distances[::7] = 0.0
    for number, distance in enumerate(distances.tolist()):
        if number % 10 == 0:
            expected = pytest.approx(twin.surprise(distance), rel=1e-12)
            assert tail.surprise(distance) == expected
        tail.count(distance)
        twin.count(distance)
    assert tail.rows == twin.rows <= TAIL_ROWS


@given(st.floats(0.0, 1e300))
def test_place_is_that_of_the_edges(distance):
    found = naive_surprise.NaiveTail.place(distance)
    if found is None:
        assert tail_place(distance) < 0.0
    else:
        assert tail_place(distance) == pytest.approx(sum(found), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("rows", [0, 1, 500, 3 * TAIL_ROWS])
def test_farther_is_always_rarer(rows):
    tail = Tail(np.abs(np.random.default_rng(2).normal(size=rows)).tolist())
    distances = 2.0**LOW_EXPONENT * 1.1 ** np.arange(1, 6000)
    found = [tail.surprise(distance) for distance in distances.tolist()]
    assert found == sorted(set(found))
    assert math.isfinite(found[-1])


def test_surprise_is_the_share_of_past_distances_beyond():
    tail = Tail(np.abs(np.random.default_rng(3).normal(size=20_000)).tolist())
    for distance, share in ((1.0, 0.3173), (2.0, 0.0455), (3.0, 0.0027)):
        assert math.exp(-tail.surprise(distance)) == pytest.approx(share, rel=0.15)
    assert tail.surprise(0.0) == tail.surprise(0.1) == 0.0


def test_heavy_tails_must_be_farther_off():
    rng = np.random.default_rng(4)
    light = Tail(np.abs(rng.normal(size=5000)).tolist())
    heavy = Tail(np.abs(rng.standard_t(1, 5000)).tolist())
    assert heavy.surprise(10.0) < 4.0 < light.surprise(10.0)


class Follower:
    def __init__(self):
        self.bins, self.followed = np.zeros(TAIL_BINS, np.uint16), np.zeros(FOLLOWED, np.int16)
        self.level = np.array([7.0, 0.0, 7.0])

    def follow(self, distance):
        return follow(self.bins, self.followed, self.level, 1, distance)

    @property
    def state(self):
        assert self.level[0] == self.level[2] == 7.0
        return self.level[1]


def test_state_equals_its_twin_through_a_long_incident():
    follower, twin = Follower(), naive_surprise.NaiveFollower()
    distances = np.abs(np.random.default_rng(5).normal(size=6000))
    distances[1000:1050] += 20.0
    distances[3000:5500] += 30.0
    patient = []
    for distance in distances.tolist():
        rarity, expected = follower.follow(distance), twin.follow(distance)
        assert rarity == pytest.approx(NOT_JUDGED if expected is None else expected, rel=1e-12)
        assert follower.state == pytest.approx(twin.state, rel=1e-9, abs=1e-12)
        assert is_patient(follower.followed) == twin.patient
        patient.append(twin.patient)
    assert any(patient[1000:1050])
    assert any(patient[3000:3100])
    assert not patient[-1]


def test_state_is_high_as_long_as_a_day_and_then_gives_in():
    follower = Follower()
    quiet = np.abs(np.random.default_rng(6).normal(size=10_000)).tolist()
    for distance in quiet:
        follower.follow(distance)
    assert follower.state < STATE_HIGH
    states = [(follower.follow(8.0), follower.state)[1] for _ in range(3000)]
    assert min(states[10:288]) > STATE_HIGH
    assert states[-1] < STATE_HIGH / 2


def test_nothing_is_judged_before_the_tail_is_known():
    follower = Follower()
    for _ in range(TAIL_WARM_UP_ROWS):
        assert follower.follow(50.0) == NOT_JUDGED
        assert follower.state == 0.0
    assert follower.follow(50.0) >= 0.0
