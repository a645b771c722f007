"""The compiled map against a dict.

Aim: what was put is found, through growth and collisions. Method: random pairs, also such as share
all low bits, go into the map and into a dict; both are asked for known and unknown keys.
"""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.kernels.fingerprint_map import DROPPED, KEPT, UNKNOWN, FingerprintMap

FINGERPRINT_MAX = 2**64 - 1
fingerprints = st.one_of(
    st.integers(0, FINGERPRINT_MAX),
    st.integers(0, 40).map(lambda high: high << 40),  # one place for all of them
    st.sampled_from([0, 1, FINGERPRINT_MAX]),
)
puts = st.lists(st.dictionaries(fingerprints, st.none() | fingerprints), max_size=5)


def check(found, expected, asked):
    new, state = found
    for key, value, one in zip(asked, new.tolist(), state.tolist(), strict=True):
        if key not in expected:
            assert one == UNKNOWN
        elif expected[key] is None:
            assert one == DROPPED
        else:
            assert (one, value) == (KEPT, expected[key])


@settings(deadline=None)
@given(puts, st.lists(fingerprints, max_size=20))
def test_it_is_a_dict(updates, others):
    table, expected = FingerprintMap(), {}
    for pairs in updates:
        table.update(pairs)
        expected |= pairs
        asked = [*expected, *others]
        assert len(table) == len(expected)
        check(table.find(np.array(asked, np.uint64)), expected, asked)


def test_it_grows():
    rng = np.random.default_rng(7)
    table, expected = FingerprintMap(), {}
    for size in (1, 600, 5_000, 40_000):
        old = rng.integers(0, FINGERPRINT_MAX, size, np.uint64).tolist()
        pairs = {key: None if key % 3 == 0 else key // 2 for key in old}
        table.update(pairs)
        expected |= pairs
    asked = [*expected, *rng.integers(0, FINGERPRINT_MAX, 1_000, np.uint64).tolist()]
    assert len(table) == len(expected)
    check(table.find(np.array(asked, np.uint64)), expected, asked)


def test_a_column_may_be_a_view():
    table = FingerprintMap()
    table.update({1: 10, 2: None, 3: 30})
    new, state = table.find(np.array([1, 9, 3, 9, 2, 9], np.uint64)[::2])
    assert state.tolist() == [KEPT, KEPT, DROPPED]
    assert new.tolist()[:2] == [10, 30]
    assert len(table.find(np.empty(0, np.uint64))[0]) == 0
