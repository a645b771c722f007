"""Rows of a batch of predictions by number: which are there, which go on, what each one says.

The rows of all tables are counted one table after the other, first those of predictions, then those
of labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from math import isfinite, isnan
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.codecs.predictions import (
    Column,
    Kind,
    LabelTable,
    PredictionBatch,
    PredictionTable,
)
from engine.codecs.timestamps import MILLISECOND_NS
from engine.events import rfc3339

Table = PredictionTable | LabelTable


@dataclass(frozen=True, slots=True)
class LogOrder:
    """The rows of a batch in the order of the log.

    Rows of one message are sorted by time, then predictions stand before labels, then by model and
    version: tables keep the order of rows only among themselves, and no order may depend on how
    messages were cut into batches. So no row is late because of another one of its message.

    Attributes
    ----------
    number : int64[n]
        The rows' numbers.
    message : int32[n]
    ts : int64[n]
        Nanoseconds since the epoch.
    model : uint64[n]
        Hash of the model, see `model_key`.
    """

    number: NDArray[np.int64]
    message: NDArray[np.int32]
    ts: NDArray[np.int64]
    model: NDArray[np.uint64]


def log_order(batch: PredictionBatch) -> LogOrder:
    """Put the rows of a batch into the order of the log."""
    tables = _tables(batch)
    if not tables:
        nothing = np.empty(0, np.int64)
        return LogOrder(nothing, nothing.astype(np.int32), nothing, nothing.astype(np.uint64))
    names = [_name(table) for table in tables]
    rank_of = {name: rank for rank, name in enumerate(sorted(set(names)))}
    sizes = [len(table) for table in tables]
    message = np.concatenate([table.message for table in tables])
    ts = np.concatenate([table.ts for table in tables])
    rank = np.repeat([rank_of[name] for name in names], sizes)
    model = np.repeat(np.array([model_key(table.model) for table in tables], np.uint64), sizes)
    number = np.arange(len(ts))
    order = np.lexsort((number, rank, ts, message))
    return LogOrder(number[order], message[order], ts[order], model[order])


def take_rows(batch: PredictionBatch, number: NDArray[np.int64]) -> PredictionBatch:
    """Give a batch of some rows, without tables that have none left.

    Rejects stay behind; refused values, which are counted only, go along.

    Parameters
    ----------
    batch : PredictionBatch
    number : int64[k]
        Which rows, each once, in any order.
    """
    tables = _tables(batch)
    edges = _edges(tables)
    number = np.sort(number)
    cuts = np.searchsorted(number, edges)
    taken = PredictionBatch(refused=batch.refused)
    for place, table in enumerate(tables):
        index = number[cuts[place] : cuts[place + 1]] - edges[place]
        if not len(index):
            continue
        part = table if len(index) == len(table) else take_table(table, index)
        if isinstance(part, PredictionTable):
            taken.tables.append(part)
        else:
            taken.labels.append(part)
    return taken


def take_table(table: Table, index: NDArray[np.int64]) -> Table:
    """Give rows of a table by index, ascending."""
    same: dict[str, Any] = {
        "message": table.message[index],
        "ts": table.ts[index],
        "ids": [table.ids[row] for row in index.tolist()],
        "key": table.key[index],
        "label": None if table.label is None else table.label.take(index),
    }
    if isinstance(table, LabelTable):
        return replace(table, **same)
    return replace(
        table,
        **same,
        prediction=table.prediction.take(index),
        score=table.score[index],
        label_ts=None if table.label_ts is None else table.label_ts[index],
        tags={name: column.take(index) for name, column in table.tags.items()},
        features={name: column.take(index) for name, column in table.features.items()},
    )


def moved(batch: PredictionBatch, place: NDArray[np.int32]) -> PredictionBatch:
    """Give a batch whose messages are numbered anew; `place` (int32[m]) has the new numbers."""
    return PredictionBatch(
        [replace(table, message=place[table.message]) for table in batch.tables],
        [replace(table, message=place[table.message]) for table in batch.labels],
        [replace(reject, message=int(place[reject.message])) for reject in batch.rejects],
        batch.refused,
    )


def row_json(batch: PredictionBatch, number: int) -> bytes:
    """Write a row as a native JSON message; of texts, only the lengths are known any more."""
    tables = _tables(batch)
    edges = _edges(tables)
    place = int(np.searchsorted(edges, number, "right")) - 1
    table, row = tables[place], number - int(edges[place])
    written: dict[str, Any] = {"ts": _moment(table.ts[row]), "model": table.model}
    if isinstance(table, PredictionTable):
        written["version"] = table.version
    written["prediction_id"] = table.ids[row]
    if isinstance(table, PredictionTable):
        written["features"] = _values(table.features, row)
        written["prediction"] = value_at(table.prediction, row)
        score = float(table.score[row])
        written["score"] = score if isfinite(score) else None
        written["tags"] = _values(table.tags, row)
    written["label"] = None if table.label is None else value_at(table.label, row)
    has_label = written["label"] is not None
    if isinstance(table, PredictionTable) and table.label_ts is not None and has_label:
        written["label_ts"] = _moment(table.label_ts[row])
    elif isinstance(table, LabelTable) and table.evaluator:
        written["evaluator"] = table.evaluator
    held = {key: value for key, value in written.items() if value is not None and value != ""}
    return msgspec.json.encode(held)


def value_at(column: Column, row: int) -> Any:
    """Give the value of a column in a row as JSON has it; None for null and for infinities."""
    if column.kind is Kind.EMBEDDING:
        held = [] if column.rows is None else np.flatnonzero(column.rows == row).tolist()
        return column.values[held[0]].tolist() if held else None
    value = column.values[row].item()
    if column.kind is Kind.CATEGORICAL:
        return column.names[value] if value >= 0 else None
    if column.kind is Kind.BOOLEAN:
        return bool(value) if value >= 0 else None
    if isnan(value) or not isfinite(value):
        return None
    return int(value) if value.is_integer() and abs(value) < 1 << 53 else value


def model_key(model: str) -> int:
    """Hash a model's name: BLAKE2b with an 8-byte digest, read as a big-endian integer."""
    return int.from_bytes(blake2b(model.encode(), digest_size=8).digest(), "big")


def _moment(ts: np.int64) -> int | str:
    whole, rest = divmod(int(ts), MILLISECOND_NS)
    return rfc3339(int(ts)) if rest else whole


def _values(columns: dict[str, Column], row: int) -> dict[str, Any] | None:
    found = {name: value_at(column, row) for name, column in columns.items()}
    return {name: value for name, value in found.items() if value is not None} or None


def _tables(batch: PredictionBatch) -> Sequence[Table]:
    return [*batch.tables, *batch.labels]


def _edges(tables: Sequence[Table]) -> NDArray[np.int64]:
    """Number of each table's first row, and behind them the number of rows."""
    return np.cumsum([0, *map(len, tables)])


def _name(table: Table) -> tuple[int, str, str]:
    if isinstance(table, PredictionTable):
        return 0, table.model, table.version
    return 1, table.model, table.evaluator
