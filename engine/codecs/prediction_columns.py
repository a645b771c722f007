"""Rows of prediction streams to tables, one per (model, version), and the schemas they teach."""

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from engine.codecs.prediction_building import TableBuilder
from engine.codecs.prediction_encoding import Values
from engine.codecs.prediction_schema import PredictionSchema
from engine.codecs.predictions import (
    Kind,
    LabelRow,
    PredictionBatch,
    PredictionLimits,
    PredictionRow,
    Rows,
)
from engine.codecs.samples import RejectedError, check_length

_encode = msgspec.json.encode


class PredictionTables:
    """Makes tables of rows; it keeps the schema of every model that it has met.

    Parameters
    ----------
    limits : PredictionLimits or None
    declared : mapping of str to (mapping of str to Kind), optional
        Kinds of features by model, where they are known beforehand. A declared categorical feature
        takes numbers as categories, a declared numeric one truth values as 1 and 0.
    """

    def __init__(
        self,
        limits: PredictionLimits | None = None,
        declared: Mapping[str, Mapping[str, Kind]] | None = None,
    ) -> None:
        self.limits = limits or PredictionLimits()
        self.schemas = {
            model: PredictionSchema.declared(kinds, self.limits)
            for model, kinds in (declared or {}).items()
        }

    def state(self) -> dict[str, Any]:
        """Give the schemas as JSON values, for a checkpoint."""
        return {model: schema.state() for model, schema in self.schemas.items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take the schemas that `state` gave."""
        for model, kept in state.items():
            self.schemas[model] = PredictionSchema.of_state(kept, self.limits)

    def build(self, rows: Rows, columns: Mapping[str, Values] | None = None) -> PredictionBatch:
        """Make the tables of some messages.

        Parameters
        ----------
        rows : Rows
        columns : mapping of str to sequence, optional
            Features of all predictions where these are columns already: float64 arrays, and lists
            of text or truth values with None for null. The rows' own features are not read then.
        """
        predictions, labels, rejects = rows
        batch = TableBuilder(self.limits, list(rejects))
        by_model: dict[str, tuple[list[int], list[LabelRow]]] = {}
        for place, row in enumerate(predictions):
            if self._accepts(row, batch):
                by_model.setdefault(row.model, ([], []))[0].append(place)
        for label in labels:
            if self._accepts(label, batch):
                by_model.setdefault(label.model, ([], []))[1].append(label)
        for model, (places, late) in by_model.items():
            schema = self.schemas[model]
            if places:
                some = [predictions[place] for place in places]
                own = columns
                if columns is not None and len(places) < len(predictions):
                    own = {name: _chosen(values, places) for name, values in columns.items()}
                batch.tables += batch.predictions(schema, some, own)
            if late:
                batch.labels += batch.late_labels(schema, late)
        batch.rejects.sort(key=lambda reject: reject.message)
        return PredictionBatch(batch.tables, batch.labels, batch.rejects, batch.refused)

    def _accepts(self, row: PredictionRow | LabelRow, batch: "TableBuilder") -> bool:
        """Check a row as a whole, and make the schema of a model that is new."""
        try:
            self._check(row)
        except RejectedError as error:
            shortened = {"model": row.model[:100], "prediction_id": row.id[:100]}
            batch.rejects.append(error.reject(row.message, _encode(shortened)))
            return False
        if row.model not in self.schemas:
            self.schemas[row.model] = PredictionSchema(self.limits)
        return True

    def _check(self, row: PredictionRow | LabelRow) -> None:
        check_length("the model's name", row.model, self.limits.message)
        check_length("prediction_id", row.id, self.limits.message)
        if row.model not in self.schemas and len(self.schemas) >= self.limits.models:
            raise RejectedError("limit", f"more than {self.limits.models} models")
        if isinstance(row, LabelRow):
            return
        check_length("version", row.version, self.limits.message)
        if len(row.features) > self.limits.features:
            raise RejectedError("limit", f"more than {self.limits.features} features")
        if row.tags and len(row.tags) > self.limits.tags:
            raise RejectedError("limit", f"more than {self.limits.tags} tags")


def _chosen(values: Values, places: list[int]) -> Values:
    if isinstance(values, np.ndarray):
        return values[places]
    return [values[place] for place in places]
