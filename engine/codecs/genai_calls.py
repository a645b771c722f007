"""LLM calls and evaluations of their answers as columns; nothing of what was said is kept."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.codecs.prediction_documents import bounded
from engine.codecs.prediction_encoding import encode, numbers
from engine.codecs.prediction_schema import CategoryCodes, Feature
from engine.codecs.predictions import Column, Kind, PredictionLimits, keys_of
from engine.codecs.samples import RejectedError
from engine.series.columns import Reject

NUMBERS: Mapping[str, str] = MappingProxyType(
    {
        "input_tokens": "gen_ai.usage.input_tokens",
        "output_tokens": "gen_ai.usage.output_tokens",
        "cached_tokens": "gen_ai.usage.cache_read.input_tokens",
        "cache_creation_tokens": "gen_ai.usage.cache_creation.input_tokens",
        "reasoning_tokens": "gen_ai.usage.reasoning.output_tokens",
        "time_to_first_chunk_s": "gen_ai.response.time_to_first_chunk",
    }
)
"""Numeric columns of calls, and the attributes that they are of."""

CATEGORIES: Mapping[str, str] = MappingProxyType(
    {
        "operation": "gen_ai.operation.name",
        "provider": "gen_ai.provider.name",
        "request_model": "gen_ai.request.model",
        "response_model": "gen_ai.response.model",
        "finish_reasons": "gen_ai.response.finish_reasons",
        "error_type": "error.type",
        "server": "server.address",
    }
)
"""Categorical columns of calls, and the attributes that they are of."""

RESPONSE_ID, CONVERSATION_ID = "gen_ai.response.id", "gen_ai.conversation.id"
_SPAN = "span_id"


class CallRow(msgspec.Struct, gc=False):
    """A call as its message has it.

    `ts` is when it ended, nanoseconds since the epoch; `attributes` have canonical names.
    """

    message: int
    ts: int
    duration_s: float
    span_id: str
    attributes: dict[str, Any]


class EvaluationRow(msgspec.Struct, gc=False):
    """An evaluation as its message has it; `span_id` is that of the call, or empty."""

    message: int
    ts: int
    span_id: str
    attributes: dict[str, Any]


@dataclass(frozen=True, slots=True)
class LlmCalls:
    """Calls, in the order in which they came; all arrays [n].

    Attributes
    ----------
    message : int32
        For each row the index of its message.
    ts : int64
        When the call ended, nanoseconds since the epoch.
    duration_s : float64
        NaN where the start is not known.
    numbers : dict of str to float64
        By the names of `NUMBERS`; NaN for null. Input tokens hold the cached ones.
    categories : dict of str to Column
        By the names of `CATEGORIES`, and by those of the segments. Several finish reasons are one
        category, sorted and joined with a comma.
    response_ids : list of str
        Empty where there is none.
    response_key, conversation_key, span_key : uint64
        Hashes for joining; 0 where there is none.
    """

    message: NDArray[np.int32]
    ts: NDArray[np.int64]
    duration_s: NDArray[np.float64]
    numbers: dict[str, NDArray[np.float64]]
    categories: dict[str, Column]
    response_ids: list[str]
    response_key: NDArray[np.uint64]
    conversation_key: NDArray[np.uint64]
    span_key: NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.ts)


@dataclass(frozen=True, slots=True)
class Evaluations:
    """Evaluations of calls: late labels that are joined by response or span; all arrays [n].

    Attributes
    ----------
    message : int32
    ts : int64
        Nanoseconds since the epoch.
    name : Column
        Categorical: what was evaluated.
    score : float64
        NaN where there is only a label.
    label : Column
        Categorical.
    response_key, span_key : uint64
        As in `LlmCalls`.
    """

    message: NDArray[np.int32]
    ts: NDArray[np.int64]
    name: Column
    score: NDArray[np.float64]
    label: Column
    response_key: NDArray[np.uint64]
    span_key: NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.ts)


@dataclass(frozen=True, slots=True)
class GenAIBatch:
    """What some messages held.

    Attributes
    ----------
    calls : LlmCalls
    evaluations : Evaluations
    rejects : list of Reject
        Messages, spans and events that could not be used, in message order.
    refused : Counter of (str, str)
        Refused values by attribute and reason; such a value is null in its row.
    ignored : int
        Spans and log records that are none of GenAI.
    """

    calls: LlmCalls
    evaluations: Evaluations
    rejects: list[Reject] = field(default_factory=list)
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    ignored: int = 0


@dataclass(slots=True)
class GenAIRows:
    """What messages hold, before it is columns."""

    calls: list[CallRow] = field(default_factory=list)
    evaluations: list[EvaluationRow] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    ignored: int = 0


def read_all(read: Callable[[bytes, int], GenAIRows], payloads: Sequence[bytes]) -> GenAIRows:
    """Read messages one after the other; those that can't be read are rejected whole."""
    rows = GenAIRows()
    for index, payload in enumerate(payloads):
        try:
            found = read(payload, index)
        except RejectedError as error:
            rows.rejects.append(error.reject(index, None))
            continue
        except RecursionError:
            rows.rejects.append(Reject(index, "decode_error", "nested too deeply"))
            continue
        too_many = bounded(found.rejects, index)
        if too_many is not None:
            rows.rejects.append(too_many)
            continue
        rows.calls += found.calls
        rows.evaluations += found.evaluations
        rows.rejects += found.rejects
        rows.ignored += found.ignored
    return rows


class GenAIColumns:
    """Makes columns of calls and evaluations; keeps the codes of their categories.

    Parameters
    ----------
    limits : PredictionLimits or None
    segments : mapping of str to str, optional
        Further categorical columns of calls, and the attributes that they are of: tenant, route.
    """

    def __init__(
        self, limits: PredictionLimits | None = None, segments: Mapping[str, str] | None = None
    ) -> None:
        self.limits = limits or PredictionLimits()
        self._categories = {**CATEGORIES, **(segments or {})}
        self._codes: dict[str, Feature] = {}
        self.restore({})

    def state(self) -> dict[str, list[str]]:
        """Give the categories of each column, for a checkpoint."""
        return {
            name: list(feature.codes.names[: feature.codes.size])
            for name, feature in self._codes.items()
        }

    def restore(self, state: Mapping[str, Sequence[str]]) -> None:
        """Take the categories that `state` gave."""
        for name in (*self._categories, "evaluation", "evaluation_label"):
            codes = CategoryCodes(state.get(name, ()), self.limits.categories)
            self._codes[name] = Feature(Kind.CATEGORICAL, codes, declared=True)

    def build(self, rows: GenAIRows) -> GenAIBatch:
        """Make the columns of some messages."""
        refused: Counter[tuple[str, str]] = Counter()

        def refuse(name: str, _row: int, _value: Any, reason: str, _detail: str) -> None:
            refused[name, reason] += 1

        return GenAIBatch(
            self._calls(rows.calls, refuse),
            self._evaluations(rows.evaluations, refuse),
            sorted(rows.rejects, key=lambda reject: reject.message),
            refused,
            rows.ignored,
        )

    def _calls(self, rows: list[CallRow], refuse: Callable[..., None]) -> LlmCalls:
        attributes = [row.attributes for row in rows]
        of = partial(_values, attributes)
        response_ids = _ids(of(RESPONSE_ID))
        return LlmCalls(
            np.array([row.message for row in rows], np.int32),
            np.array([row.ts for row in rows], np.int64),
            np.array([row.duration_s for row in rows], np.float64),
            {column: numbers(of(name), partial(refuse, name)) for column, name in NUMBERS.items()},
            {
                column: self._column(column, of(name), partial(refuse, name))
                for column, name in self._categories.items()
            },
            response_ids,
            keys_of(RESPONSE_ID, response_ids),
            keys_of(CONVERSATION_ID, _ids(of(CONVERSATION_ID))),
            keys_of(_SPAN, [row.span_id for row in rows]),
        )

    def _evaluations(self, rows: list[EvaluationRow], refuse: Callable[..., None]) -> Evaluations:
        attributes = [row.attributes for row in rows]
        of = partial(_values, attributes)
        name, score, label = (
            f"gen_ai.evaluation.{part}" for part in ("name", "score.value", "score.label")
        )
        return Evaluations(
            np.array([row.message for row in rows], np.int32),
            np.array([row.ts for row in rows], np.int64),
            self._column("evaluation", of(name), partial(refuse, name)),
            numbers(of(score), partial(refuse, score)),
            self._column("evaluation_label", of(label), partial(refuse, label)),
            keys_of(RESPONSE_ID, _ids(of(RESPONSE_ID))),
            keys_of(_SPAN, [row.span_id for row in rows]),
        )

    def _column(self, name: str, values: list[Any], refuse: Callable[..., None]) -> Column:
        texts = [joined(value) if isinstance(value, list) else value for value in values]
        return encode(self._codes[name], texts, self.limits, refuse)


def _values(attributes: Sequence[Mapping[str, Any]], name: str) -> list[Any]:
    return [row.get(name) for row in attributes]


def _ids(values: Sequence[Any]) -> list[str]:
    return [value if isinstance(value, str) else "" for value in values]


def joined(values: list[Any]) -> str | None:
    """Make one category of several texts."""
    return ",".join(sorted({value for value in values if isinstance(value, str)})) or None
