"""Reads LLM calls at a first look, when neither their evaluators nor their tags are configured."""

from collections import Counter
from collections.abc import Sequence

from engine.codecs.genai_calls import CallRow, GenAIColumns, GenAIRows
from engine.codecs.genai_json import NativeGenAICodec
from engine.codecs.genai_otlp import GenAICodec
from engine.codecs.genai_predictions import LlmCodec, ReadsCalls
from engine.codecs.genai_settings import LlmSettings, attribute_of
from engine.codecs.prediction_columns import PredictionTables
from engine.codecs.prediction_documents import documents_of
from engine.codecs.predictions import PredictionBatch
from engine.codecs.recognise import DocumentFormat
from engine.codecs.samples import Limits, RejectedError

DEFAULT_TAGS = LlmSettings().tags
"""The tags of calls where the configuration names none."""

SERVICE_NAME = "service.name"
"""OpenTelemetry's name of who has made a call."""

OTEL_TAGS = (
    *(SERVICE_NAME, "deployment.environment.name", "http.route", "tenant.id"),
    *("gen_ai.agent.name", "server.address"),
)
"""Attributes of spans and resources that may divide calls: conventions of OpenTelemetry."""

_EVALUATION = "gen_ai.evaluation.name"
_EVALUATORS_MAX = 50
_MARKS = (
    *("gen_ai.operation.name", "gen_ai.request.model", "gen_ai.response.model"),
    *("gen_ai.usage.input_tokens", "gen_ai.response.finish_reasons"),
)
"""What says of a row that it is a call; a score alone may be anything's."""

_TAG_CHARACTERS_MAX = 64
_TAG_VALUES_MAX = 50
_TAGS_MAX = 20
_KEYS_MAX = 500  # that are counted, to find tags
_LOOKED_AT = 2_000  # documents that are searched for tags
_NO_TAGS = frozenset(
    {"ts", "span_id", "trace_id", "response_id", "conversation_id", "evaluation", "score", "label"}
)


class CallsLook:
    """Decoder of calls that takes the evaluations of all evaluators it meets.

    Parameters
    ----------
    service : str
        The model that the calls are taken for.
    tables : PredictionTables
    form : DocumentFormat
    tags : sequence of str
        Attributes to take as tags beside the default ones.

    Attributes
    ----------
    evaluators : list of str
        In the order in which they were met.
    unmarked : set of int
        Messages of the last batch that have calls without any mark of one.
    """

    def __init__(
        self, service: str, tables: PredictionTables, form: DocumentFormat, tags: Sequence[str] = ()
    ) -> None:
        self.evaluators: list[str] = []
        self.unmarked: set[int] = set()
        self._service = service
        self._tables = tables
        self._tags = {**DEFAULT_TAGS, **{name: name for name in tags}}
        self._rows = GenAIRows()
        columns, names = GenAIColumns(tables.limits), self._settings().names()
        self._inner: ReadsCalls
        if form.format == "json":
            self._inner = NativeGenAICodec(columns, names)
        else:
            self._inner = GenAICodec(
                columns,
                names,
                signal=form.signal,
                encoding="proto" if form.format == "otlp_proto" else "json",
            )
        self._codec = LlmCodec(service, self._settings(), self, tables)

    def read(self, _payloads: Sequence[bytes]) -> GenAIRows:
        """Give the rows that were just read: the codec within decodes them."""
        return self._rows

    def decode(self, payloads: Sequence[bytes]) -> PredictionBatch:
        """Decode messages."""
        self._rows = self._inner.read(payloads)
        self.unmarked = {call.message for call in self._rows.calls if not _is_marked(call)}
        names = (row.attributes.get(_EVALUATION) for row in self._rows.evaluations)
        met = dict.fromkeys(name for name in names if isinstance(name, str) and name)
        new = [name for name in met if name not in self.evaluators]
        if new:
            self.evaluators = [*self.evaluators, *new][:_EVALUATORS_MAX]
            known = self._codec.state()
            self._codec = LlmCodec(self._service, self._settings(), self, self._tables)
            self._codec.restore(known)
        return self._codec.decode(payloads)

    def _settings(self) -> LlmSettings:
        return LlmSettings(tags=self._tags, evaluators=self.evaluators)


def tags_of_calls(payloads: Sequence[bytes], limits: Limits) -> list[str]:
    """Name the keys of native calls that may be tags: short texts that come again and again.

    Parameters
    ----------
    payloads : sequence of bytes
        At most the first 2,000 are read; what is no JSON is passed over.
    limits : Limits
    """
    known = LlmSettings().names().attributes
    values: dict[str, Counter[str]] = {}
    for payload in payloads[:_LOOKED_AT]:
        try:
            documents = documents_of(payload, limits)
        except RejectedError:
            continue
        for document in documents:
            for key, value in document.items() if isinstance(document, dict) else ():
                if key in known or attribute_of(key) != key or key in _NO_TAGS:
                    continue
                # Long texts show that a key is none, so they count, shortened.
                if isinstance(value, str) and (key in values or len(values) < _KEYS_MAX):
                    counts = values.setdefault(key, Counter())
                    if len(counts) <= _TAG_VALUES_MAX:
                        counts[value[: _TAG_CHARACTERS_MAX + 1]] += 1
    return [key for key, counts in values.items() if _divides(counts)][:_TAGS_MAX]


def _divides(counts: Counter[str]) -> bool:
    """Tell whether values are few, short and come again."""
    short = all(0 < len(value) <= _TAG_CHARACTERS_MAX for value in counts)
    return short and len(counts) <= _TAG_VALUES_MAX and counts.total() >= 2 * len(counts)


def _is_marked(call: CallRow) -> bool:
    return any(name in call.attributes for name in _MARKS)
