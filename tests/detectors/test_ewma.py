"""The EWMA detector is the plain loop that one would write by hand."""

import math
import random

import numpy as np
import pytest

from engine.detectors.ewma import EwmaDetector, EwmaParams
from engine.errors import StateError


def naive(rows, weight, threshold, initial_deviation):
    """Score (slot, value) rows one by one."""
    states, out = {}, []
    quiet = round(1 / weight) if initial_deviation is None else 1
    for slot, value in rows:
        mean, variance, seen = states.get(slot, (math.nan, math.nan, 0))
        wide = threshold * math.sqrt(variance)
        onset = 0.0
        if math.isfinite(value):
            if seen == 0:
                states[slot] = value, (initial_deviation or 0.0) ** 2, 1
            else:
                off = value - mean
                if seen >= quiet and off:
                    onset = abs(off) / wide if wide else math.inf
                new = (1 - weight) * (variance + weight * off * off)
                states[slot] = mean + weight * off, new, seen + 1
        out.append((onset, onset, mean, mean - wide, mean + wide))
    return out


def made(seed=3, rows=600):
    generator = random.Random(seed)
    values = [generator.gauss(5, 2) + 60 * (generator.random() < 0.02) for _ in range(rows)]
    values[7], values[90] = math.nan, math.inf
    return [(generator.randrange(4) if value < 40 else 1, value) for value in values] + [
        (3 if step % 2 else 9, 1.0 + (step == 59)) for step in range(60)
    ]


def scored(detector, rows):
    detector.grow(10)
    order = sorted(range(len(rows)), key=lambda row: rows[row][0])  # as a shard gives them
    slot = np.array([rows[row][0] for row in order], np.int32)
    value = np.array([rows[row][1] for row in order])
    scores = detector.score(slot, np.arange(len(rows)), value, 1.0)
    columns = (scores.onset, scores.state, scores.expected, scores.lower, scores.upper)
    out = [None] * len(rows)
    for row, found in zip(order, zip(*columns, strict=True), strict=True):
        out[row] = found
    return out


@pytest.mark.parametrize("initial_deviation", [None, 5.0])
@pytest.mark.parametrize("cut", [0, 1, 331])
def test_scores_are_those_of_the_plain_loop_whatever_the_cuts(initial_deviation, cut):
    params = EwmaParams(weight=0.05, threshold=3.0, initial_deviation=initial_deviation)
    rows = made()
    detector = EwmaDetector(params)
    found = scored(detector, rows[:cut]) if cut else []
    again = EwmaDetector(params)
    if cut:
        again.restore({name: array.copy() for name, array in detector.tables()[0].arrays.items()})
    found += scored(again, rows[cut:])
    expected = naive(rows, 0.05, 3.0, initial_deviation)
    np.testing.assert_allclose(np.array(found), np.array(expected), rtol=1e-12)
    assert (np.array(found)[:, 0] > 1).any()


def test_another_layout_is_refused():
    with pytest.raises(StateError, match="ewma"):
        EwmaDetector(EwmaParams()).restore({"mean": np.zeros(3)})


def test_the_first_samples_are_a_warm_up():
    detector = EwmaDetector(EwmaParams(weight=0.05))
    detector.grow(3)
    ones = np.ones(20)
    detector.score(np.zeros(19, np.int32), np.arange(19), ones[:19], 1.0)
    assert detector.warming_up() == 3
    detector.score(np.zeros(1, np.int32), np.arange(1), ones[:1], 1.0)
    assert detector.warming_up() == 2
