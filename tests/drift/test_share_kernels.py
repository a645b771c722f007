"""Distances of counts equal their slow twins."""

import math

import naive_drift as naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.drift.share_kernels import (
    chi_square,
    fill_empty,
    hellinger_of_bins,
    hellinger_of_shares,
    jensen_shannon,
    kullback_leibler,
    population_stability,
    relative_entropy,
    take_shares,
    term_sum,
)

PAIRS = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=150
).filter(lambda pairs: all(map(sum, zip(*pairs, strict=True))) and all(map(sum, pairs)))


def columns(pairs):
    return [list(side) for side in zip(*pairs, strict=True)]


def shares_of(counts):
    shares = np.empty(len(counts))
    take_shares(np.array(counts, np.int64), sum(counts), shares)
    return shares


def filled(counts):
    shares = shares_of(counts)
    fill_empty(shares)
    return shares


@given(PAIRS)
def test_population_stability(pairs):
    reference, window = columns(pairs)
    found = population_stability(filled(reference), filled(window), np.empty(len(pairs)))
    assert found == pytest.approx(naive.psi(reference, window), abs=1e-12)


@given(PAIRS)
def test_kullback_leibler(pairs):
    reference, window = columns(pairs)
    found = kullback_leibler(filled(reference), filled(window), np.empty(len(pairs)))
    assert found == pytest.approx(naive.kullback_leibler(reference, window), abs=1e-12)


@given(PAIRS)
def test_jensen_shannon(pairs):
    reference, window = columns(pairs)
    found = jensen_shannon(shares_of(reference), shares_of(window), np.empty(len(pairs)))
    assert found**2 == pytest.approx(naive.jensen_shannon(reference, window) ** 2, abs=1e-14)


@given(PAIRS)
def test_hellinger_of_shares_and_of_bins(pairs):
    reference, window = columns(pairs)
    expected = naive.hellinger(reference, window) ** 2
    assert hellinger_of_shares(shares_of(reference), shares_of(window)) ** 2 == pytest.approx(
        expected, abs=1e-14
    )
    binned = hellinger_of_bins(
        np.array(reference), np.array(window), sum(reference), sum(window), -3.0, 14.0
    )
    assert binned**2 == pytest.approx(expected, abs=1e-14)


@given(PAIRS)
def test_chi_square(pairs):
    reference, window = columns(pairs)
    ratio = sum(window) / sum(reference)
    terms = np.empty(len(pairs))
    found = chi_square(np.array(reference), np.array(window), ratio, terms)
    assert found == pytest.approx(naive.chi_square(reference, window), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ([0.5, 0.0, 0.5], 0.0001),
        ([0.9998, 0.0, 0.0002], 0.0001),
        ([0.9999, 0.0, 0.0001], 1e-10),
        ([1.0, 0.0, 5e-5], 5e-11),
    ],
)
def test_empty_places_are_filled_by_the_rarest(shares, expected):
    filled = np.array(shares)
    fill_empty(filled)
    assert filled.tolist() == [shares[0], pytest.approx(expected, rel=1e-12), shares[2]]


def test_sums_have_numpys_bits_up_to_a_block():
    rng = np.random.RandomState(1)
    for size in range(1, 129):
        terms = rng.uniform(-1.0, 1.0, size)
        assert term_sum(terms) == np.sum(terms)
    terms = rng.uniform(size=1000)
    assert term_sum(terms) == pytest.approx(math.fsum(terms), rel=1e-14)


def test_relative_entropy_keeps_small_differences():
    assert relative_entropy(0.0, 0.3) == 0.0
    assert relative_entropy(0.3, 0.0) == math.inf
    assert relative_entropy(0.5, 0.5 - 1e-12) == pytest.approx(1e-12, rel=1e-4)
    assert relative_entropy(0.8, 0.1) == pytest.approx(0.8 * math.log(8.0))


def test_equal_distributions_are_no_distance_apart():
    counts = [3, 1, 7, 2, 9, 4, 1, 1, 1, 5]
    tripled = [3 * count for count in counts]
    scratch = np.empty(len(counts))
    assert jensen_shannon(shares_of(counts), shares_of(tripled), scratch) <= 1e-8
    assert hellinger_of_shares(shares_of(counts), shares_of(tripled)) <= 1e-7
