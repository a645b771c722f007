"""A model goes on with other settings: what can go on does, the rest begins anew and says so.

Aim: no change of the settings stops a flow, and counts that do not fit are never mixed. Method:
half a stream with the settings of before, a checkpoint, and the other half with others.
"""

import msgspec
import numpy as np
import pytest
import structlog
from model_feed import MODEL, START_NS, Said, add, config_of, end_of, rows_of, tables

from engine.config.durations import MINUTE_NS
from engine.config.models import QualityConfig, SequentialConfig
from engine.config.scalars import ReferencePlace, WindowSize
from engine.drift import version_windows
from engine.drift.model_monitor import ModelMonitor

HALF_NS = START_NS + 90 * MINUTE_NS
NOTHING, WINDOWS, REFERENCE = set(), {"windows"}, {"windows and reference"}
QUALITY_WINDOWS, QUALITY = {"windows of quality"}, {"quality"}

CHANGES = [
    ({}, NOTHING),
    ({"rows_min": 20}, NOTHING),
    ({"methods": {"numeric": ("wasserstein",), "categorical": ("psi",)}}, NOTHING),
    ({"multivariate": ("mmd",)}, NOTHING),
    ({"label_delay_ns": 25 * MINUTE_NS}, NOTHING),
    ({"label_delay_ns": 60 * MINUTE_NS}, NOTHING),
    ({"open_predictions": 1000}, NOTHING),
    ({"interval_ns": 2 * MINUTE_NS}, NOTHING),
    ({"segments_max": 1}, NOTHING),
    ({"false_alarms_per_week": 50.0}, NOTHING),
    ({"sequential": (SequentialConfig(on="age", use="level"),)}, NOTHING),
    ({"slide": WindowSize(5 * MINUTE_NS, 0)}, WINDOWS),
    ({"window": WindowSize(0, 100), "slide": WindowSize(0, 50)}, WINDOWS),
    ({"mode": "exact"}, REFERENCE),
    ({"segments": ()}, REFERENCE),
    ({"segments": ("region", "env")}, REFERENCE),
    ({"reference": ReferencePlace("rows", rows=200)}, REFERENCE),
    ({"reference": ReferencePlace("trailing", ns=60 * MINUTE_NS)}, REFERENCE),
    ({"quality": QualityConfig(window_ns=20 * MINUTE_NS, slide_ns=4 * MINUTE_NS)}, QUALITY_WINDOWS),
    ({"quality": QualityConfig(kind="classes")}, QUALITY),
    ({"quality": QualityConfig(kind="none")}, NOTHING),
    ({"mode": "exact", "rows_max": 400}, REFERENCE),
]


@pytest.fixture(autouse=True)
def few_rows(monkeypatch):
    """A trailing reference learns its bins from fewer rows."""
    monkeypatch.setattr(version_windows, "GRID_ROWS", 300)


@pytest.mark.parametrize(("changes", "expected"), CHANGES, ids=lambda value: str(value)[:40])
def test_what_can_go_on_does(tmp_path, changes, expected):
    check(tmp_path, {}, changes, expected)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"rows_min": 20}, NOTHING),
        ({"window": WindowSize(0, 100), "slide": WindowSize(0, 50)}, WINDOWS),
        ({"mode": "sketch"}, REFERENCE),
        ({"rows_max": 150}, REFERENCE),
    ],
)
def test_so_do_windows_whose_rows_are_kept(tmp_path, changes, expected):
    check(tmp_path, {"mode": "exact"}, changes, expected)


def check(tmp_path, given, changes, expected):
    before, after = config_of(**given), config_of(**{**given, **changes})
    rows = rows_of(np.random.default_rng(3), 1100)
    first = ModelMonitor(before, tmp_path)
    codes = tables()
    add(first, codes, [row for row in rows if row.ts <= HALF_NS])
    said = Said()
    said.take(first.advance_to(HALF_NS))
    arrays, plain = first.state()
    second = ModelMonitor(after, tmp_path)
    with structlog.testing.capture_logs() as logs:
        second.restore(arrays, msgspec.msgpack.decode(msgspec.msgpack.encode(plain)))
    assert {entry["what"] for entry in logs} == expected
    assert {entry["model"] for entry in logs} <= {MODEL}
    add(second, codes, [row for row in rows if row.ts > HALF_NS])
    later = Said()
    later.take(second.advance_to(end_of(after, rows)))
    scores = later.values("drift_score")
    assert scores  # windows are compared again
    if expected & (WINDOWS | REFERENCE):  # until then nothing of the last ones of before is told
        assert min(ts for ts, *_ in scores) > HALF_NS + after.interval_ns
    counted = [value for _, _, value in later.values("model_reference_rows")]
    restarted = expected == REFERENCE
    assert (counted[0] < 100) == restarted
    assert is_known_again(later) == (changes.get("quality", before.quality).kind != "none")
    ids = [msgspec.json.decode(event)["id"] for _, _, event in said.records + later.records]
    assert len(set(ids)) == len(ids)


def is_known_again(said):
    """Whether labels that came later told something of quality."""
    return any(value > 0 for _, _, value in said.values("model_label_coverage"))
