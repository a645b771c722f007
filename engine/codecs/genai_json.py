"""Native rows of LLM calls and evaluations, for services without OpenTelemetry.

``{"ts": ..., "duration_s": 1.2, "request_model": "m-1", "input_tokens": 900, "output_tokens": 120,
"finish_reasons": ["stop"], "response_id": "r1", "tenant": "acme"}``; keys are the columns of
`LlmCalls`, attributes of the conventions, or their aliases. `ts` is when the call ended. A row with
``gen_ai.evaluation.name`` (or ``evaluation``) is an evaluation. A message is one such object, an
array of them, or one a line.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from math import isfinite, nan
from typing import Any

from engine.codecs.genai_attributes import plain_attributes
from engine.codecs.genai_calls import (
    CATEGORIES,
    CONVERSATION_ID,
    NUMBERS,
    RESPONSE_ID,
    CallRow,
    EvaluationRow,
    GenAIBatch,
    GenAIColumns,
    GenAIRows,
    read_all,
)
from engine.codecs.genai_names import GenAINames
from engine.codecs.prediction_documents import documents_of, row_bytes, text_of, time_of
from engine.codecs.samples import Limits, RejectedError

_SHORT: Mapping[str, str] = {
    **NUMBERS,
    **CATEGORIES,
    "response_id": RESPONSE_ID,
    "conversation_id": CONVERSATION_ID,
    "evaluation": "gen_ai.evaluation.name",
    "score": "gen_ai.evaluation.score.value",
    "label": "gen_ai.evaluation.score.label",
}


class NativeGenAICodec:
    """Decoder of native rows.

    Parameters
    ----------
    columns : GenAIColumns
    names : GenAINames
    """

    def __init__(self, columns: GenAIColumns, names: GenAINames) -> None:
        self.columns = columns
        self._read = partial(_read, limits=columns.limits.message, names=names)

    def decode(self, payloads: Sequence[bytes]) -> GenAIBatch:
        """Decode messages."""
        return self.columns.build(self.read(payloads))

    def read(self, payloads: Sequence[bytes]) -> GenAIRows:
        """Read messages, and make no columns of them."""
        return read_all(self._read, payloads)


def _read(payload: bytes, index: int, limits: Limits, names: GenAINames) -> GenAIRows:
    rows = GenAIRows()
    for document in documents_of(payload, limits):
        try:
            row = _row(document, index, names)
        except RejectedError as error:
            rows.rejects.append(error.reject(index, row_bytes(document)))
            continue
        if isinstance(row, CallRow):
            rows.calls.append(row)
        else:
            rows.evaluations.append(row)
    return rows


def _row(document: Any, index: int, names: GenAINames) -> CallRow | EvaluationRow:
    if not isinstance(document, dict):
        raise RejectedError("schema_error", "the row is no object")
    short = {_SHORT[key]: value for key, value in document.items() if key in _SHORT}
    attributes = {**short, **plain_attributes(document, names)}
    ts = time_of(document.get("ts"), "ts")
    span = document.get("span_id")
    span_id = "" if span is None else text_of(span, "span_id")
    if attributes.get("gen_ai.evaluation.name") is not None:
        return EvaluationRow(index, ts, span_id, attributes)
    if not attributes:
        raise RejectedError("schema_error", "the row has no attribute of a call")
    return CallRow(index, ts, _duration_s(document.get("duration_s")), span_id, attributes)


def _duration_s(value: Any) -> float:
    if value is None:
        return nan
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            duration_s = float(value)
        except OverflowError:
            duration_s = nan
        if isfinite(duration_s) and duration_s >= 0:
            return duration_s
    raise RejectedError("bad_value", "duration_s is no number of seconds")
