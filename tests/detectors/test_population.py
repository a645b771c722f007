"""Each shard knows its share of a match at every time, whatever order it heard of the series in."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.detectors import population as population_module
from engine.detectors.population import EXACT_MAX, Population

# (fingerprint, first timestamp, whether it is this shard's)
WORDS = st.lists(
    st.tuples(st.integers(0, 8), st.integers(0, 100)).map(lambda word: (*word, word[0] % 3 == 0)),
    max_size=30,
)


def population_of(words, shards=4):
    population = Population(shards)
    for fingerprint, first_ts, own in words:
        population.add({fingerprint: first_ts}, own=own)
    return population


def naive_share(words, ts):
    begun = {fingerprint for fingerprint, first_ts, _ in words if first_ts < ts}
    own = {fingerprint for fingerprint, first_ts, mine in words if mine and first_ts < ts}
    return len(own) / len(begun) if begun else 0.0


@settings(max_examples=300, deadline=None, derandomize=True)
@given(WORDS, st.randoms(use_true_random=False))
def test_shares_equal_the_definition_in_any_order(words, random):
    population = population_of(words)
    shuffled = population_of(random.sample(words, len(words)))
    for ts in range(-1, 103, 4):
        assert population.share(ts) == shuffled.share(ts) == naive_share(words, ts)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(WORDS, st.integers(0, 100), st.integers(0, 60), st.integers(1, 20))
def test_the_share_changes_at_the_told_places_only(words, after, length, bucket):
    population = population_of(words)
    until = after + length
    changes = population.changes(after, until, bucket)
    assert changes == sorted(set(changes))
    for start in changes:
        assert after < start <= until
        assert start % bucket == 0
    # Between them the rows of all buckets have the same share.
    share = population.share(after // bucket * bucket)
    for ts in range(after, until + 1):
        if ts in changes:
            share = population.share(ts)
        assert population.share(ts // bucket * bucket) == share


def test_the_share_is_what_was_asked_again_after_a_new_series():
    population = population_of([(1, 10, True)])
    assert population.share(11) == 1.0
    population.add({2: 5}, own=False)
    assert population.share(11) == 0.5
    assert population.share(10) == 0.0


def test_a_large_match_is_shared_evenly(monkeypatch):
    monkeypatch.setattr(population_module, "EXACT_MAX", 4)
    population = population_of([(number, number, number == 0) for number in range(4)], shards=8)
    assert population.share(3) == pytest.approx(1 / 3)
    assert population.share(4) == 1 / 8


def test_memory_is_bounded_and_known_series_still_get_earlier():
    population = Population(2)
    for fingerprint in range(3 * EXACT_MAX):
        population.add({fingerprint: 1000}, own=True)
    assert {len(held) for held in population.arrays().values()} == {2 * EXACT_MAX}
    population.add({0: 10}, own=True)
    for kind in ("all", "own"):
        held = population.arrays()
        assert (held[kind][0], held[f"{kind}_first_ts"][0]) == (0, 10)
        assert set(held[f"{kind}_first_ts"][1:].tolist()) == {1000}


def test_what_a_checkpoint_was_given_does_not_change():
    population = population_of([(1, 10, True), (2, 20, False)])
    given_then = population.arrays()
    before = {name: array.tolist() for name, array in given_then.items()}
    population.add({0: 5, 1: 7, 3: 30}, own=True)
    assert {name: array.tolist() for name, array in given_then.items()} == before


@settings(max_examples=100, deadline=None, derandomize=True)
@given(WORDS, WORDS)
def test_goes_on_from_a_checkpoint(before, after):
    population = population_of(before)
    again = Population(4)
    again.add({5: 50}, own=True)
    again.restore(population.arrays())
    for fingerprint, first_ts, own in after:
        population.add({fingerprint: first_ts}, own=own)
        again.add({fingerprint: first_ts}, own=own)
    for name, array in again.arrays().items():
        np.testing.assert_array_equal(array, population.arrays()[name])
    for ts in range(0, 101, 5):
        assert again.share(ts) == population.share(ts)
