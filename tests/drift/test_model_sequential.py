"""Detectors of single values, as a version has them.

Aim: they begin when the rate of events is known, tell when it began, fit what they watch, and go
on from a checkpoint. Method: values with a known change.
"""

from itertools import pairwise

import msgspec
import numpy as np
import pytest
from model_feed import config_of

from engine.config.durations import SECOND_NS
from engine.config.models import SequentialConfig
from engine.drift.budget import Budget
from engine.drift.model_sequential import RATE_ROWS, VersionSequences

ON_AGE = SequentialConfig(on="age", use="level")
ON_ERROR = SequentialConfig()


def sequences(*entries):
    return VersionSequences(config_of(sequential=entries), Budget(1.0))


def begun(*entries):
    made = sequences(*entries)
    made.count(times(0, RATE_ROWS))
    return made


def times(begin, rows):
    return np.arange(begin, begin + rows, dtype=np.int64) * SECOND_NS


def normal(seed, rows, mean=0.0):
    return np.random.default_rng(seed).normal(mean, 1, rows)


def test_nothing_before_the_rate_of_events_is_known():
    made = sequences(ON_AGE)
    made.count(times(0, RATE_ROWS - 1))
    assert made.events_per_week is None
    assert not made.watch("age", times(0, 999), normal(1, 999, 50.0))
    made.count(times(RATE_ROWS - 1, 1))
    assert made.events_per_week == pytest.approx(7 * 86_400, rel=0.01)


@pytest.mark.parametrize("cuts", [(0, 1500), (0, 400, 900, 1300, 1500), (0, RATE_ROWS, 1500)])
def test_rows_up_to_which_the_rate_is_told_are_not_watched_however_they_are_cut(cuts):
    made, watched = sequences(ON_AGE), 0
    for begin, end in pairwise(cuts):
        watched += end - begin - made.count(times(begin, end - begin))
    assert watched == 1500 - RATE_ROWS


def test_alarm_and_onset():
    made = begun(ON_AGE)
    assert not made.watch("age", times(0, 3000), normal(1, 3000))
    (finding,) = made.watch("age", times(3000, 200), normal(2, 200, 3.0))
    assert (finding.kind, finding.feature, finding.significant) == ("sequential", "age", True)
    assert abs(finding.onset_ns / SECOND_NS - 3000) <= 40
    assert 3000 <= finding.window_end_ns / SECOND_NS <= 3030


def test_what_is_not_finite_is_left_out():
    made, clean = begun(ON_AGE), begun(ON_AGE)
    values = np.concatenate([normal(1, 2000), normal(2, 100, 3.0)])
    holes = np.where(np.arange(4200) % 2, np.nan, np.repeat(values, 2))
    found = made.watch("age", times(0, 4200), holes)
    expected = clean.watch("age", times(0, 2100) * 2, values)
    assert [one.window_end_ns for one in found] == [one.window_end_ns for one in expected]
    assert found


def test_a_rate_takes_zeros_and_ones_only():
    made = begun(SequentialConfig(on="age", use="rate"))
    assert not made.watch("age", times(0, 500), normal(1, 500, 40.0))
    rng = np.random.default_rng(3)
    assert not made.watch("age", times(500, 2000), (rng.random(2000) < 0.1).astype(float))
    assert made.watch("age", times(2500, 300), (rng.random(300) < 0.9).astype(float))


def test_errors_of_numbers_have_a_level_whoever_is_watched_first():
    made = begun(ON_AGE, ON_ERROR)
    made.watch("age", times(0, 100), normal(1, 100))
    assert not made.watch("error", times(0, 2000), np.abs(normal(2, 2000)), "regression")
    found = made.watch("error", times(2000, 300), 9 + np.abs(normal(3, 300)), "regression")
    assert [one.kind for one in found] == ["quality"] * len(found)
    assert found


def test_what_nobody_watches():
    made = begun(ON_ERROR)
    assert not made.wants("age")
    assert made.wants("error")
    assert not made.watch("age", times(0, 10), normal(1, 10))


@pytest.mark.parametrize("use", ["level", "ks_window", "page_hinkley", "river.drift.ADWIN"])
def test_state_comes_back(use):
    entry = SequentialConfig(on="age", use=use)
    made, again = begun(entry, ON_ERROR), sequences(entry, ON_ERROR)
    made.watch("age", times(0, 1500), normal(1, 1500))
    arrays = {}
    plain = msgspec.msgpack.decode(msgspec.msgpack.encode(made.state(arrays, "s")))
    for array in arrays.values():
        array.setflags(write=False)
    own = {name.removeprefix("s|"): array for name, array in arrays.items()}
    again.restore(own, plain, None)
    values = normal(2, 600, 4.0)
    expected = made.watch("age", times(1500, 600), values)
    assert str(again.watch("age", times(1500, 600), values)) == str(expected)
    assert expected


def test_another_detector_begins_anew():
    made, again = begun(ON_AGE), sequences(SequentialConfig(on="age", use="spread"))
    made.watch("age", times(0, 1500), normal(1, 1500))
    arrays = {}
    plain = made.state(arrays, "s")
    again.restore({n.removeprefix("s|"): a for n, a in arrays.items()}, plain, None)
    assert again.events_per_week == made.events_per_week
    assert again.state({}, "s")["watched"] == []


def test_another_budget_keeps_what_was_learned():
    rows = []
    for budget in (1e4, 1e-3):
        made = begun(ON_AGE)
        made.watch("age", times(0, 3000), normal(1, 3000))
        made.spend(Budget(budget))
        rows.append(made.watch("age", times(3000, 400), normal(2, 400, 0.7))[0].window_end_ns)
    assert rows[0] < rows[1]  # the more false alarms, the sooner


def test_the_rate_of_events_follows_the_weeks():
    made, day = begun(ON_AGE), 86_400 * SECOND_NS
    first = made.events_per_week
    made.advance_to(0)
    made.count(times(RATE_ROWS, 3000))
    made.advance_to(6 * day)
    assert made.events_per_week == first
    made.advance_to(7 * day)
    assert made.events_per_week == 3000
    made.advance_to(8 * day)
    made.count(times(0, 3001))  # more in a day than in the week before
    made.advance_to(9 * day)
    assert made.events_per_week == 6002
