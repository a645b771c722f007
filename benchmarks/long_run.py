"""A hundred million samples through `streamgauge run`: what the last cost, and how memory grows.

The whole load lies in a topic, compressed, before the program starts: were it written meanwhile,
the program would wait for it now and then, and small batches cost more. CPU seconds and memory are
those of the program alone: default detector on all series, 20 rules, checkpoints, one worker.

The first tenth holds the first sight of all series, which costs more than their later rows; the
second one stands for what follows.

Run: ``python benchmarks/long_run.py --help``
"""

import argparse
import os
import time
from dataclasses import dataclass

import numpy as np
from confluent_kafka import Producer
from load import (
    INTERVAL_MS,
    PARTITIONS,
    delete_topics,
    make_topic,
    rules_yaml,
    series_texts,
)
from program import Look, running

PREFIX = "streamgauge-long-run"
TOPIC = f"{PREFIX}-in"
LATENESS_MS = 5_000
PIECE_ROWS = 100_000
TENTHS = 10


@dataclass(frozen=True)
class Tenth:
    """A tenth of the run: rows, seconds of wall time and CPU, memory at its end and at most, MB."""

    rows: float
    wall_s: float
    cpu_s: float
    resident_mb: float
    peak_mb: float

    @property
    def cpu_per_million_s(self) -> float:
        return self.cpu_s / self.rows * 1e6


def fill(brokers: str, rows: int, series: int) -> None:
    """Write the load, piece by piece; compressed, a hundred million rows take 4 GB of disk."""
    make_topic(brokers, TOPIC, config={"retention.ms": "-1"})
    producer = Producer(
        {
            "bootstrap.servers": brokers,
            "linger.ms": 50,
            "queue.buffering.max.messages": 500_000,
            "compression.type": "lz4",
        }
    )
    texts = series_texts(series)
    begin_ms = int(time.time()) * 1000 - rows // series * INTERVAL_MS
    generator = np.random.default_rng(1)
    for first in range(0, rows, PIECE_ROWS):
        number = np.arange(first, min(first + PIECE_ROWS, rows))
        columns = (
            number % series,
            number % PARTITIONS,
            begin_ms + number * INTERVAL_MS // series,
            generator.normal(50.0, 5.0, len(number)),
        )
        for of, partition, at, value in zip(*(one.tolist() for one in columns), strict=True):
            message = b'{"ts":%d,%s%.14f}' % (at, texts[of], value)
            while True:
                try:
                    producer.produce(TOPIC, message, partition=partition, timestamp=at)
                    break
                except BufferError:
                    producer.poll(0.1)
    producer.flush()


def tenths(looks: list[Look]) -> list[Tenth]:
    """Cut a run at equal numbers of rows handled; what lies between two looks is interpolated."""
    handled = np.array([look.handled for look in looks])
    wall, cpu, resident = (
        np.array([getattr(look, name) for look in looks])
        for name in ("wall_s", "cpu_s", "resident_mb")
    )
    bounds = np.linspace(handled[0], handled[-1], TENTHS + 1)
    wall_at, cpu_at, resident_at = (
        np.interp(bounds, handled, column) for column in (wall, cpu, resident)
    )
    found = []
    for place in range(TENTHS):
        inside = (handled >= bounds[place]) & (handled <= bounds[place + 1])
        end_mb = float(resident_at[place + 1])
        found.append(
            Tenth(
                rows=float(bounds[place + 1] - bounds[place]),
                wall_s=float(wall_at[place + 1] - wall_at[place]),
                cpu_s=float(cpu_at[place + 1] - cpu_at[place]),
                resident_mb=end_mb,
                peak_mb=max([end_mb, *resident[inside].tolist()]),
            )
        )
    return found


def report(parts: list[Tenth]) -> None:
    print(f"{'tenth':>5}{'k rows/s':>10}{'CPU s/M':>9}{'MB':>7}{'MB at most':>12}")
    for number, part in enumerate(parts, start=1):
        rate = part.rows / part.wall_s / 1e3
        memory = f"{part.resident_mb:>7.0f}{part.peak_mb:>12.0f}"
        print(f"{number:>5}{rate:>10.0f}{part.cpu_per_million_s:>9.3f}{memory}")
    first, second, last = parts[0], parts[1], parts[-1]
    print(
        f"CPU of the last tenth: {last.cpu_per_million_s / first.cpu_per_million_s:.3f} of the "
        f"first, {last.cpu_per_million_s / second.cpu_per_million_s:.3f} of the second; memory "
        f"{last.peak_mb / second.peak_mb:.3f} of the second"
    )


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--brokers", default=os.environ.get("KAFKA_BROKERS", "localhost:9092"))
    parser.add_argument("--rows", type=int, default=100_000_000)
    parser.add_argument("--series", type=int, default=50_000)
    given = parser.parse_args()
    if given.series % PARTITIONS:
        parser.error(f"series must be a multiple of {PARTITIONS}")
    return given


def main() -> None:
    given = options()
    settings = {
        "sources": [{"kafka": {"brokers": given.brokers, "topic": TOPIC, "start": "earliest"}}],
        "rules": {"files": ["rules.yaml"]},
        "time": {"lateness": f"{LATENESS_MS}ms"},
        "sinks": [{"kafka": {"brokers": given.brokers, "prefix": PREFIX}}],
        "state": {"checkpoint": "5s"},
    }
    reachable = given.rows - LATENESS_MS * given.series // INTERVAL_MS - PARTITIONS
    delete_topics(given.brokers, PREFIX)
    try:
        fill(given.brokers, given.rows, given.series)
        print("the topic is filled", flush=True)
        with running(settings, files={"rules.yaml": rules_yaml()}) as program:
            looks = list(program.looks_until(reachable))
    finally:
        delete_topics(given.brokers, PREFIX)
    report(tenths(looks))


if __name__ == "__main__":
    main()
