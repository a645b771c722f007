"""Lines of BentoML's monitors: a line of roles and types, then lines of data.

The schema line is ``{"meta_data": {"bento_name": ..., "bento_version": ...}, "columns": [{"name":
"age", "role": "feature", "type": "numerical"}, ...]}``; it comes first, from each worker, or is
given by the configuration. Data lines hold a value by column beside ``timestamp`` (text without
zone, taken as UTC), ``request_id`` and ``trace_id``. All lines of a topic are of one monitor. The
rows of one call share its request id, so that labels can only be joined where calls have one row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.codecs.json_documents import shown
from engine.codecs.prediction_codec import PredictionCodec
from engine.codecs.prediction_columns import PredictionTables
from engine.codecs.prediction_documents import documents_of, row_bytes, text_of, time_of
from engine.codecs.prediction_encoding import is_null
from engine.codecs.prediction_schema import PredictionSchema
from engine.codecs.predictions import Kind, PredictionBatch, PredictionRow, Rows
from engine.codecs.samples import RejectedError, check_length

_KINDS = {
    "numerical": Kind.NUMERIC,
    "categorical": Kind.CATEGORICAL,
    "numerical_sequence": Kind.EMBEDDING,
}
_ZONE_AT = len("2026-01-01T00:00:00")  # a zone has a sign, as the date before has


@dataclass(slots=True)
class _Roles:
    """The columns of the monitor that the last schema line has named."""

    model: str
    version: str
    features: dict[str, Kind | None]
    prediction: str | None = None
    target: str | None = None


class BentoMLCodec:
    """Decoder of monitoring lines, one or more a message.

    The first column with the role ``prediction`` is the prediction; a further one is a feature,
    unless it is `score`.

    Parameters
    ----------
    tables : PredictionTables
        Gets the types of the schema lines; a type that is already known stays.
    model : str
        Name of the model; where empty, the bento's name.
    score : str or None
        The column that holds the score.
    schema : mapping or None
        A schema line as JSON has it.

    Raises
    ------
    RejectedError
        `schema` can't be used.
    """

    def __init__(
        self,
        tables: PredictionTables,
        *,
        model: str = "",
        score: str | None = None,
        schema: Mapping[str, Any] | None = None,
    ) -> None:
        self.tables = tables
        self._model = model
        self._score = score
        self._line: Mapping[str, Any] | None = None
        self._roles: _Roles | None = None
        self._codec = PredictionCodec(self.read, tables)
        if schema is not None:
            self._take_schema(schema)

    def state(self) -> dict[str, Any]:
        """Give the last schema line, for a checkpoint."""
        return {"schema": self._line}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take the schema line that `state` gave."""
        if state["schema"] is not None:
            self._take_schema(state["schema"])

    def decode(self, payloads: Sequence[bytes]) -> PredictionBatch:
        """Decode messages."""
        return self._codec.decode(payloads)

    def read(self, payload: bytes, index: int) -> Rows:
        """Read one message; its schema lines hold from there on."""
        try:
            documents = documents_of(payload, self.tables.limits.message)
        except RejectedError as error:
            return [], [], [error.reject(index, None)]
        rows: Rows = ([], [], [])
        for document in documents:
            try:
                if isinstance(document, dict) and isinstance(document.get("columns"), list):
                    self._take_schema(document)
                else:
                    rows[0].append(self._row(document, index))
            except RejectedError as error:
                rows[2].append(error.reject(index, row_bytes(document)))
        return rows

    def _take_schema(self, line: Mapping[str, Any]) -> None:
        meta = line.get("meta_data")
        meta = meta if isinstance(meta, dict) else {}
        version = meta.get("bento_version")
        roles = _Roles(
            self._model or text_of(meta.get("bento_name"), "bento_name"),
            "" if version is None else text_of(version, "bento_version"),
            {},
        )
        if not roles.model:
            raise RejectedError("schema_error", "the schema line names no bento")
        check_length("the model's name", roles.model, self.tables.limits.message)
        if len(line["columns"]) > self.tables.limits.features:
            raise RejectedError("limit", f"more than {self.tables.limits.features} columns")
        for column in line["columns"]:
            self._take_column(column, roles)
        self._line, self._roles = line, roles
        self._declare(roles)

    def _take_column(self, column: Any, roles: _Roles) -> None:
        if not isinstance(column, dict):
            raise RejectedError("schema_error", f"a column is {shown(column)}, no object")
        name = text_of(column.get("name"), "a column's name")
        role, kind = column.get("role"), column.get("type")
        if not isinstance(role, str) or not (kind is None or isinstance(kind, str)):
            raise RejectedError("schema_error", f"role or type of {shown(name)} is no text")
        if role == "target":
            roles.target = name
        elif role == "prediction" and roles.prediction is None and name != self._score:
            roles.prediction = name
        elif name != self._score:
            roles.features[name] = _KINDS.get(kind) if kind is not None else None

    def _declare(self, roles: _Roles) -> None:
        """Tell the schema of the model what its features are."""
        schemas, limits = self.tables.schemas, self.tables.limits
        if roles.model not in schemas:
            if len(schemas) >= limits.models:
                return  # its rows are refused, and say so
            schemas[roles.model] = PredictionSchema(limits)
        schema = schemas[roles.model]
        new = {
            name: kind
            for name, kind in roles.features.items()
            if kind is not None and name not in schema.features
        }
        room = limits.features - len(schema.features)
        for name, kind in list(new.items())[:room]:
            schema.features[name] = schema.feature(kind)
            schema.features[name].declared = True
        schema.version += bool(new)

    def _row(self, document: Any, index: int) -> PredictionRow:
        if not isinstance(document, dict):
            raise RejectedError("schema_error", "the line is no object")
        roles = self._roles
        if roles is None:
            detail = "no schema line came before; it may be given by the configuration"
            raise RejectedError("schema_error", detail)
        features = {name: document[name] for name in roles.features if name in document}
        prediction = document.get(roles.prediction) if roles.prediction else None
        score = document.get(self._score) if self._score else None
        label = document.get(roles.target) if roles.target else None
        if not features and all(map(is_null, (prediction, score, label))):
            detail = "the line has none of the columns of the schema line"
            raise RejectedError("schema_error", detail)
        identity = document.get("request_id")
        if identity == "None":  # what BentoML writes outside of a call
            identity = None
        return PredictionRow(
            index,
            _timestamp(document.get("timestamp")),
            roles.model,
            roles.version,
            "" if identity is None else text_of(identity, "request_id"),
            features,
            prediction,
            score,
            label,
        )


def _timestamp(value: Any) -> int:
    """Read RFC 3339, also without a zone."""
    if isinstance(value, str):
        rest = value[_ZONE_AT:]
        if rest[-1:] not in {"Z", "z"} and "+" not in rest and "-" not in rest:
            value += "Z"
    return time_of(value, "timestamp")
