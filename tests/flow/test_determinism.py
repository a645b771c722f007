"""What is said depends on the samples alone: not on order, cuts, workers, partitions or stops."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from flow_tools import (
    LATENESS_MS,
    Said,
    arriving,
    by_host,
    config_of,
    recorded,
    run_flow,
    said,
    settings,
    stream,
)
from flow_tools import write_recording as write

from engine.events import Alert

HOSTS = 12
STEPS = 700
WHOLE_BATCHES = 1_000_000


@pytest.fixture(scope="module")
def rows():
    return stream(seed=1, hosts=HOSTS, steps=STEPS)


@pytest.fixture(scope="module")
def expected(rows, tmp_path_factory) -> Said:
    """What is said of the rows in time order, from one file, in one batch, by one worker."""
    folder = tmp_path_factory.mktemp("expected")
    recording = write(rows, folder / "recording", partition=np.zeros(rows.height))
    run_flow(config_of(settings(folder, source=recorded(recording), rows=WHOLE_BATCHES), folder))
    return said(folder / "out")


def test_the_stream_has_something_to_say(expected, rows):
    found = {(alert["labels"]["alertname"], alert["status"]) for alert in expected.alerts.values()}
    names = {"High", "SlowOnAverage", "Unsteady", "Anomaly"}
    assert {(name, status) for name in names for status in ("firing", "resolved")} <= found
    assert expected.scores.height == rows.select("ts", "name", "labels").unique().height
    assert (expected.scores["onset"] > 1).sum() > 5


@pytest.mark.parametrize("seed", range(6))
def test_any_order_within_lateness(rows, expected, tmp_path: Path, seed):
    rng = np.random.default_rng(seed)
    recording = write(rows, tmp_path / "recording", partition=np.zeros(rows.height), rng=rng)
    run = run_flow(config_of(settings(tmp_path, source=recorded(recording)), tmp_path))
    assert run.observer.dead_letters() == {}
    said(tmp_path / "out").assert_equals(expected)


def test_any_order_of_a_series_first_samples(rows, expected, tmp_path: Path):
    """When a series begins decides its share of the false-alarm budget."""
    first = (pl.col("ts") == pl.col("ts").min()).over("name", "labels")
    held_up = rows.select(pl.when(first).then(LATENESS_MS - 1).otherwise(0)).to_series()
    arrived = arriving(rows, held_up.to_numpy())
    assert not arrived["ts"].is_sorted()
    recording = write(arrived, tmp_path / "recording", partition=np.zeros(rows.height))
    run_flow(config_of(settings(tmp_path, source=recorded(recording)), tmp_path))
    said(tmp_path / "out").assert_equals(expected)


@pytest.mark.parametrize("batch_rows", [1, 7, 100, 16_384])
def test_any_cut_into_batches(rows, expected, tmp_path: Path, batch_rows):
    part = rows if batch_rows > 1 else rows.filter(rows["labels"].str.contains("h0[012]"))
    recording = write(part, tmp_path / "recording", partition=by_host(part, 3))
    text = settings(tmp_path, source=recorded(recording), rows=batch_rows)
    run_flow(config_of(text, tmp_path))
    found = said(tmp_path / "out")
    if batch_rows > 1:
        found.assert_equals(expected)
        return
    # One row at a time is slow: fewer hosts, and so other shares of the false-alarm budget.
    (tmp_path / "whole").mkdir()
    text = settings(tmp_path / "whole", source=recorded(recording), rows=WHOLE_BATCHES)
    run_flow(config_of(text, tmp_path / "whole"))
    found.assert_equals(said(tmp_path / "whole" / "out"))


@pytest.mark.parametrize("workers", [1, 2, 3, 4])
def test_any_number_of_workers(rows, expected, tmp_path: Path, workers):
    rng = np.random.default_rng(workers)
    recording = write(rows, tmp_path / "recording", partition=by_host(rows, 4), rng=rng)
    run_flow(config_of(settings(tmp_path, source=recorded(recording)), tmp_path), workers=workers)
    said(tmp_path / "out").assert_equals(expected)


@pytest.mark.parametrize("shards", [1, 5, 64])
def test_alerts_do_not_depend_on_the_number_of_shards(rows, tmp_path: Path, expected, shards):
    recording = write(rows, tmp_path / "recording", partition=by_host(rows, 2))
    run_flow(config_of(settings(tmp_path, source=recorded(recording), shards=shards), tmp_path))
    plain = {
        key: alert
        for key, alert in expected.alerts.items()
        if alert["labels"]["alertname"] != "Anomaly"
    }
    found = said(tmp_path / "out").alerts
    # The boundary of an alarm is each shard's own, so anomalies are compared at equal shards only.
    assert {k: a for k, a in found.items() if a["labels"]["alertname"] != "Anomaly"} == plain


@pytest.mark.parametrize("partitions", [1, 2, 7])
@pytest.mark.parametrize("spread", ["by_host", "row_by_row"])
def test_any_partitions(rows, expected, tmp_path: Path, partitions, spread):
    rng = np.random.default_rng(partitions)
    partition = (
        by_host(rows, partitions)
        if spread == "by_host"
        else rng.integers(0, partitions, rows.height)
    )
    recording = write(rows, tmp_path / "recording", partition=partition, rng=rng)
    text = settings(tmp_path, source=recorded(recording), rows=97)
    run = run_flow(config_of(text, tmp_path))
    assert run.observer.dead_letters() == {}
    said(tmp_path / "out").assert_equals(expected)


@pytest.mark.parametrize("workers", [[1, 1, 1, 1], [2, 2, 2], [1, 3, 2, 1]])
def test_a_stop_in_the_middle_repeats_nothing(rows, expected, tmp_path: Path, workers):
    rng = np.random.default_rng(len(workers))
    recording = write(rows, tmp_path / "recording", partition=by_host(rows, 3), rng=rng)
    config = config_of(settings(tmp_path, source=recorded(recording), rows=50), tmp_path)
    alerts: list[Alert] = []
    scores = handled = 0
    for number, count in enumerate(workers):
        last = number == len(workers) - 1
        stop_after = None if last else rows.height // (len(workers) + 1)
        run = run_flow(
            config, workers=count, stateful=True, stop_after=stop_after, on_alerts=alerts.extend
        )
        assert last or run.stop(), "the run ended before it was told to"
        handled += run.observer.handled
        scores += run.observer.said.get("scores", 0)
    found = said(tmp_path / "out")
    found.assert_equals(expected)
    # What a run repeats is cut from the files: the counts show that there was nothing to cut.
    assert len([alert for alert in alerts if alert.event]) == len(expected.alerts)
    assert scores == handled == expected.scores.height


def test_a_run_after_the_end_says_nothing(rows, tmp_path: Path):
    recording = write(rows, tmp_path / "recording", partition=np.zeros(rows.height))
    config = config_of(settings(tmp_path, source=recorded(recording)), tmp_path)
    run_flow(config, stateful=True)
    before = said(tmp_path / "out")
    assert before.alerts
    again = run_flow(config, stateful=True)
    assert again.observer.said == {}
    said(tmp_path / "out").assert_equals(before)
