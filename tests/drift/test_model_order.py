"""What a model monitor says of the same rows, however they come.

Aim: arrival order, cuts into batches, partitions with categories numbered otherwise, steps of the
watermark and restarts leave no trace. Method: generated rows, some of equal time and id, against
one batch in order; all samples, records and dead letters, bit for bit.
"""

import numpy as np
import pytest
from model_feed import config_of, play, play_shuffled, rows_of

from engine.config.durations import MINUTE_NS
from engine.config.models import LlmConfig, QualityConfig, SequentialConfig
from engine.config.scalars import ReferencePlace, WindowSize
from engine.drift import model_monitor, model_sequential, version_windows

FIVE_MINUTES = WindowSize(5 * MINUTE_NS, 0)
CONFIGS = {
    "tumbling": {"multivariate": ("mmd", "pca")},
    "sliding": {"slide": FIVE_MINUTES, "segments": ("env", "region")},
    "rows": {"window": WindowSize(0, 200), "slide": WindowSize(0, 100), "segments_max": 1},
    "many windows": {
        "reference": ReferencePlace("rows", rows=100),
        "window": WindowSize(0, 40),
        "slide": WindowSize(0, 20),
        "rows_min": 10,
        "interval_ns": 5 * MINUTE_NS,
        "effect_min": 0.0,
        "false_alarms_per_week": 1000.0,
    },
    "exact": {"mode": "exact", "rows_max": 100},
    "trailing": {"reference": ReferencePlace("trailing", ns=40 * MINUTE_NS), "slide": FIVE_MINUTES},
    "collecting": {"reference": ReferencePlace("rows", rows=350)},
    "sequential": {
        "segments": (),
        "sequential": (
            SequentialConfig(on="age", use="level"),
            SequentialConfig(on="active", use="hddm_a"),
            SequentialConfig(on="error", use="river.drift.ADWIN"),
        ),
    },
    "calls": {"llm": LlmConfig(evaluators=("judge",))},
    "regression": {
        "quality": QualityConfig(kind="regression", slide_ns=10 * MINUTE_NS),
        "open_predictions": 20,
    },
}


def same(one, other):
    """Compare all that was said; the order within a tick tells nothing."""
    assert one.samples == other.samples
    assert sorted(one.records) == sorted(other.records)
    assert sorted(one.letters) == sorted(other.letters)


def rows_for(name):
    rng = np.random.default_rng(7)
    versions = ("1", "2", "3") if name == "many windows" else ("1", "2")
    return rows_of(rng, 1000, span_ns=80 * MINUTE_NS, versions=versions, calls=name == "calls")


@pytest.mark.parametrize("name", CONFIGS)
def test_order_of_arrival_and_restarts_leave_no_trace(name, tmp_path, monkeypatch):
    monkeypatch.setattr(version_windows, "GRID_ROWS", 300)
    monkeypatch.setattr(model_monitor, "TAKEN_AHEAD", 1)
    monkeypatch.setattr(model_sequential, "RATE_ROWS", 200)
    config, rows = config_of(**CONFIGS[name]), rows_for(name)
    expected = play(config, tmp_path / "whole", rows)
    assert expected.values("drift_pvalue")
    rng = np.random.default_rng(5)
    # However many rows are taken before their tick.
    monkeypatch.setattr(model_monitor, "TAKEN_AHEAD", 1)
    same(play_shuffled(config, tmp_path / "order", rows, rng), expected)
    same(play_shuffled(config, tmp_path / "cut", rows, rng, restarts=0.5), expected)


def test_more_versions_than_are_watched(tmp_path):
    rng = np.random.default_rng(3)
    rows = rows_of(rng, 800, span_ns=60 * MINUTE_NS, versions=tuple("abcdefg"))
    config = config_of(reference=ReferencePlace("rows", rows=100))
    expected = play(config, tmp_path / "whole", rows, versions_max=3)
    versions = {labels.get("version") for _, labels, _ in expected.values("prediction_rate")}
    assert "(other)" in versions
    assert len(versions) == 4
    again = play_shuffled(config, tmp_path, rows, rng, restarts=0.5, versions_max=3)
    same(again, expected)
