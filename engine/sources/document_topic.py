"""What a topic of predictions, labels or LLM calls holds, at a look, for `streamgauge init`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.codecs.cloud_events import Record
from engine.codecs.document_codec import DocumentCodec, decoded_documents
from engine.codecs.prediction_cloudevents import CloudEventsCodec
from engine.codecs.prediction_documents import documents_of
from engine.codecs.prediction_formats import PREDICTION_FORMATS, make_tables
from engine.codecs.prediction_rows import take_rows
from engine.codecs.predictions import Column, Kind, PredictionBatch, PredictionTable
from engine.codecs.recognise import (
    DOCUMENT_FORMATS_BY_SPECIFICITY,
    DocumentFormat,
    DocumentsRead,
    recognise_documents,
)
from engine.codecs.samples import Limits, RejectedError
from engine.config.prediction_fields import PredictionFields
from engine.sources.calls_look import OTEL_TAGS, SERVICE_NAME, CallsLook, tags_of_calls
from engine.sources.document_summary import DocumentLook, DocumentSummary
from engine.sources.flat_fields import flat_fields

_WAIT_NS = 600 * 10**9  # for the other half of a prediction: the look shows how long that takes
_LATEST_NS = 2**63 - 1
_SERVICE = "llm"  # while the calls' own name for it is not known

Records = Mapping[int, Sequence[Record]]
"""Records of a topic by partition, in the order of each log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicDocuments:
    """A look at a topic of documents.

    Attributes
    ----------
    summary : DocumentSummary
    form : DocumentFormat
        What the messages are in.
    fields : PredictionFields
        What the format needs to be told.
    model : str
        What makes the calls; empty for predictions and labels.
    tags : tuple of str
        Of calls: attributes that may be tags.
    wild : int
        Rows with timestamps too far ahead of their records', which a run leaves out.
    """

    summary: DocumentSummary
    form: DocumentFormat
    fields: PredictionFields
    model: str
    tags: tuple[str, ...]
    wild: int


@dataclass(slots=True)
class _Reader:
    """Reads messages of one format, as a source would that has been told what must be told.

    Attributes
    ----------
    decode : callable
    calls : CallsLook or None
        The codec of calls.
    events : CloudEventsCodec or None
        The codec that lets halves of predictions wait.
    """

    decode: Callable[[Sequence[Record]], PredictionBatch]
    calls: CallsLook | None = None
    events: CloudEventsCodec | None = None

    def rest(self) -> PredictionBatch:
        """Give what still waits."""
        return PredictionBatch() if self.events is None else self.events.flush()


@dataclass(frozen=True, slots=True)
class _Settings:
    """What the readers of a topic are told."""

    fields: PredictionFields = field(default_factory=PredictionFields)
    tags: tuple[str, ...] = ()


def look_at_records(
    records: Records,
    sample: Sequence[Record],
    *,
    topic: str,
    max_ahead_ns: int,
    limits: Limits | None = None,
) -> TopicDocuments | None:
    """Summarise records of predictions, labels or LLM calls; None if they are none.

    Parameters
    ----------
    records : mapping of int to (sequence of Record)
    sample : sequence of Record
        Some of them, from all over the topic: the format is told by these.
    topic : str
        Names what the messages leave without a name.
    max_ahead_ns : int
        A row further ahead of its record's timestamp is wild.
    limits : Limits or None
        Of messages.
    """
    limits = limits or Limits()
    every = [record for some in records.values() for record in some]
    told = {form: _told(form, every, topic, limits) for form in DOCUMENT_FORMATS_BY_SPECIFICITY}
    readers = {form: partial(_read, form, told[form], limits) for form in told}
    form = recognise_documents(sample, readers)
    if form is None:
        return None
    look, wild = DocumentLook(), 0
    for partition, some in sorted(records.items()):
        wild += _look_at(look, partition, some, _reader(form, told[form], limits), max_ahead_ns)
    summary = look.summary(is_llm=form.kind == "llm")
    fields = told[form].fields
    if fields.model_name not in {model.name for model in summary.models}:
        fields = msgspec.structs.replace(fields, model_name="")
    return TopicDocuments(
        summary=summary,
        form=form,
        fields=fields,
        model=_service(every, form, limits, topic) if form.kind == "llm" else "",
        tags=told[form].tags,
        wild=wild,
    )


def _told(form: DocumentFormat, records: Sequence[Record], topic: str, limits: Limits) -> _Settings:
    """Guess what the format must be told, from all messages."""
    payloads = [record.payload for record in records]
    if form.kind == "llm":
        native = form.format == "json"
        return _Settings(tags=tuple(tags_of_calls(payloads, limits)) if native else OTEL_TAGS)
    if form.format == "cloudevents":
        return _Settings(PredictionFields(model_name=topic))
    if form.format == "bentoml":
        return _Settings(PredictionFields(schema_line=_schema_line(payloads, limits)))
    if form.format == "flat":
        return _Settings(flat_fields(payloads, topic, limits))
    return _Settings()


def _schema_line(payloads: Sequence[bytes], limits: Limits) -> dict[str, Any]:
    """Find the schema line of BentoML's monitor, which comes once in a while."""
    for payload in payloads:
        if b'"columns"' not in payload:
            continue
        try:
            documents = documents_of(payload, limits)
        except RejectedError:
            continue
        for document in documents:
            if isinstance(document, dict) and isinstance(document.get("columns"), list):
                return document
    return {}


def _reader(form: DocumentFormat, told: _Settings, limits: Limits) -> _Reader:
    """Make the reader of a partition.

    Raises
    ------
    UsageError
        The schema line can't be used.
    """
    tables = make_tables(limits)
    if form.kind == "llm":
        calls = CallsLook(_SERVICE, tables, form, told.tags)
        return _Reader(lambda some: calls.decode([record.payload for record in some]), calls=calls)
    parts: dict[str, Any] = {}

    def wrap(
        decode: Callable[[Sequence[Any]], PredictionBatch],
        memory: Mapping[str, Any],
        *,
        wants_headers: bool = False,
    ) -> DocumentCodec:
        parts.update(memory, decode=decode, wants_headers=wants_headers)
        return DocumentCodec(decode, memory, limits=limits, wants_headers=wants_headers)

    PREDICTION_FORMATS[form.format](told.fields, tables, wrap, _WAIT_NS)
    decode = parts["decode"]
    if parts["wants_headers"]:
        return _Reader(decode, events=parts["waiting"])
    return _Reader(lambda some: decode([record.payload for record in some]))


def _read(
    form: DocumentFormat, told: _Settings, limits: Limits, records: Sequence[Record]
) -> DocumentsRead:
    """Tell which messages a format can read."""
    reader = _reader(form, told, limits)
    batch = reader.decode(records)
    refused = {reject.message for reject in batch.rejects}
    batch.extend(reader.rest())
    used: set[int] = set()
    for late in batch.labels:
        used.update(late.message.tolist())
    for table in batch.tables:
        numbers = _predicting(table) if form.format == "flat" else table.message.tolist()
        used.update(numbers)
    if form.format == "flat":
        # Any flat object would do, so it must say what was predicted or what was true.
        refused = set(range(len(records))) - used
    if reader.calls is not None:
        refused |= reader.calls.unmarked if form.format == "json" else set()
        used -= reader.calls.unmarked
    return DocumentsRead(used, refused)


def _predicting(table: PredictionTable) -> list[int]:
    """Give the messages of a table that have a prediction, score or label."""
    has = ~np.isnan(table.score) | _held(table.prediction)
    if table.label is not None:
        has |= _held(table.label)
    return table.message[has].tolist()


def _held(column: Column) -> NDArray[np.bool_]:
    held = column.values >= 0 if column.kind is Kind.CATEGORICAL else ~np.isnan(column.values)
    return np.asarray(held, np.bool_)


def _look_at(
    look: DocumentLook,
    partition: int,
    records: Sequence[Record],
    reader: _Reader,
    max_ahead_ns: int,
) -> int:
    """Look at a partition; gives the number of wild rows."""
    decoded = decoded_documents(reader.decode(records))
    latest = np.array(
        [_LATEST_NS if record.ts is None else record.ts + max_ahead_ns for record in records],
        np.int64,
    )
    columns = decoded.columns
    wild = columns.ts > latest[decoded.message]
    look.add(take_rows(decoded.documents, columns.value[~wild].astype(np.int64)))
    look.add_times(partition, columns.ts[~wild])
    look.refuse([reject.detail for reject in decoded.rejects])
    look.add(reader.rest())  # in no order that says anything of the topic's
    return int(wild.sum())


def _service(records: Sequence[Record], form: DocumentFormat, limits: Limits, topic: str) -> str:
    """Name what makes the calls: as they all say, else as the topic is called."""
    names: set[str] = set()
    reader = _reader(form, _Settings(tags=(SERVICE_NAME,)), limits)
    for table in reader.decode(records).tables:
        column = table.tags.get(SERVICE_NAME)
        names.update(() if column is None else column.names)
    return names.pop() if len(names) == 1 else topic
