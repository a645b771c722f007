"""LLM calls and evaluations as lines of native rows, which `genai_json` reads back as they were.

Rows hold what a codec has taken and nothing of what was said, so no line does either. Exceptions
that native rows can't say: NaN, which is null in lines as in features; an evaluation's name in a
call; attributes called like the native fields `ts`, `duration_s` and `span_id`.
"""

from collections.abc import Mapping
from math import inf, isnan
from typing import Any

from msgspec import Raw
from msgspec.json import encode

from engine.codecs.genai_calls import (
    CATEGORIES,
    CONVERSATION_ID,
    NUMBERS,
    RESPONSE_ID,
    CallRow,
    EvaluationRow,
)
from engine.codecs.samples import RejectedError
from engine.events import rfc3339

_NAME = "gen_ai.evaluation.name"
_COLUMN_OF: Mapping[str, str] = {
    **{attribute: column for column, attribute in (*NUMBERS.items(), *CATEGORIES.items())},
    RESPONSE_ID: "response_id",
    CONVERSATION_ID: "conversation_id",
    _NAME: "evaluation",
    "gen_ai.evaluation.score.value": "score",
    "gen_ai.evaluation.score.label": "label",
}
"""Under their own names nulls are passed over, under those of columns they are not."""

_MAKES_EVALUATION = frozenset({_NAME, "evaluation"})

_MARK = "gen_ai.call"
"""Read by nobody: tells what a file holds where no attribute of a row does."""

_INFINITE, _MINUS_INFINITE = Raw(b"1e999"), Raw(b"-1e999")
_INT64_MIN, _UINT64_MAX = -(1 << 63), (1 << 64) - 1


def row_line(row: CallRow | EvaluationRow) -> bytes:
    """Write a row.

    Returns
    -------
    bytes
        JSON, without a line feed.

    Raises
    ------
    RejectedError
        ``unsupported``: an evaluation has no name, so that it can be read as nothing but a call.
    """
    attributes = row.attributes
    written: dict[str, Any] = {"ts": rfc3339(row.ts)}
    if isinstance(row, CallRow):
        if not isnan(row.duration_s):
            written["duration_s"] = row.duration_s
        attributes = {
            name: value
            for name, value in attributes.items()
            if value is None or name not in _MAKES_EVALUATION
        }
    elif attributes.get(_NAME) is None:
        raise RejectedError("unsupported", "the evaluation has no name")
    if row.span_id:
        written["span_id"] = row.span_id
    for name, value in attributes.items():
        if value is None:
            written[_COLUMN_OF.get(name, name)] = None
        elif name not in written:
            written[name] = _sayable(value)
    if not any(name.startswith("gen_ai.") for name in written):
        written[_MARK] = True
    return encode(written)


def _sayable(value: Any) -> Any:
    """Give a value that the encoder takes and that is read as it was; NaN is null."""
    if isinstance(value, float):
        if isnan(value):
            return None
        return value if abs(value) < inf else _INFINITE if value > 0 else _MINUS_INFINITE
    if isinstance(value, int):
        return value if _INT64_MIN <= value <= _UINT64_MAX else Raw(str(value).encode())
    if isinstance(value, list):
        return [_sayable(part) for part in value]
    if isinstance(value, dict):
        return {name: _sayable(part) for name, part in value.items()}
    return value
