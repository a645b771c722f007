"""A look at a recording tells form, range, interval and metrics."""

import polars as pl

from engine.sources.demo_fleet import DEMO_FOLDER, EDGE_DELAY_MAX_S
from engine.sources.demo_plan import DAYS, METRICS, PARTITIONS, START
from engine.sources.recording_summary import looks_like

S = 1_000_000_000


def test_the_demo_fleet_at_a_look():
    summary = looks_like(DEMO_FOLDER)
    assert summary.formats == ("parquet",)
    assert not summary.wide
    assert summary.partitions == len(PARTITIONS)
    assert summary.metrics == tuple(sorted({metric.name for metric in METRICS}))
    assert summary.series == sum(len(metric.hosts) for metric in METRICS)
    assert summary.interval_ns == 60 * S
    assert summary.first_ts == int(START.timestamp()) * S
    assert 0 <= START.timestamp() + DAYS * 86_400 - summary.last_ts / S < 60
    assert 0 < summary.out_of_order_ns < EDGE_DELAY_MAX_S * S
    assert summary.complete
    assert summary.rejects == 0


def test_a_look_is_bounded(tmp_path):
    ts = [1_760_000_000 + 5 * i for i in range(1000)]
    pl.DataFrame({"ts": ts, "a": 1.0, "b": 2.0}).write_csv(tmp_path / "r.csv")
    summary = looks_like(tmp_path / "r.csv", samples_max=100)
    assert summary.wide
    assert summary.formats == ("csv",)
    assert summary.samples == 100
    assert not summary.complete
    assert summary.interval_ns == 5 * S


def test_an_empty_recording_has_no_range(tmp_path):
    pl.DataFrame(schema={"ts": pl.Int64, "up": pl.Float64}).write_parquet(tmp_path / "r.parquet")
    summary = looks_like(tmp_path / "r.parquet")
    assert (summary.first_ts, summary.last_ts, summary.interval_ns) == (None, None, None)
    assert summary.samples == 0
