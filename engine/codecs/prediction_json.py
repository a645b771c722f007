"""Native JSON messages of predictions and late labels.

A prediction is ``{"ts": 1760000000000, "model": "credit", "version": "7", "prediction_id": "a1",
"features": {"age": 41, "region": "EU"}, "prediction": 1, "score": 0.83, "tags": {"env": "prod"}}``,
a label ``{"ts": ..., "model": "credit", "prediction_id": "a1", "label": 0}``. A message is one such
object, an array of them, or one a line. `ts` is epoch milliseconds or RFC 3339. A row with a label
and no features, prediction and score is a late label; with any of these, the label came with the
prediction, at `label_ts`, by default `ts`.
"""

from typing import Any

import msgspec

from engine.codecs.prediction_documents import documents_of, mapping_of, row_bytes, text_of, time_of
from engine.codecs.predictions import LabelRow, PredictionRow, Rows
from engine.codecs.samples import Limits, RejectedError
from engine.codecs.timestamps import MILLISECOND_NS, TIMESTAMP_NS_MAX


class _Row(msgspec.Struct, gc=False):
    """A row of the usual form; one of any other form is read slowly."""

    ts: int
    model: str
    prediction_id: str
    version: str = ""
    features: dict[str, Any] = {}
    prediction: Any = None
    score: Any = None
    label: Any = None
    label_ts: int | None = None
    tags: dict[str, Any] | None = None


_decode = msgspec.json.Decoder(_Row | list[_Row]).decode
_MS_MAX = TIMESTAMP_NS_MAX // MILLISECOND_NS


def read_native(payload: bytes, index: int, limits: Limits) -> Rows:
    """Read one message of predictions and labels.

    Parameters
    ----------
    payload : bytes
    index : int
        What its rows and rejects say of the message's place.
    limits : Limits
    """
    if len(payload) <= limits.max_message_bytes:
        try:
            found = _decode(payload)
        except (msgspec.DecodeError, ValueError, RecursionError):
            return read_native_strict(payload, index, limits)
        rows = found if isinstance(found, list) else [found]
        if all(map(_is_plain, rows)):
            return _converted(rows, index)
    return read_native_strict(payload, index, limits)


def read_native_strict(payload: bytes, index: int, limits: Limits) -> Rows:
    """Read one message slowly and obviously; what `read_native` must equal."""
    try:
        documents = documents_of(payload, limits)
    except RejectedError as error:
        return [], [], [error.reject(index, None)]
    rows: Rows = ([], [], [])
    for document in documents:
        try:
            row = _row_of(document, index)
        except RejectedError as error:
            rows[2].append(error.reject(index, row_bytes(document)))
            continue
        if isinstance(row, LabelRow):
            rows[1].append(row)
        else:
            rows[0].append(row)
    return rows


def _is_plain(row: _Row) -> bool:
    """Tell whether a row can be taken as it is; a late label has an id, a prediction a model."""
    if not (0 <= row.ts <= _MS_MAX and row.model):
        return False
    if row.features or row.prediction is not None or row.score is not None:
        return row.label_ts is None or 0 <= row.label_ts <= _MS_MAX
    return row.label is not None and bool(row.prediction_id)


def _converted(rows: list[_Row], index: int) -> Rows:
    predictions: list[PredictionRow] = []
    labels: list[LabelRow] = []
    for row in rows:
        ts = row.ts * MILLISECOND_NS
        if row.features or row.prediction is not None or row.score is not None:
            predictions.append(
                PredictionRow(
                    index,
                    ts,
                    row.model,
                    row.version,
                    row.prediction_id,
                    row.features,
                    row.prediction,
                    row.score,
                    row.label,
                    None if row.label_ts is None else row.label_ts * MILLISECOND_NS,
                    row.tags or None,
                )
            )
        else:
            labels.append(LabelRow(index, ts, row.model, row.prediction_id, row.label))
    return predictions, labels, []


def _row_of(document: Any, index: int) -> PredictionRow | LabelRow:
    """Read one row.

    Raises
    ------
    RejectedError
        The row can't be used.
    """
    if not isinstance(document, dict):
        raise RejectedError("schema_error", "the row is no object")
    model = text_of(document.get("model"), "model")
    if not model:
        raise RejectedError("schema_error", "model is empty")
    given = document.get("prediction_id")
    identity = "" if given is None else text_of(given, "prediction_id")
    ts = time_of(document.get("ts"), "ts")
    features = mapping_of(document.get("features"), "features")
    prediction, score, label = (document.get(key) for key in ("prediction", "score", "label"))
    if not features and prediction is None and score is None:
        if label is None:
            detail = "the row has neither features, prediction and score nor a label"
            raise RejectedError("schema_error", detail)
        if not identity:
            raise RejectedError("schema_error", "the label has no prediction_id")
        return LabelRow(index, ts, model, identity, label)
    version, label_ts = document.get("version"), document.get("label_ts")
    return PredictionRow(
        index,
        ts,
        model,
        "" if version is None else text_of(version, "version"),
        identity,
        features,
        prediction,
        score,
        label,
        None if label_ts is None else time_of(label_ts, "label_ts"),
        mapping_of(document.get("tags"), "tags") or None,
    )
