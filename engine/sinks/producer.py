"""A Kafka producer that loses nothing in silence: a record is delivered, or an error raised."""

from collections.abc import Iterable
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from engine.config.connections import KafkaSink
from engine.errors import SinkError, UsageError
from engine.sinks.encode import Record

MESSAGE_TIMEOUT_MS = 120_000
_WAIT_S = 0.5
_WAITS_BEYOND_TIMEOUT = 10

# What delivery without loss, repetition or disorder rests on, with librdkafka's other names.
_FIXED = {
    "bootstrap.servers": "it comes from `brokers`",
    "metadata.broker.list": "it comes from `brokers`",
    "enable.idempotence": "records must not be repeated or reordered by retries",
    "acks": "records must be on all replicas",
    "request.required.acks": "records must be on all replicas",
    "transactional.id": "records are not sent in transactions",
    "delivery.report.only.error": "failed deliveries must be noticed",
    "on_delivery": "failed deliveries must be noticed",
    "dr_cb": "failed deliveries must be noticed",
}
_MESSAGE_TIMEOUT = ("delivery.timeout.ms", "message.timeout.ms")
_MESSAGE_BYTES = "message.max.bytes"
_MESSAGE_BYTES_DEFAULT = 1_000_000

_PREFERRED = {
    "compression.type": "lz4",
    # Bounds of the memory that records take while they wait for the broker.
    "queue.buffering.max.messages": "100000",
    "queue.buffering.max.kbytes": "65536",
    # Java clients put a key on the same partition.
    "partitioner": "murmur2_random",
}


def client_settings(settings: KafkaSink) -> dict[str, Any]:
    """Give librdkafka's settings for any client of this sink.

    Raises
    ------
    UsageError
        If the properties hold one that must stay as it is.
    """
    fixed = [f"{name} ({_FIXED[name]})" for name in settings.properties if name in _FIXED]
    if fixed:
        raise UsageError(f"sinks.kafka.properties: can't be set here: {', '.join(fixed)}")
    # What fails is raised; the client's own log would say each lost connection on stderr.
    return {"log_level": 2, **settings.properties, "bootstrap.servers": settings.brokers}


class CheckedProducer:
    """Sends records to one topic.

    Parameters
    ----------
    settings : KafkaSink
        Its properties go to librdkafka.
    topic : str
    linger_ms : float
        How long a record may wait for others to go with it, unless the properties say so.

    Raises
    ------
    UsageError
        If a property can't be used.
    """

    def __init__(self, settings: KafkaSink, topic: str, *, linger_ms: float) -> None:
        self.topic = topic
        self.record_bytes_max = _integer(settings, _MESSAGE_BYTES, _MESSAGE_BYTES_DEFAULT)
        timeouts = [
            _integer(settings, name, MESSAGE_TIMEOUT_MS)
            for name in _MESSAGE_TIMEOUT
            if name in settings.properties
        ]
        self._timeout_ms = max(timeouts, default=MESSAGE_TIMEOUT_MS)
        self._brokers = settings.brokers
        self._failures = 0
        self._failure = ""
        preferred = {
            **_PREFERRED,
            "linger.ms": linger_ms,
            **({} if timeouts else {"message.timeout.ms": MESSAGE_TIMEOUT_MS}),
        }
        held = {
            "enable.idempotence": True,
            "acks": "all",
            "delivery.report.only.error": True,
            "on_delivery": self._on_delivery,
        }
        try:
            self._producer = Producer({**preferred, **client_settings(settings), **held})
        except (KafkaException, ValueError, TypeError) as error:
            raise UsageError(f"sinks.kafka.properties: {error_text(error)}") from error

    def send(self, records: Iterable[Record]) -> None:
        """Hand records to the client; waits while its queue is full.

        Raises
        ------
        SinkError
            If these or earlier ones can't be delivered.
        """
        for record in records:
            while not self._took(record):
                self._producer.poll(_WAIT_S)
                self._check()
        self._producer.poll(0)
        self._check()

    def flush(self) -> None:
        """Wait until all records are delivered.

        Raises
        ------
        SinkError
            If one can't be, or is not within the message timeout.
        """
        waits = int(self._timeout_ms / 1000 / _WAIT_S) + _WAITS_BEYOND_TIMEOUT
        left = self._producer.flush(0)
        while left and waits and not self._failures:
            left = self._producer.flush(_WAIT_S)
            waits -= 1
        self._check()
        if left:
            raise SinkError(
                f"topic {self.topic}: {left} records not delivered within {self._timeout_ms} ms; "
                f"is Kafka at {self._brokers} well?"
            )

    def _took(self, record: Record) -> bool:
        try:
            self._producer.produce(
                self.topic,
                record.value,
                key=record.key,
                timestamp=record.timestamp_ms,
                headers=record.headers,
            )
        except BufferError:
            return False
        except KafkaException as error:
            raise SinkError(f"topic {self.topic}: {error_text(error)}") from error
        return True

    def _on_delivery(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._failures += 1
            self._failure = self._failure or error.str()

    def _check(self) -> None:
        if self._failures:
            raise SinkError(
                f"topic {self.topic}: {self._failures} records not delivered: {self._failure}; "
                f"brokers are {self._brokers}"
            )


def _integer(settings: KafkaSink, name: str, default: int) -> int:
    text = settings.properties.get(name, str(default))
    if not text.isdecimal() or not int(text):
        raise UsageError(f"sinks.kafka.properties: {name} must be a whole number above 0")
    return int(text)


def error_text(error: BaseException) -> str:
    """Say what a client's exception says, without its code and class."""
    first = error.args[0] if error.args else error
    return str(first.str()) if isinstance(first, KafkaError) else str(first)
