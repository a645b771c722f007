"""Areas and alarm budgets against slow twins, and what they are where it is plain."""

import math

import naive_range_metrics as naive
import numpy as np
import pytest
from benchmark_modules import benchmark_module
from hypothesis import given
from hypothesis import strategies as st

metrics = benchmark_module("accuracy.range_metrics")
alarms = benchmark_module("accuracy.alarms")


@st.composite
def scored_series(draw, rows_max=60):
    """Labels with at least one segment, and scores with ties."""
    n = draw(st.integers(2, rows_max))
    label = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    label[draw(st.integers(0, n - 1))] = True
    score = draw(st.lists(st.integers(0, 12), min_size=n, max_size=n))
    return label, np.array(score) / 8


@given(scored_series())
def test_average_precision_equals_its_twin(series):
    label, score = series
    expected = naive.average_precision(label, score)
    assert metrics.average_precision(label, score) == pytest.approx(expected, rel=1e-12)


@given(scored_series(), st.integers(0, 9), st.integers(2, 20))
def test_vus_pr_equals_its_twin(series, widening, thresholds):
    label, score = series
    expected = naive.vus_pr(label, score, widening, thresholds)
    found = metrics.vus_pr(label, score, widening, thresholds)
    assert found == pytest.approx(expected, rel=1e-12)


@given(scored_series())
def test_segments_are_the_runs_of_labels(series):
    label, _ = series
    assert metrics.segments(label).tolist() == naive.runs(label)


def test_perfect_and_reversed_scores_are_the_extremes():
    label = np.arange(1_000) // 50 % 10 == 3
    assert metrics.average_precision(label, label.astype(float)) == 1.0
    assert metrics.vus_pr(label, label.astype(float), 0) == pytest.approx(1.0)
    assert metrics.average_precision(label, 1.0 - label) == pytest.approx(label.mean())


def test_widening_forgives_a_score_that_is_a_little_early():
    label = np.zeros(1_000, bool)
    label[500:520] = True
    early = np.zeros(1_000)
    early[490:510] = 1.0
    assert metrics.vus_pr(label, early, 40) > 1.2 * metrics.vus_pr(label, early, 0)


@given(st.lists(scored_series(), min_size=1, max_size=3), st.integers(0, 6))
def test_budget_threshold_is_the_lowest_that_keeps_the_budget(series, allowed):
    labels = [label for label, _ in series]
    scores = [score for _, score in series]
    quiet_rows = sum(int((~label).sum()) for label in labels)
    per_day = (allowed + 0.5) * alarms.DAY_ROWS / quiet_rows if quiet_rows else 1.0
    expected = naive.budget_threshold(
        labels, scores, allowed if quiet_rows else 0, alarms.ALARM_ROWS
    )
    assert alarms.budget_threshold(labels, scores, per_day) == expected


def test_events_found_and_their_delay_are_counted():
    label = np.zeros(2 * alarms.DAY_ROWS, bool)
    label[100:110] = label[200:210] = label[300:310] = True
    score = np.zeros(len(label))
    score[[103, 209]] = 0.5
    # Two rows of one hour, then one of another.
    score[[24, 30, 480]] = 0.5
    seen = alarms.recall_at([label], [score], 0.5)
    assert (seen.events, seen.found, seen.share) == (3, 2, pytest.approx(2 / 3))
    assert seen.delay_minutes == 30.0  # the median of 15 and 45
    quiet_days = (len(label) - 30) / alarms.DAY_ROWS
    assert seen.false_alarms_per_day == pytest.approx(2 / quiet_days)
    nothing = alarms.recall_at([label], [score], 0.6)
    assert (nothing.found, nothing.false_alarms_per_day) == (0, 0.0)
    assert math.isnan(nothing.delay_minutes)


def test_an_alarm_that_never_ends_breaks_the_budget():
    label = np.zeros(alarms.DAY_ROWS, bool)
    label[100:110] = True
    assert alarms.budget_threshold([label], [np.ones(len(label))], 1.0) == math.inf
    assert alarms.budget_threshold([label], [np.where(label, 1.0, 0.0)], 1.0) == 1.0
