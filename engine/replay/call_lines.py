"""Messages of LLM calls and evaluations as lines of native rows, which replay to the same.

What a run knows of a row from others is written into its line, because lines are sorted by time and
leave out wild clocks: the model that a failed call counts to, and the response id that an
evaluation is joined by. An event of a span is before the end of its call, and so in the lines.
"""

from collections.abc import Sequence
from typing import Literal

from confluent_kafka import Message
from msgspec.structs import replace

from engine.codecs.document_codec import DocumentCodec
from engine.codecs.formats import limits_of
from engine.codecs.genai_calls import (
    CATEGORIES,
    RESPONSE_ID,
    CallRow,
    EvaluationRow,
    GenAIColumns,
    GenAIRows,
)
from engine.codecs.genai_json import NativeGenAICodec
from engine.codecs.genai_lines import row_line
from engine.codecs.genai_otlp import GenAICodec
from engine.codecs.genai_predictions import LlmCodec, ReadsCalls
from engine.codecs.genai_settings import LlmSettings
from engine.codecs.llm_formats import LLM_FORMATS, llm_settings
from engine.codecs.prediction_columns import PredictionTables
from engine.codecs.prediction_formats import make_tables
from engine.codecs.predictions import PredictionBatch
from engine.codecs.samples import RejectedError
from engine.config.connections import KafkaSource
from engine.config.models import LlmConfig
from engine.config.schema import Config
from engine.replay.document_lines import Lines

_REQUEST_MODEL, _RESPONSE_MODEL = CATEGORIES["request_model"], CATEGORIES["response_model"]
_EVALUATOR = "gen_ai.evaluation.name"


class CallLineReader:
    """Reads the messages of one partition, one by one.

    Parameters
    ----------
    config : Config
    source : KafkaSource
        Of LLM calls.
    service : str
        The model that the calls are predictions of.
    """

    def __init__(self, config: Config, source: KafkaSource, service: str) -> None:
        limits = limits_of(config.limits)
        settings = llm_settings(service, config.model(service).llm or LlmConfig())
        tables = make_tables(limits, source.compression)
        self._line_bytes_max = limits.max_message_bytes
        self._rows: list[CallRow | EvaluationRow] = []
        self._resolving = _ResolvingCodec(
            service, settings, _reader(source, settings, tables), tables
        )
        self._codec = DocumentCodec(self._keep, {}, limits=limits, compression=source.compression)

    def read(self, message: Message) -> Lines:
        """Read one message."""
        self._rows = []
        decoded = self._codec.decode([message.value() or b""])
        found = Lines(rejects=list(decoded.rejects))
        for row in sorted(self._rows, key=_order):
            try:
                line = self._line(row)
            except RejectedError as error:
                found.rejects.append(error.reject(0, None))
                continue
            found.ts.append(row.ts)
            found.lines.append(line)
        return found

    def _keep(self, payloads: Sequence[bytes]) -> PredictionBatch:
        """Keep the rows instead of making predictions of them."""
        rows = self._resolving.rows(payloads)
        self._rows = [*rows.calls, *rows.evaluations]
        return PredictionBatch(rejects=rows.rejects)

    def _line(self, row: CallRow | EvaluationRow) -> bytes:
        """Write a row, unless a replay could not read it."""
        line = row_line(row)
        if len(line) > self._line_bytes_max:
            raise RejectedError("too_large", f"the row has {len(line)} bytes as a line")
        return line


class _ResolvingCodec(LlmCodec):
    """Gives rows with what other rows say of them, in the order in which a run reads them."""

    def __init__(
        self, service: str, settings: LlmSettings, inner: ReadsCalls, tables: PredictionTables
    ) -> None:
        super().__init__(service, settings, inner, tables)
        self._spans_max = settings.spans_max
        self._response_ids: dict[str, str] = {}

    def rows(self, payloads: Sequence[bytes]) -> GenAIRows:
        """Read messages."""
        rows = self._inner.read(payloads)
        calls = [self._answered(call) for call in rows.calls if not self._ignores(call)]
        for call in calls:
            self._remember(call)
        evaluations = [self._joined(row) for row in rows.evaluations]
        return GenAIRows(calls, evaluations, rows.rejects)

    def _answered(self, call: CallRow) -> CallRow:
        """Give a call the response model that it counts to, if it has none itself.

        A tag of the response model would have it, too: then it is left out.
        """
        version = self._version(call)
        asked = call.attributes.get(_REQUEST_MODEL)
        is_known = call.attributes.get(_RESPONSE_MODEL) == version
        if is_known or not isinstance(asked, str) or _RESPONSE_MODEL in self._tags.values():
            return call
        return replace(call, attributes={**call.attributes, _RESPONSE_MODEL: version})

    def _remember(self, call: CallRow) -> None:
        """Remember a call by its span, as `engine.codecs.genai_evaluations` does."""
        identity = call.attributes.get(RESPONSE_ID)
        span = call.span_id
        if span and isinstance(identity, str) and identity and identity != span:
            self._response_ids.pop(span, None)
            self._response_ids[span] = identity
            if len(self._response_ids) > self._spans_max:
                del self._response_ids[next(iter(self._response_ids))]

    def _joined(self, row: EvaluationRow) -> EvaluationRow:
        """Give an evaluation the response id of its span's call, if it has none itself."""
        own = row.attributes.get(RESPONSE_ID)
        found = self._response_ids.get(row.span_id)
        if found is None or (isinstance(own, str) and own):
            return row
        return replace(row, attributes={**row.attributes, RESPONSE_ID: found})


def _reader(source: KafkaSource, settings: LlmSettings, tables: PredictionTables) -> ReadsCalls:
    """Make the reader of a topic's format."""
    columns, names = GenAIColumns(tables.limits), settings.names()
    if LLM_FORMATS[source.format] == "native":
        return NativeGenAICodec(columns, names)
    encoding: Literal["proto", "json"] = "proto" if source.format == "otlp_proto" else "json"
    return GenAICodec(columns, names, signal=source.signal, encoding=encoding)


def _order(row: CallRow | EvaluationRow) -> tuple[int, bool, str]:
    """Order rows of a message as `engine.codecs.prediction_rows.log_order` does."""
    is_evaluation = isinstance(row, EvaluationRow)
    name = row.attributes.get(_EVALUATOR if is_evaluation else _RESPONSE_MODEL)
    return row.ts, is_evaluation, name if isinstance(name, str) else ""
