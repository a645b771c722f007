"""Boundaries that verdicts move: equal to the slow twin, bounded, and taken back to the bit."""

from itertools import pairwise

import numpy as np
import pytest
from naive_feedback import FALSE_ALARM, MISS, RETRACT, NaiveSeries

from engine.detectors.feedback import NO_VERDICTS, Boundaries, UserVerdicts
from engine.detectors.feedback_kernels import APPLIED, NO_ALARM, NOT_MET, NOTHING_SAID, REPEATED
from engine.detectors.protocol import Scores

SECOND_NS = 10**9
MINUTE_NS = 60 * SECOND_NS


def verdicts(rows):
    """UserVerdicts of (series, effect, judged, verdict)."""
    place, ts, judged, verdict = zip(*rows, strict=True) if rows else ((),) * 4
    return UserVerdicts(
        np.array(place, np.int32), np.array(ts, np.int64), np.array(judged, np.int64),
        np.array(verdict, np.uint8), np.zeros(len(rows), np.uint8),
        np.zeros(len(rows), np.uint8), np.zeros(len(rows), np.uint64), np.zeros(len(rows)),
    )  # fmt: skip


def scores_of(onset, state, signals):
    scores = Scores.empty(len(signals), len(onset))
    scores.onset[:], scores.state[:], scores.signals[:] = onset, state, signals
    return scores


class OneSeries:
    """A detector of some signals on one series, sample by sample."""

    def __init__(self, signals=3):
        self.signals = signals
        self.boundaries = Boundaries(signals)
        self.boundaries.grow(1)
        self.ts = 0

    def see(self, onset, parts, state=0.0):
        """Onset, state and factor of the next sample, a second later."""
        self.ts += SECOND_NS
        scores = scores_of([onset], [state], np.reshape(np.array(parts, float), (-1, 1)))
        place, ts = np.zeros(1, np.int32), np.array([self.ts])
        factor = self.boundaries.apply(place, ts, scores, NO_VERDICTS)
        return scores.onset[0], scores.state[0], 1.0 if factor is None else factor[0]

    def say(self, verdict, judged=None):
        """Judge a sample, by default the newest."""
        judged = self.ts if judged is None else judged
        said = verdicts([(0, self.ts, judged, verdict)])
        none = np.empty(0, np.int32), np.empty(0, np.int64)
        self.boundaries.apply(*none, scores_of([], [], np.empty((self.signals, 0))), said)
        return said.outcome[0]


def made_events(rng, *, series, rows, signals):
    """Samples by series and time, and verdicts on some of them; some come before any sample."""
    samples, said = [], []
    for place in range(series):
        ts = int(rng.integers(10, 40 * MINUTE_NS))
        said.append((place, ts - 9, ts - 9, MISS))
        for _ in range(rows):
            ts += int(rng.integers(1, 40 * MINUTE_NS))
            onset = float(rng.choice([0.0, 0.6, 1.5, 9.0], p=[0.5, 0.2, 0.2, 0.1]))
            parts = rng.random(signals) ** 4 * rng.integers(0, 2, signals)
            samples.append((place, ts, onset, float(rng.random() * 3), parts))
            if rng.random() < 0.3:
                verdict = int(rng.choice([FALSE_ALARM, MISS, RETRACT], p=[0.4, 0.25, 0.35]))
                judged = int(
                    rng.choice([ts, ts - 30 * MINUTE_NS, *(row[1] for row in samples[-6:])])
                )
                effect = ts + int(rng.integers(-5, 5 * MINUTE_NS))
                said.append((place, effect, judged, verdict))
    return samples, sorted(set(said))


@pytest.mark.parametrize("signals", [0, 1, 5])
@pytest.mark.parametrize("cuts", [1, 7])
def test_it_is_the_slow_twin(signals, cuts):
    rng = np.random.default_rng(signals)
    samples, said = made_events(rng, series=12, rows=120, signals=signals)
    expected, outcomes = [], []
    for place in range(12):
        naive = NaiveSeries(signals)
        events = [(row[1], 0, row) for row in samples if row[0] == place]
        events += [(row[1], 1, row) for row in said if row[0] == place]
        for _, kind, row in sorted(events, key=lambda event: event[:2]):
            if kind == 0:
                parts = [float(np.float32(part)) for part in row[4]]
                expected.append((place, row[1], *naive.see(row[1], row[2], row[3], parts)))
            else:
                outcomes.append((row, naive.say(row[2], row[3])))
    got, got_outcomes = [], []
    boundaries = Boundaries(signals)
    boundaries.grow(12)
    edges = np.linspace(-1, max(row[1] for row in samples + said), cuts + 1).astype(np.int64)
    for first, last in pairwise(edges.tolist()):
        block = [row for row in samples if first < row[1] <= last]
        now = [row for row in said if first < row[1] <= last]
        parts = np.array([row[4] for row in block]).reshape(len(block), signals).T
        scores = scores_of([row[2] for row in block], [row[3] for row in block], parts)
        place = np.array([row[0] for row in block], np.int32)
        ts = np.array([row[1] for row in block], np.int64)
        given = verdicts(now)
        factor = boundaries.apply(place, ts, scores, given)
        factor = np.ones(len(block)) if factor is None else factor
        got += zip(place.tolist(), ts.tolist(), scores.onset, scores.state, factor, strict=True)
        got_outcomes += zip(now, given.outcome.tolist(), strict=True)
    np.testing.assert_allclose(sorted(got), expected, rtol=1e-12)
    assert sorted(got_outcomes) == outcomes
    assert {outcome for _, outcome in outcomes} == {
        NOT_MET, NOTHING_SAID, NO_ALARM, REPEATED, APPLIED,
    }  # fmt: skip
    assert np.isin([0.5, 4.0], np.array(got)[:, 4]).any() or signals > 1


def test_a_false_alarm_silences_its_like_and_no_other():
    one = OneSeries()
    assert one.see(2.1, (5, 0, 0)) == (2.1, 0.0, 1.0)
    assert one.say(FALSE_ALARM) == APPLIED
    onset, _, factor = one.see(2.3, (5, 0, 0))
    assert onset < 1.0 < factor
    assert one.see(2.3, (0, 5, 0)) == (2.3, 0.0, 1.0)
    # A signal that adds little to what was judged does not make it another thing.
    onset, _, _ = one.see(2.3, (5, 0.5, 0))
    assert onset < 1.0


def test_the_state_follows_the_alarm_that_it_belongs_to():
    one = OneSeries()
    one.see(2.1, (5, 0, 0))
    one.say(FALSE_ALARM)
    one.see(2.1, (5, 0, 0), state=1.0)
    assert one.see(0.0, (0, 0, 0), state=4.0)[1] < 2.0
    one.see(2.1, (0, 0, 5), state=1.0)
    assert one.see(0.0, (0, 0, 0), state=4.0)[1] == 4.0


def test_boundaries_stay_within_a_half_and_four_times():
    one = OneSeries()
    factors = []
    for verdict in (*(MISS,) * 20, *(FALSE_ALARM,) * 40):
        one.see(1.5, (1, 1, 1))
        assert one.say(verdict) == APPLIED
        factors.append(one.see(0.9, (1, 1, 1))[2])
    assert (min(factors), max(factors)) == (0.5, 4.0)


def test_a_miss_makes_all_signals_more_sensitive():
    one = OneSeries()
    one.see(0.9, (1, 0, 0))
    one.say(MISS)
    assert all(one.see(0.9, parts)[0] > 1.0 for parts in np.eye(3))


@pytest.mark.parametrize("verdict", [FALSE_ALARM, MISS])
def test_what_is_taken_back_was_never_said(verdict):
    rng = np.random.default_rng(4)
    rows = [(float(rng.choice([0, 0.7, 1.9])), rng.random(3), rng.random() * 3) for _ in range(300)]
    judged, never = OneSeries(), OneSeries()
    for one in (judged, never):
        one.see(1.7, (1, 2, 0.1))
    assert judged.say(verdict) == APPLIED
    assert judged.say(verdict) == REPEATED
    assert judged.say(RETRACT) == APPLIED
    assert judged.say(RETRACT) == NOTHING_SAID
    assert [judged.see(*row) for row in rows] == [never.see(*row) for row in rows]


def test_who_changes_their_mind_has_said_only_the_last():
    changed, plain = OneSeries(), OneSeries()
    for one in (changed, plain):
        one.see(1.7, (1, 2, 0.1))
    changed.say(FALSE_ALARM)
    changed.say(MISS)
    plain.say(MISS)
    for parts in ((1, 2, 0.1), *np.eye(3)):
        assert changed.see(1.2, parts) == plain.see(1.2, parts)


def test_a_false_alarm_without_an_alarm_is_a_mistake():
    one = OneSeries()
    one.see(0.9, (1, 0, 0))
    assert one.say(FALSE_ALARM) == NO_ALARM
    one.see(1.9, (1, 0, 0))
    onset_ts = one.ts
    one.ts += 2 * 60 * MINUTE_NS
    assert one.say(FALSE_ALARM) == NO_ALARM
    assert one.say(FALSE_ALARM, onset_ts - 1) == NO_ALARM
    assert one.see(1.9, (1, 0, 0)) == (1.9, 0.0, 1.0)
    assert one.say(FALSE_ALARM, onset_ts + 60 * MINUTE_NS) == APPLIED


def test_verdicts_on_a_series_without_samples_do_nothing():
    assert OneSeries().say(MISS) == NOT_MET


def test_state_goes_on_from_a_checkpoint():
    rng = np.random.default_rng(2)
    one, other = OneSeries(), OneSeries()
    for _ in range(50):
        one.see(1.7, rng.random(3))
        one.say(int(rng.choice([FALSE_ALARM, MISS])))
    arrays = {"other": np.zeros(1)}
    for table in one.boundaries.tables():
        arrays |= {name: array.copy() for name, array in table.arrays.items()}
    other.boundaries.restore(arrays)
    other.ts = one.ts
    assert list(arrays) == ["other"]
    for _ in range(50):
        row = 1.7, rng.random(3), 1.0
        assert one.see(*row) == other.see(*row)
        assert one.say(FALSE_ALARM) == other.say(FALSE_ALARM)
