"""What a run wrote to its topics, to compare runs by: ids, keys and values."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, Message, TopicPartition

PATIENCE_S = 20.0
BATCH = 10_000
OUTPUTS = ("alerts", "scores", "dead_letters")


@dataclass(frozen=True)
class Said:
    """A record: its output, event time (ms), key, id (none of a tombstone) and value."""

    output: str
    at_ms: int
    key: bytes
    id: bytes
    value: bytes


def said_by(brokers: str, prefix: str, *, until_ms: int) -> Counter[Said]:
    """Read all records under a prefix that speak of no later time, with how often each is there."""
    said: Counter[Said] = Counter()
    for output in OUTPUTS:
        said += said_in(brokers, f"{prefix}.{output}", output=output, until_ms=until_ms)
    return said


def said_in(brokers: str, topic: str, *, output: str, until_ms: int) -> Counter[Said]:
    """Read the records of one topic."""
    records = (_said(output, message) for message in _messages(brokers, topic))
    return Counter(record for record in records if record.at_ms <= until_ms)


def difference(one: Counter[Said], other: Counter[Said]) -> str:
    """Say how two runs differ; nothing if they said the same."""
    less, more = one - other, other - one
    if not less and not more:
        return ""
    by_output = Counter(record.output for record in (*less, *more))
    samples = [f"{record.output} {record.value[:200]!r}" for record in (*less, *more)][:2]
    counts = ", ".join(f"{count:,} {output}" for output, count in by_output.items())
    return (
        f"{counts} differ ({less.total():,} missing, {more.total():,} more): {'; '.join(samples)}"
    )


def _said(output: str, message: Message) -> Said:
    headers: dict[str, Any] = dict(message.headers() or ())
    return Said(
        output,
        message.timestamp()[1],
        message.key() or b"",
        headers.get("ce_id", b""),
        message.value() or b"",
    )


def _messages(brokers: str, topic: str) -> list[Message]:
    consumer = Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": "streamgauge-benchmark-outputs",
            "enable.auto.commit": False,
        }
    )
    try:
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        places = [TopicPartition(topic, number, 0) for number in partitions]
        left = sum(consumer.get_watermark_offsets(place, 10)[1] for place in places)
        consumer.assign(places)
        messages: list[Message] = []
        while len(messages) < left:
            came = consumer.consume(min(left - len(messages), BATCH), PATIENCE_S)
            if not came:
                raise SystemExit(f"{topic}: {left - len(messages):,} records can't be read")
            messages += came
        return messages
    finally:
        consumer.close()
