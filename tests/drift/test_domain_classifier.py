"""The classifier's inputs and its test against others; its rates are in test_multivariate."""

import numpy as np
import pytest
from multivariate_cases import correlated
from scipy.stats import mannwhitneyu

from engine.drift.domain_classifier import (
    PAIRED,
    SAMPLE_ROWS,
    compare_samples,
    domain_inputs,
    prequential_scores,
    roc_auc_test,
)
from engine.drift.multivariate_inputs import MultivariateInputs
from engine.drift.row_sample import RowSample


@pytest.mark.parametrize("digits", [1, 8])
def test_the_area_and_its_p_value_are_those_of_mann_and_whitney(digits):
    generator = np.random.default_rng(digits)
    labels = generator.random(120) < 0.4
    scores = np.round(generator.random(120) + 0.15 * labels, digits)
    area, p_value = roc_auc_test(scores, labels)
    expected = mannwhitneyu(
        *(scores[labels], scores[~labels]),
        alternative="greater",
        method="asymptotic",
        use_continuity=False,
    )
    assert area == pytest.approx(expected.statistic / (labels.sum() * (~labels).sum()))
    assert p_value == pytest.approx(expected.pvalue, rel=1e-9)


def test_the_area_of_nothing_is_not_defined():
    assert np.isnan(roc_auc_test(np.ones(3), np.ones(3, np.bool_))).all()
    assert roc_auc_test(np.ones(4), np.array([True, False, True, False])) == (0.5, 1.0)


def test_products_of_pairs_stand_beside_the_inputs():
    rows = np.float32([[1.0, -2.0], [9.0, 0.5]])
    assert domain_inputs(rows).tolist() == [
        [1.0, -2.0, 0.0, -2.0, 3.0],
        [3.0, 0.5, 8.0, 1.5, -0.75],
    ]
    wide = np.random.default_rng(1).standard_normal((400, 50)).astype(np.float32)
    inputs = domain_inputs(wide)
    assert inputs.shape == (400, 50 + PAIRED * (PAIRED + 1) // 2)
    assert 0.5 < inputs[:, 50:].std() < 1.5


def test_a_row_is_guessed_before_it_is_learned():
    generator = np.random.default_rng(1)
    inputs, labels = generator.standard_normal((60, 3)), generator.random(60) < 0.5
    scores = prequential_scores(inputs, labels)
    for place in (10, 40, 59):
        other = labels.copy()
        other[place:] = ~other[place:]
        assert prequential_scores(inputs, other)[: place + 1] == scores[: place + 1]
    assert scores[0] == 0.5
    assert len(set(scores)) == 60


def test_samples_of_many_and_of_few_rows_are_shuffled_alike():
    generator = np.random.default_rng(2)
    reference, window = RowSample(SAMPLE_ROWS), RowSample(SAMPLE_ROWS)
    columns = correlated(generator, 20_000, 3, 0.4)
    reference.add(columns)
    window.add(correlated(generator, 510, 3, 0.4))
    assert reference.hashes[-1] < window.hashes[60]
    found = compare_samples(MultivariateInputs.fit(columns), reference, window)
    assert 0.4 < found.score < 0.6
    assert 0.01 < found.p_value < 0.99
