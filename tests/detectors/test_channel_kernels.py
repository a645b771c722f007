"""A channel against its twin that remembers everything, over more rows than it keeps blocks."""

import naive_default
import numpy as np
import pytest

from engine.detectors.channel_kernels import (
    BLOCK_ROWS,
    BLOCKS,
    CHANNEL_WIDTH,
    COUNT_MAX,
    HIGH,
    LEVEL,
    LOW,
    SPREAD,
    WARM_UP_ROWS,
    high_of,
    low_of,
    novelty_of,
    observe,
)

AT = CHANNEL_WIDTH
"""The channel is the second one, so that a slip into the first would be seen."""


class Channel:
    """A channel with another one before it, which nobody touches."""

    def __init__(self):
        self.row, self.tallies = np.zeros(2 * CHANNEL_WIDTH), np.zeros(2, np.int16)
        for at in (0, AT):
            self.row[at + LOW : at + LOW + BLOCKS] = np.inf
            self.row[at + HIGH : at + HIGH + BLOCKS] = -np.inf
        self.untouched = self.row[:AT].copy()

    def observe(self, value, pace=1.0, least=0.0):
        novelty = observe(self.row, self.tallies, 1, value, least, pace)
        assert self.tallies[0] == 0
        np.testing.assert_array_equal(self.row[:AT], self.untouched)
        return novelty

    def novelty_of(self, value, least=0.0):
        return novelty_of(self.row, self.tallies, 1, value, least)

    @property
    def high(self):
        return high_of(self.row, 1)


@pytest.mark.parametrize("pace", [1.0, 0.125, 16.0])
def test_channel_equals_its_twin(pace):
    rng = np.random.default_rng(21)
    values = np.cumsum(rng.normal(size=BLOCK_ROWS * 6)) + rng.standard_t(2, BLOCK_ROWS * 6)
    channel, twin = Channel(), naive_default.NaiveChannel()
    for value in values:
        expected = pytest.approx(twin.observe(value, pace=pace), rel=1e-12)
        assert channel.observe(value, pace) == expected
        assert channel.row[AT + LEVEL] == twin.level
        assert channel.row[AT + SPREAD] == twin.spread
    assert (low_of(channel.row, 1), channel.high) == twin.range()
    # More rows than a count goes: that it starts again is nowhere to be seen.
    assert len(values) > COUNT_MAX
    assert channel.tallies[1] < COUNT_MAX


def test_extremes_are_forgotten_after_three_blocks():
    channel = Channel()
    channel.observe(100.0)
    for _ in range(BLOCK_ROWS * BLOCKS - 1):
        channel.observe(0.0)
        assert channel.high == 100.0
    channel.observe(0.0)
    assert channel.high == 0.0


def test_novelty_grows_with_the_distance_and_keeps_its_resolution():
    channel = Channel()
    for value in np.random.default_rng(22).normal(size=BLOCK_ROWS * 3):
        channel.observe(value)
    novelty = [channel.novelty_of(value) for value in (0.0, 6.0, 7.0, 1e3, 1e6, 1e9)]
    assert novelty[0] == 0.0
    assert novelty == sorted(set(novelty))
    assert novelty[-1] < 1.0


def test_cold_channel_finds_nothing_new():
    channel = Channel()
    for _ in range(WARM_UP_ROWS):
        assert channel.observe(float(np.random.default_rng(23).normal())) == 0.0
    assert channel.novelty_of(50.0) > 0.0


def test_novelty_is_measured_by_at_least_the_least_spread():
    channel = Channel()
    for _ in range(500):
        channel.observe(3.0)
    assert channel.novelty_of(3.0 + 1e-12) == 1.0
    assert channel.novelty_of(3.0 + 1e-12, least=1.0) < 1e-12
    assert channel.novelty_of(5.0, least=1.0) == pytest.approx(0.5)
