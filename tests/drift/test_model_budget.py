"""The budget of false alarms is the model's: versions, evaluators and estimates share it.

Aim: neither a canary nor a further evaluator adds false alarms, and one that has gone takes nothing
away. Method: levels that records tell, of streams with a change that is found anyway.
"""

from dataclasses import replace

import numpy as np
import pytest
from model_feed import START_NS, Said, config_of
from model_tables import Stream

from engine.config.durations import HOUR_NS
from engine.config.models import QualityConfig
from engine.config.scalars import ReferencePlace, WindowSize
from engine.drift.budget import WEEK_NS
from engine.drift.model_monitor import ModelMonitor
from engine.drift.model_reference import ModelReference

HOUR = WindowSize(HOUR_NS, 0)


def hourly(**changes):
    given = {
        "reference": ReferencePlace("rows", rows=3000),
        "window": HOUR,
        "slide": HOUR,
        "interval_ns": HOUR_NS,
        "segments": (),
        "sequential": (),
        "label_delay_ns": 3 * HOUR_NS,
        "quality": QualityConfig(
            window_ns=6 * HOUR_NS, slide_ns=HOUR_NS, correct_every_ns=6 * HOUR_NS
        ),
    }
    return config_of(**{**given, **changes})


def said_of(config, folder, *tables, reference=None):
    monitor, said = ModelMonitor(config, folder, reference), Said()
    monitor.add(tables, [])
    said.take(monitor.advance_to(max(int(table.ts[-1]) for table in tables) + 4 * 24 * HOUR_NS))
    return said


def moved():
    stream = Stream(1, 60, 300)
    stream.age[stream.hour > 40] += 10
    return stream.table()


def beside(hours, version):
    table = Stream(2, hours, 300).table(version=version)
    table.key[:] += np.uint64(10**6 * int(version))
    return table


def level_of_first(said, group="drift"):
    return said.episodes(group)[0]["budget"]["alpha"]


def test_versions_that_speak_have_equal_parts(tmp_path):
    alone = level_of_first(said_of(hourly(), tmp_path / "1", moved()))
    three = level_of_first(
        said_of(hourly(), tmp_path / "3", moved(), beside(60, "8"), beside(60, "9"))
    )
    assert three == pytest.approx(alone / 3, rel=1e-2)


def test_a_version_that_has_fallen_silent_has_none(tmp_path):
    alone = level_of_first(said_of(hourly(), tmp_path / "1", moved()))
    after = level_of_first(said_of(hourly(), tmp_path / "2", moved(), beside(30, "8")))
    assert after == pytest.approx(alone, rel=1e-2)


@pytest.mark.parametrize("has_estimates", [True, False])
def test_estimates_share_what_quality_has(has_estimates, tmp_path):
    stream, before = Stream(7, 60, 300), Stream(8, 30, 300)
    worse = (stream.hour > 40) & (stream.rng.random(stream.rows) < 0.5)
    stream.label[worse] = 1 - stream.label[worse]
    rows = before.table()
    if not has_estimates:
        rows = replace(rows, label=None, label_ts=None)
    config = hourly(reference=ReferencePlace("file", path="x"))
    reference = ModelReference([rows], tmp_path)
    said = said_of(config, tmp_path, stream.table(), reference=reference)
    level = 0.25 * HOUR_NS / WEEK_NS / (2 if has_estimates else 1)
    assert level_of_first(said, "quality") == pytest.approx(level, rel=1e-2)


def test_labels_that_come_long_after_the_last_prediction_make_one_episode(tmp_path):
    stream = Stream(6, 40, 300)
    worse = (stream.hour > 20) & (stream.rng.random(stream.rows) < 0.5)
    stream.label[worse] = 1 - stream.label[worse]
    table = stream.table()
    table = replace(table, label_ts=table.ts + 30 * HOUR_NS)
    said = said_of(hourly(label_delay_ns=40 * HOUR_NS), tmp_path, table)
    statuses = [event["status"] for event in said.episodes("quality")]
    assert (statuses.count("open"), statuses.count("closed")) == (1, 1)
    closed = said.episodes("quality")[-1]
    assert np.datetime64(closed["evaluatedAt"].rstrip("Z"), "ns") > np.datetime64(
        START_NS + 69 * HOUR_NS, "ns"
    )


def test_absurd_errors_stop_nothing(tmp_path):
    stream = Stream(6, 20, 300)
    stream.label[stream.hour > 10] = 1.7e308
    config = hourly(
        quality=QualityConfig(kind="regression", window_ns=6 * HOUR_NS, slide_ns=HOUR_NS)
    )
    said = said_of(config, tmp_path, stream.table())
    assert said.values("model_label_coverage")
    assert not said.episodes("quality")


def test_nothing_is_told_of_versions_that_made_room(tmp_path):
    monitor, said = ModelMonitor(hourly(), tmp_path, None, versions_max=4), Said()
    for number in range(8):
        table = Stream(12, 3, 200).table(
            version=str(number), begin_ns=START_NS + number * 12 * HOUR_NS
        )
        table.key[:] += np.uint64(10**6 * number)
        monitor.add([table], [])
        said.take(monitor.advance_to(int(table.ts[-1]) + HOUR_NS))
    last = said.columns[-1].fingerprint.tolist()
    versions = {dict(said.names[one].labels).get("version") for one in last} - {None}
    assert "7" in versions
    assert len(versions) <= 4
