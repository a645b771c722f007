"""`streamgauge run` with one worker and with two, in turns: keyed and unkeyed topics, same output.

In the keyed topic all rows of a series lie in one partition, in the unkeyed one anywhere. Both hold
the same rows, with a spike now and then, so that all runs have to say the same: alerts, scores and
dead letters are compared record by record (id, key, value, and how often each is there).

The broker works on the same cores: its share of them stands beside the rates. Workers wait for each
other at the end of every epoch, so `--epoch` tells how much of their time that takes.

Run: ``python benchmarks/scale_out.py --help``
"""

import argparse
import os
import statistics
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from confluent_kafka import Producer
from load import (
    INTERVAL_MS,
    METRICS,
    PARTITIONS,
    columns,
    delete_topics,
    make_topic,
    rules_yaml,
    series_texts,
)
from outputs import Said, difference, said_by
from program import cpu_seconds, running

PREFIX = "streamgauge-scale-out"
LATENESS_MS = 5_000
TICK_MS = 60_000
SPIKE_EVERY = 1_009
SPIKE = 80.0
SPIKE_RULE = f"""\
- name: spikes
  rules:
  - {{alert: Spike, expr: 'max_over_time({METRICS[0]}[1m]) > 110'}}
"""
# Where rows lie anywhere, the last ones may all lie in one partition, ahead of the watermark.
LAST_ROWS = 200
LISTENING = "0A"  # state of a socket in /proc/net/tcp


@dataclass(frozen=True)
class Run:
    """What one run showed; seconds between the first look at rows and the last one."""

    rows: int
    wall_s: float
    cpu_s: float
    broker_cpu_s: float
    said: Counter[Said]


@dataclass(frozen=True)
class Bench:
    """What all runs share; event time of the first row is `begin_ms`."""

    brokers: str
    rows: int
    series: int
    begin_ms: int
    epoch: str
    broker_pid: int | None

    def run(self, topic: str, workers: int) -> Run:
        """Run until the watermark can go no further, stop, and read what was said."""
        settings = {
            "sources": [{"kafka": {"brokers": self.brokers, "topic": topic, "start": "earliest"}}],
            "rules": {"files": ["rules.yaml"]},
            "time": {"lateness": f"{LATENESS_MS}ms"},
            "sinks": [{"kafka": {"brokers": self.brokers, "prefix": PREFIX}}],
            "state": {"checkpoint": "5s", "epoch": self.epoch},
        }
        reachable = self.rows - LATENESS_MS * self.series // INTERVAL_MS - LAST_ROWS
        files = {"rules.yaml": rules_yaml() + SPIKE_RULE}
        delete_topics(self.brokers, f"{PREFIX}.")
        try:
            with running(settings, files=files, workers=workers) as program:
                broker = []
                looks = []
                for look in program.looks_until(reachable):
                    looks.append(look)
                    broker.append(cpu_seconds(self.broker_pid) if self.broker_pid else 0.0)
            # Where exactly a run is stopped is chance: ticks after that are left out.
            newest_ms = self.begin_ms + reachable * INTERVAL_MS // self.series
            said = said_by(self.brokers, PREFIX, until_ms=newest_ms // TICK_MS * TICK_MS - TICK_MS)
        finally:
            delete_topics(self.brokers, f"{PREFIX}.")
        begin, end = looks[0], looks[-1]
        return Run(
            rows=end.handled - begin.read,
            wall_s=end.wall_s - begin.wall_s,
            cpu_s=end.cpu_s - begin.cpu_s,
            broker_cpu_s=broker[-1] - broker[0],
            said=said,
        )


def fill(brokers: str, topic: str, *, rows: int, series: int, keyed: bool, begin_ms: int) -> None:
    """Fill a topic with the spiked load, time-ordered in each partition."""
    make_topic(brokers, topic, config={"retention.ms": "-1"})
    producer = Producer(
        {"bootstrap.servers": brokers, "linger.ms": 50, "queue.buffering.max.messages": 500_000}
    )
    texts = series_texts(series)
    number, ts, value = columns(rows, series, begin_ms=begin_ms)
    value[::SPIKE_EVERY] += SPIKE
    anywhere = np.random.default_rng(2).integers(0, PARTITIONS, rows)
    partition = number % PARTITIONS if keyed else anywhere
    rows_of = zip(number.tolist(), ts.tolist(), value.tolist(), partition.tolist(), strict=True)
    for which, at, seen, place in rows_of:
        message = b'{"ts":%d,%s%.14f}' % (at, texts[which], seen)
        while True:
            try:
                producer.produce(topic, message, partition=place, timestamp=at)
                break
            except BufferError:
                producer.poll(0.1)
    producer.flush()


def listener_pid(port: int) -> int | None:
    """Process of this machine that listens on a port (proc(5)); None if none does."""
    inodes = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{fields[9]}]")
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if str(link.readlink()) in inodes:
                return int(link.parts[2])
        except OSError:
            continue  # a process or file that is gone by now
    return None


def report(runs: dict[tuple[str, int], list[Run]]) -> None:
    """Print medians and all rates."""
    heads = f"{'k rows/s':>10}{'CPU s/M':>9}{'program':>9}{'broker':>8}"
    print(f"{'topic':<9}{'workers':>7}{heads}  runs, k rows/s")
    for (topic, workers), each in runs.items():
        rates = [run.rows / run.wall_s / 1e3 for run in each]
        cpu = statistics.median(run.cpu_s / run.rows * 1e6 for run in each)
        cores = [run.wall_s * (os.cpu_count() or 1) for run in each]
        program = statistics.median(
            run.cpu_s / all_s for run, all_s in zip(each, cores, strict=True)
        )
        broker = statistics.median(
            run.broker_cpu_s / all_s for run, all_s in zip(each, cores, strict=True)
        )
        numbers = f"{statistics.median(rates):>10.0f}{cpu:>9.2f}{program:>9.0%}{broker:>8.0%}"
        print(f"{topic:<9}{workers:>7}{numbers}  {' '.join(f'{rate:.0f}' for rate in rates)}")
    print(f"program and broker: share of the time of {os.cpu_count()} cores")


def same_output(runs: dict[tuple[str, int], list[Run]]) -> bool:
    """Say whether all runs said the same as the first one."""
    first = next(iter(runs.values()))[0].said
    counts = Counter(record.output for record in first)
    print("said: " + ", ".join(f"{count:,} {output}" for output, count in counts.items()))
    differs = False
    for (topic, workers), each in runs.items():
        for number, run in enumerate(each):
            how = difference(first, run.said)
            if how:
                differs = True
                print(f"OUTPUT DIFFERS: {topic}, {workers} workers, run {number}: {how}")
    if not differs:
        print("output equal")
    return not differs


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--brokers", default=os.environ.get("KAFKA_BROKERS", "localhost:9092"))
    parser.add_argument("--rows", type=int, default=6_000_000)
    parser.add_argument("--series", type=int, default=50_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--epoch", default="500ms", help="`state.epoch`: workers meet at its end")
    given = parser.parse_args()
    if given.series % PARTITIONS:
        parser.error(f"series must be a multiple of {PARTITIONS}")
    return given


def main() -> None:
    given = options()
    begin_ms = (int(time.time()) // 3600 - 1) * 3_600_000 - given.rows // given.series * INTERVAL_MS
    load = {"rows": given.rows, "series": given.series, "begin_ms": begin_ms}
    port = int(given.brokers.split(",")[0].rpartition(":")[2])
    bench = Bench(**load, brokers=given.brokers, epoch=given.epoch, broker_pid=listener_pid(port))
    topics = {"keyed": f"{PREFIX}-keyed", "unkeyed": f"{PREFIX}-unkeyed"}
    delete_topics(given.brokers, f"{PREFIX}-")
    try:
        for name, topic in topics.items():
            fill(given.brokers, topic, keyed=name == "keyed", **load)
        runs: dict[tuple[str, int], list[Run]] = {
            (name, workers): [] for name in topics for workers in (1, 2)
        }
        for _ in range(given.repeat):
            for (name, workers), each in runs.items():
                each.append(bench.run(topics[name], workers))
    finally:
        delete_topics(given.brokers, f"{PREFIX}-")
    report(runs)
    if not same_output(runs):
        sys.exit(1)


if __name__ == "__main__":
    main()
