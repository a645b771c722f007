"""Estimated quality equals NannyML's, chunk by chunk.

Aim: within 1e-9 of NannyML 0.13.1: estimates, bounds, alerts, and when it calibrates. Method: its
answers on cases that anyone can make again (`cbpe_cases`, golden/cbpe.json), and a naive isotonic
regression.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from cbpe_cases import CASES, make_case
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_cbpe import naive_isotonic
from quality_feed import pairs, predictions, some

from engine.drift.cbpe import METRICS, Cbpe, chunk_bounds, expected_confusion
from engine.drift.cbpe_calibration import IsotonicCalibrator, needs_calibration
from engine.drift.quality_layout import QualityParams
from engine.drift.quality_panes import QualityPanes, merged
from engine.errors import UsageError

GOLDEN = json.loads((Path(__file__).parent / "golden" / "cbpe.json").read_text())
CLOSE = 1e-9
GRID = np.linspace(-0.1, 1.1, 25)


def chunks_of(name):
    reference, (scores, predicted, _), chunk_size = make_case(name)
    estimator = Cbpe.fit(*reference, chunk_size)
    bounds = chunk_bounds(len(scores), chunk_size)
    return estimator, [estimator.estimate(scores[a:b], predicted[a:b]) for a, b in bounds]


@pytest.mark.parametrize("name", CASES)
def test_estimates_equal_nannyml(name):
    golden = GOLDEN[name]
    estimator, chunks = chunks_of(name)
    assert (estimator.calibrator is not None) == golden["needs_calibration"]
    for metric in METRICS:
        mine = [chunk.metrics[metric] for chunk in chunks]
        np.testing.assert_allclose(mine, golden["values"][metric], rtol=0, atol=CLOSE)
        np.testing.assert_allclose(
            estimator.bounds[metric], golden["bounds"][metric], rtol=0, atol=CLOSE
        )
        assert [metric in chunk.out_of_bounds for chunk in chunks] == golden["alerts"][metric]
    for part in ("true_positive", "false_positive", "false_negative", "true_negative"):
        mine = [getattr(chunk.confusion, part) for chunk in chunks]
        np.testing.assert_allclose(mine, golden["values"][part], rtol=0, atol=CLOSE)


def test_the_cases_hold_both_answers():
    assert {case["needs_calibration"] for case in GOLDEN.values()} == {True, False}
    assert any(any(alerts) for case in GOLDEN.values() for alerts in case["alerts"].values())


@pytest.mark.parametrize("name", CASES)
def test_isotonic_regression_equals_scikit_learn(name):
    (scores, _, labels), _, _ = make_case(name)
    mine = IsotonicCalibrator.fit(scores, labels)(GRID)
    np.testing.assert_allclose(mine, GOLDEN[name]["isotonic"], rtol=0, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 1)), min_size=1, max_size=25))
def test_isotonic_regression_equals_its_naive_twin(rows):
    scores, labels = np.array(rows, np.float64).T
    places, fitted = naive_isotonic(scores, labels)
    mine = IsotonicCalibrator.fit(scores, labels)(places)
    np.testing.assert_allclose(mine, fitted, rtol=0, atol=1e-12)
    assert (np.diff(mine) >= 0).all()


@pytest.mark.parametrize("name", ["overconfident", "separable", "imbalanced"])
def test_summaries_estimate_the_same_without_keeping_scores(name):
    reference, (scores, predicted, _), _ = make_case(name)
    estimator = Cbpe.fit(*reference)
    whole = estimator.estimate(scores, predicted)
    params = QualityParams("binary", has_estimates=True)
    panes = QualityPanes(params, 10, estimator.probabilities)
    ts = np.arange(len(scores))
    changes = predictions(ts, np.zeros(len(ts), np.int32))
    panes.apply(changes._replace(score=scores, prediction=predicted))
    metrics = panes.summary(panes.panes).estimated_metrics()
    for metric in METRICS[1:]:
        assert metrics[metric] == pytest.approx(whole.metrics[metric], abs=CLOSE)
    error = abs(metrics["roc_auc"] - whole.metrics["roc_auc"])
    assert error <= metrics["roc_auc_error"] + 1e-6 < 0.01  # NannyML rounds its curve
    parts = [panes.summary([pane]) for pane in panes.panes]
    assert merged(parts, params).estimated_metrics() == metrics
    retracted = changes._replace(
        score=scores, prediction=predicted, sign=np.full(len(ts), -1, np.int8)
    )
    panes.apply(retracted)
    assert panes.summary(panes.panes).estimated_metrics() == {}


def test_estimates_give_way_to_labels_as_they_land():
    reference, (scores, predicted, labels), _ = make_case("overconfident")
    estimator = Cbpe.fit(*reference)
    params = QualityParams("binary", has_estimates=True)
    panes = QualityPanes(params, 10_000, estimator.probabilities)
    ts, segment = np.arange(len(scores)), np.zeros(len(scores), np.int32)
    panes.apply(predictions(ts, segment)._replace(score=scores, prediction=predicted))
    none = panes.summary([0])
    assert none.hybrid_metrics() == none.estimated_metrics()
    assert none.estimated_metrics(of_labelled=True) == {}
    half = np.arange(0, len(scores), 2)
    paired = pairs(labels, predicted, scores, ts=ts)
    panes.apply(some(paired, half))
    summary = panes.summary([0])
    known = estimator.estimate(scores[half], predicted[half]).metrics
    mixed = estimator.probabilities(scores)
    mixed[half] = labels[half]
    expected = expected_confusion(mixed, predicted).metrics()
    for metric in METRICS[1:]:
        of_labelled = summary.estimated_metrics(of_labelled=True)[metric]
        assert of_labelled == pytest.approx(known[metric], abs=CLOSE)
        assert summary.hybrid_metrics()[metric] == pytest.approx(expected[metric], abs=CLOSE)
    panes.apply(some(paired, np.arange(1, len(scores), 2)))
    summary = panes.summary([0])
    realised_metrics = summary.metrics()
    for metric in METRICS[1:]:
        assert summary.hybrid_metrics()[metric] == pytest.approx(realised_metrics[metric])
    error = abs(summary.hybrid_metrics()["roc_auc"] - realised_metrics["roc_auc"])
    assert error <= summary.hybrid_metrics()["roc_auc_error"] < 0.01


@pytest.mark.parametrize("name", ["overconfident", "separable"])
def test_a_fitted_estimator_can_be_kept_as_arrays(name):
    reference, (scores, predicted, _), _ = make_case(name)
    estimator = Cbpe.fit(*reference)
    again = Cbpe.of_arrays(estimator.arrays())
    assert again.estimate(scores, predicted) == estimator.estimate(scores, predicted)
    assert again.bounds == estimator.bounds


def test_rows_without_score_or_prediction_are_left_out():
    (scores, predicted, labels), _, _ = make_case("overconfident")
    estimator = Cbpe.fit(scores, predicted, labels, 500)
    whole = estimator.estimate(scores[:100], predicted[:100])
    holes = np.full(3, np.nan)
    some = estimator.estimate(np.append(scores[:100], holes), np.append(predicted[:100], holes))
    assert some == whole


def test_nothing_is_estimated_of_nothing():
    (scores, predicted, labels), _, _ = make_case("overconfident")
    estimate = Cbpe.fit(scores, predicted, labels).estimate(np.zeros(0), np.zeros(0))
    assert np.isnan(list(estimate.metrics.values())).all()
    assert not estimate.out_of_bounds


def test_a_reference_without_labels_is_refused():
    with pytest.raises(UsageError, match="label 0 or 1"):
        Cbpe.fit(np.array([0.5]), np.array([1.0]), np.array([np.nan]))


def test_too_few_rows_are_not_calibrated():
    assert not needs_calibration(np.array([0.1, 0.9, 0.3]), np.array([0.0, 1.0, 1.0]))
