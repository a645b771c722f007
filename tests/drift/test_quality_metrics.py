"""Quality metrics equal scikit-learn's, and summaries merge without loss.

Aim: every metric within 1e-12 of scikit-learn 1.9 (golden/quality.json) or of a naive twin; merge
of A and B equals the run over both, bit by bit; what is retracted leaves nothing.
"""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_quality import naive_auc, naive_calibration_error, naive_ranking
from quality_cases import CLASSES, QUANTILE, K, binary_case, class_case, ranking_case, value_case
from quality_feed import pairs, predictions, some

from engine.drift.quality_layout import QualityParams
from engine.drift.quality_panes import QualityPanes, merged

GOLDEN = json.loads((Path(__file__).parent / "golden" / "quality.json").read_text())
CLOSE = 1e-12

PARAMS = {
    "binary": QualityParams("binary"),
    "classes": QualityParams("classes", classes=CLASSES),
    "regression": QualityParams("regression", quantile=QUANTILE),
    "ranking": QualityParams("ranking", k=K),
}


def ranked(queries):
    rows = [(q, *item) for q, case in enumerate(queries) for item in zip(*case, strict=True)]
    query, score, relevance = np.array(rows).T
    return pairs(relevance, query, score)


def changes_of(kind):
    if kind == "binary":
        return pairs(*binary_case())
    if kind == "classes":
        return pairs(*class_case())
    if kind == "regression":
        return pairs(*value_case())
    return ranked(ranking_case())


def panes_of(params, *batches):
    panes = QualityPanes(params, 10)
    for batch in batches:
        panes.apply(batch)
    return panes


def summary(params, *batches):
    panes = panes_of(params, *batches)
    return panes.summary(panes.panes)


@pytest.mark.parametrize("kind", PARAMS)
def test_metrics_equal_scikit_learn(kind):
    metrics = summary(PARAMS[kind], changes_of(kind)).metrics()
    for name, value in GOLDEN[kind].items():
        # Of r2, scikit-learn's own error: labels are far from zero.
        assert metrics[name] == pytest.approx(value, rel=CLOSE, abs=CLOSE), name


def test_calibration_error_and_auc_equal_their_naive_twins():
    label, prediction, score = (column[:400] for column in binary_case())
    metrics = summary(PARAMS["binary"], pairs(label, prediction, score)).metrics()
    expected = naive_calibration_error(score, label, PARAMS["binary"].calibration_bins)
    assert metrics["calibration_error"] == pytest.approx(expected, abs=CLOSE)
    assert metrics["roc_auc"] == pytest.approx(naive_auc(score, label), abs=CLOSE)
    assert metrics["roc_auc_error"] == 0


@settings(max_examples=40, deadline=None)
@given(
    items=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=6).filter(
        lambda items: any(relevance for _, relevance in items)
    ),
    k=st.integers(1, 7),
)
def test_ties_of_a_ranking_count_as_their_mean(items, k):
    score, relevance = np.array(items, float).T
    metrics = summary(QualityParams("ranking", k=k), ranked([(score, relevance)])).metrics()
    expected = naive_ranking(score, relevance, k)
    for name, value in zip(("precision_at_k", "recall_at_k", "ndcg_at_k"), expected, strict=True):
        assert metrics[name] == pytest.approx(value, abs=CLOSE)


def test_without_kept_scores_auc_comes_with_its_error():
    params = QualityParams("binary", rows_kept_max=100, score_bins=128)
    metrics = summary(params, changes_of("binary")).metrics()
    exact = GOLDEN["binary"]["roc_auc"]
    assert 0 < metrics["roc_auc_error"] < 0.01
    assert abs(metrics["roc_auc"] - exact) <= metrics["roc_auc_error"]


@pytest.mark.parametrize("kind", PARAMS)
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_merge_equals_the_run_over_both(kind, data):
    params, changes = PARAMS[kind], changes_of(kind)
    cut = data.draw(st.integers(0, changes.number))
    order = np.random.default_rng(data.draw(st.integers(0, 99))).permutation(changes.number)
    parts = [summary(params, some(changes, rows)) for rows in (order[:cut], order[cut:])]
    whole, both = summary(params, changes), merged(parts, params)
    np.testing.assert_array_equal(both.row, whole.row)
    assert both.metrics() == whole.metrics()
    assert both.label_lag_ns(0.5) == whole.label_lag_ns(0.5)


@pytest.mark.parametrize("kind", PARAMS)
def test_what_is_retracted_leaves_nothing(kind):
    params, changes = PARAMS[kind], changes_of(kind)
    half = np.arange(changes.number // 2)
    taken = some(changes, half)._replace(sign=np.full(len(half), -1, np.int8))
    rest = some(changes, np.arange(len(half), changes.number))
    found, expected = summary(params, changes, taken), summary(params, rest)
    np.testing.assert_array_equal(found.row, expected.row)
    assert found.metrics() == expected.metrics()


def test_what_is_not_defined_is_left_out():
    assert summary(PARAMS["binary"]).metrics() == {}
    only_negative = summary(PARAMS["binary"], pairs([0, 0], [0, 0], [0.1, 0.2])).metrics()
    assert only_negative["accuracy"] == 1
    assert not only_negative.keys() & {"precision", "recall", "f1", "roc_auc"}
    assert "r2" not in summary(PARAMS["regression"], pairs([3.0, 3.0], [1.0, 2.0])).metrics()
    for params in PARAMS.values():
        assert math.isnan(summary(params).coverage)
        assert math.isnan(summary(params).label_lag_ns(0.5))


def test_unusable_pairs_count_for_coverage_only():
    found = summary(
        PARAMS["binary"],
        predictions(np.zeros(4, np.int64), np.zeros(4, np.int32)),
        pairs([1, 0.5, np.nan, 0], [1, 1, 1, np.nan], [2.0, 0.5, 0.5, 0.5]),
    )
    assert (found.predictions, found.labelled, found.usable) == (4, 4, 1)
    assert found.metrics() == {"accuracy": 1, "precision": 1, "recall": 1, "f1": 1}
    infinite = summary(PARAMS["regression"], pairs([np.inf, 1.0], [0.0, 2.0])).metrics()
    assert infinite["mae"] == 1


def test_lags_are_known_by_class_within_five_per_cent():
    hour = 3_600_000_000_000
    found = summary(
        PARAMS["binary"],
        pairs([0] * 10, [0] * 10, lag_ns=hour),
        pairs([1] * 10, [1] * 10, lag_ns=100 * hour),
        pairs([1] * 2, [1] * 2, lag_ns=-hour),
    )
    assert found.label_lag_ns(0.9, label=0) == pytest.approx(hour, rel=0.05)
    assert found.label_lag_ns(0.5, label=1) == pytest.approx(100 * hour, rel=0.05)
    assert found.label_lag_ns(0.99) == pytest.approx(100 * hour, rel=0.05)
    assert found.label_lag_ns(0.01) == 0


def test_panes_are_kept_apart_and_dropped():
    ts, segment = np.array([5, 15, 25, 15]), np.array([0, 0, 1, 1], np.int32)
    panes = panes_of(PARAMS["binary"], predictions(ts, segment))
    label = np.array([1, 0, 1, 1])
    panes.apply(pairs(label, [1, 1, 1, 0], [0.9, 0.8, 0.7, 0.6], ts=ts, segment=segment))
    assert panes.summary([1]).metrics()["accuracy"] == 0
    assert panes.summary([0, 1, 2], segment=1).metrics()["accuracy"] == 0.5
    assert panes.coverage_by_age(40, [15, 25], segment=0) == [(0, 0), (1, 1)]
    panes.drop_before(2)
    assert panes.panes == [2]
    assert panes.summary([0, 1, 2]).predictions == 1
    panes.apply(predictions(np.arange(0, 900, 10), np.zeros(90, np.int32)))
    assert panes.summary(panes.panes).predictions == 91


def test_snapshots_hold_everything():
    params = QualityParams("binary", rows_kept_max=50)
    ts = np.repeat([0, 10], [100, 20])
    label, prediction, score = (column[:120] for column in binary_case())
    panes = panes_of(params, pairs(label, prediction, score, ts=ts))
    again = QualityPanes(params, 10)
    again.restore(panes.snapshot(), 0)
    more = pairs([1.0], [1.0], [0.3], ts=np.array([10]))
    for one in (panes, again):
        one.apply(more)
    for span in ([0], [1], [0, 1]):
        assert again.summary(span).metrics() == panes.summary(span).metrics()
    assert again.summary([0]).metrics()["roc_auc_error"] > 0
    assert again.summary([1]).metrics()["roc_auc_error"] == 0


@pytest.mark.parametrize("kind", PARAMS)
@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 999),
    starts=st.lists(st.integers(0, 12), min_size=1, max_size=6).map(sorted),
    restart=st.booleans(),
)
def test_running_sums_equal_the_sum_of_their_panes(kind, seed, starts, restart):
    params, changes = PARAMS[kind], changes_of(kind)
    rng = np.random.default_rng(seed)
    changes = some(changes, rng.permutation(changes.number)[:300])
    rows = changes.number
    changes = changes._replace(
        ts=rng.integers(0, 120, rows), segment=rng.integers(0, 3, rows).astype(np.int32)
    )
    panes = QualityPanes(params, 10)
    parts = np.array_split(np.arange(rows), len(starts))
    for start, its in zip(starts, parts, strict=True):
        panes.start_from(start)
        panes.apply(some(changes, its))
        if restart:
            again = QualityPanes(params, 10)
            again.restore(panes.snapshot(), start)
            panes = again
    span = [pane for pane in panes.panes if pane >= starts[-1]]
    expected = {segment: panes.summary(span, segment) for segment in panes.segments}
    known = panes.known()
    assert known.keys() == {s for s, summary in expected.items() if summary.row.any()}
    for segment, found in known.items():
        np.testing.assert_array_equal(found.row, expected[segment].row)
        if kind == "ranking":
            assert found.metrics() == expected[segment].metrics()


def test_a_place_with_many_corrections_keeps_only_what_holds():
    params = QualityParams("binary", rows_kept_max=100)
    panes = panes_of(params, pairs([1.0, 0.0], [1, 1], [0.9, 0.2]))
    for _ in range(400):
        panes.apply(pairs([1.0], [1], [0.5]))
        panes.apply(pairs([1.0], [1], [0.5], sign=-1))
    assert len(panes.snapshot()["kept|weight"]) < 400
    assert panes.summary([0]).metrics()["roc_auc"] == 1
