"""Kafka to Kafka: `streamgauge run` against a hand-written loop, in turns on the same topic.

- ``drain``: confluent-kafka alone, values only, for reference;
- ``plain loop``: confluent-kafka, msgspec typed structs, a dictionary from (name, raw labels) to
  EWMA mean and variance, z-score, alerts produced to Kafka at |z| > 6, collector off. It orders
  nothing, keeps no state on disk and has no rules;
- ``streamgauge``: the default detector on all series, 20 rules, checkpoints, one worker;
- ``no detector``: the same program with the rules only;
- ``ewma alone``: the same program with the loop's job only: the EWMA detector, no rules.

Rates are of wall time from the first rows read to the last ones handled, without start-up; CPU
seconds are user and system time of the process in between, librdkafka's threads among them.

Run: ``python benchmarks/kafka_throughput.py --help``
"""

import argparse
import gc
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from load import INTERVAL_MS, PARTITIONS, delete_topics, preload, rules_yaml

ROOT = Path(__file__).resolve().parent.parent
PREFIX = "streamgauge-benchmark-out"
LISTEN = "127.0.0.1:19464"
LATENESS_MS = 5_000
LOOK_S = 0.2
PATIENCE_S = 120.0


@dataclass(frozen=True)
class Measured:
    """One run: rows, seconds of wall time and of CPU between the first and the last look."""

    rows: int
    wall_s: float
    cpu_s: float
    peak_mb: float = 0.0


class Sample(msgspec.Struct, gc=False):
    ts: int
    name: str
    value: float
    labels: msgspec.Raw = msgspec.Raw(b"{}")


def batches(brokers: str, topic: str, rows: int):
    """Read a topic from its beginning."""
    consumer = Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": "streamgauge-benchmark",
            "enable.auto.commit": False,
            "queued.min.messages": 100_000,
            "fetch.queue.backoff.ms": 10,
        }
    )
    consumer.assign(
        [TopicPartition(topic, number, OFFSET_BEGINNING) for number in range(PARTITIONS)]
    )
    read = 0
    while read < rows:
        messages = consumer.consume(10_000, 1.0)
        read += len(messages)
        yield messages
    consumer.close()


def drain(brokers: str, topic: str, rows: int) -> None:
    for messages in batches(brokers, topic, rows):
        for message in messages:
            message.value()
        yield len(messages)


def plain_loop(brokers: str, topic: str, rows: int):
    """What one would write by hand: 1 % weight, alarm at six deviations."""
    gc.disable()
    decode = msgspec.json.Decoder(Sample).decode
    states: dict[tuple[str, bytes], list[float]] = {}
    producer = Producer({"bootstrap.servers": brokers})
    for messages in batches(brokers, topic, rows):
        for message in messages:
            sample = decode(message.value())
            value = sample.value
            key = (sample.name, bytes(sample.labels))
            state = states.get(key)
            if state is None:
                states[key] = [value, 25.0]
                continue
            mean, variance = state
            off = value - mean
            if off * off > 36.0 * variance:
                alert = {"ts": sample.ts, "name": sample.name, "z": off / variance**0.5}
                producer.produce(f"{PREFIX}.plain", msgspec.json.encode(alert))
            state[0] = mean + 0.01 * off
            state[1] = 0.99 * (variance + 0.01 * off * off)
        yield len(messages)
    producer.flush()


def run_loop(name: str, brokers: str, topic: str, rows: int) -> None:
    """Measure one of the loops in this process and print what was seen."""
    loop = {"drain": drain, "plain": plain_loop}[name](brokers, topic, rows)
    first = next(loop)
    wall, cpu = time.perf_counter(), time.process_time()
    done = sum(loop)
    print(json.dumps([done, time.perf_counter() - wall, time.process_time() - cpu]))
    assert first + done >= rows


def measure_loop(name: str, brokers: str, topic: str, rows: int) -> Measured:
    """Measure a loop in a process of its own."""
    command = [sys.executable, __file__, "--brokers", brokers, "--rows", str(rows)]
    done = subprocess.run(
        [*command, "--loop", name, "--topic", topic], check=True, capture_output=True, text=True
    )
    return Measured(*json.loads(done.stdout))


ALL = "rules: {files: [rules.yaml]}"
NO_DETECTOR = """
rules: {files: [rules.yaml], bundled: false}
detectors: []
"""
EWMA_ALONE = """
rules: {bundled: false}
detectors: [{use: ewma, params: {weight: 0.01, threshold: 6, initial_deviation: 5}}]
"""


def config_text(brokers: str, topic: str, folder: Path, checkpoint: str, job: str) -> str:
    return f"""
sources: [{{kafka: {{brokers: "{brokers}", topic: {topic}, start: earliest}}}}]
{job}
time: {{lateness: {LATENESS_MS}ms}}
sinks: [{{kafka: {{brokers: "{brokers}", prefix: {PREFIX}}}}}]
state: {{dir: {folder / "state"}, checkpoint: {checkpoint}}}
http: {{listen: "{LISTEN}"}}
"""


def measure_streamgauge(
    brokers: str, topic: str, rows: int, series: int, checkpoint: str, job: str = ALL
) -> Measured:
    """Run the program until its watermark can go no further, then stop it."""
    reachable = rows - LATENESS_MS * series // INTERVAL_MS - PARTITIONS
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "rules.yaml").write_text(rules_yaml(), encoding="utf-8")
        config = folder / "config.yaml"
        text = config_text(brokers, topic, folder, checkpoint, job)
        config.write_text(text, encoding="utf-8")
        with subprocess.Popen(
            [sys.executable, "-m", "engine.cli", "run", str(config)],
            cwd=ROOT,
            env={**os.environ, "STREAMGAUGE_LOG": "warning"},
        ) as process:
            try:
                return watch(process, reachable)
            finally:
                process.terminate()
                process.wait()
                delete_topics(brokers, f"{PREFIX}.")


def watch(process: subprocess.Popen, reachable: int) -> Measured:
    """Look from the first row read until all rows that can be are handled."""
    begin = None
    handled = 0
    give_up = time.perf_counter() + PATIENCE_S
    while time.perf_counter() < give_up and process.poll() is None:
        read, handled = rows_counted("in"), rows_counted("handled")
        now = time.perf_counter(), cpu_seconds(process.pid)
        if read and begin is None:
            begin = read, *now
        if begin is not None and handled >= reachable:
            wall_s, cpu_s = now[0] - begin[1], now[1] - begin[2]
            return Measured(handled - begin[0], wall_s, cpu_s, peak_mb(process.pid))
        time.sleep(LOOK_S)
    raise SystemExit(f"streamgauge did not get there: {handled:,} of {reachable:,} rows")


def rows_counted(where: str) -> int:
    """Ask the program; 0 while it is not there yet."""
    try:
        with urllib.request.urlopen(f"http://{LISTEN}/metrics", timeout=10) as answer:
            page = answer.read().decode()
    except OSError:
        return 0
    found = re.search(rf"^streamgauge_rows_{where}_total(?:{{.*}})? (\S+)$", page, re.MULTILINE)
    return int(float(found[1])) if found else 0


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_mb(pid: int) -> float:
    """Most memory that a process has had resident (proc(5))."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def report(results: dict[str, list[Measured]]) -> None:
    base = statistics.median(run.rows / run.wall_s for run in results["plain loop"])
    print(f"{'':<14}{'k samples/s':>12}{'CPU s/M':>9}{'to plain':>10}  runs, k samples/s")
    for name, runs in results.items():
        rates = [run.rows / run.wall_s for run in runs]
        rate = statistics.median(rates)
        cpu = statistics.median(run.cpu_s / run.rows * 1e6 for run in runs)
        each = " ".join(f"{one / 1e3:.0f}" for one in rates)
        print(f"{name:<14}{rate / 1e3:>12.0f}{cpu:>9.2f}{rate / base:>10.2f}  {each}")
    print(f"streamgauge's memory: {max(run.peak_mb for run in results['streamgauge']):.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--brokers", default=os.environ.get("KAFKA_BROKERS", "localhost:9092"))
    parser.add_argument("--rows", type=int, default=12_000_000)
    parser.add_argument("--series", type=int, default=50_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--checkpoint", default="5s", help="time between checkpoints")
    parser.add_argument("--loop", choices=("drain", "plain"), help=argparse.SUPPRESS)
    parser.add_argument("--topic", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.loop:
        run_loop(arguments.loop, arguments.brokers, arguments.topic, arguments.rows)
        return
    topic = preload(arguments.brokers, rows=arguments.rows, series=arguments.series)
    load = (arguments.brokers, topic, arguments.rows)
    jobs = {"streamgauge": ALL, "no detector": NO_DETECTOR, "ewma alone": EWMA_ALONE}
    names = ("drain", "plain loop", *jobs)
    results: dict[str, list[Measured]] = {name: [] for name in names}
    for _ in range(arguments.repeat):
        results["drain"].append(measure_loop("drain", *load))
        results["plain loop"].append(measure_loop("plain", *load))
        for name, job in jobs.items():
            results[name].append(
                measure_streamgauge(*load, arguments.series, arguments.checkpoint, job)
            )
    report(results)


if __name__ == "__main__":
    main()
