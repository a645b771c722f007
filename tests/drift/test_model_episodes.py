"""Episodes of a model, from rows to records.

Aim: what changed is found and named, is over when it is over, and nothing is found where nothing
changed. Method: a classifier's stream, hour by hour, with one change.
"""

import msgspec
import numpy as np
import pytest
from model_feed import START_NS, Said, config_of
from model_tables import Stream

from engine.codecs.predictions import Column, Kind
from engine.config.durations import DAY_NS, HOUR_NS, MINUTE_NS
from engine.config.models import QualityConfig
from engine.config.scalars import ReferencePlace, WindowSize
from engine.drift import version_windows
from engine.drift.model_monitor import ModelMonitor
from engine.drift.model_reference import ModelReference

HOUR = WindowSize(HOUR_NS, 0)


def hourly(**changes):
    return config_of(
        **{
            "reference": ReferencePlace("rows", rows=3000),
            "window": HOUR,
            "slide": HOUR,
            "interval_ns": HOUR_NS,
            "label_delay_ns": 3 * HOUR_NS,
            "quality": QualityConfig(
                window_ns=6 * HOUR_NS, slide_ns=HOUR_NS, correct_every_ns=6 * HOUR_NS
            ),
            **changes,
        }
    )


def said_of(config, folder, *tables, reference=None):
    monitor = ModelMonitor(config, folder, reference)
    monitor.add(tables, [])
    said = Said()
    said.take(monitor.advance_to(max(int(table.ts[-1]) for table in tables) + DAY_NS))
    return said


def test_one_feature_of_one_segment(tmp_path):
    stream = Stream(1, 60, 300)
    moved = (stream.hour > 40) & (stream.env == 1)
    stream.age[moved] += 10
    episodes = said_of(hourly(), tmp_path, stream.table()).episodes("drift")
    assert [event["status"] for event in episodes[:1]] == ["open"]
    first = episodes[0]
    assert first["causes"][0]["feature"] == "age"
    assert first["segments"][0]["segment"] == "env=canary"
    assert len({event["episode"] for event in episodes}) == 1


def test_missing_values(tmp_path):
    stream = Stream(2, 40, 300)
    stream.age[(stream.hour > 25) & (stream.rng.random(stream.rows) < 0.3)] = np.nan
    episodes = said_of(hourly(), tmp_path, stream.table()).episodes("data_quality")
    assert episodes[0]["status"] == "open"
    assert (
        episodes[0]["causes"][0] | {"feature": "age", "method": "missing"}
        == (episodes[0]["causes"][0])
    )


def test_unseen_categories(tmp_path):
    stream = Stream(3, 40, 300)
    stream.regions = ("EU", "US", "APAC", "MARS")
    stream.region[(stream.hour > 25) & (stream.rng.random(stream.rows) < 0.1)] = 3
    episodes = said_of(hourly(), tmp_path, stream.table()).episodes("data_quality")
    assert episodes[0]["causes"][0]["feature"] == "region"
    assert episodes[0]["causes"][0]["method"] == "unseen"


def test_a_feature_that_becomes_another_type(tmp_path):
    stream, after = Stream(4, 30, 300), Stream(5, 20, 300)
    after.hour += 30
    after.features["age"] = Column(Kind.CATEGORICAL, np.zeros(after.rows, np.int32), ("forty",))
    table = after.table()
    table.key[:] += np.uint64(10**6)
    episodes = said_of(hourly(), tmp_path, stream.table(), table).episodes("data_quality")
    assert episodes[0]["causes"][0]["feature"] == "age"


def test_errors_that_rise_and_fall(tmp_path):
    stream = Stream(6, 80, 600)
    worse = (stream.hour > 40) & (stream.hour < 55) & (stream.rng.random(stream.rows) < 0.5)
    stream.label[worse] = 1 - stream.label[worse]
    said = said_of(hourly(interval_ns=5 * MINUTE_NS), tmp_path, stream.table())
    episodes = said.episodes("quality")
    assert [event["status"] for event in episodes][:: len(episodes) - 1] == ["open", "closed"]
    methods = {cause["method"] for event in episodes for cause in event["causes"]}
    assert {"rate", "error_rate"} <= methods
    opened = episodes[0]["openedAt"]
    onset = np.datetime64(episodes[0]["onsetAt"].rstrip("Z"))
    start = np.datetime64(int(stream.table().ts[0]), "ns")
    assert abs((onset - start) / np.timedelta64(1, "h") - 40) < 2
    assert np.datetime64(opened.rstrip("Z")) - start < np.timedelta64(44, "h")
    open_at = [value for _, _, value in said.values("drift_episode", group="quality")]
    assert open_at[-1] == 0
    assert max(open_at) == 1


def test_concept_drift_by_a_reference_with_labels(tmp_path):
    stream, before = Stream(7, 60, 200), Stream(8, 30, 200)
    worse = (stream.hour > 30) & (stream.rng.random(stream.rows) < 0.3)
    stream.label[worse] = 1 - stream.label[worse]
    path = tmp_path / "reference.parquet"
    path.touch()
    reference = ModelReference([before.table()], path)
    config = hourly(reference=ReferencePlace("file", path=str(path)), sequential=())
    said = said_of(config, tmp_path, stream.table(), reference=reference)
    methods = {c["method"] for event in said.episodes("quality") for c in event["causes"]}
    assert "concept_gap" in methods
    gaps = [value for _, labels, value in said.values("model_accuracy_gap", version="7")]
    assert max(map(abs, gaps[:20])) < 0.1
    assert min(gaps) < -0.1


def test_a_model_with_a_reference_is_compared_from_the_first_window(tmp_path):
    stream, before = Stream(9, 6, 300), Stream(10, 20, 300)
    stream.age += 20
    path = tmp_path / "reference.parquet"
    config = hourly(reference=ReferencePlace("file", path=str(path)), segments=())
    reference = ModelReference([before.table()], path)
    said = said_of(config, tmp_path, stream.table(), reference=reference)
    (opened, *_) = said.episodes("drift")
    assert opened["causes"][0]["feature"] == "age"
    assert opened["window"]["referenceRows"] == before.rows


def test_what_did_not_change_opens_nothing(tmp_path):
    """Four weeks at one false alarm a week: four are expected at the most."""
    long = WindowSize(2 * HOUR_NS, 0)
    quality = QualityConfig(window_ns=6 * HOUR_NS, slide_ns=2 * HOUR_NS, correct_every_ns=DAY_NS)
    given = {"window": long, "slide": long, "quality": quality, "importance": {"age": 1.0}}
    config = hourly(interval_ns=2 * HOUR_NS, **given)
    opened = []
    for seed in range(4):
        said = said_of(config, tmp_path / str(seed), Stream(100 + seed, 28 * 24, 40).table())
        events = said.episodes("drift", "data_quality", "quality")
        opened.append(sum(event["status"] == "open" for event in events))
    assert sum(opened) / len(opened) <= 4


def test_a_reference_of_few_rows_makes_no_gap(tmp_path):
    """The error of an estimate is as large as that of the rows that it was learned from."""
    opened = 0
    for seed in range(6):
        stream, before = Stream(200 + seed, 30, 600), Stream(300 + seed, 5, 40)
        reference = ModelReference([before.table()], tmp_path)
        config = hourly(reference=ReferencePlace("file", path="x"), sequential=(), segments=())
        said = said_of(config, tmp_path / str(seed), stream.table(), reference=reference)
        methods = {c["method"] for event in said.episodes("quality") for c in event["causes"]}
        opened += "concept_gap" in methods
    assert opened <= 1


def test_importance_is_learned_from_the_windows(tmp_path):
    monitor = ModelMonitor(hourly(), tmp_path)
    monitor.add([Stream(12, 30, 300).table()], [])
    monitor.advance_to(START_NS + 30 * HOUR_NS)
    learned = monitor.state()[1]["importance"]["importance"]
    assert min(learned["age"], learned["income"]) > 2 * max(learned["region"], learned["active"])


@pytest.mark.parametrize("action", ["retrain", "none"])
def test_what_an_episode_asks_for(action, tmp_path):
    stream = Stream(11, 40, 300)
    stream.age[stream.hour > 20] += 20
    said = said_of(hourly(on_episode=action), tmp_path, stream.table())
    kinds = [msgspec.json.decode(event)["type"] for _, _, event in said.records]
    assert kinds.count("trigger") == (action == "retrain")


def test_an_episode_of_a_version_that_falls_silent_is_closed(tmp_path):
    stream = Stream(11, 42, 300)
    stream.age[stream.hour > 40] += 10
    episodes = said_of(hourly(), tmp_path, stream.table()).episodes("drift")
    assert [event["status"] for event in episodes][-1] == "closed"
    assert "fallen silent" in episodes[-1]["reason"]
    assert len({event["episode"] for event in episodes}) == 1


def test_silent_versions_make_room_for_new_ones(tmp_path):
    monitor = ModelMonitor(hourly(), tmp_path, None, versions_max=4)
    said, versions = Said(), [str(number) for number in range(8)]
    for number, version in enumerate(versions):
        table = Stream(12, 3, 200).table(version=version, begin_ns=START_NS + number * 12 * HOUR_NS)
        monitor.add([table], [])
        said.take(monitor.advance_to(int(table.ts[-1]) + HOUR_NS))
    told = {labels["version"] for _, labels, _ in said.values("prediction_rate")}
    assert told == set(versions)


def test_all_features_together_are_compared_with_a_trailing_reference_too(tmp_path, monkeypatch):
    monkeypatch.setattr(version_windows, "GRID_ROWS", 600)
    stream = Stream(13, 40, 200)
    stream.age[stream.hour > 15] += 20
    trailing = ReferencePlace("trailing", ns=6 * HOUR_NS)
    methods = ("mmd", "pca", "domain_classifier")
    config = hourly(reference=trailing, multivariate=methods, segments=())
    said = said_of(config, tmp_path, stream.table())
    for method in methods:
        told = said.values("drift_pvalue", method=method)
        hours = [(ts - START_NS) / HOUR_NS for ts, _, _ in told]
        moved = [p for hour, (_, _, p) in zip(hours, told, strict=True) if 17 <= hour <= 19]
        after = [p for hour, (_, _, p) in zip(hours, told, strict=True) if 26 <= hour <= 40]
        assert max(moved) < 0.01
        assert sorted(after)[len(after) // 2] > 0.05


def test_quality_is_told_of_versions_as_a_whole_beside_their_segments(tmp_path):
    tables = [Stream(20 + n, 12, 200).table(version=str(n)) for n in range(2)]
    for table in tables:  # ids of their own
        table.key[:] += np.uint64(1_000_000 * int(table.version))
    said = said_of(hourly(), tmp_path, *tables)
    records = [msgspec.json.decode(event) for _, _, event in said.records]
    finals = [one for one in records if one["type"] == "quality" and one["final"]]
    assert {one["version"] for one in finals} == {"0", "1"}
    for version in ("0", "1"):
        own = [one for one in finals if one["version"] == version]
        wholes = {one["window"]["end"]: one for one in own if not one["segment"]}
        assert wholes
        for end, whole in wholes.items():
            parts = [one for one in own if one["segment"] and one["window"]["end"] == end]
            assert len(parts) > 1
            assert whole["predictions"] == sum(one["predictions"] for one in parts)
            assert whole["labelled"] == sum(one["labelled"] for one in parts)
