"""The bundled fleet is what its generator makes, and its rules fire in the labelled incidents."""

import re
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
import polars as pl
import pytest
from ruamel.yaml import YAML

from engine.config.load import load_config
from engine.rules.load import load_rule_file
from engine.sources.demo_fleet import (
    DEMO_FOLDER,
    EDGE_DELAY_MAX_S,
    LABELS_FILE,
    generate_fleet,
    write_fleet,
)
from engine.sources.demo_models import DRIFTS
from engine.sources.demo_plan import DAYS, INCIDENTS, METRICS, START
from engine.sources.recording_files import open_recording

LOOKBACK = timedelta(minutes=5)
DURATIONS = {"m": "minutes", "h": "hours", "d": "days"}
EXPRESSION = re.compile(r"(?:(\w+)\()?(\w+)(?:\[(\w+)\]\))? ([<>]) ([\d.]+)")


def yaml_of(name):
    return YAML(typ="safe").load((DEMO_FOLDER / name).read_text())


def duration(text):
    return timedelta(**{DURATIONS[text[-1]]: int(text[:-1])})


@pytest.fixture(scope="module")
def bundled():
    return {path.stem: pl.read_parquet(path) for path in sorted(DEMO_FOLDER.glob("*.parquet"))}


@pytest.fixture(scope="module")
def labels():
    return msgspec.json.decode((DEMO_FOLDER / LABELS_FILE).read_bytes())


def test_the_bundled_recording_is_what_the_seed_gives(bundled, tmp_path):
    fleet = generate_fleet()
    assert set(fleet.partitions) == set(bundled)
    for key, rows in fleet.partitions.items():
        assert rows.equals(bundled[key]), key
    write_fleet(fleet, tmp_path)
    assert (tmp_path / LABELS_FILE).read_bytes() == (DEMO_FOLDER / LABELS_FILE).read_bytes()


def test_another_seed_gives_another_fleet_and_fewer_days_fewer_incidents():
    fleet = generate_fleet(seed=1, days=4)
    other = generate_fleet(seed=2, days=4)
    assert not fleet.partitions["backend"].equals(other.partitions["backend"])
    assert 0 < len(fleet.labels) < len(INCIDENTS)
    assert max(label.end for label in fleet.labels) <= START + timedelta(days=4)


def test_the_recording_is_small():
    size = sum(path.stat().st_size for path in DEMO_FOLDER.iterdir())
    assert size < 2_000_000


def test_every_row_is_read_and_none_is_late(bundled):
    lateness_ns = int(duration(yaml_of("config.yaml")["time"]["lateness"]).total_seconds()) * 10**9
    for partition in open_recording(DEMO_FOLDER).partitions:
        blocks = list(partition.blocks(10_000))
        ts = np.concatenate([block.columns.ts for block in blocks])
        assert not any(block.rejects for block in blocks)
        assert len(ts) == bundled[partition.key.removesuffix(".parquet")].height
        before = np.maximum.accumulate(ts)[:-1]
        assert (ts[1:] > before - lateness_ns).all()
        behind_s = int((before - ts[1:]).max()) / 1e9
        if partition.key == "edge.parquet":
            assert 60 <= behind_s < EDGE_DELAY_MAX_S
        else:
            assert behind_s <= 0


def test_labels_name_series_of_the_recording_inside_its_time(bundled, labels):
    series = {
        one.text
        for partition in open_recording(DEMO_FOLDER).partitions
        for block in partition.blocks(10**6)
        for one in block.new_series
    }
    assert len(series) == sum(len(metric.hosts) for metric in METRICS)
    for label in labels:
        start, end = datetime.fromisoformat(label["start"]), datetime.fromisoformat(label["end"])
        assert START < start < end <= START + timedelta(days=DAYS)
        assert label["series"]
        assert set(label["series"]) <= series
    kinds = {label["kind"] for label in labels}
    assert kinds >= {"spike", "level_shift", "flat", "rhythm_break", "slow_leak", "outage"}


def test_an_outage_is_silence(bundled):
    (outage,) = [incident for incident in INCIDENTS if incident.kind == "outage"]
    begin = START + timedelta(days=outage.begin_day)
    end = START + timedelta(days=outage.end_day)
    rows = bundled["backend"].filter(pl.col("labels").str.contains(f'"{outage.host}"'))
    assert rows.filter(pl.col("ts").is_between(begin, end, closed="left")).is_empty()
    assert rows.filter(pl.col("ts") >= end).height > 0


def test_counters_only_fall_when_they_begin_anew(bundled):
    counters = bundled["frontend"].filter(pl.col("name") == "requests_total")
    falls = counters.group_by("labels").agg((pl.col("value").diff() < 0).sum())
    assert falls["value"].unique().to_list() == [1]


def test_the_bundled_configuration_and_rules_load(labels):
    config = load_config(DEMO_FOLDER / "config.yaml", environment={})
    assert config.time.lateness_ns > EDGE_DELAY_MAX_S * 10**9
    rules = {
        name: {
            rule.name
            for group in load_rule_file(
                DEMO_FOLDER / name,
                name=name,
                default_interval_ns=config.rules.interval_ns,
                max_window_ns=config.rules.max_window_ns,
            )
            for rule in group.rules
        }
        for name in config.rules.files
    }
    assert rules["rules.yaml"] == {name for one in labels for name in one["alerts"]}
    assert rules["model_rules.yaml"] == {name for drift in DRIFTS for name in drift.alerts}


def firing_ticks(rows, rule):
    """Minutes in which an alert fires on one series; obvious and slow."""
    function, _, window, comparison, number = EXPRESSION.fullmatch(rule["expr"]).groups()
    reduce = {"avg": np.mean, "min": np.min, "stddev": np.std, None: lambda inside: inside[-1]}[
        function and function.split("_")[0]
    ]
    ts, value = seconds(rows["ts"].to_list()), rows["value"].to_numpy()
    reach = duration(window) if window else LOOKBACK
    ticks = np.arange(START.timestamp(), ts[-1] + 1, 60)
    begins = np.searchsorted(ts, ticks - reach.total_seconds(), side="right")
    ends = np.searchsorted(ts, ticks, side="right")
    active_since, firing = None, []
    for tick, begin, end in zip(ticks.tolist(), begins, ends, strict=True):
        level = reduce(value[begin:end]) if begin < end else np.nan
        holds = level > float(number) if comparison == ">" else level < float(number)
        active_since = (active_since or tick) if holds else None
        if active_since and tick - active_since >= duration(rule["for"]).total_seconds():
            firing.append(datetime.fromtimestamp(tick, UTC))
    return firing


def seconds(moments):
    return np.array([moment.timestamp() for moment in moments])


def test_rules_fire_in_their_incidents_and_nowhere_else(bundled, labels):
    (group,) = yaml_of("rules.yaml")["groups"]
    everything = pl.concat(bundled.values()).sort("ts", maintain_order=True)
    for rule in group["rules"]:
        if rule["alert"] == "HostSilent":
            continue  # fires on silence, by rule_options; the demo's own test plays it
        metric = EXPRESSION.fullmatch(rule["expr"])[2]
        own = [label for label in labels if rule["alert"] in label["alerts"]]
        assert own
        firing = {
            labels_text: firing_ticks(rows, rule)
            for (labels_text,), rows in everything.filter(name=metric).group_by("labels")
        }
        assert sum(bool(ticks) for ticks in firing.values()) == len(own)
        for label in own:
            (host,) = re.findall(r'host="([^"]+)"', label["series"][0])
            (ticks,) = [ticks for text, ticks in firing.items() if f'"{host}"' in text and ticks]
            start = datetime.fromisoformat(label["start"])
            end = datetime.fromisoformat(label["end"])
            assert start <= ticks[0] <= end
            assert ticks[-1] <= end + timedelta(minutes=15)
