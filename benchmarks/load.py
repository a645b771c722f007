"""The load of the speed benchmarks: many series in one fixed rhythm, as messages and as columns.

A fleet of hosts reports `METRICS` every `INTERVAL_MS` of event time, series after series, so that
event time goes on evenly. Values are normal noise around 50: the rules below pass over all of it
and fire next to never, as rules do.
"""

import time

import numpy as np
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

INTERVAL_MS = 15_000
PARTITIONS = 4
METRICS = tuple(
    f"{subject}_{unit}_percent"
    for subject in ("cpu", "memory", "disk", "network", "swap")
    for unit in ("usage", "pressure")
)
_HOUR_MS = 3_600_000
_SEED = 1


def series_labels(number: int) -> str:
    """Labels of a series as JSON text: a host has all metrics."""
    host = number // len(METRICS)
    return (
        f'{{"host":"web-{host:05d}","region":"eu-west-{host % 3}","service":"checkout",'
        f'"instance":"10.0.{host // 250}.{host % 250}:9100","environment":"production"}}'
    )


def series_texts(series: int) -> list[bytes]:
    """Name, labels and the value's key of each series, as they stand in a message."""
    names = [METRICS[number % len(METRICS)] for number in range(series)]
    return [
        f'"name":"{name}","labels":{series_labels(number)},"value":'.encode()
        for number, name in enumerate(names)
    ]


def columns(rows: int, series: int, *, begin_ms: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Series numbers, timestamps (ms) and values of so many rows, in time order."""
    number = np.arange(rows)
    values = np.random.default_rng(_SEED).normal(50.0, 5.0, rows)
    return number % series, begin_ms + number * INTERVAL_MS // series, values


def rules_yaml(metrics: tuple[str, ...] = METRICS) -> str:
    """Twenty Prometheus rules: a threshold and a window on each metric, all values far away."""
    windows = ("avg_over_time", "max_over_time", "min_over_time", "stddev_over_time")
    lines = ["groups:"]
    for place, metric in enumerate(metrics):
        function = windows[place % len(windows)]
        bound = "< -50" if function == "min_over_time" else "> 150"
        lines += [
            f"- name: {metric}",
            "  rules:",
            f"  - {{alert: High_{metric}, expr: '{metric} > 150', for: 2m}}",
            f"  - {{alert: Window_{metric}, expr: '{function}({metric}[5m]) {bound}'}}",
        ]
    return "\n".join(lines) + "\n"


def preload(brokers: str, *, rows: int, series: int) -> str:
    """Give a topic with the load, filled now unless an earlier run has left it there.

    Record timestamps are the event times; a series keeps to one of the `PARTITIONS`.
    """
    topic = f"streamgauge-benchmark-{rows}-{series}"
    if _records_in(brokers, topic) == rows:
        return topic
    admin = AdminClient({"bootstrap.servers": brokers})
    settled(admin.delete_topics([topic]), passing=("UNKNOWN_TOPIC_OR_PART",))
    make_topic(brokers, topic, config={"retention.ms": "-1"})
    producer = Producer(
        {"bootstrap.servers": brokers, "linger.ms": 50, "queue.buffering.max.messages": 500_000}
    )
    texts = series_texts(series)
    begin_ms = int(time.time()) // 3600 * 3_600_000 - rows // series * INTERVAL_MS - _HOUR_MS
    which, ts, value = columns(rows, series, begin_ms=begin_ms)
    for number, at, seen in zip(which.tolist(), ts.tolist(), value.tolist(), strict=True):
        message = b'{"ts":%d,%s%.14f}' % (at, texts[number], seen)
        while True:
            try:
                producer.produce(topic, message, partition=number % PARTITIONS, timestamp=at)
                break
            except BufferError:
                producer.poll(0.1)
    producer.flush()
    return topic


def make_topic(brokers: str, topic: str, *, config: dict[str, str]) -> None:
    """Create a topic; one that was deleted a moment ago takes a while to go."""
    admin = AdminClient({"bootstrap.servers": brokers})
    for _ in range(100):
        try:
            settled(admin.create_topics([NewTopic(topic, PARTITIONS, 1, config=config)]))
        except KafkaException as error:
            if error.args[0].name() != "TOPIC_ALREADY_EXISTS":
                raise
            time.sleep(0.1)
        else:
            return
    raise SystemExit(f"topic {topic} can't be made")


def delete_topics(brokers: str, prefix: str) -> None:
    """Remove the topics that a run has written."""
    admin = AdminClient({"bootstrap.servers": brokers})
    names = [name for name in admin.list_topics(timeout=10).topics if name.startswith(prefix)]
    if names:
        settled(admin.delete_topics(names))


def settled(futures: dict, *, passing: tuple[str, ...] = ()) -> None:
    """Wait for an admin call; errors of the given names do not matter."""
    for future in futures.values():
        try:
            future.result()
        except KafkaException as error:
            if error.args[0].name() not in passing:
                raise


def _records_in(brokers: str, topic: str) -> int:
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "streamgauge-benchmark"})
    try:
        if topic not in consumer.list_topics(timeout=10).topics:
            return 0
        return sum(
            high - low
            for number in range(PARTITIONS)
            for low, high in (consumer.get_watermark_offsets(TopicPartition(topic, number), 10),)
        )
    finally:
        consumer.close()
