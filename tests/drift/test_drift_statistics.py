"""Statistics of samples equal their slow twins and SciPy's, whatever kind of column they are of."""

import math

import naive_drift as naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from engine.drift.samples import CategoricalSample, Categories, NumericSample
from engine.drift.statistics import (
    chi_square_p_value,
    hellinger_score,
    js_score,
    kl_score,
    ks_statistic,
    psi_score,
    wasserstein_score,
    z_p_value,
)

VALUES = st.lists(st.integers(-3, 6), min_size=1, max_size=60)


def numeric(values):
    return NumericSample(np.array(values, np.float64), with_spread=True)


def categorical(values):
    return CategoricalSample(Categories.of(np.array(values)))


@pytest.mark.parametrize("sample", [numeric, categorical])
@pytest.mark.parametrize(
    ("score", "twin"), [(psi_score, naive.psi), (kl_score, naive.kullback_leibler)]
)
@given(VALUES, VALUES)
def test_divergences_of_few_values_are_those_of_their_counts(sample, score, twin, left, right):
    expected = twin(*naive.value_counts(left, right))
    assert score(sample(left), sample(right)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("sample", [numeric, categorical])
@given(VALUES, VALUES)
def test_the_jensen_shannon_distance_of_few_values_is_that_of_their_counts(sample, left, right):
    expected = naive.jensen_shannon(*naive.value_counts(left, right))
    found = js_score(sample(left), sample(right))
    assert found**2 == pytest.approx(expected**2, abs=1e-14)


@pytest.mark.parametrize("sample", [numeric, categorical])
@given(VALUES, VALUES)
def test_p_values_are_those_of_their_counts(sample, left, right):
    own, other = naive.value_counts(left, right)
    reference, window = sample(left), sample(right)
    found = chi_square_p_value(reference, window)
    if len(own) == 1:
        assert math.isnan(found)
        assert z_p_value(reference, window) == 1.0
        return
    statistic = naive.chi_square(own, other)
    assert found == pytest.approx(stats.chi2.sf(statistic, len(own) - 1), abs=1e-12)
    assert z_p_value(reference, window) == pytest.approx(naive.z_p_value(own, other), abs=1e-12)


def test_a_new_value_makes_the_chi_square_certain():
    assert chi_square_p_value(categorical(["a", "b"]), categorical(["a", "c"])) == 0.0


@given(VALUES, VALUES)
def test_distances_of_distribution_functions_are_those_of_scipy(left, right):
    reference, window = numeric(left), numeric(right)
    assert ks_statistic(reference, window) == pytest.approx(float(naive.gap(left, right)))
    expected = stats.wasserstein_distance(left, right) / max(np.std(left), 0.001)
    assert wasserstein_score(reference, window) == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_many_values_are_compared_by_bin():
    rng = np.random.RandomState(3)
    left, right = rng.uniform(size=300), rng.uniform(size=200) + 0.1
    counts = naive.bin_counts(left, right, np.concatenate([left, right]))
    reference, window = numeric(left), numeric(right)
    assert psi_score(reference, window) == pytest.approx(naive.psi(*counts), abs=1e-12)
    assert hellinger_score(reference, window) == pytest.approx(naive.hellinger(*counts), abs=1e-12)


def test_bins_of_whole_numbers_are_at_least_one_wide():
    left, right = np.array([0, 0, 1, 2]), np.array([0, 1, 1, 2])
    whole = hellinger_score(NumericSample(left), NumericSample(right))
    assert whole == pytest.approx(naive.hellinger([2, 2], [1, 3]), abs=1e-12)
    assert hellinger_score(numeric(left), numeric(right)) == pytest.approx(
        naive.hellinger([2, 1, 1], [1, 2, 1]), abs=1e-12
    )


def test_a_reference_of_whole_numbers_keeps_its_bins_until_the_window_brings_others():
    left, right = NumericSample(np.array([0, 0, 1, 2])), np.array([0.0, 1.0, 1.0, 2.0])
    assert hellinger_score(left, NumericSample(right)) == pytest.approx(
        naive.hellinger([2, 2], [1, 3]), abs=1e-12
    )
    counts = naive.bin_counts([0, 0, 1, 2], [0.0, 0.5, 1.0, 2.0], [0.0, 0.5, 1.0, 2.0])
    assert hellinger_score(left, NumericSample(np.array([0.0, 0.5, 1.0, 2.0]))) == pytest.approx(
        naive.hellinger(*counts), abs=1e-12
    )
