"""Names the format of a topic from some of its messages, by who can read them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

from engine.codecs.cloud_events import Record
from engine.codecs.genai_otlp import Signal
from engine.codecs.samples import Read

MESSAGES_MAX = 200
"""How many messages are looked at."""

FORMATS_BY_SPECIFICITY = (
    "otlp_json",
    "prometheus_adapter",
    "vector",
    "telegraf_json",
    "json",
    "metricbeat",
    "remote_write",
    "otlp_proto",
    "influx",
    "fluent_bit",
)
"""Formats from those that ask most of a message to those that ask least.

The first ones need keys that the others don't have. Bytes of protobuf say little of themselves, but
their readers want a metric inside; lines of text come after all that has a structure, and Fluent
Bit's records last, since any flat object with a time is one.
"""


class DocumentFormat(NamedTuple):
    """A format of predictions and labels, or of LLM calls; `signal` is of ``otlp_proto``."""

    kind: Literal["predictions", "llm"]
    format: str
    signal: Signal = "traces"


DOCUMENT_FORMATS_BY_SPECIFICITY = (
    DocumentFormat("predictions", "json"),
    DocumentFormat("predictions", "cloudevents"),
    DocumentFormat("predictions", "bentoml"),
    DocumentFormat("llm", "json"),
    DocumentFormat("llm", "otlp_json"),
    DocumentFormat("llm", "otlp_proto"),
    DocumentFormat("llm", "otlp_proto", "logs"),
    DocumentFormat("predictions", "flat"),
)
"""Formats of documents from those that ask most of a message to those that ask least."""


class DocumentsRead(NamedTuple):
    """What the reader of a format of documents says of some messages, by number.

    Attributes
    ----------
    used : set of int
        Messages that gave rows.
    refused : set of int
        Messages that can't be of the format, as a whole or in part. A message that is neither may
        be a schema, half of a prediction, or a span of something else.
    """

    used: set[int]
    refused: set[int]


ReadDocuments = Callable[[Sequence[Record]], DocumentsRead]


def recognise(payloads: Sequence[bytes], readers: Mapping[str, Read]) -> str | None:
    """Name the most specific format that most messages have.

    A message has a format if its reader gives samples and rejects nothing; more than half of the
    messages must. Empty messages, the tombstones of compacted topics, don't count.

    Parameters
    ----------
    payloads : sequence of bytes
        Messages of one topic; at most the first `MESSAGES_MAX` are read.
    readers : mapping of str to Read
        Strict reader by format; formats that are missing are not considered.

    Returns
    -------
    str or None
        The format; None if no format has most of the messages.
    """
    messages = [payload for payload in payloads if payload][:MESSAGES_MAX]
    for name in FORMATS_BY_SPECIFICITY:
        if name in readers and _reads_most(readers[name], messages):
            return name
    return None


def recognise_documents(
    records: Sequence[Record], readers: Mapping[DocumentFormat, ReadDocuments]
) -> DocumentFormat | None:
    """Name the most specific format of documents that most messages have.

    A message is against a format if it is refused and gives no row. Half of the messages or more
    must not be, and one must give rows. Tombstones don't count.

    Parameters
    ----------
    records : sequence of Record
        Of one topic; at most the first `MESSAGES_MAX` are read.
    readers : mapping of DocumentFormat to ReadDocuments
        Formats that are missing are not considered.
    """
    some = [record for record in records if record.payload][:MESSAGES_MAX]
    for name in DOCUMENT_FORMATS_BY_SPECIFICITY:
        if some and name in readers:
            used, refused = readers[name](some)
            if used and len(refused - used) <= (len(some) - 1) // 2:
                return name
    return None


def _reads_most(read: Read, messages: Sequence[bytes]) -> bool:
    """Tell whether a reader takes more than half of the messages; stops once it can't."""
    refused_max = (len(messages) - 1) // 2
    refused = 0
    for index, message in enumerate(messages):
        samples, rejects = read(message, index)
        refused += not samples or bool(rejects)
        if refused > refused_max:
            return False
    return bool(messages)
