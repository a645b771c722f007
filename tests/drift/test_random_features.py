"""Random features against the kernel that they stand for."""

import naive_multivariate as naive
import numpy as np
import pytest

from engine.drift.random_features import FREQUENCIES, RandomFeatures, directions, median_distance
from engine.drift.random_features_kernels import AMPLITUDE, TURN


def normal(seed, rows, width, shift=0.0):
    return (np.random.default_rng(seed).standard_normal((rows, width)) + shift).astype(np.float32)


def pane_of(fitted, rows):
    totals = fitted.empty()
    fitted.add(totals, rows)
    return totals


def exact_mmd(first, second, bandwidth):
    """Of the Gaussian kernel, unbiased."""

    def kernel(a, b):
        squares = np.sum((a[:, None, :].astype(float) - b[None, :, :]) ** 2, axis=2)
        return np.exp(-squares / (2.0 * bandwidth**2))

    within = [
        (np.sum(kernel(side, side)) - len(side)) / (len(side) * (len(side) - 1))
        for side in (first, second)
    ]
    return np.sqrt(max(sum(within) - 2.0 * np.mean(kernel(first, second)), 0.0))


def test_the_median_distance_is_that_of_all_pairs():
    rows = normal(1, 40, 3)
    pairs = [np.linalg.norm(a - b) for place, a in enumerate(rows) for b in rows[:place]]
    assert median_distance(rows) == pytest.approx(np.median(pairs), rel=1e-5)
    assert median_distance(np.ones((9, 3), np.float32)) == 1.0
    assert median_distance(np.zeros((9, 3), np.float32)) == 1.0


@pytest.mark.parametrize("shift", [0.3, 1.0, 3.0])
def test_the_score_is_about_the_mmd_of_the_gaussian_kernel(shift):
    reference, window = normal(2, 600, 3), normal(3, 500, 3, shift)
    fitted = RandomFeatures.fit(reference)
    found = fitted.compare(pane_of(fitted, reference), pane_of(fitted, window))
    expected = exact_mmd(reference, window, fitted.bandwidth)
    assert found.score == pytest.approx(expected, rel=0.2)
    assert found.p_value < 1e-5


def test_a_pane_equals_the_twin():
    rows = normal(4, 50, 6)
    fitted = RandomFeatures.fit(normal(5, 300, 6))
    projected = np.empty((50, FREQUENCIES), np.float32)
    naive.project(rows, directions(6), projected)
    turns = 1.0 / (2.0 * np.pi * fitted.bandwidth)
    features = naive.features(projected, turns, TURN, AMPLITUDE)
    assert pane_of(fitted, rows).tolist() == [50, *features.sum(axis=0).tolist()]


def test_directions_are_drawn_once_and_cannot_be_written():
    assert directions(6) is directions(6)
    with pytest.raises(ValueError, match="read-only"):
        directions(6)[0, 0] = 1.0


def test_features_are_restored():
    fitted = RandomFeatures.fit(normal(6, 200, 4))
    again = RandomFeatures.of_arrays(fitted.arrays())
    sides = pane_of(fitted, normal(7, 200, 4)), pane_of(again, normal(8, 100, 4))
    assert fitted.compare(*sides) == again.compare(*sides)


def test_rows_that_are_all_alike_are_told_from_others():
    alike = np.ones((100, 2), np.float32)
    fitted = RandomFeatures.fit(alike)
    same = fitted.compare(pane_of(fitted, alike), pane_of(fitted, alike))
    other = fitted.compare(pane_of(fitted, alike), pane_of(fitted, alike + 1))
    assert (same.score, same.p_value) == (0.0, 1.0)
    assert other.score > 0.1
    assert other.p_value == 0.0
