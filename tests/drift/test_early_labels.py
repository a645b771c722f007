"""Labels before the first prediction.

Aim: they wait as long as others do, are bounded, and none is lost without a word. Method: a few
labels, by hand, and a model whose predictions come after its labels.
"""

import msgspec
import numpy as np
from model_feed import MODEL, START_NS, Said, add, config_of, rows_of, tables

from engine.codecs.predictions import LabelRow, PredictionRow
from engine.config.durations import MINUTE_NS
from engine.config.models import QualityConfig
from engine.drift.early_labels import EarlyLabels
from engine.drift.label_rows import Labels
from engine.drift.model_monitor import ModelMonitor
from engine.drift.version_rows import LabelRows
from engine.events import Reason


def labels_at(*ts, evaluator=""):
    key = np.array(ts, np.uint64) + np.uint64(100)
    return LabelRows(evaluator, Labels(key, np.array(ts, np.int64), np.ones(len(ts))))


def test_labels_are_given_up_after_the_delay():
    early = EarlyLabels(MODEL, 10, 100)
    assert early.next_event_ns() is None
    assert not early.add(labels_at(5, 7))
    assert early.next_event_ns() == 16
    assert not early.advance_to(15)
    (letter,) = early.advance_to(16)
    assert (letter.reason, letter.ts) == (Reason.ORPHAN_LABEL, 5)
    (rest,) = early.take()
    assert rest.labels.ts.tolist() == [7]
    assert early.next_event_ns() is None


def test_only_so_many_are_kept():
    early = EarlyLabels(MODEL, 10, 3)
    assert not early.add(labels_at(1, 2))
    letters = early.add(labels_at(3, 4, 5))
    assert [(letter.reason, letter.ts) for letter in letters] == [
        (Reason.LIMIT, 4),
        (Reason.LIMIT, 5),
    ]
    assert not early.add(labels_at(3, evaluator="judge"))
    assert [len(late.labels.ts) for late in early.take()] == [3, 1]


def test_state_comes_back():
    early, again = EarlyLabels(MODEL, 10, 9), EarlyLabels(MODEL, 10, 9)
    early.add(labels_at(1, 2))
    early.add(labels_at(3, evaluator="judge"))
    arrays = {}
    plain = msgspec.msgpack.decode(msgspec.msgpack.encode(early.state(arrays, "early")))
    again.restore({name.removeprefix("early|"): array for name, array in arrays.items()}, plain)
    for one, other in zip(early.take(), again.take(), strict=True):
        assert one.evaluator == other.evaluator
        assert [c.tolist() for c in one.labels] == [c.tolist() for c in other.labels]


def test_labels_that_come_first_are_joined(tmp_path):
    monitor, said = ModelMonitor(config_of(), tmp_path), Said()
    label = LabelRow(0, START_NS, MODEL, "p1", 1)
    add(monitor, tables(), [label, LabelRow(0, START_NS, MODEL, "p2", 1)])
    said.take(monitor.advance_to(START_NS + 2 * MINUTE_NS))
    row = PredictionRow(0, START_NS + 5 * MINUTE_NS, MODEL, "1", "p1", {"age": 1.0}, 1, 0.9)
    add(monitor, tables(), [row])
    said.take(monitor.advance_to(START_NS + 120 * MINUTE_NS))
    assert max(value for *_, value in said.values("model_label_coverage")) == 1.0
    assert [reason for reason, *_ in said.letters] == [Reason.ORPHAN_LABEL]


def test_a_model_without_quality_keeps_no_labels(tmp_path):
    config = config_of(quality=QualityConfig(kind="none"))
    monitor = ModelMonitor(config, tmp_path)
    rng = np.random.default_rng(1)
    labels = [row for row in rows_of(rng, 300) if isinstance(row, LabelRow)]
    add(monitor, tables(), labels)
    said = Said()
    said.take(monitor.advance_to(labels[-1].ts + MINUTE_NS))
    assert monitor.state()[1]["early"] == []
    assert not said.letters


def test_labels_alone_end_as_orphans(tmp_path):
    monitor, said = ModelMonitor(config_of(), tmp_path), Said()
    add(monitor, tables(), [LabelRow(0, START_NS, MODEL, f"p{n}", 1) for n in range(5)])
    said.take(monitor.advance_to(START_NS + 29 * MINUTE_NS))
    assert not said.letters
    said.take(monitor.advance_to(START_NS + 32 * MINUTE_NS))
    assert [reason for reason, *_ in said.letters] == [Reason.ORPHAN_LABEL] * 5
