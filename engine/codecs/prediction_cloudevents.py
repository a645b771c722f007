"""Inference requests and responses that KServe and Seldon log as CloudEvents, joined by their id.

A request and its response come in any order and in different messages; each waits for the other by
event time. Rows have the prediction id ``<id>#<row>``.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from typing import Any

from engine.codecs.cloud_events import Record, read_event
from engine.codecs.inference_bodies import BodyOptions, read_request, read_response
from engine.codecs.json_documents import shown
from engine.codecs.prediction_columns import PredictionTables
from engine.codecs.prediction_documents import time_of
from engine.codecs.predictions import PredictionBatch, PredictionRow
from engine.codecs.samples import RejectedError, check_length
from engine.series.columns import Reject

_REQUEST, _RESPONSE = ".inference.request", ".inference.response"
_TAGS = ("namespace", "component", "endpoint")
_TTL_NS = 60_000_000_000
_JOINED_KEPT = 1000  # of those that were joined, in the order of time

Key = tuple[str, ...]


@dataclass(slots=True)
class _Half:
    """A request or response that waits for the other.

    Attributes
    ----------
    is_request : bool
    ts : int
    model, version : str
    tags : dict
    rows : list
        As `inference_bodies` gives them.
    size : int
        Bytes of its message.
    """

    is_request: bool
    ts: int
    model: str
    version: str
    tags: dict[str, Any]
    rows: list[Any]
    size: int


@dataclass(slots=True)
class Unpaired:
    """Halves whose other half did not come in time, by what they were; each became rows alone."""

    requests: int = 0
    responses: int = 0


@dataclass(slots=True)
class _Read:
    """What a batch gave so far."""

    rows: list[PredictionRow] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)


class CloudEventsCodec:
    """Decoder of logged inference requests and responses.

    A half that has waited for `ttl_ns` of event time, or that is the oldest of too many, becomes
    rows of its own: features without prediction, or the reverse. A half that comes again is
    ignored, also for `ttl_ns` after it was joined.

    Parameters
    ----------
    tables : PredictionTables
    options : BodyOptions or None
    model : str
        Name of the model where neither headers nor body say it.
    ttl_ns : int
        Nanoseconds of event time.

    Attributes
    ----------
    unpaired : Unpaired
    """

    def __init__(
        self,
        tables: PredictionTables,
        options: BodyOptions | None = None,
        *,
        model: str = "",
        ttl_ns: int = _TTL_NS,
    ) -> None:
        self.tables = tables
        self.unpaired = Unpaired()
        self._options = options or BodyOptions()
        self._model = model
        self._ttl_ns = ttl_ns
        self._waiting: OrderedDict[Key, _Half] = OrderedDict()
        self._waiting_bytes = 0
        self._by_time: list[tuple[int, Key]] = []  # a heap; some have been joined since
        self._joined: OrderedDict[Key, int] = OrderedDict()
        self._newest = 0

    def __len__(self) -> int:
        """Requests and responses that wait."""
        return len(self._waiting)

    def decode(self, records: Sequence[Record]) -> PredictionBatch:
        """Decode records; rows are given with the message that completed them."""
        read = _Read()
        for index, record in enumerate(records):
            try:
                key, half = self._half(record)
                self._take(key, half, index, read)
            except RejectedError as error:
                read.rejects.append(error.reject(index, None))
            # At every record, so that nothing depends on how records are put into batches.
            self._expire(index, read)
        return self.tables.build((read.rows, [], read.rejects))

    def flush(self) -> PredictionBatch:
        """Give all that waits, at the end of a stream; its rows are of message 0."""
        read = _Read()
        while self._waiting:
            self._give_oldest(0, read)
        return self.tables.build((read.rows, [], read.rejects))

    def state(self) -> dict[str, Any]:
        """Give what waits, for a checkpoint, as JSON values."""
        return {
            "newest": self._newest,
            "joined": [[list(key), ts] for key, ts in self._joined.items()],
            "waiting": [
                [list(key), [getattr(half, name) for name in _Half.__slots__]]
                for key, half in self._waiting.items()
            ],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take what `state` gave."""
        self._newest = state["newest"]
        self._joined = OrderedDict((tuple(key), ts) for key, ts in state["joined"])
        self._waiting = OrderedDict((tuple(key), _Half(*half)) for key, half in state["waiting"])
        self._waiting_bytes = sum(half.size for half in self._waiting.values())
        self._sort_by_time()

    def _half(self, record: Record) -> tuple[Key, _Half]:
        limits = self.tables.limits.message
        event = read_event(record, limits)
        attributes = event.attributes
        kind = attributes.get("type", "")
        is_request = kind.endswith(_REQUEST)
        if not is_request and not kind.endswith(_RESPONSE):
            detail = f"ce_type is {shown(kind)}, neither an inference request nor a response"
            raise RejectedError("schema_error", detail)
        # Seldon gives each event an id of its own, and the request's beside it.
        identity = attributes.get("requestid") or attributes.get("id")
        if not identity:
            raise RejectedError("schema_error", "ce_id is missing")
        tags = {name: attributes[name] for name in _TAGS if attributes.get(name)}
        service = attributes.get("inferenceservicename", "")
        # A service's transformer and predictor log the same id.
        key = (service, tags.get("namespace", ""), tags.get("component", ""), identity)
        for part in key:
            check_length("an attribute", part, limits)
        body = (read_request if is_request else read_response)(event.data, self._options)
        model = service or body.model or self._model
        if not model:
            detail = "neither ce_inferenceservicename nor model_name says which model it is"
            raise RejectedError("schema_error", detail)
        version = body.version or tags.get("endpoint", "")
        ts, size = _time(attributes, record), len(record.payload)
        return key, _Half(is_request, ts, model, version, tags, body.rows, size)

    def _take(self, key: Key, half: _Half, index: int, read: _Read) -> None:
        """Join a half with the one that waits for it, or let it wait."""
        self._newest = max(self._newest, half.ts)
        if key in self._joined:
            return
        other = self._waiting.get(key)
        if other is None:
            self._wait(key, half, index, read)
        elif other.is_request != half.is_request:
            self._remove(key)
            self._joined[key] = self._newest
            request, response = (half, other) if half.is_request else (other, half)
            if len(request.rows) != len(response.rows):
                detail = (
                    f"{len(request.rows)} rows of the request, {len(response.rows)} of the response"
                )
                raise RejectedError("schema_error", detail)
            read.rows += _rows(key[-1], request, response, index)

    def _wait(self, key: Key, half: _Half, index: int, read: _Read) -> None:
        limits = self.tables.limits
        self._waiting[key] = half
        self._waiting_bytes += half.size
        heappush(self._by_time, (half.ts, key))
        if len(self._by_time) > 2 * len(self._waiting) + _JOINED_KEPT:
            self._sort_by_time()
        while len(self._waiting) > limits.waiting or (
            self._waiting_bytes > limits.waiting_bytes and len(self._waiting) > 1
        ):
            self._give_oldest(index, read)

    def _expire(self, index: int, read: _Read) -> None:
        """Give what has waited too long, and forget what was joined long ago."""
        expired = self._newest - self._ttl_ns
        while self._by_time and self._by_time[0][0] < expired:
            ts, key = heappop(self._by_time)
            if key in self._waiting and self._waiting[key].ts == ts:
                self._give(key, index, read)
        while self._joined:
            key, ts = next(iter(self._joined.items()))
            if ts >= expired and len(self._joined) <= self.tables.limits.waiting:
                break
            del self._joined[key]

    def _sort_by_time(self) -> None:
        self._by_time = [(half.ts, key) for key, half in self._waiting.items()]
        heapify(self._by_time)

    def _give_oldest(self, index: int, read: _Read) -> None:
        self._give(next(iter(self._waiting)), index, read)

    def _give(self, key: Key, index: int, read: _Read) -> None:
        """Make rows of a half that is alone."""
        half = self._remove(key)
        self._joined[key] = self._newest
        if half.is_request:
            self.unpaired.requests += 1
        else:
            self.unpaired.responses += 1
        read.rows += _rows(key[-1], half if half.is_request else None, half, index)

    def _remove(self, key: Key) -> _Half:
        half = self._waiting.pop(key)
        self._waiting_bytes -= half.size
        return half


def _rows(identity: str, request: _Half | None, response: _Half, index: int) -> list[PredictionRow]:
    """Make rows; the response is the request itself where that is alone."""
    first = request or response
    version = response.version or first.version
    rows: list[PredictionRow] = []
    for place in range(len(first.rows)):
        features = request.rows[place] if request else {}
        prediction, score = (None, None) if response.is_request else response.rows[place]
        rows.append(
            PredictionRow(
                index,
                first.ts,
                first.model,
                version,
                f"{identity}#{place}",
                features,
                prediction,
                score,
                tags={**response.tags, **first.tags},
            )
        )
    return rows


def _time(attributes: Mapping[str, str], record: Record) -> int:
    """Give the event's time; else the record's."""
    for name in ("time", "recordedtime"):
        if attributes.get(name):
            return time_of(attributes[name], f"ce_{name}")
    if record.ts is None:
        raise RejectedError("bad_timestamp", "neither ce_time nor the record has a time")
    return record.ts
