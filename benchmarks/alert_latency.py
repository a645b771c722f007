"""From the record that completes a tick to the alert on its topic: wall time, end to end.

A process of its own produces so many samples per second with the present as their time, to a
topic that stamps each record with its arrival (`LogAppendTime`). Some probe series cross a
threshold at one tick and come back at the next, so that each tick has alerts. The record that
completes a tick is known from the log: the first one in each partition whose time is past the tick
by the lateness, and of those the one that arrived last. An alert counts as readable when a
consumer's poll gives it.

What can't be less: a batch waits `batch.age` (50 ms) for company, a poll comes every 5 ms, and
the arrival is known to a millisecond.

Run: ``python benchmarks/alert_latency.py --help``
"""

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

import msgspec
import numpy as np
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from load import PARTITIONS, delete_topics, make_topic, rules_yaml, series_texts

ROOT = Path(__file__).resolve().parent.parent
PREFIX = "streamgauge-benchmark-latency"
TICK_MS = 1_000
LATENESS_MS = 1_000
PROBES = 10
STEP_S = 0.01
PROBE_RULE = """- name: probes
  interval: 1s
  rules:
  - {alert: Probe, expr: 'probe > 1'}
"""


class Stamp(msgspec.Struct, gc=False):
    ts: int


def produce(brokers: str, topic: str, rate: int, series: int, seconds: float) -> None:
    """Produce evenly; the probes' value tells whether the second at hand is an odd one."""
    producer = Producer({"bootstrap.servers": brokers, "linger.ms": 5})
    texts = series_texts(series)
    values = np.random.default_rng(1).normal(50.0, 5.0, series).tolist()
    began = time.time()
    sent = 0
    while (elapsed := time.time() - began) < seconds:
        now_ms = int(time.time() * 1000)
        for number in range(sent, int(elapsed * rate)):
            at = number % series
            message = b'{"ts":%d,%s%.14f}' % (now_ms, texts[at], values[at])
            producer.produce(topic, message, partition=at % PARTITIONS)
        sent = max(sent, int(elapsed * rate))
        for probe in range(PROBES):
            message = b'{"ts":%d,"name":"probe","labels":{"i":"%d"},"value":%d}'
            value = now_ms // TICK_MS % 2 * 2
            producer.produce(topic, message % (now_ms, probe, value), partition=probe % PARTITIONS)
        producer.poll(0)
        time.sleep(STEP_S)
    producer.flush()


def reader(brokers: str) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": PREFIX,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 10,
        }
    )


def read_alerts(brokers: str, until: float) -> list[tuple[int, float]]:
    """Read alerts as they come: tick (ms) and wall time (ms) of each."""
    consumer = reader(brokers)
    consumer.assign([TopicPartition(f"{PREFIX}-out.alerts", 0, OFFSET_BEGINNING)])
    found = []
    while time.time() < until:
        message = consumer.poll(0.1)
        now_ms = time.time() * 1000
        if message is None or message.error() is not None or message.value() is None:
            continue
        event = json.loads(message.value())
        if event["labels"]["alertname"] == "Probe":
            evaluated = datetime.fromisoformat(event["evaluatedAt"])
            found.append((round(evaluated.timestamp() * 1000), now_ms))
    consumer.close()
    return found


def arrivals(brokers: str, topic: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each partition the newest event time so far and the arrival of each record (ms)."""
    consumer = reader(brokers)
    found = []
    decode = msgspec.json.Decoder(Stamp).decode
    for partition in range(PARTITIONS):
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING)])
        times = []
        at_end = False
        while not at_end:
            messages = consumer.consume(10_000, 0.5)
            at_end = any(message.error() is not None for message in messages)
            times += [
                (decode(message.value()).ts, message.timestamp()[1])
                for message in messages
                if message.error() is None
            ]
        event_ms, arrival_ms = np.array(times, np.int64).T
        found.append((np.maximum.accumulate(event_ms), arrival_ms))
    consumer.close()
    return found


def latencies(alerts: list[tuple[int, float]], log: list, skip_ms: int) -> dict[int, list[float]]:
    """By tick, the milliseconds from its completion to each alert; early ticks are left out."""
    first_tick = min(int(newest[0]) for newest, _ in log) + skip_ms
    found: dict[int, list[float]] = {}
    for tick, read_ms in alerts:
        if tick < first_tick:
            continue
        place = [int(np.searchsorted(newest, tick + LATENESS_MS)) for newest, _ in log]
        if any(at == len(newest) for at, (newest, _) in zip(place, log, strict=True)):
            continue  # completed by silence at the end of the run
        completed = max(arrival[at] for at, (_, arrival) in zip(place, log, strict=True))
        found.setdefault(tick, []).append(read_ms - float(completed))
    return found


def config_text(brokers: str, topic: str, folder: Path, checkpoint: str) -> str:
    return f"""
sources: [{{kafka: {{brokers: "{brokers}", topic: {topic}, start: earliest}}}}]
rules: {{files: [rules.yaml]}}
time: {{lateness: {LATENESS_MS}ms}}
sinks: [{{kafka: {{brokers: "{brokers}", prefix: {PREFIX}-out}}}}]
state: {{dir: {folder / "state"}, checkpoint: {checkpoint}}}
http: {{listen: ""}}
"""


def measure(brokers: str, rate: int, series: int, seconds: float, checkpoint: str) -> dict:
    """Run producer, program and reader side by side."""
    topic = f"{PREFIX}-{int(time.time())}"
    make_topic(brokers, topic, config={"message.timestamp.type": "LogAppendTime"})
    producer = multiprocessing.get_context("spawn").Process(
        target=produce, args=(brokers, topic, rate, series, seconds)
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "rules.yaml").write_text(rules_yaml() + PROBE_RULE, encoding="utf-8")
        config = folder / "config.yaml"
        config.write_text(config_text(brokers, topic, folder, checkpoint), encoding="utf-8")
        program = subprocess.Popen(
            [sys.executable, "-m", "engine.cli", "run", str(config)],
            cwd=ROOT,
            env={**os.environ, "STREAMGAUGE_LOG": "warning"},
        )
        try:
            producer.start()
            alerts = read_alerts(brokers, time.time() + seconds + 2)
            producer.join()
            if program.poll() is not None:
                raise SystemExit("streamgauge ended early")
        finally:
            program.terminate()
            program.wait()
    return latencies(alerts, arrivals(brokers, topic), skip_ms=15_000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--brokers", default=os.environ.get("KAFKA_BROKERS", "localhost:9092"))
    parser.add_argument("--rate", type=int, default=20_000, help="samples per second")
    parser.add_argument("--series", type=int, default=50_000)
    parser.add_argument("--seconds", type=float, default=75.0)
    parser.add_argument("--checkpoint", default="5s", help="time between checkpoints")
    arguments = parser.parse_args()
    try:
        found = measure(
            arguments.brokers,
            arguments.rate,
            arguments.series,
            arguments.seconds,
            arguments.checkpoint,
        )
    finally:
        delete_topics(arguments.brokers, PREFIX)
    every = np.concatenate([np.array(one) for one in found.values()])
    slowest = np.array([max(one) for one in found.values()])
    print(f"{arguments.rate:,} samples/s of {arguments.series:,} series, ms after completion")
    print(f"{'':<16}{'n':>6}{'p50':>8}{'p90':>8}{'p99':>8}{'max':>8}")
    for name, values in (("alerts", every), ("last of a tick", slowest)):
        p50, p90, p99 = np.percentile(values, [50, 90, 99])
        print(f"{name:<16}{len(values):>6}{p50:>8.0f}{p90:>8.0f}{p99:>8.0f}{values.max():>8.0f}")


if __name__ == "__main__":
    main()
