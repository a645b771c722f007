"""The calls of an LLM service as predictions of a model, their evaluations as late labels.

The service is the model, the model that answered is its version, and a call's metadata are its
features: so all that watches predictions watches calls.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, Protocol

from engine.codecs.genai_calls import (
    CATEGORIES,
    RESPONSE_ID,
    CallRow,
    GenAIColumns,
    GenAIRows,
)
from engine.codecs.genai_evaluations import EvaluationJoin, EvaluationLabels
from engine.codecs.genai_features import KINDS, CallReader
from engine.codecs.genai_json import NativeGenAICodec
from engine.codecs.genai_otlp import GenAICodec, Signal
from engine.codecs.genai_settings import LlmSettings
from engine.codecs.prediction_columns import PredictionTables
from engine.codecs.prediction_schema import PredictionSchema
from engine.codecs.predictions import Kind, PredictionBatch, PredictionRow

LlmFormat = Literal["otlp_proto", "otlp_json", "native"]

UNKNOWN_MODEL = "unknown"
"""The version of calls that name neither the model they asked nor the one that answered."""

_ANSWERING_MAX = 1000


class ReadsCalls(Protocol):
    """A format of calls: `GenAICodec`, `NativeGenAICodec`."""

    def read(self, payloads: Sequence[bytes]) -> GenAIRows:
        """Read messages."""
        ...


class LlmCodec:
    """Decoder of one service's calls and evaluations.

    A call's version is the model that answered. Calls without one, which are failed ones as a rule,
    have that of the last answer to the same requested model, else the requested model.

    Parameters
    ----------
    service : str
        The model of the predictions.
    settings : LlmSettings
    inner : ReadsCalls
        Reads the format, with the names of `settings`.
    tables : PredictionTables
        Holds the schemas; it goes to checkpoints by itself.
    """

    def __init__(
        self,
        service: str,
        settings: LlmSettings,
        inner: ReadsCalls,
        tables: PredictionTables,
    ) -> None:
        self._service = service
        self._inner = inner
        self.tables = tables
        self._tags = settings.attributes(settings.tags)
        self._ignored = frozenset(name.casefold() for name in settings.ignored_operations)
        self._calls = CallReader(settings)
        self._evaluations = EvaluationJoin(service, settings.evaluators, settings.spans_max)
        self._answering: dict[str, str] = {}
        kinds = {**KINDS, **dict.fromkeys(settings.embeddings, Kind.EMBEDDING)}
        schema = tables.schemas.setdefault(service, PredictionSchema(tables.limits))
        _declare(schema, kinds)

    def state(self) -> dict[str, Any]:
        """Give what a checkpoint keeps beside the tables' schemas, as JSON values."""
        return {"answering": dict(self._answering), "spans": self._evaluations.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take what `state` gave."""
        self._answering = dict(state["answering"])
        self._evaluations.restore(state["spans"])

    def decode(self, payloads: Sequence[bytes]) -> PredictionBatch:
        """Decode messages."""
        rows = self._inner.read(payloads)
        calls = [call for call in rows.calls if not self._ignores(call)]
        ids = [_text(call, RESPONSE_ID) or call.span_id for call in calls]
        versions = [self._version(call) for call in calls]
        predictions = [
            PredictionRow(
                call.message,
                call.ts,
                self._service,
                version,
                identity,
                {},
                tags={
                    name: call.attributes[attribute]
                    for name, attribute in self._tags.items()
                    if attribute in call.attributes
                },
            )
            for call, identity, version in zip(calls, ids, versions, strict=True)
        ]
        features = self._calls.features(calls, versions)
        batch = self.tables.build((predictions, [], rows.rejects), features.columns)
        if features.unpriced:
            batch.refused[self._service, "cost_usd", "no_price"] += features.unpriced
        labels = self._evaluations.labels(calls, ids, rows.evaluations)
        self._add_labels(batch, labels)
        return batch

    def _add_labels(self, batch: PredictionBatch, labels: EvaluationLabels) -> None:
        for evaluator, rows in labels.by_evaluator.items():
            late = self.tables.build(([], rows, []))
            late.labels[:] = [replace(table, evaluator=evaluator) for table in late.labels]
            batch.extend(late)
        batch.rejects.extend(labels.rejects)
        batch.rejects.sort(key=lambda reject: reject.message)

    def _ignores(self, call: CallRow) -> bool:
        return _text(call, CATEGORIES["operation"]).casefold() in self._ignored

    def _version(self, call: CallRow) -> str:
        asked = _text(call, CATEGORIES["request_model"])
        answered = _text(call, CATEGORIES["response_model"])
        known = self._answering
        if not answered:
            return known.get(asked, asked) or UNKNOWN_MODEL
        if asked and (asked in known or len(known) < _ANSWERING_MAX):
            known[asked] = answered
        return answered


def llm_codec(
    service: str,
    settings: LlmSettings,
    tables: PredictionTables,
    *,
    message_format: LlmFormat = "otlp_proto",
    signal: Signal = "traces",
) -> LlmCodec:
    """Make the codec of a service for a format.

    Parameters
    ----------
    service : str
    settings : LlmSettings
    tables : PredictionTables
    message_format : str
        ``otlp_proto``, ``otlp_json`` or ``native``.
    signal : str
        Of ``otlp_proto``: ``traces`` or ``logs``.
    """
    columns, names = GenAIColumns(tables.limits), settings.names()
    inner: ReadsCalls
    if message_format == "native":
        inner = NativeGenAICodec(columns, names)
    else:
        encoding: Literal["proto", "json"] = "proto" if message_format == "otlp_proto" else "json"
        inner = GenAICodec(columns, names, signal=signal, encoding=encoding)
    return LlmCodec(service, settings, inner, tables)


def _declare(schema: PredictionSchema, kinds: Mapping[str, Kind]) -> None:
    """Say what calls are: labels are numbers, whatever the first of them is."""
    for name, kind in kinds.items():
        if name not in schema.features:
            schema.features[name] = schema.feature(kind)
            schema.features[name].declared = True
    schema.version = max(schema.version, 1)
    if schema.target is None:
        schema.target = schema.feature(Kind.NUMERIC)
        schema.target.declared = True


def _text(call: CallRow, name: str) -> str:
    value = call.attributes.get(name)
    return value if isinstance(value, str) else ""
