"""The run-length detectors: against their slow twins, and against what their one knob promises."""

import naive_run_length as naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sequential_contract import check_contract, streams, watch

from engine.drift.run_length import LevelDetector, RateDetector, SpreadDetector
from engine.drift.run_length_hull import VERTICES_MAX, add_vertex
from engine.drift.run_length_kernels import (
    HEAD_WIDTH,
    VERTICES,
    learn,
    level_evidence,
    rate_evidence,
)
from engine.drift.run_length_ranks import BINS, FIRST_VALUES, WIDTH, score_ranks
from engine.drift.run_length_thresholds import (
    LEVEL_RATES,
    RATES,
    level_thresholds,
    rate_thresholds,
)


def learned(values, rates):
    """Head and hull after values."""
    head, hull = np.zeros(HEAD_WIDTH), np.zeros((VERTICES_MAX, 2))
    for value, rate in zip(values, rates, strict=True):
        learn(head, hull, value, rate)
    return head, hull


def rates_before(bits):
    return np.maximum(np.concatenate([[0.0], np.cumsum(bits)[:-1] / np.arange(1, len(bits))]), 0.01)


def changing_bits(seed, rows=900):
    rng = np.random.default_rng(seed)
    rate = np.repeat([0.02, 0.1, 0.3][seed % 3], rows)
    rate[500:] += rng.uniform(0.25, 0.5)
    bits = (rng.random(rows) < rate).astype(float)
    return np.repeat(bits[::2], 2) if seed % 4 == 3 else bits  # now and then in pairs


@pytest.mark.parametrize("seed", range(12))
def test_evidence_for_a_rate_is_the_twins(seed):
    bits = changing_bits(seed)
    for rows in (150, 240, 510, 545, 600, 900):
        own = rate_evidence(*learned(bits[:rows], rates_before(bits[:rows])), 0.0)
        expected = naive.rate_evidence(bits[:rows])
        assert own == (pytest.approx(expected[0], rel=1e-9), expected[1])
    assert own[0] > 0.0


@pytest.mark.parametrize("seed", range(6))
def test_evidence_for_a_level_is_the_twins(seed):
    rng = np.random.default_rng(seed)
    values = np.round(rng.normal(np.repeat([0.0, 0.7], [700, 300])), [0, 1, 9][seed % 3])
    if seed > 2:
        values[1:] += 0.8 * values[:-1]
    scores, rates = naive.ranks(values)
    for rows in (300, 712, 790, 1_000):
        head, hull = learned(scores[:rows], rates[:rows])
        own = level_evidence(head, hull, rates[rows - 1], 0.0)
        expected = naive.level_evidence(scores[:rows], rates[:rows])
        assert own == (pytest.approx(expected[0], rel=1e-6), expected[1])
    assert own[0] > 0.0


def test_what_cannot_reach_the_least_evidence_is_told_as_none():
    bits = changing_bits(1)
    state = learned(bits, rates_before(bits))
    evidence, moment = rate_evidence(*state, 0.0)
    assert rate_evidence(*state, evidence - 1e-9) == (evidence, moment)
    assert rate_evidence(*state, evidence + 1e-9) == (0.0, 0.0)


@pytest.mark.parametrize("kind", [naive.LEVEL, naive.SPREAD])
@pytest.mark.parametrize("decimals", [0, 1, 9])
def test_scores_of_ranks_are_the_twins(decimals, kind):
    rng = np.random.default_rng(decimals)
    values = np.round(rng.gamma(0.4, 1.0, 1_500), decimals)
    scores, rates = np.empty(1_500), np.empty(1_500)
    state = (np.zeros(WIDTH), np.zeros(FIRST_VALUES), np.zeros(BINS - 1), np.zeros(BINS))
    for part in np.split(np.arange(1_500), [100, 256, 300, 900]):
        own = np.empty(len(part)), np.empty(len(part))
        score_ranks(values[part], kind, *state, *own)
        scores[part], rates[part] = own
    expected = naive.ranks(values, kind)
    np.testing.assert_allclose(scores, expected[0], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(rates, expected[1], rtol=1e-6)
    assert abs(scores[700:].mean()) < 0.1
    assert scores[700:].std() == pytest.approx(1.0, abs=0.1)


@given(st.lists(st.sampled_from([0.0, 1.0]), min_size=2, max_size=60))
def test_the_hull_holds_the_likeliest_moment(bits):
    """Likelihood of two rates is largest at a vertex, among all moments at which the mean rises."""
    total, sums = len(bits), np.concatenate([[0.0], np.cumsum(bits)])

    def ratio(before):
        old, new = sums[before] / before, (sums[-1] - sums[before]) / (total - before)
        both = sums[-1] / total
        if new <= old:
            return 0.0
        ours = before * naive.divergence(old, both)
        return ours + (total - before) * naive.divergence(new, both)

    hull, vertices = np.zeros((VERTICES_MAX, 2)), 0
    for moment in range(total):
        vertices = add_vertex(hull, vertices, float(moment), sums[moment])
    kept = [int(moment) for moment in hull[:vertices, 0] if moment > 0]
    best = max((ratio(moment) for moment in range(1, total)), default=0.0)
    assert max((ratio(moment) for moment in kept), default=0.0) == pytest.approx(best)


def test_a_hull_of_what_always_rises_stays_within_its_room():
    hull, vertices = np.zeros((VERTICES_MAX, 2)), 0
    for moment in range(2_000):
        vertices = add_vertex(hull, vertices, float(moment), float(moment) ** 2)
    assert VERTICES_MAX // 2 < vertices <= VERTICES_MAX
    assert (np.diff(hull[:vertices, 0]) > 0).all()
    assert hull[0, 0] == 0.0
    assert hull[vertices - 1, 0] == 1_999.0


@pytest.mark.parametrize("direction", ["rise", "fall", "both"])
def test_the_contract_is_kept_by_rates(direction):
    rng = np.random.default_rng(5)
    alarms = 0
    for values in streams(rng, 3, parts=8, rows=2_500):
        whole = check_contract(
            lambda: RateDetector(3_000.0, direction=direction, settle=50), values, rng
        )
        alarms += len(whole[0])
        assert (np.array(whole[1]) <= np.array(whole[0])).all()
    assert alarms > 3


def test_the_contract_is_kept_by_levels():
    rng = np.random.default_rng(6)
    values = rng.normal(np.repeat([0.0, 1.5, 0.0, -1.0], 3_000)) ** 3
    rows, onsets, warnings = check_contract(LevelDetector, values, rng)
    assert len(rows) == 3
    for row, onset, change in zip(rows, onsets, (3_000, 6_000, 9_000), strict=True):
        assert change < row < change + 100
        assert abs(onset - change) < 60
    assert set(warnings) & set(range(3_000, rows[0]))
    assert not set(warnings) & set(rows)


@pytest.mark.parametrize(("wide", "direction"), [(2.0, "rise"), (0.5, "fall"), (2.5, "both")])
def test_a_change_of_spread_is_found(wide, direction):
    values = np.random.default_rng(11).normal(0.0, np.repeat([1.0, wide], 4_000))
    rows, onsets, _ = watch(SpreadDetector(direction=direction), values, [4_100])
    assert len(rows) == 1
    assert 4_000 < rows[0] < 4_300
    assert abs(onsets[0] - 4_000) < 100
    assert watch(LevelDetector(direction=direction), values)[0] == []


def test_the_contract_is_kept_by_spreads():
    rng = np.random.default_rng(12)
    values = rng.standard_t(3, 9_000) * np.repeat([1.0, 3.0, 1.0], 3_000)
    assert len(check_contract(SpreadDetector, values, rng)[0]) == 2


def test_both_directions_are_the_sooner_of_two():
    rng = np.random.default_rng(7)
    bits = (rng.random(6_000) < np.repeat([0.3, 0.1, 0.4], 2_000)).astype(float)
    both = watch(RateDetector(10_000.0, direction="both"), bits)[0]
    # Each side has twice the run, so that both together have what was asked for.
    fall = watch(RateDetector(19_000.0, direction="fall", settle=1_000), bits)[0]
    assert both[0] == fall[0]
    assert len(both) == 2


@pytest.mark.parametrize("rate", [0.02, 0.1, 0.5])
def test_false_alarms_of_rates_are_as_far_apart_as_asked(rate):
    rng = np.random.default_rng(8)
    bits = (rng.random(3_000_000) < rate).astype(float)
    apart = len(bits) / len(watch(RateDetector(10_000.0), bits)[0])
    assert 8_000 < apart < 15_000


@pytest.mark.parametrize("make", [LevelDetector, SpreadDetector])
@pytest.mark.parametrize("draw", ["standard_normal", "standard_cauchy", "poisson"])
def test_false_alarms_of_values_are_as_far_apart_as_asked(draw, make):
    values = getattr(np.random.default_rng(9), draw)(size=2_000_000).astype(float)
    apart = len(values) / len(watch(make(10_000.0), values)[0])
    assert 8_000 < apart < 15_000


def test_dependence_costs_less_than_half_of_the_run():
    rng = np.random.default_rng(10)
    noise = rng.normal(size=2_000_000)
    values = np.zeros(len(noise))
    for row in range(1, len(noise)):
        values[row] = 0.5 * values[row - 1] + noise[row]
    apart = len(values) / len(watch(LevelDetector(10_000.0), values)[0])
    assert apart > 5_000
    bits = (values > 0.8).astype(float)
    assert len(bits) / len(watch(RateDetector(10_000.0), bits)[0]) > 5_000


def test_thresholds_rise_with_the_run():
    events = np.geomspace(5e3, 1e9, 40)
    for table, rates in (
        (rate_thresholds(events), RATES),
        (level_thresholds(events), LEVEL_RATES),
    ):
        assert table.shape == (40, len(rates))
        assert (np.diff(table[5:], axis=0) > 0).all()


def test_values_of_one_kind_never_alarm():
    for values in (np.zeros(20_000), np.ones(20_000)):
        assert watch(RateDetector(2_000.0, direction="both"), values)[0] == []
        assert watch(LevelDetector(2_000.0), values)[0] == []


def test_what_is_no_rate_is_refused_before_anything_changes():
    detector = RateDetector()
    with pytest.raises(ValueError, match="zeros and ones"):
        detector.update(np.array([0.0, 0.5]))
    assert detector.seen == 0
    assert detector.snapshot()["heads"][0, VERTICES] == 0.0
    with pytest.raises(ValueError, match="at least 2000 events"):
        RateDetector(100.0)
