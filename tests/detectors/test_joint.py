"""The joint score: equal to its twin, causal, and led by the metrics that leave the others."""

import itertools

import naive_joint
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.detectors.instants import MEMBERS_MAX
from engine.detectors.joint import JointScorer, JointScores
from engine.detectors.moment_kernels import PAIRS, WARM_UP_ROWS, factorise, invert_factor
from engine.detectors.protocol import NOT_JUDGED

WARM_INSTANTS = 3 * WARM_UP_ROWS


class Instants:
    """Instants in a flat layout; each is (entity, {member: (deviation, onset, state)})."""

    def __init__(self, instants):
        self.entity = np.array([entity for entity, _ in instants], np.int32)
        sizes = [len(members) for _, members in instants]
        self.start = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]).astype(np.int64)
        rows = [(m, *values) for _, members in instants for m, values in sorted(members.items())]
        self.member = np.array([row[0] for row in rows], np.int32)
        self.columns = [np.array([row[k] for row in rows], float) for k in (1, 2, 3)]

    def part(self, begin, end):
        """Arguments of `score` for some of the instants."""
        rows = slice(self.start[begin], self.start[end])
        columns = [column[rows] for column in self.columns]
        start = self.start[begin : end + 1] - self.start[begin]
        return self.entity[begin:end], start, self.member[rows], *columns


def run(scorer, instants, cuts=()):
    """Onset, state and contributions, in blocks that end at `cuts`."""
    instants = Instants(instants)
    scorer.grow(int(instants.entity.max()) + 1)
    blocks = []
    for begin, end in itertools.pairwise([0, *sorted(cuts), len(instants.entity)]):
        blocks.append(scorer.score(*instants.part(begin, end)))
    return [
        np.concatenate([getattr(block, field) for block in blocks])
        for field in ("onset", "state", "contribution")
    ]


def entity_rows(deviations, entity=0):
    """Instants of one entity from deviations float64[n, metrics], without scores of their own."""
    return [
        (entity, {member: (value, 0.0, 0.0) for member, value in enumerate(row)})
        for row in deviations.tolist()
    ]


def companions(rows, metrics=5, seed=1, own=0.3):
    """Deviations that mostly come from one common cause."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, 1)) + own * rng.normal(size=(rows, metrics))


def odd_instants(rows, seed=2):
    """Two entities with missing and late metrics, constants, gaps, wild values and NaN."""
    rng = np.random.default_rng(seed)
    instants = []
    for row in range(rows):
        entity = int(rng.integers(0, 2))
        common = rng.normal()
        members = {}
        for member in range(7):
            if member == 6 and row < rows // 3:
                continue
            if rng.random() < (0.02 if entity else 0.3):
                continue
            deviation = common + rng.normal() if member != 3 else 0.0
            if rng.random() < 0.01:
                deviation = rng.choice([np.nan, np.inf, -np.inf, 1e300, 40.0])
            members[member] = (deviation, max(rng.normal() - 2.0, 0.0), abs(rng.normal()))
        instants.append((entity, members))
    for row in range(rows // 2, rows // 2 + 60):
        entity, members = instants[row]
        instants[row] = entity, {m: (7.0 * (-1) ** m, 0.5, 3.0) for m in members}
    return instants


def test_joint_scores_equal_their_twin():
    instants = odd_instants(3000)
    parts = Instants(instants).part(0, len(instants))
    expected = naive_joint.NaiveJoint().score(*parts)
    found = run(JointScorer(), instants)
    for own, twin in zip(found, expected, strict=True):
        np.testing.assert_allclose(own, twin, rtol=1e-4, atol=1e-5)
    onset, state, contribution = found
    assert (onset >= 0.0).sum() > 2000
    assert state.max() > 10.0
    assert np.isfinite(np.concatenate([onset, state, contribution])).all()


@given(st.lists(st.integers(1, 599), max_size=6), st.integers(0, 600))
@settings(max_examples=15, deadline=None)
def test_cuts_and_restarts_change_nothing(cuts, stop):
    instants = odd_instants(600, seed=5)
    whole = run(JointScorer(), instants)
    np.testing.assert_equal(run(JointScorer(), instants, cuts), whole)
    first, second = JointScorer(), JointScorer()
    blocks = []
    if stop > 0:
        blocks.append(run(first, instants[:stop]))
    first.grow(2)
    second.restore({n: a.copy() for t in first.tables() for n, a in t.arrays.items()})
    if stop < 600:
        blocks.append(run(second, instants[stop:]))
    for field in range(3):
        np.testing.assert_equal(np.concatenate([b[field] for b in blocks]), whole[field])


def test_entities_know_nothing_of_each_other():
    one, other = (entity_rows(companions(700, seed=s), s) for s in (0, 1))
    mixed = [instant for both in zip(one, other, strict=True) for instant in both]
    alone, together = run(JointScorer(), one), run(JointScorer(), mixed)
    np.testing.assert_equal(together[1][::2], alone[1])


def test_no_verdict_before_the_metrics_are_known():
    deviations = companions(WARM_INSTANTS)
    deviations[:WARM_UP_ROWS] *= 5.0
    onset, state, _ = run(JointScorer(), entity_rows(deviations))
    assert (onset[: 2 * WARM_UP_ROWS] == NOT_JUDGED).all()
    assert (state[: 2 * WARM_UP_ROWS] == 0.0).all()
    assert (onset[-60:] >= 0.0).all()


def test_metric_that_leaves_its_companions_stands_out():
    deviations = companions(4000)
    quiet = run(JointScorer(), entity_rows(deviations))
    deviations[3500:3540, 2] -= 4.0
    onset, state, contribution = run(JointScorer(), entity_rows(deviations))
    assert state[3505:3540].min() > quiet[1][WARM_INSTANTS:].max()
    assert onset[3500:3540].max() > quiet[0][WARM_INSTANTS:].max()
    leader = contribution.reshape(4000, -1)[3505:3540].argmax(axis=1)
    assert (leader == 2).mean() > 0.9


def test_common_cause_counts_once():
    together = companions(4000, own=0.1)
    apart = np.random.default_rng(3).normal(size=(4000, 5))
    for deviations in (together, apart):
        deviations[3500:3510] = 3.5
    # What five independent metrics hardly ever do, five companions do every week.
    assert (
        2.0 * run(JointScorer(), entity_rows(together))[1][3509]
        < run(JointScorer(), entity_rows(apart))[1][3509]
    )


def test_missing_companion_is_no_departure():
    deviations = companions(3000, own=0.1)
    deviations[2900:2910] = 2.5
    whole = entity_rows(deviations)
    lacking = [
        (entity, {m: v for m, v in members.items() if row < 2900 or m != 1})
        for row, (entity, members) in enumerate(whole)
    ]
    zeros = [
        (entity, {m: v if row < 2900 or m != 1 else (0.0, 0.0, 0.0) for m, v in members.items()})
        for row, (entity, members) in enumerate(whole)
    ]
    complete, missing, wrong = (
        run(JointScorer(), rows)[1][2909] for rows in (whole, lacking, zeros)
    )
    assert complete < missing < 0.8 * wrong


def test_constant_metrics_add_nothing():
    deviations = companions(900)
    padded = np.insert(deviations, [1, 1, 4], 0.0, axis=1)
    plain, constant = (
        run(JointScorer(), entity_rows(deviations)),
        run(JointScorer(), entity_rows(padded)),
    )
    np.testing.assert_array_equal(plain[0], constant[0])
    np.testing.assert_array_equal(plain[1], constant[1])
    onset, state, contribution = run(JointScorer(), entity_rows(np.zeros((900, 3))))
    assert (onset == NOT_JUDGED).all()
    assert not state.any()
    assert not contribution.any()


def test_values_that_are_no_numbers_are_not_learned():
    deviations = companions(900)
    scorer, other = JointScorer(), JointScorer()
    whole = entity_rows(deviations)
    run(scorer, [(e, {m: v for m, v in rows.items() if m != 2}) for e, rows in whole])
    deviations[::2, 2] = np.nan
    deviations[1::2, 2] = np.inf
    onset, state, contribution = run(other, entity_rows(deviations))
    for name, array in scorer.slots.arrays().items():
        np.testing.assert_array_equal(array, other.slots[name])
    assert np.isfinite(np.concatenate([onset, state, contribution])).all()


@pytest.mark.parametrize("value", [1e300, -1e300, np.inf, np.nan])
def test_wild_scores_of_metrics_leave_the_joint_score_finite(value):
    instants = entity_rows(companions(600))
    instants[500] = (0, dict.fromkeys(range(5), (value, value, value)))
    onset, state, contribution = run(JointScorer(), instants)
    assert np.isfinite(np.concatenate([onset, state, contribution])).all()
    assert contribution.max() <= 1.0


def test_direction_does_not_matter():
    deviations = companions(1200)
    mirrored = deviations * np.array([1.0, -1.0, 1.0, -1.0, -1.0])
    up, down = (run(JointScorer(), entity_rows(rows)) for rows in (deviations, mirrored))
    np.testing.assert_array_equal(up[1], down[1])


def test_contributions_of_an_instant_sum_to_one():
    instants = Instants(odd_instants(1500))
    scorer = JointScorer()
    scorer.grow(2)
    contribution = scorer.score(*instants.part(0, 1500)).contribution
    sums = np.add.reduceat(contribution, instants.start[:-1][np.diff(instants.start) > 0])
    assert np.isclose(sums, 1.0).mean() > 0.9
    assert (np.isclose(sums, 1.0) | (sums == 0.0)).all()


@given(st.lists(st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.5]), max_size=6), max_size=5))
def test_ranks_are_those_of_a_stable_sort(groups):
    contribution = np.array([value for group in groups for value in group])
    start = np.concatenate([[0], np.cumsum([len(group) for group in groups])]).astype(np.int64)
    nothing = np.zeros(len(groups))
    ranked = JointScores(nothing, nothing, contribution).ranked(start, 3)
    for number, group in enumerate(groups):
        order = sorted(range(len(group)), key=lambda k: -group[k])
        wanted = [int(start[number]) + k for k in order if group[k] > 0.0][:3]
        assert ranked[number].tolist() == wanted + [-1] * (3 - len(wanted))


def test_packed_inverse_is_the_inverse():
    rng = np.random.default_rng(9)
    for width in (1, 2, 7, MEMBERS_MAX):
        factor = rng.normal(size=(width, width + 3))
        matrix = factor @ factor.T + 0.1 * np.eye(width)
        packed = np.zeros(PAIRS)
        packed[: width * (width + 1) // 2] = matrix[np.tril_indices(width)]
        factorise(packed, width)
        invert_factor(packed, width)
        inverse = np.linalg.inv(matrix)[np.tril_indices(width)]
        np.testing.assert_allclose(
            packed[: width * (width + 1) // 2],
            inverse,
            rtol=1e-7,
            atol=1e-9,
        )


def test_matrix_without_inverse_loses_only_what_does_not_fit():
    # The third metric is said to equal both others, which differ: no such metrics exist.
    matrix = np.array([[1.0, 0.0, 0.9], [0.0, 1.0, 0.9], [0.9, 0.9, 1.0]])
    packed = np.zeros(PAIRS)
    packed[:6] = matrix[np.tril_indices(3)]
    factorise(packed, 3)
    invert_factor(packed, 3)
    np.testing.assert_allclose(packed[:6], [1.0, 0.0, 1.0, 0.0, 0.0, 0.0])
