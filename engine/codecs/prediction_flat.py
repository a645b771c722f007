"""Flat rows of predictions: one JSON object whose keys have roles that the configuration names.

Services of one's own write ``{"prediction_id": "a1", "prediction_timestamp": ..., "age": 41,
"prediction": 1, "score": 0.83, "actual": 0}``. A row with an actual value and no feature,
prediction and score is a late label, as in `prediction_json`.
"""

from dataclasses import dataclass
from typing import Any

from engine.codecs.prediction_documents import (
    TimestampUnit,
    documents_of,
    row_bytes,
    text_of,
    time_of,
)
from engine.codecs.predictions import LabelRow, PredictionRow, Rows
from engine.codecs.samples import Limits, RejectedError


@dataclass(frozen=True, slots=True, kw_only=True)
class FlatRoles:
    """What the keys of flat rows are.

    Attributes
    ----------
    prediction_id, timestamp, prediction, score, actual, actual_timestamp : str
        Keys. A row without `actual_timestamp` has its actual value at `timestamp`.
    timestamp_unit : str
        Of timestamps that are numbers.
    model, version : str
        Keys of the model and its version.
    model_name, version_name : str
        The model and version of rows without these keys.
    tags : tuple of str
    ignored : tuple of str
    features : tuple of str or None
        None: all keys without a role.
    """

    prediction_id: str = "prediction_id"
    timestamp: str = "prediction_timestamp"
    timestamp_unit: TimestampUnit = "ms"
    model: str = "model"
    model_name: str = ""
    version: str = "model_version"
    version_name: str = ""
    prediction: str = "prediction"
    score: str = "score"
    actual: str = "actual"
    actual_timestamp: str = "actual_timestamp"
    tags: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    features: tuple[str, ...] | None = None

    @property
    def taken(self) -> frozenset[str]:
        """Keys that are no features."""
        return frozenset(
            {
                *(self.prediction_id, self.timestamp, self.model, self.version, self.prediction),
                *(self.score, self.actual, self.actual_timestamp, *self.tags, *self.ignored),
            }
        )


def read_flat(payload: bytes, index: int, limits: Limits, roles: FlatRoles) -> Rows:
    """Read one message of flat rows: an object, an array of them, or one a line.

    Parameters
    ----------
    payload : bytes
    index : int
        What its rows and rejects say of the message's place.
    limits : Limits
    roles : FlatRoles
    """
    try:
        documents = documents_of(payload, limits)
    except RejectedError as error:
        return [], [], [error.reject(index, None)]
    taken = roles.taken
    rows: Rows = ([], [], [])
    for document in documents:
        try:
            row = flat_row(document, index, roles, taken)
        except RejectedError as error:
            rows[2].append(error.reject(index, row_bytes(document)))
            continue
        if isinstance(row, LabelRow):
            rows[1].append(row)
        else:
            rows[0].append(row)
    return rows


def flat_row(
    document: Any, index: int, roles: FlatRoles, taken: frozenset[str]
) -> PredictionRow | LabelRow:
    """Read one row.

    Raises
    ------
    RejectedError
        The row can't be used.
    """
    if not isinstance(document, dict):
        raise RejectedError("schema_error", "the row is no object")
    model = _named(document, roles.model, roles.model_name)
    if not model:
        raise RejectedError("schema_error", f"the row has no {roles.model}")
    identity = _named(document, roles.prediction_id, "")
    if roles.features is None:
        features = {key: value for key, value in document.items() if key not in taken}
    else:
        features = {key: document[key] for key in roles.features if key in document}
    prediction = document.get(roles.prediction)
    score = document.get(roles.score)
    label = document.get(roles.actual)
    given = document.get(roles.actual_timestamp)
    unit = roles.timestamp_unit
    label_ts = None if given is None else time_of(given, roles.actual_timestamp, unit)
    if not features and prediction is None and score is None:
        if label is None or not identity:
            detail = f"the row has neither features nor {roles.actual} and {roles.prediction_id}"
            raise RejectedError("schema_error", detail)
        if label_ts is None:
            label_ts = time_of(document.get(roles.timestamp), roles.timestamp, unit)
        return LabelRow(index, label_ts, model, identity, label)
    return PredictionRow(
        index,
        time_of(document.get(roles.timestamp), roles.timestamp, unit),
        model,
        _named(document, roles.version, roles.version_name),
        identity,
        features,
        prediction,
        score,
        label,
        label_ts,
        {key: document[key] for key in roles.tags if key in document},
    )


def _named(document: dict[str, Any], key: str, default: str) -> str:
    value = document.get(key)
    return default if value is None else text_of(value, key)
