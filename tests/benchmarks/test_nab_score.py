"""The NAB scorer against golden values made with the original code."""

import math
from pathlib import Path

import naive_nab as naive
import numpy as np
import pytest
from benchmark_modules import benchmark_module
from hypothesis import given
from hypothesis import strategies as st

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "data" / "nab"

nab = benchmark_module("accuracy.nab_score")
corpora = benchmark_module("accuracy.nab_corpus")
STANDARD = nab.PROFILES[0]


def _recording(rows, windows, name="a/one.csv"):
    return corpora.Recording(name, np.arange(rows), np.zeros(rows), windows)


@pytest.fixture(scope="module")
def corpus():
    if not CORPUS.is_dir():
        pytest.skip("needs ../shared/data/nab")
    return corpora.load_corpus(CORPUS)


def test_value_of_each_row_follows_the_hand_case():
    values = nab.row_values(_recording(100, ((40, 59),)), STANDARD)
    golden = {
        39: -0.11,
        40: 1.0,
        50: 0.8597925669097837,
        59: 0.1260401374727592,
        60: -0.014390730906933252,
        69: -0.09523063024539194,
        78: -0.10852757279665734,
        99: -0.10999409948157933,
    }
    for row, value in golden.items():
        assert values[row] == pytest.approx(value, rel=1e-9)


GOLDEN = {
    "A": (
        lambda i: (i % 500 == 0).astype(float),
        [(23.0910972850723, 1.0), (0.0, 1.1), (34.0722257762551, 1.0)],
        1.0,
        [23.0910972850723, -4.6058077010393, 34.0722257762551],
    ),
    "B": (
        lambda i: (i * 0.6180339887498949) % 1.0,
        [
            (22.8845790885644, 0.9971083066056963),
            (2.3982518888510, 0.9996947158069815),
            (39.1737687376297, 0.9970013432953237),
        ],
        0.99,
        [-47.6693991765590, -187.0034492357885, -0.1704040487404],
    ),
    "C": (
        lambda i: ((i * 7919) % 1009) / 1009,
        [
            (18.9417519062163, 0.9970267591674926),
            (0.0, 1.1),
            (36.9121209947516, 0.9960356788899901),
        ],
        2.0,
        [0.0, 0.0, 0.0],
    ),
    "D": (
        lambda i: np.ones(len(i)),
        [(0.0, 1.1)] * 3,
        1.0,
        [-13694.7805220391, -27489.5610440783, -9096.5203480261],
    ),
}


@pytest.mark.parametrize("detector", GOLDEN)
def test_synthetic_detectors_get_the_golden_scores(corpus, detector):
    make, oracle, frozen, at_frozen = GOLDEN[detector]
    scores = {r.name: make(np.arange(len(r.ts))) for r in corpus}
    results = nab.score_corpus(corpus, scores, frozen)
    for result, (score, threshold), fixed in zip(results, oracle, at_frozen, strict=True):
        assert result.oracle == pytest.approx(score, rel=1e-9, abs=1e-9)
        assert result.threshold == pytest.approx(threshold, rel=1e-12)
        assert result.frozen == pytest.approx(fixed, rel=1e-9, abs=1e-9)


def test_raw_scores_of_categories_are_the_golden_ones(corpus):
    golden = {
        "artificialNoAnomaly": -3.85,
        "artificialWithAnomaly": 0.6239831814248,
        "realAWSCloudwatch": -14.8134650378855,
        "realAdExchange": -13.1568453009043,
        "realKnownCause": -10.4596114039394,
        "realTraffic": -10.8011525737165,
        "realTweets": -9.9715631636114,
    }
    raw = dict.fromkeys(golden, 0.0)
    for r in corpus:
        scores = (np.arange(len(r.ts)) % 500 == 0).astype(float)
        raw[r.category] += nab.file_steps(r, scores, STANDARD).at(1.0)
    assert raw == pytest.approx(golden, rel=1e-9)


@st.composite
def small_corpus(draw):
    """Three files of two categories, some with windows, some of them partly in probation."""
    corpus, scores = [], {}
    for number in range(3):
        rows = draw(st.integers(30, 60))
        edges = sorted(draw(st.lists(st.integers(1, rows - 2), max_size=6, unique=True)))
        windows = tuple((a, b) for a, b in zip(edges[::2], edges[1::2], strict=False))
        recording = _recording(rows, windows, name=f"{'ab'[number % 2]}/{number}.csv")
        corpus.append(recording)
        values = draw(st.lists(st.integers(0, 8), min_size=rows, max_size=rows))
        scores[recording.name] = np.array(values) / 8
    return corpus, scores


@given(small_corpus())
def test_sweep_and_fixed_threshold_equal_their_twins(files):
    corpus, scores = files
    for profile in nab.PROFILES:
        parts = [nab.file_steps(r, scores[r.name], profile) for r in corpus]
        whole = nab.join_steps(parts)
        threshold, raw = nab.best_threshold(whole)
        naive_threshold, naive_raw = naive.sweep(corpus, scores, profile)
        assert raw == pytest.approx(naive_raw, rel=1e-9, abs=1e-9)
        if threshold != naive_threshold:  # a tie but for rounding
            assert whole.at(naive_threshold) == pytest.approx(raw, rel=1e-9, abs=1e-9)
        for fixed in (0.5, 0.3):
            expected = math.fsum(naive.raw_score(r, scores[r.name], profile, fixed) for r in corpus)
            assert whole.at(fixed) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_a_category_that_is_left_out_does_not_choose_its_threshold():
    loud, quiet = (_recording(100, ((40, 59),), name=f"{name}/x.csv") for name in "ab")
    scores = {quiet.name: np.zeros(100), loud.name: np.zeros(100)}
    scores[loud.name][40] = 0.9
    scores[quiet.name][40] = 0.4
    scores[quiet.name][20:30] = 0.2
    standard = nab.score_corpus([loud, quiet], scores, 0.4)[0]
    assert (standard.oracle, standard.threshold) == (100.0, 0.4)
    # At 0.4 `a` is found; at 0.9, chosen on it, `b` is not.
    assert standard.leave_one_out == pytest.approx(50.0)


def test_corpus_is_whole(corpus):
    assert len(corpus) == 58
    assert sum(len(r.ts) for r in corpus) == 365_558
    assert sum(len(r.windows) for r in corpus) == 116


def test_perfect_detector_gets_100_in_any_order_of_files(corpus):
    scores = {}
    for r in corpus:
        scores[r.name] = np.zeros(len(r.ts))
        for left, _ in r.windows:
            scores[r.name][left] = 1.0
    for files in (corpus, corpus[::-1]):
        for result in nab.score_corpus(files, scores, 0.5):
            assert result.oracle == pytest.approx(100.0)
            assert result.frozen == pytest.approx(100.0)


def test_silent_detector_gets_0(corpus):
    scores = {r.name: np.zeros(len(r.ts)) for r in corpus}
    assert [r.oracle for r in nab.score_corpus(corpus, scores, 0.5)] == [0.0, 0.0, 0.0]


def test_probation_rows_do_not_count():
    recording = _recording(100, ((5, 12), (40, 59)))
    quiet = np.zeros(100)
    loud = quiet.copy()
    loud[:15] = 1.0
    for scores in (quiet, loud):
        steps = nab.file_steps(recording, scores, STANDARD)
        assert steps.at(0.5) == -1.0


def test_rows_of_equal_score_switch_on_together():
    scores = np.zeros(100)
    scores[[20, 40]] = 0.7
    threshold, raw = nab.best_threshold(
        nab.file_steps(_recording(100, ((40, 59),)), scores, STANDARD)
    )
    assert threshold == 0.7
    assert raw == pytest.approx(1.0 - 0.11)


def test_nan_and_one_row_windows_are_refused():
    with pytest.raises(ValueError, match="NaN"):
        nab.file_steps(_recording(100, ()), np.full(100, math.nan), STANDARD)
    with pytest.raises(ValueError, match="one row"):
        nab.row_values(_recording(100, ((40, 40),)), STANDARD)
