"""Counters rise but for resets; what falls more often is a gauge."""

import numpy as np

from engine.detectors.counter_kernels import CLIMB_ENTER, is_counter, weighed


def verdicts(steps):
    climb, found = 0.0, []
    for step in steps:
        climb = weighed(climb, step)
        found.append(is_counter(climb))
    return found


def test_counter_is_known_after_some_rises_and_survives_resets():
    rises = int(CLIMB_ENTER)
    found = verdicts([1.0] * rises + [0.0] * 50 + [1.0] * 200 + [-9.0] + [1.0] * 5 + [-9.0])
    assert found.index(True) == rises - 1
    assert all(found[rises - 1 :])


def test_falls_in_a_row_make_a_gauge():
    found = verdicts([1.0] * 200 + [-1.0] * 10)
    assert found[199]
    assert not found[-1]


def test_noise_is_a_gauge():
    assert not any(verdicts(np.random.default_rng(5).normal(size=5000)))


def test_settled_gauge_stays_one_through_a_long_rise():
    noise = np.random.default_rng(6).normal(size=5000)
    assert not any(verdicts([*noise, *([1.0] * 1000)]))
