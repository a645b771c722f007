"""The alerts that the peers are held to, against the job done one row at a time."""

import json

import numpy as np
import pytest
from benchmark_modules import benchmark_module

alerts = benchmark_module("alerts")
job = benchmark_module("job")
load = benchmark_module("load")

BEGIN_MS = 1_760_000_400_000


def naive_alerts(values, series):
    states, found = {}, {}
    for row, value in enumerate(values.tolist()):
        number = row % series
        states[number], z = job.step(states.get(number), value)
        if z is not None:
            found[BEGIN_MS + row * load.INTERVAL_MS // series, number] = z
    return found


@pytest.mark.parametrize(("rows", "series"), [(4_000, 20), (4_013, 40), (30, 40)])
def test_expected_alerts_are_those_of_the_job_row_by_row(rows, series):
    values = np.random.default_rng(3).normal(50.0, 5.0, rows)
    values[::97] += 80.0
    expected = naive_alerts(values, series)
    found = alerts.alerts_expected(values, series, begin_ms=BEGIN_MS)
    assert found.keys() == expected.keys()
    assert bool(found) == (rows > series)
    assert alerts.difference(found, expected) == ""


def test_an_alert_is_known_by_time_and_series_and_says_its_score():
    labels = load.series_labels(37).encode()
    text = job.alert_text(BEGIN_MS, load.METRICS[7], labels, -6.5)
    assert alerts.alert_of(text) == ((BEGIN_MS, 37), -6.5)


@pytest.mark.parametrize(("value", "z"), [(90.0, 9.0), (10.0, -9.0)])
def test_a_score_of_ours_is_turned_back_into_deviations(value, z):
    text = json.dumps(
        {
            "ts": "2025-10-09T09:00:00.5Z",
            "name": load.METRICS[2],
            "labels": json.loads(load.series_labels(12)),
            "value": value,
            "onset": 1.5,
            "expected": 50.0,
        }
    )
    assert alerts.alert_of_score(text.encode(), threshold=6.0) == ((BEGIN_MS + 500, 12), z)


def test_difference_names_what_is_missing_unknown_and_otherwise():
    expected = {(1, 0): 7.0, (2, 0): 8.0, (3, 0): 9.0}
    found = {(1, 0): 7.0, (2, 0): 8.1, (9, 9): 7.0}
    said = alerts.difference(found, expected)
    assert said == "1 missing, 1 unknown, 1 with another score"


def test_alerts_after_the_stop_may_be_missing_but_not_wrong():
    expected = {(1, 0): 7.0, (2, 0): 8.0}
    assert alerts.difference({(1, 0): 7.0}, expected, before_ms=2) == ""
    assert alerts.difference({(2, 0): 8.0}, expected, before_ms=2) == "1 missing"
    assert "another score" in alerts.difference({(1, 0): 7.0, (2, 0): 9.0}, expected, before_ms=2)
