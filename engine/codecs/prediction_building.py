"""Rows of one model to its tables: what is new is learned, what does not fit is refused alone."""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from operator import itemgetter
from typing import Any

import msgspec
import numpy as np

from engine.codecs.json_documents import shown
from engine.codecs.prediction_encoding import Values, encode, is_null, numbers
from engine.codecs.prediction_schema import Feature, PredictionSchema, kind_of
from engine.codecs.predictions import (
    Column,
    Kind,
    LabelRow,
    LabelTable,
    PredictionLimits,
    PredictionRow,
    PredictionTable,
    keys_of,
)
from engine.codecs.samples import RejectedError, check_length
from engine.series.columns import Reject

_TARGETS = {
    Kind.BOOLEAN: Kind.NUMERIC,
    Kind.NUMERIC: Kind.NUMERIC,
    Kind.CATEGORICAL: Kind.CATEGORICAL,
}

_encode = msgspec.json.encode


class TableBuilder:
    """The tables of one batch while they are made.

    Parameters
    ----------
    limits : PredictionLimits
    rejects : list of Reject
        What was rejected before; refused values are appended.

    Attributes
    ----------
    refused : Counter of (str, str, str)
        As in `PredictionBatch`.
    tables : list of PredictionTable
    labels : list of LabelTable
    """

    def __init__(self, limits: PredictionLimits, rejects: list[Reject]) -> None:
        self.limits = limits
        self.rejects = rejects
        self.refused: Counter[tuple[str, str, str]] = Counter()
        self.refused_rows = 0
        self.tables: list[PredictionTable] = []
        self.labels: list[LabelTable] = []

    def refuse(
        self,
        rows: Sequence[PredictionRow] | Sequence[LabelRow],
        feature: str,
        index: int,
        value: Any,
        reason: str,
        detail: str,
    ) -> None:
        """Count a refused value, and make a dead letter of it while there are not too many."""
        row = rows[index]
        self.refused[row.model, "" if reason == "limit" else feature, reason] += 1
        self.refused_rows += 1
        if self.refused_rows > self.limits.refused_values:
            return
        name = feature[:100]
        letter = _encode(
            {
                "model": row.model,
                "prediction_id": row.id,
                "feature": name,
                "value": shown(value),
            }
        )
        error = RejectedError(reason, f"{name} is {shown(value)}: {detail}")
        self.rejects.append(error.reject(row.message, letter))

    def predictions(
        self,
        schema: PredictionSchema,
        rows: Sequence[PredictionRow],
        columns: Mapping[str, Values] | None,
    ) -> list[PredictionTable]:
        """Make the tables of one model."""
        changed: set[int] = set()
        if columns is None:
            values = [row.features for row in rows]
            features = self._columns(rows, values, schema.features, schema, changed=changed)
        else:
            features = self._whole_columns(rows, columns, schema, changed)
        schema.version += len(changed)
        prediction = self._target(rows, "prediction", [row.prediction for row in rows], schema)
        labels = [row.label for row in rows]
        has_labels = any(label is not None for label in labels)
        label_ts = [row.ts if row.label_ts is None else row.label_ts for row in rows]
        ids = [row.id for row in rows]
        table = PredictionTable(
            model=rows[0].model,
            version=rows[0].version,
            schema=schema.version,
            message=np.array([row.message for row in rows], np.int32),
            ts=np.array([row.ts for row in rows], np.int64),
            ids=ids,
            key=keys_of(rows[0].model, ids),
            prediction=prediction,
            score=numbers([row.score for row in rows], partial(self.refuse, rows, "score")),
            label=self._target(rows, "label", labels, schema) if has_labels else None,
            label_ts=np.array(label_ts, np.int64) if has_labels else None,
            tags=self._columns(rows, [row.tags or {} for row in rows], schema.tags, schema),
            features=features,
        )
        return _by_version(table, [row.version for row in rows])

    def late_labels(self, schema: PredictionSchema, rows: Sequence[LabelRow]) -> list[LabelTable]:
        """Make the table of one model's labels, without those that are refused."""
        label = self._target(rows, "label", [row.label for row in rows], schema)
        is_label = label.values >= 0 if label.kind is Kind.CATEGORICAL else ~np.isnan(label.values)
        kept = np.flatnonzero(is_label)
        some = [rows[index] for index in kept.tolist()]
        if not some:
            return []
        ids = [row.id for row in some]
        return [
            LabelTable(
                some[0].model,
                np.array([row.message for row in some], np.int32),
                np.array([row.ts for row in some], np.int64),
                ids,
                keys_of(some[0].model, ids),
                label.take(kept),
            )
        ]

    def _columns(
        self,
        rows: Sequence[PredictionRow],
        values: Sequence[Mapping[str, Any]],
        features: dict[str, Feature],
        schema: PredictionSchema,
        *,
        changed: set[int] | None = None,
    ) -> dict[str, Column]:
        """Make the columns of features, or of tags where `changed` is None; learn new ones."""
        columns: dict[str, Column] = {}
        met: dict[str, Sequence[Any]] | None = _alike(values, features)
        if met is None:
            names: set[str] = set().union(*values)
            unknown = names - features.keys()
            met = {}
            refused: dict[str, list[int]] = {}
            if unknown:
                refused = self._learn(rows, values, unknown, features, schema, changed)
            for name in features:
                if name in names:
                    found = [row.get(name) for row in values]
                    for index in refused.get(name, ()):
                        found[index] = None
                    met[name] = found
        for name, column in met.items():
            refuse = partial(self.refuse, rows, name)
            columns[name] = encode(features[name], column, self.limits, refuse, changed)
        return columns

    def _whole_columns(
        self,
        rows: Sequence[PredictionRow],
        columns: Mapping[str, Values],
        schema: PredictionSchema,
        changed: set[int],
    ) -> dict[str, Column]:
        """Make the columns of features that are columns of one type each; learn new ones."""
        features = schema.features
        first = {
            name: row
            for name, values in columns.items()
            if name not in features and (row := _first(values)) is not None
        }
        for name in sorted(first, key=first.__getitem__):
            value = columns[name][first[name]]
            kind = self._kind(rows, first[name], name, value, is_tag=False)
            if kind is not None and len(features) < self.limits.features:
                features[name] = schema.feature(kind)
                changed.add(first[name])
            elif kind is not None:
                detail = f"the model has {self.limits.features} others already"
                self.refuse(rows, name, first[name], value, "limit", detail)
        return {
            name: encode(
                feature, columns[name], self.limits, partial(self.refuse, rows, name), changed
            )
            for name, feature in features.items()
            if name in columns
        }

    def _learn(
        self,
        rows: Sequence[PredictionRow],
        values: Sequence[Mapping[str, Any]],
        unknown: set[str],
        features: dict[str, Feature],
        schema: PredictionSchema,
        changed: set[int] | None,
    ) -> dict[str, list[int]]:
        """Take features into the schema at their first value that can be used; refuse the others.

        All are taken in the order of rows and of the names in each, so that a schema does not
        depend on how rows are put into batches. Gives the rows of refused values by name.
        """
        refused: dict[str, list[int]] = {}
        is_tag = changed is None
        limit = self.limits.tags if is_tag else self.limits.features
        for index, row in enumerate(values):
            for name, value in row.items():
                if name not in unknown or is_null(value):
                    continue
                kind = self._kind(rows, index, name, value, is_tag=is_tag)
                if kind is not None and len(features) >= limit:
                    detail = f"the model has {limit} others already"
                    self.refuse(rows, name, index, value, "limit", detail)
                    kind = None
                if kind is None:
                    refused.setdefault(name, []).append(index)
                    continue
                features[name] = schema.feature(kind)
                features[name].declared = is_tag
                unknown.discard(name)
                if changed is not None:
                    changed.add(index)
            if not unknown:
                break
        return refused

    def _kind(
        self, rows: Sequence[PredictionRow], index: int, name: str, value: Any, *, is_tag: bool
    ) -> Kind | None:
        """Tell what a new feature is; refuse a value or name that can't be used."""
        try:
            check_length("the name", name, self.limits.message)
        except RejectedError as error:
            self.refuse(rows, name, index, value, error.reason, str(error))
            return None
        kind = kind_of(value) if name else None
        if kind is None or (is_tag and kind is Kind.EMBEDDING):
            detail = "neither a number, text, true, false nor an array of numbers"
            self.refuse(rows, name, index, value, "schema_error", detail if name else "no name")
            return None
        if kind is Kind.EMBEDDING and len(value) > self.limits.dimensions:
            detail = f"more than {self.limits.dimensions} dimensions"
            self.refuse(rows, name, index, value, "limit", detail)
            return None
        return Kind.CATEGORICAL if is_tag else kind

    def _target(
        self,
        rows: Sequence[PredictionRow] | Sequence[LabelRow],
        what: str,
        values: list[Any],
        schema: PredictionSchema,
    ) -> Column:
        """Make the column of predictions or labels, which share kind and codes."""
        refuse = partial(self.refuse, rows, what)
        if schema.target is None:
            kinds = (kind_of(value) for value in values if not is_null(value))
            kind = next((_TARGETS[kind] for kind in kinds if kind in _TARGETS), None)
            if kind is None:  # nothing is known yet, and nothing is taken
                return Column(Kind.NUMERIC, numbers(values, refuse))
            schema.target = schema.feature(kind)
            schema.target.declared = True
        return encode(schema.target, values, self.limits, refuse)


def _first(values: Values) -> int | None:
    """Give the first row whose value is no null."""
    if isinstance(values, np.ndarray):
        held = np.flatnonzero(~np.isnan(values))
        return int(held[0]) if len(held) else None
    return next((row for row, value in enumerate(values) if not is_null(value)), None)


def _alike(
    values: Sequence[Mapping[str, Any]], features: Mapping[str, Feature]
) -> dict[str, Sequence[Any]] | None:
    """Give the values by feature if every row has all that are known and no others, else None."""
    if len(features) < 2 or set(map(len, values)) != {len(features)}:
        return None
    try:
        found = list(map(itemgetter(*features), values))
    except KeyError:
        return None
    return dict(zip(features, zip(*found, strict=True), strict=True))


def _by_version(table: PredictionTable, versions: Sequence[str]) -> list[PredictionTable]:
    """Cut the table of a model into those of its versions."""
    distinct = dict.fromkeys(versions)
    if len(distinct) == 1:
        return [table]
    rows: dict[str, list[int]] = {version: [] for version in distinct}
    for index, version in enumerate(versions):
        rows[version].append(index)
    return [_taken(table, version, np.array(some, np.int64)) for version, some in rows.items()]


def _taken(table: PredictionTable, version: str, index: Any) -> PredictionTable:
    has_labels = table.label is not None and table.label_ts is not None
    return PredictionTable(
        table.model,
        version,
        table.schema,
        table.message[index],
        table.ts[index],
        [table.ids[row] for row in index.tolist()],
        table.key[index],
        table.prediction.take(index),
        table.score[index],
        table.label.take(index) if has_labels and table.label else None,
        table.label_ts[index] if has_labels and table.label_ts is not None else None,
        {name: column.take(index) for name, column in table.tags.items()},
        {name: column.take(index) for name, column in table.features.items()},
    )
