"""Level and spread are those of the bulk, and exist for series that rarely change."""

import math

import numpy as np
import pytest
from naive_spread import NaiveEcho, NaiveSpread

from engine.detectors.echo_kernels import echo_after, is_news
from engine.detectors.spread_kernels import (
    COUNT,
    LEVEL,
    NORMAL_SPREADS,
    distance_in_deviations,
    learn_value,
    spread_of,
)


def learned(values, memory=1000.0):
    row = np.zeros(COUNT + 1)
    for value in values:
        learn_value(row, value, memory)
    return row


def test_equals_its_slow_twin():
    rng = np.random.default_rng(1)
    values = rng.standard_t(2, 800)
    values[300:400] = 0.0
    twin = NaiveSpread(200)
    row = np.zeros(COUNT + 1)
    for value in values:
        learn_value(row, value, 200.0)
        twin.learn(value)
        assert row[LEVEL] == pytest.approx(twin.level, rel=1e-9)
        assert spread_of(row) == pytest.approx(twin.spread, rel=1e-9)


def test_normal_series_has_its_mean_and_deviation():
    row = learned(np.random.default_rng(2).normal(50.0, 3.0, 5000))
    assert row[LEVEL] == pytest.approx(50.0, abs=0.5)
    assert NORMAL_SPREADS * spread_of(row) == pytest.approx(3.0, rel=0.1)


def test_a_tenth_of_outliers_moves_little():
    rng = np.random.default_rng(3)
    values = rng.normal(size=5000)
    values[rng.random(5000) < 0.1] = 100.0
    row = learned(values)
    assert row[LEVEL] == pytest.approx(0.0, abs=0.8)
    assert NORMAL_SPREADS * spread_of(row) < 4.0
    assert np.std(values) > 25.0


def test_rare_values_keep_a_size():
    values = np.zeros(20_000)
    values[::100] = 1.0
    spread = spread_of(learned(values))
    assert 1e-3 < spread < 0.1


def test_wild_value_is_forgotten():
    values = np.random.default_rng(4).normal(size=4000)
    values[200] = 1e300
    assert NORMAL_SPREADS * spread_of(learned(values)) == pytest.approx(1.0, rel=0.2)


def test_constant_series_has_no_spread_and_any_distance_is_the_largest():
    row = learned(np.zeros(100))  # values are relative to the first
    assert spread_of(row) == 0.0
    assert row[LEVEL] == 0.0
    assert distance_in_deviations(0.0, 0.0, 9.0) == 0.0
    assert distance_in_deviations(5e-324, 0.0, 9.0) == 9.0
    assert distance_in_deviations(math.sqrt(math.pi / 2), 0.5, 9.0) == pytest.approx(2.0)
    assert distance_in_deviations(1e300, 1e-300, 9.0) == 9.0


def test_echo_lets_an_incident_begin_once():
    distances = [1.0, 1.2, 12.0, 13.0, 15.0, 12.0, *[1.0] * 100, 4.0]
    echo, twin, news = 0.0, NaiveEcho(), []
    for row, distance in enumerate(distances):
        assert is_news(distance, echo) == twin.hears(distance)
        if is_news(distance, echo):
            news.append(row)
        echo = echo_after(distance, echo)
        assert echo == pytest.approx(twin.echo, rel=1e-12)
    assert news == [0, 2, len(distances) - 1]
