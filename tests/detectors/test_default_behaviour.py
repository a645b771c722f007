"""What the default detector makes of series: odd ones, incidents, rhythms, counters."""

import numpy as np
import pytest
from default_runs import (
    HOUR_NS,
    MINUTE_NS,
    SIGNALS,
    START_NS,
    calibrated,
    noise,
    raw,
    score_block,
    wave,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.detectors.channel_kernels import WARM_UP_ROWS
from engine.detectors.default import DefaultScorer
from engine.detectors.protocol import NOT_JUDGED, UNTOLD


def test_no_onset_while_warming_up():
    scores = raw(np.random.default_rng(3).standard_t(2, WARM_UP_ROWS))
    assert (scores[0] == NOT_JUDGED).all()
    assert not scores[1].any()
    assert np.isnan(scores[2:]).all()


def test_constant_series_scores_0_and_its_first_change_is_loudest():
    values = np.full(6000, 5.0)
    onset, state = raw(values)[:2, WARM_UP_ROWS:]
    assert np.isin(onset, (0.0, UNTOLD)).all()  # nothing, told or untold
    assert not state.any()
    values[4000:4003] = 5.001
    onset = calibrated(values)[0]
    assert np.argmax(onset) == 4000
    assert onset[4000] > 2.0
    assert not onset[:4000].any()
    assert (onset[4300:] < 1.0).all()


@pytest.mark.parametrize("period", [2, 3, 7, 12, 40, 288])
def test_perfect_pattern_is_no_alarm_once_it_is_known(period):
    pattern = np.random.default_rng(period).normal(size=period)
    onset = raw(np.tile(pattern, 6000 // period))[0]
    assert (onset[3 * 288 :] < DefaultScorer.default_boundary[0]).all()


def test_square_wave_is_no_alarm():
    values = np.tile(np.repeat([1.0, 9.0], 20), 150)
    assert (calibrated(values)[0, 400:] < 1.0).all()


def test_numbers_that_are_none_score_0_and_teach_nothing():
    values = wave(2000)
    bad = np.arange(300, 2000, 7)
    dirty = values.copy()
    dirty[bad] = np.resize([np.nan, np.inf, -np.inf, 1.7e308], len(bad))
    clean = np.delete(np.arange(2000), bad)
    ts = START_NS + np.arange(2000) * 5 * MINUTE_NS
    scores = raw(dirty, ts=ts)
    assert (scores[0, bad] == NOT_JUDGED).all()
    assert not scores[1, bad].any()
    np.testing.assert_array_equal(scores[:, clean], raw(values[clean], ts=ts[clean]))


@pytest.mark.parametrize("wild", [1e300, -1e300, 5e-324])
def test_wild_values_poison_nothing(wild):
    values = noise(9000, 4)
    dirty = values.copy()
    dirty[500] = wild
    dirty[8900:8920] += 40.0
    scores, clean = raw(dirty), raw(values)
    assert np.isfinite(scores[:2]).all()
    assert np.abs(scores[1, 7000:8900] - clean[1, 7000:8900]).mean() < 0.1
    assert scores[0, 8900] > 1.0
    assert scores[1, 8919] > 6.0


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.floats() | st.sampled_from([0.0, 1e300, -1e300, 5e-324]), min_size=150, max_size=400
    ),
    st.sampled_from([1, 10**6, 10**9, HOUR_NS, 24 * HOUR_NS]),
)
def test_any_floats_give_finite_scores(values, interval_ns):
    scores = raw(np.tile(values, 3), interval_ns=interval_ns)
    assert np.isfinite(scores[:2]).all()
    assert ((scores[0] >= 0.0) | (scores[0] == NOT_JUDGED) | (scores[0] <= UNTOLD)).all()
    assert (scores[1] >= 0.0).all()


@pytest.mark.parametrize("days", [3, 365])
def test_silence_is_no_onset(days):
    values = noise(6000, 5)
    ts = START_NS + np.arange(6000) * 5 * MINUTE_NS
    ts[5000:] += days * 24 * HOUR_NS
    assert raw(values, ts=ts)[0, 5000] < DefaultScorer.default_boundary[0]
    values[5000:] += 1e12
    scores = raw(values, ts=ts)
    assert np.isfinite(scores[:2]).all()
    assert scores[0, 5000] > 1.0


def test_level_shift_is_one_onset_and_a_state_that_ends():
    values = noise(5000, 6)
    values[4000:4200] += 12.0
    onset, state = calibrated(values)[:2]
    assert onset[4000] > 1.0
    assert (onset[4010:4200] < 1.0).all()
    assert (state[4005:4100] > 1.0).all()
    assert (state[4260:] < 1.0).all()
    assert (state[1000:4000] < 1.0).mean() > 0.99


def test_lasting_level_is_accepted_in_the_end():
    values = noise(6000, 7)
    values[1500:] += 12.0
    state = calibrated(values)[1]
    assert (state[1503:1540] > 1.0).all()
    assert (state[5000:] < 1.0).mean() > 0.99


def test_daily_rhythm_finds_what_the_range_hides():
    """A value usual at noon is an onset at midnight, once the days are known."""
    rows = 288 * 8
    hours = np.arange(rows) / 12
    values = -10.0 * np.cos(hours * 2 * np.pi / 24) + 0.3 * noise(rows, 8)
    values[288 * 7 : 288 * 7 + 12] += 9.0
    scorer = DefaultScorer()
    scorer.grow(1)
    ts = START_NS + np.arange(rows) * 5 * MINUTE_NS
    scores, signals = score_block(scorer, np.zeros(rows), ts, values)
    assert scores[0, 288 * 7] > 1.0
    assert signals[SIGNALS.index("range"), 288 * 7] == 0.0
    assert signals[SIGNALS.index("daily rhythm"), 288 * 7] > 0.5
    assert scores[2, 288 * 7 - 1] == pytest.approx(-10.0, abs=0.7)
    assert scores[2, 288 * 6 + 144] == pytest.approx(10.0, abs=0.7)
    assert (scores[3, 700:] <= scores[2, 700:]).all()
    assert (scores[2, 700:] <= scores[4, 700:]).all()


def test_weekly_rhythm_expects_what_surprises_the_daily_one():
    """Days of rest that are deeper from week to week, and something as deep on another day."""
    rows = 24 * 7 * 12
    hours = np.arange(rows)
    depth = 20.0 * 1.1 ** (hours // (24 * 7))
    values = np.where(hours // 24 % 7 == 6, -depth, 0.0) + 0.3 * noise(rows, 9)
    other_day = 24 * (7 * 11 + 2)
    values[other_day : other_day + 24] -= 60.0
    scorer = DefaultScorer()
    scorer.grow(1)
    _, signals = score_block(scorer, np.zeros(rows), START_NS + hours * HOUR_NS, values)
    daily, weekly = (signals[SIGNALS.index(f"{name} rhythm")] for name in ("daily", "weekly"))
    rest = 24 * (7 * np.arange(5, 11) + 6)
    assert (daily[rest] > 0.1).all()
    assert not weekly[24 * 7 * 5 : other_day].any()
    assert weekly[other_day] > 0.5


def test_slow_drift_is_seen():
    values = noise(5000, 10)
    values[4000:4600] -= np.linspace(0.0, 6.0, 600)
    values[4600:] -= 6.0
    scorer = DefaultScorer()
    scorer.grow(1)
    ts = START_NS + np.arange(5000) * 15 * MINUTE_NS
    scores, signals = score_block(scorer, np.zeros(5000), ts, values)
    assert (scores[0, 4100:4700] > DefaultScorer.default_boundary[0]).any()
    assert signals[SIGNALS.index("trend"), 4000:4700].max() > 0.25
    assert not (signals[SIGNALS.index("trend"), 3000:4000] > 0.25).any()


def test_counter_with_resets_is_silent_and_its_stall_is_seen():
    rng = np.random.default_rng(9)
    rate = rng.uniform(90.0, 110.0, 4000)
    rate[3500:3560] = 0.0
    counter = np.cumsum(rate)
    for reset in (1000, 2000, 2010):
        counter[reset:] -= counter[reset] - 1.0
    scores = calibrated(counter)
    assert (scores[0, :3500] < 1.0).all()
    assert scores[0, 3500:3560].max() > 1.0
    assert scores[1, 3559] > 1.0
    assert scores[2, 3000] == pytest.approx(counter[3000], abs=15.0)


def test_gauge_that_falls_to_zero_once_has_one_onset():
    """As a process that restarts: its memory falls and grows anew."""
    values = 100.0 + noise(4000, 11)
    values[3000:] = 100.0 - 90.0 * np.exp(-np.arange(1000) / 30.0) + noise(1000, 12)
    onset = calibrated(values)[0]
    assert onset[3000] > 1.0
    assert (onset[2900:3000] < 1.0).all()
    assert (onset[3001:3200] < 1.0).all()


def test_gauge_that_began_like_a_counter_is_watched_as_a_gauge():
    values = np.concatenate([np.arange(100.0), 100.0 + noise(900, 10)])
    values[900:905] += 30.0
    onset = raw(values)[0]
    assert onset[900] > 2.0
    assert (onset[300:900] < 1.0).all()
