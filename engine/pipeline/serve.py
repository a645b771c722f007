"""What runs beside the flow: metrics and health over HTTP, the heartbeat, the partition watch."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from types import TracebackType
from typing import Any, Protocol, Self

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from engine.clock import now_ns
from engine.config.schema import Config, HttpConfig
from engine.errors import SourceError, UsageError
from engine.events import rfc3339
from engine.pipeline.observe import Observer
from engine.pipeline.sources import SourceOpener, SourcePartition
from engine.sinks.status import StatusWriter
from engine.sources.kafka import KafkaPartition
from engine.sources.kafka_client import partitions_of

_HEARTBEAT_S = 10.0
_PARTITIONS_S = 30.0

_log = structlog.get_logger()


class _CanRebuild(Protocol):
    def set(self, *, rebuild: bool = False) -> None: ...


@contextmanager
def serve_http(config: HttpConfig, observer: Observer) -> Iterator[None]:
    """Serve ``/metrics``, ``/-/healthy`` and ``/-/ready`` while the context is open.

    Ready means that every shard has handled something.

    Raises
    ------
    UsageError
        The address can't be listened on.
    """
    if config.listen is None:
        yield
        return

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, kind, body = _page(self.path, observer)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            _log.debug("http", request=format % args)

    address = (config.listen.host, config.listen.port)
    try:
        server = ThreadingHTTPServer(address, Handler)
    except OSError as error:
        raise UsageError(
            f"can't listen on {address[0]}:{address[1]} ({error.strerror}); set http.listen to a "
            'free address, or to "" for none'
        ) from error
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, name="http", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _page(path: str, observer: Observer) -> tuple[int, str, bytes]:
    if path == "/metrics":
        observer.publish()
        return 200, CONTENT_TYPE_LATEST, generate_latest(observer.telemetry.registry)
    if path == "/-/healthy":
        return 200, "text/plain", b"streamgauge is healthy.\n"
    if path == "/-/ready":
        if observer.watermark is None:
            return 503, "text/plain", b"streamgauge has not read anything yet.\n"
        return 200, "text/plain", b"streamgauge is ready.\n"
    return 404, "text/plain", b"There are /metrics, /-/healthy and /-/ready.\n"


class _Repeating(ABC):
    """Calls `tick` every `interval_s` seconds of wall time on a thread of its own."""

    def __init__(self, name: str, interval_s: float) -> None:
        self._interval_s = interval_s
        self._end = Event()
        self._thread = Thread(target=self._loop, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end.set()
        self._thread.join()

    @abstractmethod
    def tick(self) -> None:
        """Do what is due."""

    def _loop(self) -> None:
        while not self._end.wait(self._interval_s):
            self.tick()


class Heartbeat(_Repeating):
    """Says every 10 s how far the flow is, so that "no alert" differs from "stuck"."""

    def __init__(self, config: Config, observer: Observer, opener: SourceOpener) -> None:
        super().__init__("heartbeat", _HEARTBEAT_S)
        self._observer = observer
        self._opener = opener
        self._writers = [
            StatusWriter(sink.kafka) for sink in config.sinks if sink.kafka is not None
        ]
        self._live = any(source.kafka is not None for source in config.sources)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        super().__exit__(kind, error, trace)
        for writer in self._writers:
            writer.close()

    def tick(self) -> None:
        """Write one status record."""
        observer = self._observer
        observer.publish()
        store = self._opener.store
        if store is not None:
            observer.telemetry.checkpoint_seconds.set(store.seconds_written)
        lag = self._opener.lag()
        for key, records in lag.items():
            observer.telemetry.lag.labels(key).set(records)
        status = {
            "at": rfc3339(now_ns()),
            "watermark": None if observer.watermark is None else rfc3339(observer.watermark),
            "lag_records": lag,
            "rows_handled": observer.handled,
            "records_said": observer.said,
            "series": observer.series,
            "warming_up": observer.warming_up(),
            "alerts": observer.alerts_by_state(),
            "unhealthy_rules": observer.unhealthy_rules,
            "rule_errors": observer.rule_errors,
        }
        for writer in self._writers:
            writer.write("worker-0", status)
        if self._live:
            _log.info("status", **status)


class PartitionWatch(_Repeating):
    """Asks for new partitions every 30 s; the flow then ends and is built anew."""

    def __init__(
        self, config: Config, partitions: dict[str, SourcePartition], stop: _CanRebuild
    ) -> None:
        super().__init__("partitions", _PARTITIONS_S)
        self._known = set(partitions)
        self._topics = [source.kafka for source in config.sources if source.kafka is not None]
        self._stop = stop

    def tick(self) -> None:
        """Compare the topics' partitions with the flow's."""
        for settings in self._topics:
            try:
                found = partitions_of(settings)
            except (ConnectionError, SourceError) as error:
                _log.warning("partitions unknown", topic=settings.topic, error=str(error))
                continue
            keys = {KafkaPartition(settings, partition, 0).key for partition in found}
            if not keys <= self._known:
                self._stop.set(rebuild=True)
