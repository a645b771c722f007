"""Heartbeats on the status topic, so that "no alert" differs from "stuck"."""

from typing import Any

import msgspec
import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from engine.config.connections import KafkaSink
from engine.errors import UsageError
from engine.sinks.encode import Headers
from engine.sinks.producer import client_settings, error_text
from engine.sinks.topics import topic_name

CLOSE_TIMEOUT_S = 5.0
MESSAGE_TIMEOUT_MS = 30_000

_HEADERS: Headers = [("content-type", b"application/json")]
_log = structlog.get_logger(__name__)


class StatusWriter:
    """Sends heartbeats, keyed by worker; what can't be sent is logged and missed.

    May be used from one thread beside the flow's.

    Parameters
    ----------
    settings : KafkaSink

    Raises
    ------
    UsageError
        If a property of the settings can't be used.
    """

    def __init__(self, settings: KafkaSink) -> None:
        self._topic = topic_name(settings, "status")
        try:
            self._producer = Producer(
                {
                    # An old heartbeat is of no use.
                    "message.timeout.ms": MESSAGE_TIMEOUT_MS,
                    "queue.buffering.max.messages": "1000",
                    **client_settings(settings),
                    "on_delivery": self._on_delivery,
                }
            )
        except (KafkaException, ValueError, TypeError) as error:
            raise UsageError(f"sinks.kafka.properties: {error_text(error)}") from error

    def write(self, worker: str, payload: Any) -> None:
        """Send a heartbeat; `payload` is anything that msgspec writes as a JSON object."""
        value = msgspec.json.encode(payload)
        try:
            self._producer.produce(self._topic, value, key=worker.encode(), headers=_HEADERS)
        except (BufferError, KafkaException) as error:
            self._missed(error_text(error))
        self._producer.poll(0)

    def close(self) -> None:
        """Wait a moment for the last heartbeats."""
        left = self._producer.flush(CLOSE_TIMEOUT_S)
        if left:
            self._missed(f"{left} not delivered at the end")

    def _on_delivery(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._missed(error.str())

    def _missed(self, reason: str) -> None:
        _log.warning("heartbeat missed", topic=self._topic, reason=reason)
