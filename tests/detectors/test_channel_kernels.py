"""A channel against its twin that remembers everything, over more rows than it keeps blocks."""

import naive_default
import numpy as np
import pytest

from engine.detectors.channel_kernels import (
    BLOCK_ROWS,
    BLOCKS,
    CHANNEL_WIDTH,
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


def empty():
    row = np.zeros(CHANNEL_WIDTH)
    row[LOW : LOW + BLOCKS], row[HIGH : HIGH + BLOCKS] = np.inf, -np.inf
    return row


@pytest.mark.parametrize("pace", [1.0, 0.125, 16.0])
def test_channel_equals_its_twin(pace):
    rng = np.random.default_rng(21)
    values = np.cumsum(rng.normal(size=BLOCK_ROWS * 4)) + rng.standard_t(2, BLOCK_ROWS * 4)
    row, twin = empty(), naive_default.NaiveChannel()
    for value in values:
        assert observe(row, 0, value, pace) == pytest.approx(twin.observe(value, pace), rel=1e-12)
        assert row[LEVEL] == twin.level
        assert row[SPREAD] == twin.spread
    assert (low_of(row, 0), high_of(row, 0)) == twin.range()


def test_extremes_are_forgotten_after_three_blocks():
    row = empty()
    observe(row, 0, 100.0, 1.0)
    for _ in range(BLOCK_ROWS * BLOCKS - 1):
        observe(row, 0, 0.0, 1.0)
        assert high_of(row, 0) == 100.0
    observe(row, 0, 0.0, 1.0)
    assert high_of(row, 0) == 0.0


def test_novelty_grows_with_the_distance_and_keeps_its_resolution():
    row = empty()
    for value in np.random.default_rng(22).normal(size=BLOCK_ROWS * 3):
        observe(row, 0, value, 1.0)
    novelty = [novelty_of(row, 0, value) for value in (0.0, 6.0, 7.0, 1e3, 1e6, 1e9)]
    assert novelty[0] == 0.0
    assert novelty == sorted(set(novelty))
    assert novelty[-1] < 1.0


def test_cold_channel_finds_nothing_new():
    row = empty()
    for _ in range(WARM_UP_ROWS):
        assert observe(row, 0, float(np.random.default_rng(23).normal()), 1.0) == 0.0
    assert novelty_of(row, 0, 50.0) > 0.0
