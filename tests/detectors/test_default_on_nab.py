"""Sanity of the default detector on recordings: scores keep their resolution, chance stays chance.

The Numenta Anomaly Benchmark's files are read where they lie beside the repository.
"""

import sys
from pathlib import Path

import numpy as np
import pytest

from engine.detectors.default import DefaultScorer, default_detector
from engine.detectors.protocol import SCORE_ROWS

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT.parent / "shared" / "data" / "nab"

sys.path.insert(0, str(ROOT / "tests" / "benchmarks"))
from benchmark_modules import benchmark_module  # noqa: E402

corpora = benchmark_module("accuracy.nab_corpus")
nab_score = benchmark_module("accuracy.nab_score")


def distinct(ts):
    """Rows that repeat the timestamp before them are moved on by a nanosecond."""
    moved = ts.copy()
    for row in np.flatnonzero(ts[1:] == ts[:-1]) + 1:
        moved[row] = moved[row - 1] + 1
    return moved


@pytest.fixture(scope="module")
def corpus():
    if not CORPUS.exists():
        pytest.skip("needs ../shared/data/nab")
    return corpora.load_corpus(CORPUS)


@pytest.fixture(scope="module")
def onsets(corpus):
    """Calibrated onsets of each file, as a series of its own."""
    found = {}
    for recording in corpus:
        detector = default_detector(false_alarms_per_day=0.3, slots=1)
        slot = np.zeros(len(recording.ts), np.int32)
        onset = detector.score(slot, distinct(recording.ts), recording.value, 1.0).onset
        found[recording.name] = onset / (1.0 + onset)
    return found


def test_hardly_any_rows_share_the_top_score(corpus):
    scorer = DefaultScorer()
    scorer.grow(len(corpus))
    slot = np.concatenate([np.full(len(r.ts), s, np.int32) for s, r in enumerate(corpus)])
    ts = np.concatenate([distinct(recording.ts) for recording in corpus])
    value = np.concatenate([recording.value for recording in corpus])
    scores = np.full((SCORE_ROWS, len(slot)), np.nan)
    signals = np.zeros((len(scorer.signals), len(slot)), np.float32)
    scorer.score(slot, ts, value, scores, signals)
    for raw in scores[:2]:
        assert np.isfinite(raw).all()
        assert (raw == raw.max()).mean() < 1e-4


def test_beginning_of_a_file_is_scored_as_the_whole(corpus):
    for recording in corpus[::7]:
        known = len(recording.ts) * 2 // 3
        ts, value = distinct(recording.ts), recording.value.copy()
        first, garbled = DefaultScorer(), DefaultScorer()
        blocks = []
        for scorer, rows in ((first, known), (garbled, len(ts))):
            if scorer is garbled:
                value[known:] = 1e300
            scorer.grow(1)
            scores = np.full((SCORE_ROWS, rows), np.nan)
            signals = np.zeros((len(scorer.signals), rows), np.float32)
            scorer.score(np.zeros(rows, np.int32), ts[:rows], value[:rows], scores, signals)
            blocks.append(scores[:, :known])
        np.testing.assert_array_equal(*blocks)


def test_real_windows_are_found_and_windows_at_random_places_are_not(corpus, onsets):
    """A schedule blind to the data scores 23 on the standard profile; better is no chance."""
    standard, *_ = nab_score.score_corpus(corpus, onsets, 0.5)
    assert standard.oracle > 72.0
    assert standard.leave_one_out > 69.5
    assert standard.frozen > 68.0
    by_chance = []
    for seed in range(5):
        random = np.random.default_rng(seed)
        moved = [corpora.moved_windows(recording, random) for recording in corpus]
        by_chance.append(nab_score.score_corpus(moved, onsets, 0.5)[0].oracle)
    assert np.mean(by_chance) < 25.0
