"""Windows corrected as labels come, and known-at values: the same from any order, cut or restart.

Aim: what a tick says is what a batch over all predictions and labels up to the tick would say.
Method: a naive monitor that joins everything anew at each tick; feeds in any order with restarts.
"""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from label_feed import labels_of, predictions_of, tuples
from naive_label_join import naive_join

from engine.drift.cbpe import Cbpe
from engine.drift.label_join import LabelJoinParams
from engine.drift.label_rows import LATE
from engine.drift.quality import ALL_SEGMENTS, QualityMonitor, QualityMonitorParams
from engine.drift.quality_layout import QualityParams
from engine.drift.windows import WindowSpec
from engine.errors import UsageError

DELAY, SLIDE, TICK = 32, 5, 4
END = 140
TICKS = range(TICK, END, TICK)


def monitor_params(size=10, rows_max=10_000):
    return QualityMonitorParams(
        join=LabelJoinParams(DELAY, rows_max),
        quality=QualityParams("binary"),
        window=WindowSpec(size, SLIDE),
        known_size_ns=20,
    )


def counts(rows, pairs, begin, end, segment):
    """Predictions, labelled, right ones within a stretch of time and a segment."""

    def is_in(row):
        return begin <= row[1] < end and segment in {ALL_SEGMENTS, row[4]}

    its = [pair for pair in pairs if is_in(pair)]
    right = sum(pair[3] == pair[6] for pair in its)
    return sum(is_in(row) for row in rows), len(its), right


def said(summary):
    metrics = summary.metrics()
    right = metrics.get("accuracy", 0) * summary.usable
    return summary.predictions, summary.labelled, round(right)


def naive_ticks(predictions, labels, size):
    """Known-at counts by (tick, segment), and windows' counts by (tick, end, segment).

    A window is said where its counts or pairs differ from the tick before, or when it is final.
    """
    known, windows, before = {}, {}, {}
    for tick in TICKS:
        so_far = [row for row in predictions if row[1] <= tick]
        pairs, expired, _ = naive_join(so_far, [r for r in labels if r[1] <= tick], DELAY)
        rows = {pair[:5] for pair in pairs} | expired
        begin = (tick - 20 + 1) // SLIDE * SLIDE
        segments = {row[4] for row in rows if row[1] >= begin}
        for segment in segments | ({ALL_SEGMENTS} if segments else set()):
            known[tick, segment] = counts(rows, pairs, begin, tick + 1, segment)
        for end in range(SLIDE, tick + 1, SLIDE):
            for segment in (ALL_SEGMENTS, 0, 1):
                held = {
                    row
                    for row in rows | pairs
                    if end - size <= row[1] < end and segment in {ALL_SEGMENTS, row[4]}
                }
                is_final = end <= tick - DELAY
                place = end, segment
                if before.get(place, (set(), False)) != (held, is_final) and (
                    held or before.get(place, (set(),))[0]
                ):
                    windows[tick, end, segment] = counts(rows, pairs, end - size, end, segment)
                before[place] = held, is_final
    return known, windows


def run(params, folder, items, order, ticks_with_restart=()):
    """Give known-at and windows' counts by the same keys, and all that was said."""
    monitor = QualityMonitor(params, folder)
    left = [items[i] for i in order]
    known, windows, everything = {}, {}, []
    for tick in TICKS:
        # Some of what comes later is there already.
        now = [item for item in left if item[1][1] <= tick + item[2]]
        left = [item for item in left if item[1][1] > tick + item[2]]
        monitor.add_predictions(predictions_of([r for is_label, r, _ in now if not is_label]))
        monitor.add_labels(labels_of([r for is_label, r, _ in now if is_label]))
        if tick in ticks_with_restart:
            arrays, meta = monitor.snapshot()
            monitor = QualityMonitor(params, folder)
            monitor.restore(arrays, meta)
        answer = monitor.advance_to(tick)
        for segment, summary in answer.known.items():
            known[tick, segment] = said(summary)
        for window in answer.windows:
            assert window.known_at_ns == tick
            windows[tick, window.end_ns, window.segment] = said(window.quality)
            everything.append(
                (
                    *(tick, window.begin_ns, window.end_ns, window.segment, window.revision),
                    *(window.is_final, tuple(sorted(window.quality.metrics().items()))),
                )
            )
    return known, windows, everything, monitor


ROWS = st.tuples(st.integers(0, 9), st.integers(1, 60))
VALUES = st.sampled_from([0.0, 1.0])
AHEAD = st.integers(0, 12)
ITEMS = st.lists(
    st.tuples(
        st.just(False),
        st.builds(lambda r, s, p, g: (*r, s, p, g), ROWS, st.just(0.5), VALUES, st.integers(0, 1)),
        AHEAD,
    )
    | st.tuples(st.just(True), st.builds(lambda r, y: (*r, y), ROWS, VALUES), AHEAD),
    max_size=30,
)


@settings(max_examples=40, deadline=None)
@given(
    items=ITEMS,
    data=st.data(),
    size=st.sampled_from([5, 10]),
    rows_max=st.sampled_from([3, 10_000]),
    restarts=st.sets(st.sampled_from(list(TICKS)), max_size=4),
)
def test_ticks_say_what_a_batch_would_say(tmp_path_factory, items, data, size, rows_max, restarts):
    params = monitor_params(size, rows_max)
    order = data.draw(st.permutations(range(len(items))))
    known, windows, everything, monitor = run(
        params, tmp_path_factory.mktemp("quality"), items, order, restarts
    )
    predictions = [row for is_label, row, _ in items if not is_label]
    labels = [row for is_label, row, _ in items if is_label]
    expected_known, expected_windows = naive_ticks(predictions, labels, size)
    assert known == expected_known
    assert windows == expected_windows
    plain = run(monitor_params(size), tmp_path_factory.mktemp("plain"), items, range(len(items)))
    assert everything == plain[2]
    assert monitor.panes.panes == []


def test_revisions_rise_until_the_window_is_final(tmp_path):
    monitor = QualityMonitor(monitor_params(5), tmp_path)
    monitor.add_predictions(predictions_of([(1, 2, 0.9, 1.0, 0), (2, 3, 0.2, 0.0, 0)]))
    first = monitor.advance_to(8).windows
    assert [(w.segment, w.revision, w.is_final) for w in first] == [(-1, 1, False), (0, 1, False)]
    assert first[0].quality.coverage == 0
    monitor.add_labels(labels_of([(1, 10, 1.0)]))
    assert monitor.next_event_ns() == 10
    second = monitor.advance_to(12).windows[0]
    assert (second.revision, second.quality.coverage) == (2, 0.5)
    assert second.quality.metrics()["accuracy"] == 1
    monitor.add_labels(labels_of([(1, 13, 0.0)]))
    assert monitor.advance_to(16).windows[0].quality.metrics()["accuracy"] == 0
    assert monitor.next_event_ns() == 5 + DELAY
    assert monitor.advance_to(20).windows == []
    last = monitor.advance_to(40).windows[0]
    assert (last.revision, last.is_final) == (4, True)
    assert monitor.next_event_ns() is None
    assert monitor.advance_to(44).windows == []


def test_corrections_wait_for_their_tick(tmp_path):
    params = replace(monitor_params(5), correct_every_ns=12)
    monitor = QualityMonitor(params, tmp_path)
    monitor.add_predictions(predictions_of([(1, 2, 0.9, 1.0, 0), (2, 9, 0.9, 1.0, 0)]))
    assert [w.end_ns for w in monitor.advance_to(8).windows] == [5, 5]
    monitor.add_labels(labels_of([(1, 13, 1.0)]))
    # A new window does not wait, a correction does.
    assert [w.end_ns for w in monitor.advance_to(16).windows] == [10, 10]
    assert monitor.next_event_ns() == 24
    assert monitor.advance_to(20).windows == []
    assert [(w.end_ns, w.revision) for w in monitor.advance_to(24).windows] == [(5, 2), (5, 2)]


def test_estimates_stand_beside_what_is_realised(tmp_path):
    scores = np.linspace(0.01, 0.99, 99)
    estimator = Cbpe.fit(scores, np.round(scores), np.round(scores))
    params = monitor_params(5)
    monitor = QualityMonitor(params, tmp_path, estimator)
    monitor.add_predictions(predictions_of([(1, 2, 0.9, 1.0, 0), (2, 3, 0.2, 0.0, 0)]))
    arrays, meta = monitor.snapshot()
    again = QualityMonitor(params, tmp_path, estimator)
    again.restore(arrays, meta)
    for one in (monitor, again):
        window = one.advance_to(8).windows[0]
        assert window.quality.metrics() == {}
        assert window.quality.estimated_metrics()["accuracy"] == pytest.approx(0.85)
    monitor.add_labels(labels_of([(1, 10, 0.0)]))
    known = monitor.advance_to(12).known[ALL_SEGMENTS]
    assert known.metrics()["accuracy"] == 0
    assert known.estimated_metrics(of_labelled=True)["accuracy"] == pytest.approx(0.9)
    assert known.hybrid_metrics()["accuracy"] == pytest.approx(0.4)


def test_late_rows_and_orphans_are_handed_back(tmp_path):
    monitor = QualityMonitor(monitor_params(), tmp_path)
    monitor.advance_to(8)
    monitor.add_predictions(predictions_of([(1, 7, 0.5, 1.0, 0)]))
    monitor.add_labels(labels_of([(5, 9, 1.0)]))
    (late, verdicts), _ = monitor.advance_to(12).refused
    assert late.ts.tolist() == [7]
    assert verdicts.tolist() == [LATE]
    assert tuples(monitor.advance_to(100).closed.orphans) == [(5, 9, 1.0)]


def test_rows_wait_for_their_tick(tmp_path):
    monitor = QualityMonitor(monitor_params(), tmp_path)
    monitor.add_predictions(predictions_of([(1, 7, 0.5, 1.0, 0)]))
    monitor.add_labels(labels_of([(1, 9, 1.0)]))
    assert monitor.advance_to(8).known[0].labelled == 0
    assert monitor.rows_waiting == 1
    assert monitor.advance_to(12).known[0].labelled == 1


@pytest.mark.parametrize(("size", "slide"), [(10, 3), (0, 5), (5, 0), (5, 10)])
def test_a_window_is_a_multiple_of_its_slide(size, slide):
    with pytest.raises(UsageError, match="multiple of the slide"):
        WindowSpec(size, slide)


def test_every_window_is_a_run_of_panes():
    spec = WindowSpec(15, 5)
    for ts in range(-20, 40):
        holding = {w for w in range(-10, 20) if spec.begin_ns(w) <= ts < spec.end_ns(w)}
        assert spec.windows_with([spec.pane(ts)]) == holding
        assert all(spec.pane(ts) in spec.pane_range(w) for w in holding)
    assert np.ptp([spec.end_ns(w) - spec.begin_ns(w) for w in range(5)]) == 0
