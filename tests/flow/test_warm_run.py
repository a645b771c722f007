"""``run --warm-from``: from its first minute on a run says what one that saw it all would say.

Method: a stream is cut in two; the first part is recorded, the second one is live. Scores must be
those of one flow over the whole, to the bit.
"""

import json
import signal
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from flow_tools import (
    BEGIN_MS,
    STEP_MS,
    by_host,
    config_of,
    python,
    recorded,
    run_flow,
    said,
    settings,
    stream,
    wait_until,
    whole_checkpoints,
    write_recording,
)
from test_kafka_flow import DONE, PARTITIONS, is_done, produce
from test_kafka_flow import messages as topic_messages
from test_kafka_flow import stop as end_run

from engine.cli import main
from engine.events import rfc3339
from engine.pipeline import runner
from engine.pipeline.runner import Run, Stop

HOSTS, STEPS, SHARDS = 8, 600, 4
CUT_MS = BEGIN_MS + STEPS // 2 * STEP_MS
DETECTORS = {
    "default": "detectors: [{false_alarms_per_day: 300}]",
    "entity": "detectors: [{entity: [host], false_alarms_per_day: 300}]",
    "ewma": "detectors: [{use: ewma}]",
}


@pytest.fixture(scope="module")
def rows():
    return stream(seed=5, hosts=HOSTS, steps=STEPS)


@pytest.fixture(scope="module")
def past(rows, tmp_path_factory):
    """The recording: its files are cut otherwise than the live stream's."""
    first = rows.filter(pl.col("ts") <= CUT_MS)
    folder = tmp_path_factory.mktemp("past") / "recording"
    rng = np.random.default_rng(0)
    return write_recording(first, folder, partition=by_host(first, 3), rng=rng)


def written(folder: Path, rows: pl.DataFrame, detectors: str) -> Path:
    """A configuration whose source is a recording of these rows."""
    folder.mkdir(exist_ok=True)
    recording = write_recording(rows, folder / "recording", partition=by_host(rows, 2))
    text = settings(folder, source=recorded(recording), shards=SHARDS, more=DETECTORS[detectors])
    path = folder / "config.yaml"
    path.write_text(text)
    return path


def whole_scores(folder: Path, rows: pl.DataFrame, detectors: str) -> pl.DataFrame:
    """Scores of the live part, of a flow that saw the whole."""
    path = written(folder, rows, detectors)
    run_flow(config_of(path.read_text(), folder))
    return live(said(folder / "out").scores)


def live(scores: pl.DataFrame) -> pl.DataFrame:
    return scores.filter(pl.col("ts").dt.epoch("ms") > CUT_MS)


def messages(text: str) -> list[str]:
    """What was logged."""
    return [json.loads(line)["event"] for line in text.splitlines()]


LEARNED = "the detectors have learned from the recording"
RESUMED = "going on from the state folder: the recording to warm from is not needed"


@pytest.mark.parametrize("begin_ms", [CUT_MS, CUT_MS - 40 * STEP_MS], ids=["behind", "within"])
@pytest.mark.parametrize("detectors", sorted(DETECTORS))
def test_scores_are_those_of_the_whole(rows, past, tmp_path: Path, capsys, detectors, begin_ms):
    """A live stream that begins within the recording's time has no late rows for that."""
    expected = whole_scores(tmp_path / "whole", rows, detectors)
    assert (expected["onset"] > 0.5).sum() > 3
    config = written(tmp_path / "live", rows.filter(pl.col("ts") > begin_ms), detectors)
    workers = "2" if detectors == "default" else "1"
    assert main(["run", str(config), "--warm-from", str(past), "-w", workers]) == 0
    found = said(tmp_path / "live" / "out")
    assert found.scores.equals(expected)
    assert (tmp_path / "live" / "out" / "dead_letters.jsonl").read_bytes() == b""
    ticks = {alert["evaluatedAt"] for alert in found.alerts.values()}
    assert rfc3339(begin_ms * 1_000_000) < min(ticks)
    assert LEARNED in messages(capsys.readouterr().err)


def test_a_run_with_a_state_goes_on_from_that(rows, past, tmp_path: Path, capsys):
    config = written(tmp_path / "live", rows.filter(pl.col("ts") > CUT_MS), "default")
    assert main(["run", str(config), "--warm-from", str(past)]) == 0
    first = said(tmp_path / "live" / "out")
    logged = messages(capsys.readouterr().err)
    assert LEARNED in logged
    assert RESUMED not in logged
    assert main(["run", str(config), "--warm-from", str(past)]) == 0
    said(tmp_path / "live" / "out").assert_equals(first)
    logged = messages(capsys.readouterr().err)
    assert RESUMED in logged
    assert LEARNED not in logged


def test_a_run_that_is_stopped_while_it_learns_begins_anew(rows, past, tmp_path: Path, monkeypatch):
    """It leaves no state, which would be one of detectors that know nothing."""
    expected = whole_scores(tmp_path / "whole", rows, "default")
    path = written(tmp_path / "live", rows.filter(pl.col("ts") > CUT_MS), "default")
    stop = Stop()

    def stopped(_):
        stop.set()
        return {}

    config = config_of(path.read_text(), path.parent)
    with monkeypatch.context() as patch:
        # A flow that begins makes the place to begin at durable, and `latest` is another later.
        patch.setattr(runner, "run_main", lambda *_, **__: pytest.fail("the flow has begun"))
        Run(config=config, stateful=True, stop=stop, warm=stopped).execute()
    assert whole_checkpoints(tmp_path / "live" / "state", SHARDS) == []
    assert main(["run", str(path), "--warm-from", str(past)]) == 0
    assert said(tmp_path / "live" / "out").scores.equals(expected)


def test_a_recording_that_teaches_nothing_is_refused(rows, past, tmp_path: Path, capsys):
    path = written(tmp_path / "live", rows.filter(pl.col("ts") > CUT_MS), "default")
    good = path.read_text()
    path.write_text(good.replace(DETECTORS["default"], "detectors: [{match: nothing}]"))
    assert main(["run", str(path), "--warm-from", str(past)]) == 2
    assert "no detector of" in (refusal := capsys.readouterr().err.splitlines()[-1])
    assert "watches one of its 16 series (latency, load)" in refusal
    assert main(["run", str(path), "--warm-from", str(tmp_path / "none")]) == 2
    assert "no such file or folder" in capsys.readouterr().err
    path.write_text(good)
    assert main(["run", str(path), "--warm-from", str(past)]) == 0


@pytest.mark.kafka
def test_a_topic_that_was_recorded_goes_on(kafka_brokers, kafka_topic, tmp_path: Path):
    """Live it is read from its beginning, which is in the recording."""
    topic, log = kafka_topic(partitions=PARTITIONS), tmp_path / "log"
    text = settings(
        tmp_path,
        source=f'kafka: {{brokers: "{kafka_brokers}", topic: {topic}, start: earliest}}',
        shards=SHARDS,
    )
    (tmp_path / "done.yaml").write_text(DONE)
    config = tmp_path / "config.yaml"
    config.write_text(text.replace("[rules.yaml]", "[rules.yaml, done.yaml]"))
    sent = topic_messages(seed=14, steps=400)
    produce(kafka_brokers, topic, sent[: len(sent) // 2])
    past = str(tmp_path / "past")
    assert main(["record", str(config), "--out", past, "--until-end"]) == 0
    produce(kafka_brokers, topic, sent[len(sent) // 2 :])
    with python(["-m", "engine.cli", "run", str(config), "--warm-from", past], log=log) as run:
        wait_until(lambda: is_done(tmp_path), timeout_s=180, what="the end of the stream")
        end_run(run, signal.SIGTERM, log)
    whole, replayed = str(tmp_path / "whole"), tmp_path / "replayed"
    assert main(["record", str(config), "--out", whole, "--until-end"]) == 0
    assert main(["replay", whole, "--config", str(config), "--out", str(replayed)]) == 0
    of_stream = pl.col("name").is_in(["load", "latency"])
    learned_through = pl.scan_parquet(f"{past}/*.parquet").select(pl.col("ts").max()).collect()
    later = pl.col("ts").dt.epoch("ns") > learned_through.to_series().dt.epoch("ns")[0]
    expected = said(replayed).scores.filter(of_stream & later)
    assert expected.height > len(sent) // 3
    assert said(tmp_path / "out").scores.filter(of_stream).equals(expected)
