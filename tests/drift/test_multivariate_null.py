"""Null distributions of squared distances against exact ones and against simulation."""

import numpy as np
import pytest
from scipy.stats import chi2

from engine.drift.multivariate_null import (
    distance_tail,
    normal_tail,
    null_weights,
    quadratic_tail,
    student_tail,
)


@pytest.mark.parametrize("degrees", [1, 2, 5, 40])
@pytest.mark.parametrize("tail", [0.99, 0.6, 0.5, 0.2, 0.05, 1e-4, 1e-12])
def test_equal_weights_give_chi_square(degrees, tail):
    value = chi2.isf(tail, degrees)
    assert quadratic_tail(3.0 * value, np.full(degrees, 3.0)) == pytest.approx(tail, rel=0.1)


def test_the_tail_falls_without_a_gap_where_the_formula_has_one():
    weights = np.array([4.0, 2.0, 1.0, 0.5])
    mean = weights.sum()
    values = mean + np.linspace(-0.05, 0.05, 401)
    tails = np.array([quadratic_tail(value, weights) for value in values])
    assert (np.diff(tails) < 0.0).all()
    assert np.abs(np.diff(tails, 2)).max() < 1e-5


def test_unequal_weights_agree_with_simulation():
    weights = np.array([5.0, 1.0, 1.0, 0.2, 0.1])
    drawn = np.random.default_rng(1).chisquare(1.0, (400_000, 5)) @ weights
    for tail in (0.9, 0.5, 0.05, 0.01):
        value = np.quantile(drawn, 1.0 - tail)
        assert quadratic_tail(value, weights) == pytest.approx(tail, rel=0.1)


def test_ends_are_defined():
    assert quadratic_tail(1.0, np.zeros(0)) == 0.0
    assert quadratic_tail(0.0, np.zeros(0)) == 1.0
    assert quadratic_tail(0.0, np.ones(3)) == 1.0
    assert quadratic_tail(1e6, np.ones(3)) == 0.0
    assert quadratic_tail(1e-200, np.array([1e-200])) == pytest.approx(0.317, rel=0.03)


def test_student_and_normal_tails():
    assert normal_tail(1.959964) == pytest.approx(0.025, rel=1e-5)
    assert student_tail(-2.5706, 5) == pytest.approx(0.05, rel=1e-4)
    wide, narrow = (distance_tail(0.2, np.ones(3), (50, 100), rows) for rows in (20, 10**6))
    assert narrow == pytest.approx(quadratic_tail(0.2 / 0.03, np.ones(3)), rel=1e-3)
    assert narrow < wide < 1.5 * narrow


@pytest.mark.parametrize("rows", [60, 400])
def test_a_small_sample_does_not_spread_the_weights(rows):
    generator = np.random.default_rng(rows)
    true = np.linspace(0.5, 1.5, 80)
    squares = []
    for _ in range(30):
        sample = generator.standard_normal((rows, 80)) * np.sqrt(true)
        sample -= sample.mean(axis=0)
        eigenvalues = np.linalg.eigvalsh(np.cov(sample.T))
        fourth = np.sum(np.sum(sample**2, axis=1) ** 2)
        weights = null_weights(eigenvalues, 80, rows, fourth)
        assert weights.sum() == pytest.approx(eigenvalues.sum())
        assert (np.diff(weights) <= 0.0).all()
        squares.append(np.sum(weights**2))
    assert np.mean(squares) == pytest.approx(np.sum(true**2), rel=0.06)
    assert np.sum(eigenvalues**2) > 1.15 * np.sum(true**2)
