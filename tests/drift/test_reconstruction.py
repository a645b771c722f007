"""Reconstruction errors against a singular value decomposition of the same rows."""

import numpy as np
import pytest

from engine.drift.reconstruction import STEPS, VARIANCE_KEPT, Reconstruction


def rows_of(seed, rows, noise=0.3):
    """Six features of two hidden ones."""
    generator = np.random.default_rng(seed)
    mixing = np.random.default_rng(0).standard_normal((2, 6))
    hidden = generator.standard_normal((rows, 2)) @ mixing
    return (hidden + noise * generator.standard_normal((rows, 6))).astype(np.float32)


def pane_of(fitted, rows):
    totals = fitted.empty()
    fitted.add(totals, rows)
    return totals


def test_errors_are_those_of_a_decomposition():
    rows, window = rows_of(1, 500), rows_of(2, 300)
    fitted = Reconstruction.fit(rows)
    _, singular, directions = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    shares = np.cumsum(singular**2) / np.sum(singular**2)
    kept = int(np.argmax(shares >= VARIANCE_KEPT)) + 1
    centered = window - rows.mean(axis=0)
    rebuilt = centered @ directions[:kept].T @ directions[:kept]
    errors = np.linalg.norm(centered - rebuilt, axis=1)
    count, total, squares = pane_of(fitted, window).tolist()
    assert fitted.components.shape == (6, kept)
    assert count == 300
    assert total / STEPS == pytest.approx(errors.sum(), rel=1e-3)
    assert squares / STEPS**2 == pytest.approx((errors**2).sum(), rel=1e-3)


def test_the_p_value_is_that_of_students_test():
    from scipy.stats import ttest_ind

    fitted = Reconstruction.fit(rows_of(1, 500))
    sides = rows_of(2, 400), rows_of(3, 80, noise=0.34)
    errors = []
    for rows in sides:
        lengths = [pane_of(fitted, rows[place : place + 1])[1] for place in range(len(rows))]
        errors.append(np.array(lengths) / STEPS)
    found = fitted.compare(*(pane_of(fitted, rows) for rows in sides))
    assert found.p_value == pytest.approx(ttest_ind(*errors).pvalue, rel=1e-4)
    assert found.score == pytest.approx(errors[1].mean() / errors[0].mean() - 1.0, rel=1e-9)


def test_less_and_more_structure_are_both_found():
    fitted = Reconstruction.fit(rows_of(1, 1000))
    reference = pane_of(fitted, rows_of(2, 1000))
    looser = fitted.compare(reference, pane_of(fitted, rows_of(3, 300, noise=0.6)))
    tighter = fitted.compare(reference, pane_of(fitted, rows_of(3, 300, noise=0.1)))
    assert looser.score > 0.1
    assert tighter.score < -0.01
    assert max(looser.p_value, tighter.p_value) < 1e-3


def test_rows_that_are_all_alike_are_told_from_others():
    alike = np.ones((100, 3), np.float32)
    fitted = Reconstruction.fit(alike)
    same = fitted.compare(pane_of(fitted, alike), pane_of(fitted, alike))
    moved = alike.copy()
    moved[:, 2] = 4.0
    other = fitted.compare(pane_of(fitted, alike), pane_of(fitted, moved))
    assert (same.score, same.p_value) == (0.0, 1.0)
    assert other.p_value == 0.0


def test_components_are_restored():
    fitted = Reconstruction.fit(rows_of(1, 200))
    again = Reconstruction.of_arrays(fitted.arrays())
    sides = pane_of(fitted, rows_of(2, 200)), pane_of(again, rows_of(3, 100))
    assert fitted.compare(*sides) == again.compare(*sides)
