"""Models from Kafka to Kafka: what a run says and where; neither workers nor a replay change it.

Method: one world (`model_world`) is on topics; one run as a process says all of it into a folder
and into topics. Everything else must say the same.
"""

import json
import uuid

import msgspec
import pytest
from flow_tools import process, wait_until
from model_world import (
    ORPHAN,
    REFUSED,
    by_id,
    delete_topics,
    is_done,
    kafka_sources,
    lines,
    make_topics,
    recent_begin_ms,
    refused,
    said,
    send,
    world,
    write_config,
)
from test_kafka_flow import records

from engine.config import load_config
from engine.config.connections import RecordingSource
from engine.replay.player import replay
from engine.replay.recorder import record

pytestmark = pytest.mark.kafka

TYPES = {
    "drift": {f"io.streamgauge.drift.{status}.v1" for status in ("open", "update", "closed")},
    "quality": {"io.streamgauge.quality.v1"},
    "trigger": {"io.streamgauge.retrain.requested.v1"},
}


def run_to_the_end(config, folder, *, workers=1):
    log = folder / "log"
    with process(config, workers=workers, log=log) as run:
        wait_until(lambda: is_done(folder) or run.poll() is not None, timeout_s=90, what="the end")
        assert run.poll() is None, log.read_text()[-2000:]
        run.terminate()
        assert run.wait(30) == 0, log.read_text()[-2000:]


@pytest.fixture(scope="module")
def prefix(kafka_brokers):
    """Topics that hold a world, and those that a run makes of it."""
    name = f"test-{uuid.uuid4().hex}"
    make_topics(kafka_brokers, name)
    send(kafka_brokers, name, world(recent_begin_ms()))
    yield name
    delete_topics(kafka_brokers, name)


@pytest.fixture(scope="module")
def live(kafka_brokers, prefix, tmp_path_factory):
    """The folder of a run from Kafka to Kafka that nothing disturbs."""
    folder = tmp_path_factory.mktemp("live")
    sink = f'{{kafka: {{brokers: "{kafka_brokers}", prefix: {prefix}-out}}}}'
    config = write_config(folder, kafka_sources(kafka_brokers, prefix), sinks=(sink,))
    run_to_the_end(config, folder)
    return folder


def test_episodes_and_windows_of_quality_are_said(live):
    drift = said(live / "out", "drift").values()
    opened = {
        (item["model"], item["version"], item["group"])
        for item in drift
        if item["type"] == "drift" and item["status"] == "open"
    }
    expected = {("credit", "2", "drift"), ("support", "m-1", "drift"), ("fraud", "a", "quality")}
    assert expected <= opened
    windows = [item for item in drift if item["type"] == "quality"]
    assert {(item["model"], item["evaluator"]) for item in windows} >= {
        ("credit", ""), ("fraud", ""), ("support", "polite"),
    }  # fmt: skip
    finals = [item for item in windows if item["final"]]
    assert {item["model"] for item in finals} >= {"credit", "fraud", "support"}
    assert max(item["revision"] for item in windows) > 1
    assert [item["model"] for item in drift if item["type"] == "trigger"] == ["credit"]


def test_an_episode_makes_an_alert(live):
    fired = {
        (item["labels"]["model"], item["labels"]["group"])
        for item in said(live / "out", "alerts").values()
        if item["labels"]["alertname"] == "ModelDrift" and item["status"] == "firing"
    }
    assert {("credit", "drift"), ("support", "drift"), ("fraud", "quality")} <= fired


def test_rules_read_quality_and_metrics(live):
    fired = {
        item["labels"]["alertname"]
        for item in said(live / "out", "alerts").values()
        if item["status"] == "firing"
    }
    assert {"Inaccurate", "High"} <= fired


def test_topics_hold_what_the_folder_holds(kafka_brokers, prefix, live):
    for output in ("drift", "alerts"):
        on_topic = records(kafka_brokers, f"{prefix}-out.{output}")
        values = [msgspec.json.decode(one.value()) for one in on_topic if one.value() is not None]
        assert by_id(values) == said(live / "out", output)


def test_records_of_drift_are_cloud_events(kafka_brokers, prefix, live):
    on_topic = records(kafka_brokers, f"{prefix}-out.drift")
    assert on_topic
    key_of_episode = {}
    for one in on_topic:
        event, headers = msgspec.json.decode(one.value()), dict(one.headers())
        assert headers["ce_specversion"] == b"1.0"
        assert headers["ce_id"].decode() == event["id"]
        assert headers["ce_type"].decode() in TYPES[event["type"]]
        assert headers["ce_subject"] == headers["ce_partitionkey"] == one.key()
        assert one.key().decode().startswith(f"{event['model']}/")
        if event["type"] == "drift":
            assert key_of_episode.setdefault(event["episode"], one.key()) == one.key()
    assert len(key_of_episode) >= 3


def test_what_is_refused_says_why(kafka_brokers, prefix, live):
    assert refused(live / "out") == REFUSED
    on_topic = records(kafka_brokers, f"{prefix}-out.dead_letters")
    reasons = [dict(one.headers())["x-dlq-reason"].decode() for one in on_topic]
    assert sorted(reasons) == sorted(reason for _, reason in REFUSED)


def test_a_label_without_prediction_names_its_model(live):
    text = (live / "out" / "dead_letters.jsonl").read_text()
    letters = [json.loads(line) for line in text.splitlines()]
    (orphan,) = [json.loads(one["value"]) for one in letters if one["reason"] == "orphan_label"]
    assert (orphan["model"], orphan["label"]) == ("credit", 1)
    assert ORPHAN not in text  # of ids, only their hashes are kept


def test_two_workers_say_the_same(kafka_brokers, prefix, live, tmp_path):
    config = write_config(tmp_path, kafka_sources(kafka_brokers, prefix), rows=100)
    run_to_the_end(config, tmp_path, workers=2)
    for output in ("drift", "alerts"):
        assert said(tmp_path / "out", output) == said(live / "out", output)
    assert refused(tmp_path / "out") == REFUSED


def test_a_replay_says_what_the_run_has_said(prefix, live, tmp_path):
    config = load_config(live / "config.yaml", environment={})
    assert record(config, tmp_path / "recorded", until_end=True).at_end
    replay(config, RecordingSource(path=str(tmp_path / "recorded")), tmp_path / "out")
    for output in ("drift", "alerts"):
        expected = before_the_end(said(live / "out", output), live)
        assert {item.get("model") or item["labels"].get("model") for item in expected.values()} >= {
            "credit", "fraud", "support",
        }  # fmt: skip
        assert before_the_end(said(tmp_path / "out", output), live) == expected
    reasons = {reason for _, reason in refused(tmp_path / "out")}
    assert reasons == {reason for _, reason in REFUSED}


def before_the_end(records, folder):
    """Leave out windows of the last rows: a replay ends and closes them, a run waits for more."""
    (end,) = {
        item["startsAt"]
        for item in lines(folder / "out" / "alerts.jsonl")
        if item["labels"]["alertname"] == "Done"
    }
    return {
        key: item
        for key, item in records.items()
        if item.get("type") != "quality" or item["window"]["end"] <= end
    }
