"""Tables that wait, as the arrays and plain values of a checkpoint; ids are hashes by then."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.codecs.predictions import Column, Kind, LabelTable, PredictionTable
from engine.drift.panes import Arrays

Tables = tuple[list[PredictionTable], list[LabelTable]]


def state_of(tables: Tables, arrays: Arrays, prefix: str) -> dict[str, Any]:
    """Put the arrays into `arrays`, and give the plain values."""
    predictions, labels = tables
    return {
        "predictions": [
            _predictions_state(table, arrays, f"{prefix}|p{n}")
            for n, table in enumerate(predictions)
        ],
        "labels": [
            _labels_state(table, arrays, f"{prefix}|l{n}") for n, table in enumerate(labels)
        ],
    }


def tables_of(plain: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], prefix: str) -> Tables:
    """Make the tables whose `state_of` was kept."""
    predictions = []
    for n, own in enumerate(plain["predictions"]):
        begin = f"{prefix}|p{n}"
        ts = arrays[f"{begin}|ts"]
        predictions.append(
            PredictionTable(
                own["model"],
                own["version"],
                0,
                np.zeros(len(ts), np.int32),
                ts,
                [""] * len(ts),
                arrays[f"{begin}|key"],
                _column(own["prediction"], arrays, f"{begin}|prediction"),
                arrays[f"{begin}|score"],
                None,
                None,
                _columns(own["tags"], arrays, f"{begin}|tag"),
                _columns(own["features"], arrays, f"{begin}|feature"),
            )
        )
    labels = []
    for n, own in enumerate(plain["labels"]):
        begin = f"{prefix}|l{n}"
        ts = arrays[f"{begin}|ts"]
        labels.append(
            LabelTable(
                own["model"],
                np.zeros(len(ts), np.int32),
                ts,
                [""] * len(ts),
                arrays[f"{begin}|key"],
                _column(own["label"], arrays, f"{begin}|label"),
                own["evaluator"],
            )
        )
    return predictions, labels


def _predictions_state(table: PredictionTable, arrays: Arrays, prefix: str) -> dict[str, Any]:
    arrays |= {
        f"{prefix}|ts": table.ts,
        f"{prefix}|key": table.key,
        f"{prefix}|score": table.score,
    }
    return {
        "model": table.model,
        "version": table.version,
        "prediction": _column_state(table.prediction, arrays, f"{prefix}|prediction"),
        "tags": _columns_state(table.tags, arrays, f"{prefix}|tag"),
        "features": _columns_state(table.features, arrays, f"{prefix}|feature"),
    }


def _labels_state(table: LabelTable, arrays: Arrays, prefix: str) -> dict[str, Any]:
    arrays |= {f"{prefix}|ts": table.ts, f"{prefix}|key": table.key}
    return {
        "model": table.model,
        "evaluator": table.evaluator,
        "label": _column_state(table.label, arrays, f"{prefix}|label"),
    }


def _columns_state(
    columns: Mapping[str, Column], arrays: Arrays, prefix: str
) -> list[tuple[str, Any]]:
    return [
        (name, _column_state(column, arrays, f"{prefix}{n}"))
        for n, (name, column) in enumerate(columns.items())
    ]


def _columns(
    plain: Sequence[tuple[str, Any]], arrays: Mapping[str, NDArray[Any]], prefix: str
) -> dict[str, Column]:
    return {name: _column(own, arrays, f"{prefix}{n}") for n, (name, own) in enumerate(plain)}


def _column_state(column: Column, arrays: Arrays, prefix: str) -> tuple[str, list[str]]:
    values, names = column.values, []
    if column.kind is Kind.CATEGORICAL:
        # Of categories only those that rows have.
        used = np.unique(values[values >= 0])
        names = [column.names[code] for code in used.tolist()]
        values = np.where(values >= 0, np.searchsorted(used, values), -1).astype(np.int32)
    arrays[f"{prefix}|values"] = values
    if column.rows is not None:
        arrays[f"{prefix}|rows"] = column.rows
    return column.kind.value, names


def _column(
    plain: tuple[str, list[str]], arrays: Mapping[str, NDArray[Any]], prefix: str
) -> Column:
    kind, names = plain
    return Column(
        Kind(kind), arrays[f"{prefix}|values"], tuple(names), arrays.get(f"{prefix}|rows")
    )
