"""Messages of predictions and labels as lines of native messages, which replay to the same.

Rows are written as their messages have them, before they become columns: so text stays text, and
what is refused live is refused in a replay.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Message

from engine.codecs.cloud_events import Record
from engine.codecs.document_codec import DocumentCodec
from engine.codecs.formats import limits_of
from engine.codecs.prediction_columns import PredictionTables
from engine.codecs.prediction_documents import row_bytes
from engine.codecs.prediction_encoding import Values
from engine.codecs.prediction_formats import make_prediction_codec, prediction_limits
from engine.codecs.predictions import LabelRow, PredictionBatch, PredictionRow, Rows
from engine.config.connections import KafkaSource
from engine.config.durations import MILLISECOND_NS
from engine.config.schema import Config
from engine.events import rfc3339
from engine.series.columns import Reject
from engine.sources.confluent_client import headers_of


class _RowTables(PredictionTables):
    """Keeps rows instead of making tables of them."""

    rows: Rows = ([], [], [])

    def build(self, rows: Rows, columns: Mapping[str, Values] | None = None) -> PredictionBatch:
        """Keep the rows."""
        if columns is not None:
            raise TypeError("rows without their features can't be written")
        self.rows = rows
        return PredictionBatch(rejects=rows[2])


@dataclass(slots=True)
class Lines:
    """The rows of a message in the order in which a run checks their times.

    Attributes
    ----------
    ts : list of int
        Nanoseconds since the epoch.
    lines : list of bytes
    rejects : list of Reject
    """

    ts: list[int] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)


class LineReader:
    """Reads the messages of one partition, one by one.

    Parameters
    ----------
    config : Config
    source : KafkaSource
        Of predictions or labels.
    """

    def __init__(self, config: Config, source: KafkaSource) -> None:
        limits = limits_of(config.limits)
        self._tables = _RowTables(prediction_limits(limits, source.compression))
        self._codec: DocumentCodec = make_prediction_codec(
            source, self._tables, limits=limits, lateness_ns=config.time.lateness_ns
        )

    def read(self, message: Message) -> Lines:
        """Read one message."""
        payload = message.value() or b""
        self._tables.rows = ([], [], [])
        if self._codec.wants_headers:
            stamp = message.timestamp()[1]
            ts = stamp * MILLISECOND_NS if stamp > 0 else None
            record = Record(payload, headers_of(message), ts)
            decoded = self._codec.decode_records([record])
        else:
            decoded = self._codec.decode([payload])
        predictions, labels, _ = self._tables.rows
        rows: list[PredictionRow | LabelRow] = [*predictions, *labels]
        rows.sort(key=_order)
        return Lines([row.ts for row in rows], [_line(row) for row in rows], decoded.rejects)


def advance_line(ts: int) -> bytes:
    """Write an advance of the watermark."""
    return row_bytes({"ts": rfc3339(ts)})


def _order(row: PredictionRow | LabelRow) -> tuple[int, bool, str, str]:
    """Order rows of a message as `engine.codecs.prediction_rows.log_order` does."""
    is_label = isinstance(row, LabelRow)
    return row.ts, is_label, row.model, "" if isinstance(row, LabelRow) else row.version


def _line(row: PredictionRow | LabelRow) -> bytes:
    written: dict[str, Any] = {"ts": _moment(row.ts), "model": row.model, "prediction_id": row.id}
    if isinstance(row, LabelRow):
        return row_bytes({**written, "label": row.label})
    label_ts = None if row.label_ts is None else _moment(row.label_ts)
    written |= {
        "version": row.version or None,
        "features": row.features or None,
        "prediction": row.prediction,
        "score": row.score,
        "label": row.label,
        "label_ts": label_ts,
        "tags": row.tags or None,
    }
    return row_bytes({key: value for key, value in written.items() if value is not None})


def _moment(ts: int) -> int | str:
    whole, rest = divmod(ts, MILLISECOND_NS)
    return rfc3339(ts) if rest else whole
