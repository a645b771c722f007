"""Alerts of the job: those that the rows hold, those that a program wrote, and whether they agree.

An alert is known by its timestamp (ms) and its series' number; what it says is its z-score.
"""

import json
import math
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import numpy as np
from confluent_kafka import Consumer, TopicPartition
from job import BOUND_SQUARED, FIRST_VARIANCE, WEIGHT
from load import INTERVAL_MS, METRICS
from numpy.typing import NDArray

Alerts = dict[tuple[int, int], float]

CLOSE = 1e-9
"""Relative difference of two z-scores that only rounding explains."""
PATIENCE_S = 20.0
BATCH = 10_000


def alerts_expected(value: NDArray[np.float64], series: int, *, begin_ms: int = 0) -> Alerts:
    """Find the alerts that the job has in these values, all series at a time.

    Parameters
    ----------
    value : float64[rows]
        Of series after series, round after round.
    series : int
    begin_ms : int
        Timestamp of the first row.
    """
    mean = value[:series].copy()
    variance = np.full(len(mean), FIRST_VARIANCE)
    alerts: Alerts = {}
    for begin in range(series, len(value), series):
        seen = value[begin : begin + series]
        known = variance[: len(seen)]
        off = seen - mean[: len(seen)]
        squared = off * off
        for place in np.flatnonzero(squared > BOUND_SQUARED * known).tolist():
            at = begin_ms + (begin + place) * INTERVAL_MS // series
            alerts[at, place] = float(off[place] / math.sqrt(known[place]))
        mean[: len(seen)] += WEIGHT * off
        variance[: len(seen)] = (1.0 - WEIGHT) * (known + WEIGHT * squared)
    return alerts


def difference(found: Alerts, expected: Alerts, *, before_ms: float = math.inf) -> str:
    """Say what is missing, too much or another; nothing if they agree.

    Alerts from `before_ms` on may be missing, since the program was stopped before it said them.
    """
    missing = [key for key in expected if key not in found and key[0] < before_ms]
    unknown = [key for key in found if key not in expected]
    other = [
        key
        for key, z in found.items()
        if key in expected and abs(z - expected[key]) > CLOSE * abs(expected[key])
    ]
    said = {"missing": missing, "unknown": unknown, "with another score": other}
    return ", ".join(f"{len(keys):,} {what}" for what, keys in said.items() if keys)


def alert_of(text: bytes) -> tuple[tuple[int, int], float]:
    """Read an alert as the peers write it."""
    said = json.loads(text)
    return (said["ts"], _series_number(said)), said["z"]


def alert_of_score(text: bytes, *, threshold: float) -> tuple[tuple[int, int], float]:
    """Read a score of ours, which counts in units of the threshold and has no sign."""
    said = json.loads(text)
    at_ms = round(datetime.fromisoformat(said["ts"]).timestamp() * 1e3)
    z = math.copysign(said["onset"] * threshold, said["value"] - said["expected"])
    return (at_ms, _series_number(said)), z


def ends_of(brokers: str, topic: str) -> dict[int, int]:
    """Ends of all partitions of a topic."""
    consumer = _consumer(brokers)
    try:
        return _ends(consumer, topic)
    finally:
        consumer.close()


def values_since(brokers: str, topic: str, begins: dict[int, int]) -> Iterator[bytes]:
    """Give the values that were written since partitions had these ends; 0 where none is given."""
    consumer = _consumer(brokers)
    try:
        ends = _ends(consumer, topic)
        begins = {number: begins.get(number, 0) for number in ends}
        left = sum(ends.values()) - sum(begins.values())
        consumer.assign([TopicPartition(topic, *place) for place in begins.items()])
        while left > 0:
            messages = consumer.consume(min(left, BATCH), PATIENCE_S)
            if not messages:
                raise SystemExit(f"{topic}: {left:,} records can't be read")
            left -= len(messages)
            for message in messages:
                value = message.value()
                if value:
                    yield value
    finally:
        consumer.close()


def begin_of(brokers: str, topic: str) -> int:
    """Timestamp of a topic's first row, ms; it lies in partition 0."""
    ends = ends_of(brokers, topic)
    first = next(values_since(brokers, topic, {**ends, 0: 0}))
    at: int = json.loads(first)["ts"]
    return at


def _series_number(said: dict[str, Any]) -> int:
    host = int(said["labels"]["host"].removeprefix("web-"))
    return host * len(METRICS) + METRICS.index(said["name"])


def _ends(consumer: Consumer, topic: str) -> dict[int, int]:
    partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    return {
        number: consumer.get_watermark_offsets(TopicPartition(topic, number), 10)[1]
        for number in sorted(partitions)
    }


def _consumer(brokers: str) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": "streamgauge-peers-alerts",
            "enable.auto.commit": False,
        }
    )
