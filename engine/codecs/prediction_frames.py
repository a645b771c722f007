"""Recordings of predictions, as Polars frames, to the tables that live messages become."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from engine.codecs.prediction_columns import PredictionTables
from engine.codecs.prediction_encoding import Values
from engine.codecs.predictions import LabelRow, PredictionBatch, PredictionRow
from engine.codecs.samples import RejectedError
from engine.codecs.timestamps import TIMESTAMP_NS_MAX
from engine.series.columns import Reject

FEATURE = "feature."
"""What the names of feature columns start with."""

TAG = "tag."
"""What the names of tag columns start with; they are optional, as all but `ts` and `model` are."""

_BATCH_ROWS = 8192


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
    plain = _plain_features(frame, tables.limits.features)
    features = _rows_of(frame, FEATURE) if plain is None else None
    has_features = _has_features(frame)
    has_tags = any(name.startswith(TAG) for name in frame.columns)
    tags = _rows_of(frame, TAG) if has_tags else [None] * len(frame)
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
        when, known = ts[row], label_ts[row]
        is_label = not (has_features[row] or prediction[row] is not None or score[row] is not None)
        at = known if is_label and known >= 0 else when
        reason = _why_not(model[row], at)
        if reason is None and is_label and (label[row] is None or not identity[row]):
            reason = RejectedError("schema_error", "the row has no feature, prediction or label")
        if reason is not None:
            rejects.append(reason.reject(number, None))
        elif is_label:
            labels.append(LabelRow(number, at, str(model[row]), str(identity[row]), label[row]))
        else:
            predictions.append(
                PredictionRow(
                    number,
                    when,
                    str(model[row]),
                    "" if version[row] is None else str(version[row]),
                    "" if identity[row] is None else str(identity[row]),
                    {} if features is None else features[row],
                    prediction[row],
                    score[row],
                    label[row],
                    known if known >= 0 else None,
                    tags[row],
                )
            )
    columns = None
    if plain is not None:
        places = np.array([row.message - start for row in predictions], np.int64)
        found = {name: _whole(column.gather(places)) for name, column in plain.items()}
        columns = {name: values for name, values in found.items() if values is not None}
    return tables.build((predictions, labels, rejects), columns)


def _plain_features(frame: pl.DataFrame, limit: int) -> dict[str, pl.Series] | None:
    """Give the features as columns; None where one has arrays, or where there are too many."""
    plain: dict[str, pl.Series] = {}
    for name in frame.columns:
        if name.startswith(FEATURE):
            column = _readable(frame[name])
            if isinstance(column.dtype, pl.List) or len(plain) >= limit:
                return None
            plain[name.removeprefix(FEATURE)] = column
    return plain


def _whole(column: pl.Series) -> Values | None:
    """Give a column as `PredictionTables.build` takes it; None if it has only nulls."""
    if column.null_count() == len(column):
        return None
    if column.dtype.is_numeric():
        return column.cast(pl.Float64).fill_null(np.nan).to_numpy()
    return column.to_list()


def _has_features(frame: pl.DataFrame) -> list[bool]:
    """Tell which rows have a feature."""
    names = [name for name in frame.columns if name.startswith(FEATURE)]
    if not names:
        return [False] * len(frame)
    return frame.select(pl.any_horizontal(pl.col(names).is_not_null())).to_series().to_list()


def _why_not(model: Any, ts: int) -> RejectedError | None:
    if model is None or not str(model):
        return RejectedError("schema_error", "model is empty")
    if not 0 <= ts <= TIMESTAMP_NS_MAX:
        return RejectedError("bad_timestamp", "ts is missing or not within 1970 to 2262")
    return None


def _times(frame: pl.DataFrame, name: str) -> list[int]:
    """Give nanoseconds since the epoch, -1 for null."""
    if name not in frame.columns:
        return [-1] * len(frame)
    column = frame[name]
    if isinstance(column.dtype, pl.Datetime):
        column = column.dt.epoch("ns")
    return column.cast(pl.Int64, strict=False).fill_null(-1).to_list()


def _values(frame: pl.DataFrame, name: str) -> list[Any]:
    if name not in frame.columns:
        return [None] * len(frame)
    return _readable(frame[name]).to_list()


def _rows_of(frame: pl.DataFrame, prefix: str) -> list[dict[str, Any]]:
    """Give the columns of a prefix as one dict a row, without nulls."""
    names = [name for name in frame.columns if name.startswith(prefix)]
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
