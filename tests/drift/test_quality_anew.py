"""A monitor of quality that goes on with another window, or counts other things.

Aim: sums of unlike panes are never mixed, and a prediction is in windows with its label or not at
all. Method: predictions of which every one gets its label, some before the change, some after.
"""

from dataclasses import replace

import pytest
from label_feed import labels_of, predictions_of
from test_quality import DELAY, monitor_params

from engine.drift.quality import QualityMonitor
from engine.drift.windows import WindowSpec

CHANGE, END, TICK = 48, 160, 4
LAG = 9
SLIDE = 8

PREDICTIONS = [(key, key, 0.9, 1.0, 0) for key in range(1, 100)]
LABELS = [(key, key + LAG, 1.0) for key in range(1, 100)]

WITH_SLIDE = replace(monitor_params(), window=WindowSpec(16, SLIDE), known_size_ns=16)
COUNTS_MORE = replace(WITH_SLIDE, quality=replace(WITH_SLIDE.quality, kind="classes", classes=3))


def windows(monitor, ticks):
    found = []
    for tick in ticks:
        due = range(tick - TICK + 1, tick + 1)
        monitor.add_predictions(predictions_of([row for row in PREDICTIONS if row[1] in due]))
        monitor.add_labels(labels_of([row for row in LABELS if row[1] in due]))
        found += [window for window in monitor.advance_to(tick).windows if window.segment == 0]
    return found


def gone_on(tmp_path, before, after):
    """The monitor after a change of its parameters, and whether its windows go on."""
    first = QualityMonitor(before, tmp_path)
    windows(first, range(TICK, CHANGE + 1, TICK))
    arrays, meta = first.snapshot()
    second = QualityMonitor(after, tmp_path)
    return second, second.restore(arrays, meta)


@pytest.mark.parametrize("params", [WITH_SLIDE, COUNTS_MORE])
def test_windows_begin_anew_with_the_predictions_that_come(tmp_path, params):
    monitor, goes_on = gone_on(tmp_path / "changed", monitor_params(), params)
    assert not goes_on
    found = windows(monitor, range(CHANGE + TICK, END, TICK))
    fresh = QualityMonitor(params, tmp_path / "fresh")
    expected = windows(fresh, range(TICK, END, TICK))
    begin = CHANGE + SLIDE  # the first whole pane
    assert {window.begin_ns % SLIDE for window in found} == {0}
    assert min(window.begin_ns for window in found) == begin  # none is told twice, or in part

    def finals(of):
        return {
            window.end_ns: (window.quality.predictions, window.quality.labelled)
            for window in of
            if window.is_final and window.begin_ns >= begin
        }

    assert len(finals(expected)) > 3
    assert finals(found) == finals(expected)


def test_labels_still_meet_predictions_of_before(tmp_path):
    monitor, _ = gone_on(tmp_path, monitor_params(), WITH_SLIDE)
    monitor.add_labels(labels_of([row for row in LABELS if CHANGE - LAG < row[0] <= CHANGE]))
    assert monitor.advance_to(END).closed.orphans.key.tolist() == []


def test_a_restart_after_the_change_changes_nothing(tmp_path):
    monitor, _ = gone_on(tmp_path, monitor_params(), WITH_SLIDE)
    half = windows(monitor, range(CHANGE + TICK, CHANGE + 5 * TICK, TICK))
    arrays, meta = monitor.snapshot()
    again = QualityMonitor(WITH_SLIDE, tmp_path)
    assert again.restore(arrays, meta)
    rest = windows(again, range(CHANGE + 5 * TICK, END, TICK))
    plain, _ = gone_on(tmp_path / "plain", monitor_params(), WITH_SLIDE)
    expected = windows(plain, range(CHANGE + TICK, END, TICK))
    assert [said(window) for window in half + rest] == [said(window) for window in expected]


def test_another_label_delay_leaves_windows_as_they_are(tmp_path):
    params = monitor_params()
    longer = replace(params, join=replace(params.join, label_delay_ns=2 * DELAY))
    _, goes_on = gone_on(tmp_path, params, longer)
    assert goes_on


def said(window):
    quality = window.quality
    return window.end_ns, window.revision, window.is_final, quality.predictions, quality.labelled
