"""Recordings of predictions, as Polars frames, to the tables that live messages become."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from engine.codecs.prediction_columns import PredictionTables
from engine.codecs.predictions import LabelRow, PredictionBatch, PredictionRow
from engine.codecs.samples import RejectedError
from engine.codecs.timestamps import TIMESTAMP_NS_MAX
from engine.series.columns import Reject

FEATURE = "feature."
"""What the names of feature columns start with."""

TAG = "tag."
"""What the names of tag columns start with; they are optional, as all but `ts` and `model` are."""

_BATCH_ROWS = 4096


class FrameColumnsError(ValueError):
    """A frame has not the columns of a recording of predictions."""


def batches_of(
    frame: pl.DataFrame, tables: PredictionTables, rows: int = _BATCH_ROWS
) -> Iterator[PredictionBatch]:
    """Decode a frame in pieces; `Reject.message` and `message` of tables are rows of the frame.

    Parameters
    ----------
    frame : pl.DataFrame
        Columns ``ts``, ``model``, ``version``, ``prediction_id``, ``prediction``, ``score``,
        ``label``, ``label_ts``, ``feature.<name>`` and ``tag.<name>``. Both times are of type
        Datetime, those without a zone in UTC, or integers of nanoseconds since the epoch. A row
        with a label, and without prediction, score and features, is a late label, at ``label_ts``
        or else ``ts``.
    tables : PredictionTables
    rows : int
        Of a piece.

    Raises
    ------
    FrameColumnsError
        A column is missing or of a type that can't be read.
    """
    _check(frame)
    for start in range(0, len(frame), rows):
        yield _batch(frame.slice(start, rows), tables, start)


def _check(frame: pl.DataFrame) -> None:
    missing = [name for name in ("ts", "model") if name not in frame.columns]
    if missing:
        raise FrameColumnsError(f"missing columns: {', '.join(missing)}")
    for name in ("ts", "label_ts"):
        if name in frame.columns:
            kind = frame.schema[name]
            if not (kind.is_integer() or isinstance(kind, pl.Datetime | pl.Null)):
                raise FrameColumnsError(f"{name} is {kind}, neither a Datetime nor nanoseconds")
    for name, kind in frame.schema.items():
        if name.startswith((FEATURE, TAG)) and isinstance(kind, pl.Struct | pl.Object):
            raise FrameColumnsError(f"{name} is {kind}, which no feature can be")


def _batch(frame: pl.DataFrame, tables: PredictionTables, start: int) -> PredictionBatch:
    features = _rows_of(frame, FEATURE)
    tags = _rows_of(frame, TAG)
    ts, label_ts = _times(frame, "ts"), _times(frame, "label_ts")
    model, version, identity, prediction, score, label = (
        _values(frame, name)
        for name in ("model", "version", "prediction_id", "prediction", "score", "label")
    )
    predictions: list[PredictionRow] = []
    labels: list[LabelRow] = []
    rejects: list[Reject] = []
    for row in range(len(frame)):
        number = start + row
        when, known = int(ts[row]), int(label_ts[row])
        is_label = not (features[row] or prediction[row] is not None or score[row] is not None)
        reason = _why_not(model[row], known if is_label and known >= 0 else when)
        if reason is None and is_label and (label[row] is None or not identity[row]):
            reason = RejectedError("schema_error", "the row has no feature, prediction or label")
        if reason is not None:
            rejects.append(reason.reject(number, None))
        elif is_label:
            at = known if known >= 0 else when
            labels.append(LabelRow(number, at, str(model[row]), str(identity[row]), label[row]))
        else:
            predictions.append(
                PredictionRow(
                    number,
                    when,
                    str(model[row]),
                    "" if version[row] is None else str(version[row]),
                    "" if identity[row] is None else str(identity[row]),
                    features[row],
                    prediction[row],
                    score[row],
                    label[row],
                    known if known >= 0 else None,
                    tags[row],
                )
            )
    return tables.build((predictions, labels, rejects))


def _why_not(model: Any, ts: int) -> RejectedError | None:
    if model is None or not str(model):
        return RejectedError("schema_error", "model is empty")
    if not 0 <= ts <= TIMESTAMP_NS_MAX:
        return RejectedError("bad_timestamp", "ts is missing or not within 1970 to 2262")
    return None


def _times(frame: pl.DataFrame, name: str) -> NDArray[np.int64]:
    """Give nanoseconds since the epoch, -1 for null."""
    if name not in frame.columns:
        return np.full(len(frame), -1, np.int64)
    column = frame[name]
    if isinstance(column.dtype, pl.Datetime):
        column = column.dt.epoch("ns")
    return column.cast(pl.Int64).fill_null(-1).to_numpy()


def _values(frame: pl.DataFrame, name: str) -> list[Any]:
    if name not in frame.columns:
        return [None] * len(frame)
    return _readable(frame[name]).to_list()


def _rows_of(frame: pl.DataFrame, prefix: str) -> list[dict[str, Any]]:
    """Give the columns of a prefix as one dict a row, without nulls."""
    names = [name for name in frame.columns if name.startswith(prefix)]
    if not names:
        return [{} for _ in range(len(frame))]
    keys = [name.removeprefix(prefix) for name in names]
    columns = [_readable(frame[name]).to_list() for name in names]
    return [
        {key: value for key, value in zip(keys, row, strict=True) if value is not None}
        for row in zip(*columns, strict=True)
    ]


def _readable(column: pl.Series) -> pl.Series:
    """Make categories text, and of what JSON has no type for, too."""
    kind = column.dtype
    if isinstance(kind, pl.Array):
        return column.arr.to_list()
    if kind.is_numeric() and not isinstance(kind, pl.Decimal):
        return column
    if isinstance(kind, pl.Decimal):
        return column.cast(pl.Float64)
    if isinstance(kind, pl.List | pl.Boolean | pl.String | pl.Null):
        return column
    return column.cast(pl.String)
