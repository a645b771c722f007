"""What a topic of predictions, labels or LLM calls holds, at a look, for `streamgauge init`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import msgspec
import numpy as np

from engine.codecs.cloud_events import Record
from engine.codecs.document_codec import DocumentCodec, decoded_documents
from engine.codecs.prediction_cloudevents import CloudEventsCodec
from engine.codecs.prediction_columns import PredictionTables
from engine.codecs.prediction_documents import documents_of
from engine.codecs.prediction_formats import PREDICTION_FORMATS, make_tables, prediction_limits
from engine.codecs.prediction_rows import take_rows
from engine.codecs.predictions import Kind, PredictionBatch, PredictionTable
from engine.codecs.recognise import (
    DOCUMENT_FORMATS_BY_SPECIFICITY,
    DocumentFormat,
    DocumentsRead,
    recognise_documents,
)
from engine.codecs.samples import Limits, RejectedError
from engine.config.prediction_fields import PredictionFields
from engine.errors import UsageError
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
    halves : callable or None
        Decodes each half by itself.
    """

    decode: Callable[[Sequence[Record]], PredictionBatch]
    calls: CallsLook | None = None
    events: CloudEventsCodec | None = None
    halves: Callable[[Sequence[Record]], PredictionBatch] | None = None

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
    if form.kind == "llm":
        calls = CallsLook(_SERVICE, make_tables(limits), form, told.tags)
        return _Reader(lambda some: calls.decode([record.payload for record in some]), calls=calls)
    if form.format == "cloudevents":
        own = prediction_limits(limits)
        # Where none may wait, each half is given at once, by itself.
        events, alone = (
            CloudEventsCodec(PredictionTables(some), model=told.fields.model_name, ttl_ns=_WAIT_NS)
            for some in (own, replace(own, waiting=0))
        )
        return _Reader(events.decode, events=events, halves=alone.decode)
    wrap = partial(DocumentCodec, limits=limits)
    codec = PREDICTION_FORMATS[form.format](told.fields, make_tables(limits), wrap, _WAIT_NS)
    return _Reader(lambda some: _batch_of(codec, some))


def _batch_of(codec: DocumentCodec, records: Sequence[Record]) -> PredictionBatch:
    decoded = codec.decode([record.payload for record in records])
    return replace(decoded.documents, rejects=decoded.rejects)


def _read(
    form: DocumentFormat, told: _Settings, limits: Limits, records: Sequence[Record]
) -> DocumentsRead:
    """Tell which messages a format can read."""
    try:
        reader = _reader(form, told, limits)
    except UsageError:  # what looks like a schema line is none
        return DocumentsRead(set(), set(range(len(records))))
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
        # Any object with a time would do: it must be flat, and say what was predicted or true.
        used -= refused
        refused = set(range(len(records))) - used
    if reader.calls is not None:
        refused |= reader.calls.unmarked if form.format == "json" else set()
        used -= reader.calls.unmarked
    return DocumentsRead(used, refused)


def _predicting(table: PredictionTable) -> list[int]:
    """Give the messages of a table that have a prediction."""
    values = table.prediction.values
    is_category = table.prediction.kind is Kind.CATEGORICAL
    held: list[int] = table.message[values >= 0 if is_category else ~np.isnan(values)].tolist()
    return held


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
    if reader.halves is not None:
        halves = decoded_documents(reader.halves(records))
        newest = np.full(len(records), -1, np.int64)
        np.maximum.at(newest, halves.message, halves.columns.ts)
        waited = np.maximum.accumulate(newest)[decoded.message[~wild]] - columns.ts[~wild]
        look.add_behind(partition, int(waited.max(initial=0)))
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
