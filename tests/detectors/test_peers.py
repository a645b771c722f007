"""Siblings: equal to the twin, robust, and blind to what moves all or was always so."""

import itertools

import naive_peers
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.detectors.peers import PeerScorer
from engine.detectors.peers_kernels import SIBLINGS_MIN, USUAL_ROWS, median
from engine.detectors.protocol import NOT_JUDGED
from engine.detectors.surprise_kernels import STATE_HIGH, TAIL_WARM_UP_ROWS

WARM = USUAL_ROWS + TAIL_WARM_UP_ROWS
ONSET, STATE, EXPECTED, LOWER, UPPER, DEVIATION = range(6)


class Rows:
    """Instants in a flat layout; each is (group, {slot: value})."""

    def __init__(self, instants):
        self.group = np.array([group for group, _ in instants], np.int32)
        sizes = [len(values) for _, values in instants]
        self.start = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        rows = [row for _, values in instants for row in values.items()]
        self.slot = np.array([slot for slot, _ in rows], np.int32)
        self.value = np.array([value for _, value in rows], float)

    def part(self, begin, end):
        """Arguments of `score` for some of the instants."""
        rows = slice(self.start[begin], self.start[end])
        start = self.start[begin : end + 1] - self.start[begin]
        return self.group[begin:end], start, self.slot[rows], self.value[rows]


def scored(scorer, instants, cuts=()):
    """float64[6, rows], in blocks of instants that end at `cuts`."""
    rows = Rows(instants)
    scorer.grow(int(rows.slot.max()) + 1, int(rows.group.max()) + 1)
    edges = [0, *sorted(cuts), len(instants)]
    blocks = [scorer.score(*rows.part(a, b)) for a, b in itertools.pairwise(edges)]
    return np.concatenate(blocks, axis=1)


def run(values):
    """float64[6, n, siblings] of one group that is always complete; values are [n, siblings]."""
    instants = [(0, dict(enumerate(row))) for row in np.asarray(values, float).tolist()]
    return scored(PeerScorer(), instants).reshape(6, *np.shape(values))


def fleet(rows, siblings=9, seed=1):
    """Siblings around a level that wanders a lot, each at a place and with a noise of its own."""
    rng = np.random.default_rng(seed)
    common = 50.0 + 20.0 * np.sin(np.arange(rows) / 40.0) + np.cumsum(rng.normal(size=rows))
    places = rng.normal(size=siblings) * 3.0
    noise = rng.normal(size=(rows, siblings)) * rng.uniform(0.5, 2.0, siblings)
    return common[:, None] + places + noise


def odd_instants(rows, seed=2):
    """Two groups with missing siblings, values that are no numbers, and moments of agreement."""
    rng = np.random.default_rng(seed)
    values = [np.round(fleet(rows, 6, seed), 1), fleet(rows, 9, seed + 1)]
    values[0][rng.random(rows) < 0.1] = 7.0
    values[1][rows // 2 : rows // 2 + 50, 3] += 60.0
    for block in values:
        wild = rng.random(block.shape) < 0.01
        block[wild] = rng.choice([np.nan, np.inf, -np.inf, 1e300, -1e305], wild.sum())
    instants = []
    for row in range(rows):
        for group in rng.permutation(2).tolist():
            slots = np.flatnonzero(rng.random(values[group].shape[1]) < rng.choice([0.2, 0.9]))
            instants.append((group, {20 * group + s: values[group][row, s] for s in slots}))
    return instants


def test_siblings_equal_their_twin():
    instants = odd_instants(2500)
    found = scored(PeerScorer(), instants)
    rows = Rows(instants)
    expected = naive_peers.NaivePeers().score(*rows.part(0, len(instants)))
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-9)
    judged = found[ONSET] >= 0.0
    assert judged.mean() > 0.5
    assert np.isfinite(found[:, judged]).all()
    assert found[STATE].max() > STATE_HIGH


@given(st.lists(st.integers(1, 799), max_size=5), st.integers(1, 799))
@settings(max_examples=10, deadline=None)
def test_cuts_and_restarts_change_nothing(cuts, stop):
    instants = odd_instants(400, seed=3)
    whole = scored(PeerScorer(), instants)
    np.testing.assert_equal(scored(PeerScorer(), instants, cuts), whole)
    first, second = PeerScorer(), PeerScorer()
    before = scored(first, instants[:stop])
    first.grow(40, 2)
    tables = first.tables(np.zeros(40, np.int32))
    second.restore({name: array.copy() for t in tables for name, array in t.arrays.items()})
    after = scored(second, instants[stop:])
    np.testing.assert_equal(np.concatenate([before, after], axis=1), whole)


def test_order_of_siblings_does_not_matter():
    values = fleet(600)
    order = np.random.default_rng(4).permutation(values.shape[1])
    np.testing.assert_allclose(run(values)[:, :, order], run(values[:, order]), rtol=1e-9)


def test_sibling_that_leaves_the_group_is_found_at_once():
    values = fleet(3000)
    quiet = run(values)
    values[2500:2540, 4] += 25.0
    scores = run(values)
    assert scores[ONSET, 2500, 4] > quiet[ONSET, WARM:].max()
    assert scores[STATE, 2505:2540, 4].min() > max(STATE_HIGH, quiet[STATE, 2500:2540].max())
    others = np.delete(scores[STATE, 2500:2540], 4, axis=1)
    assert others.max() < STATE_HIGH
    # Its own range knew nothing of it.
    assert values[2500:2540, 4].max() < values[:2500].max()


def test_what_moves_all_is_no_departure():
    values = fleet(3000)
    quiet = run(values)
    values[2500:2600] += 500.0
    np.testing.assert_allclose(run(values)[STATE], quiet[STATE], rtol=1e-9, atol=1e-9)


def test_what_was_always_apart_is_not_apart():
    values = fleet(3000)
    values[:, 2] += 200.0
    scores = run(values)
    assert scores[STATE, 1000:, 2].max() < STATE_HIGH
    assert scores[EXPECTED, 1000:, 2] == pytest.approx(values[1000:, 2], rel=0.2)
    values[2500:2510, 2] -= 200.0
    assert run(values)[STATE, 2509, 2] > STATE_HIGH


def test_new_place_is_accepted_in_the_end():
    values = fleet(9000)
    values[3000:, 1] += 30.0
    state = run(values)[STATE, :, 1]
    assert state[3020:3200].min() > 1.0
    assert state[3000:3100].max() > STATE_HIGH
    assert state[-2000:].max() < STATE_HIGH


def test_band_holds_nearly_all():
    values = fleet(2000)
    scores = run(values)
    judged = values[WARM:]
    inside = (scores[LOWER, WARM:] <= judged) & (judged <= scores[UPPER, WARM:])
    assert inside.mean() > 0.97


@pytest.mark.parametrize(("scale", "shift"), [(3.7, -1e4), (1e-6, 0.0), (2.0**900, 0.0)])
def test_scores_do_not_change_with_scale_and_shift(scale, shift):
    values = fleet(800)
    plain, moved = run(values), run(values * scale + shift)
    for row in (ONSET, STATE, DEVIATION):
        np.testing.assert_allclose(moved[row], plain[row], rtol=1e-6, atol=1e-7)
    known = np.isfinite(plain[EXPECTED])
    np.testing.assert_allclose(moved[EXPECTED][known], plain[EXPECTED][known] * scale + shift)


def test_equal_siblings_are_quiet_and_the_first_other_one_is_not():
    values = np.full((600, 5), 4.0)
    values[500, 3] = 4.5
    scores = run(values)
    assert not scores[STATE, :500].any()
    assert scores[ONSET, WARM:500].max() == 0.0
    assert scores[ONSET, 500].argmax() == 3
    assert scores[ONSET, 500, 3] > 1.0


def test_two_are_no_group():
    instants = [(0, {0: 1.0, 1: float(row % 2), 2: np.nan}) for row in range(400)]
    assert (scored(PeerScorer(), instants)[ONSET] == NOT_JUDGED).all()
    assert SIBLINGS_MIN == 3


def test_no_verdict_before_siblings_are_known():
    values = fleet(WARM + 50)
    values[30, 2] += 1e6
    onset = run(values)[ONSET]
    assert (onset[:WARM] == NOT_JUDGED).all()
    assert (onset[WARM:] >= 0.0).all()


def test_empty_block():
    scorer = PeerScorer()
    nothing = np.empty(0, np.int32)
    assert scorer.score(nothing, np.zeros(1, np.int64), nothing, np.empty(0)).shape == (6, 0)


@given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=40))
def test_median_is_numpys(values):
    found = median(np.array(values), len(values))
    expected = float(np.median([value / 2 for value in values])) * 2
    assert found == pytest.approx(expected, rel=1e-12, abs=1e-300)
