"""Whole flows from Kafka to Kafka: stops and kills repeat and lose nothing, live equals replay."""

import json
import signal
import threading
import time
from collections.abc import Iterable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from flow_tools import (
    BEGIN_MS,
    LATENESS_MS,
    STEP_MS,
    killed_after,
    process,
    python,
    run_number,
    settings,
    stream,
    wait_until,
    whole_checkpoints,
)

from engine.config import load_config
from engine.config.connections import RecordingSource
from engine.replay.player import replay
from engine.replay.recorder import record
from engine.sinks.topics import CLEANUP

pytestmark = pytest.mark.kafka

PARTITIONS = 3
SHARDS = 2
KILLS = 6
HOUR_MS = 3_600_000
SILENCE_MS = 20 * 60_000
"""Event time after the last alert, so that all are resolved in live and replay alike."""

DONE = """
groups: [{name: done, interval: 20s, rules: [{alert: Done, expr: quiet > 0}]}]
"""


@pytest.fixture
def flow_topic(kafka_brokers, kafka_topic):
    """A topic to read; those that a flow makes beside it go with it."""
    topic = kafka_topic(partitions=PARTITIONS)
    yield topic
    outputs = [f"{topic}.{output}" for output in CLEANUP]
    admin = AdminClient({"bootstrap.servers": kafka_brokers})
    for deleted in admin.delete_topics(outputs).values():
        deleted.result(30)


def records(brokers: str, topic: str) -> list:
    """All records of a topic, in the order of each partition."""
    consumer = Consumer(
        {"bootstrap.servers": brokers, "group.id": "test", "enable.partition.eof": True}
    )
    try:
        partitions = sorted(consumer.list_topics(topic, timeout=10).topics[topic].partitions)
        consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
        found, left = [], len(partitions)
        while left:
            message = consumer.poll(10)
            assert message is not None, f"{topic} does not answer"
            if message.error():
                left -= 1
            else:
                found.append(message)
        return found
    finally:
        consumer.close()


def alerts_on(brokers: str, topic: str) -> list[dict]:
    """Alert records of a flow, without tombstones."""
    return [
        msgspec.json.decode(message.value())
        for message in records(brokers, f"{topic}.alerts")
        if message.value() is not None
    ]


def messages(seed: int, steps: int) -> list[tuple[int, bytes]]:
    """Partition and native message of each sample of a stream that ends in silence."""
    rows = stream(seed=seed, hosts=8, steps=steps)
    end = BEGIN_MS + steps * STEP_MS + SILENCE_MS
    # Up to the present, lest the broker drops what it takes for old; whole hours, for the ticks.
    shift = (int(time.time() * 1000) - end) // HOUR_MS * HOUR_MS
    sent = []
    for ts, name, text, value in rows.rows():
        labels = json.loads(text)
        sent.append((int(labels["host"][1:]) % PARTITIONS, ts, name, labels, value))
    for name, ts in (("quiet", end), ("after", end + 6 * LATENESS_MS)):
        sent += [(number, ts, name, {"p": str(number)}, 1) for number in range(PARTITIONS)]
    return [
        (
            number,
            json.dumps({"ts": ts + shift, "name": name, "labels": labels, "value": value}).encode(),
        )
        for number, ts, name, labels, value in sent
    ]


def produce(brokers: str, topic: str, sent: list[tuple[int, bytes]], *, pause_s: float = 0) -> None:
    """Send messages; with a pause after each hundred."""
    producer = Producer({"bootstrap.servers": brokers, "linger.ms": 5})
    for number, (partition, value) in enumerate(sent):
        producer.produce(topic, value, partition=partition)
        if number % 100 == 0:
            producer.poll(0)
            time.sleep(pause_s)
    assert producer.flush(30) == 0


def write_config(
    folder: Path, brokers: str, topic: str, *, rows: int = 200, idle_timeout: str = "1m"
) -> Path:
    """A flow from the topic to topics named after it and to a folder."""
    text = settings(
        folder,
        source=f'kafka: {{brokers: "{brokers}", topic: {topic}, start: earliest}}',
        sinks=[
            f'{{kafka: {{brokers: "{brokers}", prefix: {topic}}}}}',
            f"{{folder: {{path: {folder / 'out'}}}}}",
        ],
        shards=SHARDS,
        rows=rows,
        checkpoint="300ms",
        epoch="100ms",
        idle_timeout=idle_timeout,
    )
    (folder / "done.yaml").write_text(DONE)
    text = text.replace("[rules.yaml]", "[rules.yaml, done.yaml]")
    path = folder / "config.yaml"
    path.write_text(text)
    return path


def of_stream(alerts: Iterable[dict]) -> dict[str, dict]:
    """Alerts by id, without those that only say that the stream is done.

    What is said again must say the same.
    """
    by_id: dict[str, dict] = {}
    for alert in alerts:
        if alert["labels"]["alertname"] != "Done":
            assert by_id.setdefault(alert["id"], alert) == alert
    return by_id


def in_folder(folder: Path) -> list[dict]:
    """Alerts in a folder sink, whole lines only."""
    path = folder / "out" / "alerts.jsonl"
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [msgspec.json.decode(line) for line in lines]


def is_done(folder: Path) -> bool:
    """Whether the flow has handled the whole stream."""
    done = {
        alert["labels"]["p"]
        for alert in in_folder(folder)
        if alert["labels"]["alertname"] == "Done"
    }
    return len(done) == PARTITIONS


def replayed(folder: Path) -> dict[str, dict]:
    """What a replay of a recording of the topic says, with the silences of the live run."""
    config = load_config(folder / "config.yaml", environment={})
    summary = record(config, folder / "recording", until_end=True)
    assert summary.at_end
    replay(config, RecordingSource(path=str(folder / "recording")), folder / "replayed")
    lines = (folder / "replayed" / "alerts.jsonl").read_bytes().splitlines()
    return of_stream(msgspec.json.decode(line) for line in lines)


def stop(run, number: int, log: Path) -> None:
    run.send_signal(number)
    assert run.wait(30) == 0, log.read_text()[-2000:]


def test_stops_repeat_nothing(kafka_brokers, flow_topic, tmp_path: Path):
    topic = flow_topic
    produce(kafka_brokers, topic, messages(seed=11, steps=400))
    config, log = write_config(tmp_path, kafka_brokers, topic, rows=20), tmp_path / "log"
    with process(config, log=log) as run:
        wait_until(lambda: len(in_folder(tmp_path)) > 20, timeout_s=60, what="alerts")
        stop(run, signal.SIGTERM, log)
    assert not is_done(tmp_path), "the run was over before it was told to stop"
    first = len(in_folder(tmp_path))
    with process(config, workers=2, log=log) as run:
        wait_until(lambda: is_done(tmp_path), timeout_s=60, what="the end of the stream")
        stop(run, signal.SIGINT, log)
    before = (tmp_path / "out" / "alerts.jsonl").read_bytes()
    alerts = alerts_on(kafka_brokers, topic)
    assert len(alerts) > first
    ended = run_number(tmp_path / "state")
    with process(config, log=log) as run:
        wait_until(
            lambda: (
                run_number(tmp_path / "state") > ended
                and len(whole_checkpoints(tmp_path / "state", SHARDS)) > 1
            ),
            timeout_s=60,
            what="a checkpoint",
        )
        time.sleep(2)
        stop(run, signal.SIGTERM, log)
    assert (tmp_path / "out" / "alerts.jsonl").read_bytes() == before
    again = alerts_on(kafka_brokers, topic)
    assert again == alerts
    assert len({alert["id"] for alert in again}) == len(again), "a record is on the topic twice"
    assert of_stream(again) == of_stream(in_folder(tmp_path)) == replayed(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_kills_while_a_producer_goes_on(kafka_brokers, flow_topic, tmp_path: Path, workers):
    """Live equals replay by id, silences and what they made late included."""
    rng = np.random.default_rng(workers)
    topic = flow_topic
    config = write_config(tmp_path, kafka_brokers, topic, idle_timeout="300ms")
    log, state = tmp_path / "log", tmp_path / "state"
    sent = messages(seed=12, steps=700)
    # One partition falls silent and comes back with what is late by then.
    third = len(sent) // 3
    held = [item for item in sent[third : third + 900] if item[0] == 0]
    in_time = [item for item in sent[third : third + 900] if item[0] != 0]
    sent = sent[:third] + in_time + held + sent[third + 900 :]
    producer = threading.Thread(
        target=produce, args=(kafka_brokers, topic, sent), kwargs={"pause_s": 0.2}
    )
    producer.start()
    kills_with_checkpoint = 0
    for number in range(KILLS):
        before = run_number(state)
        with process(config, workers=workers, log=log) as run:
            if number != 2:  # one is killed while it starts
                wait_until(lambda n=before: run_number(state) > n, timeout_s=60, what="a start")
            assert killed_after(run, rng.uniform(0.5, 3.5)), log.read_text()[-2000:]
        kills_with_checkpoint += bool(whole_checkpoints(state, SHARDS))
    assert kills_with_checkpoint >= KILLS / 2
    killed = run_number(state)
    with process(config, workers=workers, log=log) as run:
        producer.join(60)
        wait_until(
            lambda: run_number(state) > killed and is_done(tmp_path),
            timeout_s=60,
            what="the end of the stream",
        )
        stop(run, signal.SIGTERM, log)
    expected = replayed(tmp_path)
    assert expected
    found = in_folder(tmp_path)
    assert len({alert["id"] for alert in found}) == len(found)
    assert of_stream(found).keys() == expected.keys()
    assert of_stream(found) == expected
    assert of_stream(alerts_on(kafka_brokers, topic)) == expected


def test_bytewax_runs_the_flow(kafka_brokers, flow_topic, tmp_path: Path):
    topic = flow_topic
    produce(kafka_brokers, topic, messages(seed=13, steps=200))
    config, log = write_config(tmp_path, kafka_brokers, topic), tmp_path / "log"
    command = [
        *("-m", "bytewax.run", f"dataflows.metrics:flow('{config}')"),
        *("-r", str(tmp_path / "state" / "recovery"), "-s", "1", "-b", "0"),
    ]
    with python(command, log=log) as run:
        wait_until(lambda: is_done(tmp_path), timeout_s=60, what="the end of the stream")
        stop(run, signal.SIGTERM, log)
    alerts = alerts_on(kafka_brokers, topic)
    assert len({alert["id"] for alert in alerts}) == len(alerts)
    assert of_stream(alerts) == of_stream(in_folder(tmp_path)) == replayed(tmp_path)
