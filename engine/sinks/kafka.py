"""Results as Kafka topics, at least once: what is said again carries the same id."""

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from engine.config.connections import KafkaSink
from engine.series.blocks import CheckpointId
from engine.sinks.encode import (
    Record,
    alert_record,
    dead_letter_record,
    drift_record,
    score_records,
)
from engine.sinks.lane import Lane, Usable
from engine.sinks.producer import CheckedProducer
from engine.sinks.topics import topic_name

LINGER_MS = 5.0


class KafkaLanes:
    """Makes the lanes that write ``<prefix>.<lane>``; `ensure_topics` makes the topics.

    Parameters
    ----------
    settings : KafkaSink
    """

    lanes: ClassVar[tuple[str, ...]] = ("alerts", "scores", "drift", "dead_letters")

    def __init__(self, settings: KafkaSink) -> None:
        self._settings = settings

    def make_lane(self, name: str, resume: Any | None, usable: Usable) -> Lane:  # noqa: ARG002
        """Begin an output or go on with it, which for a topic is the same.

        Raises
        ------
        UsageError
            If a property of the settings can't be used.
        """
        # An alert does not wait for others.
        linger_ms = 0.0 if name == "alerts" else LINGER_MS
        topic = topic_name(self._settings, name)
        producer = CheckedProducer(self._settings, topic, linger_ms=linger_ms)
        return KafkaLane(producer, _encoder(name, producer.record_bytes_max))


class KafkaLane:
    """Sends an output's records to its topic.

    Parameters
    ----------
    producer : CheckedProducer
    encode : callable
        Gives the records of an item.
    """

    def __init__(
        self, producer: CheckedProducer, encode: Callable[[Any], Iterable[Record]]
    ) -> None:
        self._producer = producer
        self._encode = encode

    def write(self, items: list[Any]) -> None:
        """Send items in order.

        Raises
        ------
        SinkError
            If these or earlier ones can't be delivered.
        """
        self._producer.send(record for item in items for record in self._encode(item))

    def mark(self, checkpoint: CheckpointId) -> None:
        """Do nothing: a topic is not cut back, so no position is needed."""

    def snapshot(self) -> None:
        """Wait until all is delivered; there is nothing to remember.

        Raises
        ------
        SinkError
            If something can't be delivered.
        """
        self._producer.flush()

    def close(self) -> None:
        """Wait until all is delivered.

        Raises
        ------
        SinkError
            If something can't be delivered.
        """
        self._producer.flush()


def _encoder(name: str, record_bytes_max: int) -> Callable[[Any], Iterable[Record]]:
    encoders: dict[str, Callable[[Any], Iterable[Record]]] = {
        "alerts": lambda alert: (alert_record(alert),),
        "scores": score_records,
        "drift": lambda drift: (drift_record(drift),),
        "dead_letters": lambda letter: (
            dead_letter_record(letter, record_bytes_max=record_bytes_max),
        ),
    }
    return encoders[name]
