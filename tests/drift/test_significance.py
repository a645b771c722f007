"""Aim: p-values are honest at every sample size, from a window of 50 rows on.

Method: unchanged columns are drawn with fixed seeds, and the share of small p-values is held
against its nominal value within four standard errors; small samples are held against all splits of
the pooled rows, far tails against many random splits.
"""

import math

import numpy as np
import pytest

from engine.drift.budget import adjusted
from engine.drift.significance import (
    METHODS,
    counts_p_value,
    ks_p_value,
    share_p_value,
    wasserstein_p_value,
)
from engine.drift.smirnov import smirnov_p_value
from tests.drift import naive_significance as naive

ALPHA = 0.05
SIZES = [(50, 1_000), (500, 1_000), (500, 20_000), (5_000, 1_000), (5_000, 10_000)]
BINS = 12
DISCRETE = {
    "categories": (0.3, 0.25, 0.2, 0.1, 0.08, 0.04, 0.02, 0.01),
    "three values": (0.7, 0.2, 0.1),
    "boolean": (0.9, 0.1),
    "rare": (0.998, 0.002),
}


def counted(random, rows, reference_rows, bins):
    """Counts on the quantiles of the reference, as for uniform values of any distribution."""
    reference, window = np.sort(random.random(reference_rows)), random.random(rows)
    cuts = reference[np.arange(1, bins) * reference_rows // bins]
    return tuple(
        np.bincount(np.searchsorted(cuts, side, "right"), minlength=bins)
        for side in (reference, window)
    )


def allowed(trials, rate=ALPHA):
    return 4.0 * math.sqrt(rate * (1.0 - rate) / trials)


@pytest.mark.parametrize(("rows", "reference_rows"), SIZES)
def test_unchanged_columns_are_called_drifted_as_often_as_asked(rows, reference_rows):
    trials = 1_000
    random = np.random.default_rng(rows + reference_rows)
    found = []
    for _ in range(trials):
        sides = counted(random, rows, reference_rows, BINS)
        found.append([counts_p_value(method, 1.0, *sides) for method in METHODS])
    rates = np.mean(np.array(found) <= ALPHA, axis=0)
    # 4 to 6 %, and four standard errors of so few trials.
    assert rates.min() >= 0.04 - allowed(trials) / 2
    assert rates.max() <= 0.06 + allowed(trials) / 2
    assert np.mean(np.array(found) <= 0.5) == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize("method", ["psi", "hellinger"])
def test_any_of_a_hundred_unchanged_features_is_called_drifted_at_most_as_often(method):
    windows, features = 300, 100
    random = np.random.default_rng(100)
    alarms = []
    for _ in range(windows):
        sides = [counted(random, 50, 1_000, BINS) for _ in range(features)]
        found = [counts_p_value(method, 1.0, *pair) for pair in sides]
        alarms.append(adjusted(found, ALPHA).any())
    assert np.mean(alarms) <= ALPHA + 0.75 * allowed(windows)


@pytest.mark.parametrize("heavy", [False, True], ids=["normal", "lognormal"])
@pytest.mark.parametrize(("rows", "reference_rows"), SIZES[:2] + SIZES[4:])
def test_unchanged_columns_have_moved_as_often_as_asked(rows, reference_rows, heavy):
    trials = 500
    random = np.random.default_rng(rows)
    found = []
    for _ in range(trials):
        reference, window = random.standard_normal(reference_rows), random.standard_normal(rows)
        if heavy:
            reference, window = np.exp(reference), np.exp(window)
        edges = np.quantile(np.concatenate([reference, window]), np.linspace(0.0, 1.0, 257))
        positions = (edges[1:] + edges[:-1]) / 2.0
        sides = [np.histogram(side, edges)[0] for side in (reference, window)]
        score = naive.area(*sides, positions) / 2.0
        found.append(wasserstein_p_value(score, *sides, positions, 2.0))
    assert np.mean(np.array(found) <= ALPHA) == pytest.approx(ALPHA, abs=allowed(trials))
    assert np.mean(np.array(found) <= 0.5) == pytest.approx(0.5, abs=0.12)


@pytest.mark.parametrize(("rows", "reference_rows"), SIZES)
def test_largest_gaps_are_as_rare_as_asked(rows, reference_rows):
    trials = 1_500
    random = np.random.default_rng(2 * reference_rows + rows)
    found = []
    for _ in range(trials):
        reference, window = np.sort(random.random(reference_rows)), np.sort(random.random(rows))
        both = np.concatenate([reference, window])
        places = [np.searchsorted(side, both, "right") / len(side) for side in (reference, window)]
        found.append(ks_p_value(np.abs(places[0] - places[1]).max(), rows, reference_rows))
    assert np.mean(np.array(found) <= ALPHA) == pytest.approx(ALPHA, abs=allowed(trials))


@pytest.mark.parametrize("shares", DISCRETE.values(), ids=DISCRETE)
@pytest.mark.parametrize(("rows", "reference_rows"), SIZES[:2])
def test_discrete_columns_are_called_drifted_at_most_as_often(rows, reference_rows, shares):
    trials = 1_500
    random = np.random.default_rng(len(shares))
    found = []
    for _ in range(trials):
        sides = [random.multinomial(size, shares) for size in (reference_rows, rows)]
        chances = [counts_p_value(method, 1.0, *sides) for method in METHODS]
        hits = int(sides[1][-1]), rows, int(sides[0][-1]), reference_rows
        found.append([*chances, share_p_value(*hits)])
    rates = np.mean(np.array(found) <= ALPHA, axis=0)
    assert rates.max() <= ALPHA + 0.6 * allowed(trials)
    if len(shares) > 2:
        assert rates[:-1].min() >= 0.03  # and yet they are sharp


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("reference", "window"),
    [
        ([100] * 10, [12, 1, 9, 2, 8, 3, 5, 4, 3, 3]),
        ([280, 270, 212, 102, 75, 66, 58], [14, 12, 9, 7, 5, 2, 6]),
        ([500, 300, 200], [300, 120, 80]),
        ([100] * 10, [10_800, 9_200, 10_000, 10_900, 9_100] * 2),
    ],
)
def test_far_tails_are_honest(method, reference, window):
    reference, window = np.array(reference), np.array(window)
    draws = 200_000
    random = np.random.default_rng(5)
    drawn = random.multivariate_hypergeometric(reference + window, window.sum(), size=draws)
    scores = many_distances(method, reference + window - drawn, drawn)
    for chance in (0.05, 0.01, 1e-3, 2e-4):
        place = np.argsort(scores)[-int(chance * draws)]
        measured = np.mean(scores >= scores[place])
        claimed = counts_p_value(method, 1.0, reference + window - drawn[place], drawn[place])
        assert 0.55 * measured <= claimed <= 1.8 * measured


def many_distances(method, reference, window):
    """The naive distance of many rows of counts at once."""
    rows, others = window.sum(axis=1, keepdims=True), reference.sum(axis=1, keepdims=True)
    p, q = reference / others, window / rows
    filled_p, filled_q = np.maximum(reference, 0.5) / others, np.maximum(window, 0.5) / rows
    middle = (p + q) / 2.0
    terms = {
        "psi": lambda: (filled_p - filled_q) * np.log(filled_p / filled_q),
        "kl": lambda: filled_p * np.log(filled_p / filled_q) - filled_p + filled_q,
        "jensen_shannon": lambda: (
            p * np.log(np.maximum(p, 1e-300) / middle) + q * np.log(np.maximum(q, 1e-300) / middle)
        ),
        "hellinger": lambda: (np.sqrt(p) - np.sqrt(q)) ** 2,
        "chi_square": lambda: (p - q) ** 2 / (reference + window),
    }[method]()
    return terms.sum(axis=1)


@pytest.mark.parametrize(("method", "code"), METHODS.items())
@pytest.mark.parametrize("window", [[9, 3, 4], [2, 9, 7], [0, 8, 8], [12, 1, 3], [5, 4, 3, 6]])
def test_few_bins_and_rows_have_the_p_value_of_all_splits(method, code, window):
    reference = [14, 12, 13, 11][: len(window)]
    exact = naive.tail(lambda own, other: naive.distance(code, own, other), reference, window)
    claimed = counts_p_value(method, 1.0, np.array(reference), np.array(window))
    assert claimed == pytest.approx(exact, rel=1e-9)


@pytest.mark.parametrize(("method", "code"), METHODS.items())
@pytest.mark.parametrize(("hits", "rows"), [(0, 9), (1, 12), (4, 8), (7, 7), (3, 30)])
def test_two_bins_are_exact(method, code, hits, rows):
    reference, window = [11, 19], [hits, rows - hits]
    exact = naive.tail(lambda own, other: naive.distance(code, own, other), reference, window)
    claimed = counts_p_value(method, 1.0, np.array(reference), np.array(window))
    assert claimed == pytest.approx(exact, rel=1e-9)


def test_shares_have_fishers_p_value():
    # R. A. Fisher's twins: 10 of 12 against 2 of 15, two-sided by the difference of the shares.
    reference, window = [2, 13], [10, 2]
    exact = naive.tail(lambda own, other: naive.distance(4, own, other), reference, window)
    assert share_p_value(10, 12, 2, 15) == pytest.approx(exact, rel=1e-9)
    assert share_p_value(2, 12, 13, 15) == share_p_value(10, 12, 2, 15)
    assert share_p_value(0, 50, 0, 1_000) == 1.0
    assert share_p_value(50, 50, 1_000, 1_000) == 1.0


def test_shares_of_many_rows():
    # A difference of five standard errors.
    assert share_p_value(50_790, 100_000, 500_000, 1_000_000) == pytest.approx(1.8e-6, rel=0.2)
    assert share_p_value(90_000, 100_000, 1_000, 100_000) < 1e-300


@pytest.mark.parametrize(("rows", "reference_rows"), [(50, 1_000), (50, 1_001), (777, 1_000)])
@pytest.mark.parametrize("height", [1.0, 1.36, 1.63, 2.2, 2.7])
def test_largest_gaps_have_the_exact_p_value_or_more(rows, reference_rows, height):
    divisor = math.gcd(rows, reference_rows)
    step = divisor / (rows * reference_rows)
    size = math.sqrt(rows * reference_rows / (rows + reference_rows))
    gap = round(height / size / step)
    exact = smirnov_p_value(gap * divisor, rows, reference_rows)
    assert 0.99 * exact <= ks_p_value(gap * step, rows, reference_rows) <= 1.65 * exact


def test_no_rows_have_no_p_value():
    some, none = np.array([3, 4]), np.zeros(2, np.int64)
    positions = np.array([0.0, 1.0])
    for reference, window in ((some, none), (none, some)):
        assert math.isnan(counts_p_value("psi", 0.0, reference, window))
        assert math.isnan(wasserstein_p_value(0.0, reference, window, positions, 1.0))
    assert math.isnan(counts_p_value("psi", math.nan, some, some))
    assert math.isnan(wasserstein_p_value(math.nan, some, some, positions, 1.0))
    assert math.isnan(ks_p_value(0.1, 0, 10))
    assert math.isnan(ks_p_value(math.nan, 10, 10))
    assert math.isnan(share_p_value(0, 0, 1, 10))


def test_one_value_never_drifts():
    reference, window = np.array([0, 1_000, 0]), np.array([0, 50, 0])
    assert counts_p_value("psi", 0.0, reference, window) == 1.0
    assert wasserstein_p_value(0.0, reference, window, np.arange(3.0), 1.0) == 1.0


@pytest.mark.parametrize("method", METHODS)
def test_what_has_moved_altogether_is_found(method):
    reference, window = np.array([500, 500, 0, 0, 0, 0]), np.array([0, 0, 20, 20, 20, 20])
    assert counts_p_value(method, 1.0, reference, window) < 1e-6
    positions = np.arange(6.0)
    score = naive.area(reference, window, positions)
    assert wasserstein_p_value(score, reference, window, positions, 1.0) < 1e-6


@pytest.mark.parametrize("method", METHODS)
def test_p_values_fall_with_the_distance(method):
    reference = np.full(10, 1_000)
    chances = []
    for shift in range(0, 40, 4):
        window = np.full(10, 100) + shift * np.array([1, -1] * 5)
        chances.append(counts_p_value(method, 1.0, reference, window))
    assert (np.diff(chances) <= 0.0).all()
    assert chances[0] > 0.99
    assert chances[-1] < 1e-12
