"""Codecs of predictions, labels and LLM calls as codecs of rows, so that sources check their times.

Each prediction and each label is a row of `Columns` whose value is its number in the documents that
go along, see `prediction_rows`. Sources leave out what is late or has a wild clock, and the rows
that are left say which documents go on.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from engine.codecs.cloud_events import Record
from engine.codecs.compression import Compression, decompress
from engine.codecs.prediction_rows import log_order, moved
from engine.codecs.predictions import PredictionBatch
from engine.codecs.samples import Limits, RejectedError, Sample, check_size
from engine.series.columns import FLAG_DOCUMENT, Columns, Decoded, Reject


@dataclass(frozen=True, slots=True)
class DecodedDocuments(Decoded):
    """What a codec of documents made of some messages.

    Attributes
    ----------
    documents : PredictionBatch
        What the rows are numbers in; its rejects are `rejects`.
    """

    documents: PredictionBatch = field(default_factory=PredictionBatch)


class Remembers(Protocol):
    """What a codec of documents knows from earlier messages."""

    def state(self) -> dict[str, Any]:
        """Give it as JSON values."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take what `state` gave."""


class DocumentCodec:
    """A codec of documents as one of rows.

    Parameters
    ----------
    decode : callable
        Decodes messages, or records where `wants_headers`.
    memory : mapping of str to Remembers
        What goes to checkpoints, by name, in the order in which it is restored.
    limits : Limits
    compression : str
        Of the messages' content.
    wants_headers : bool
        Whether `decode` takes records with their headers.
    """

    def __init__(
        self,
        decode: Callable[[Sequence[Any]], PredictionBatch],
        memory: Mapping[str, Remembers],
        *,
        limits: Limits,
        compression: Compression = "none",
        wants_headers: bool = False,
    ) -> None:
        self.limits = limits
        self.wants_headers = wants_headers
        self._decode = decode
        self._memory = memory
        self._compression = compression

    def decode(self, payloads: Sequence[bytes]) -> DecodedDocuments:
        """Decode messages; where headers are wanted, these have none."""
        if self.wants_headers:
            return self.decode_records([Record(payload) for payload in payloads])
        if self._compression == "none":
            return decoded_documents(self._decode(payloads))
        return self._decode_compressed(payloads, [self._content(each) for each in payloads])

    def decode_records(self, records: Sequence[Record]) -> DecodedDocuments:
        """Decode records with their headers."""
        if self._compression == "none":
            return decoded_documents(self._decode(records))
        contents = [self._content(record.payload) for record in records]
        return self._decode_compressed(
            [
                record._replace(payload=content) if isinstance(content, bytes) else record
                for record, content in zip(records, contents, strict=True)
            ],
            contents,
        )

    def read(self, _payload: bytes, _index: int) -> tuple[list[Sample], list[Reject]]:
        """Give no samples: a message of documents holds none."""
        return [], []

    def state(self) -> bytes:
        """Give what is known from the messages so far, for a checkpoint."""
        # Numbers beyond 64 bits may wait for their response, and infinities.
        return json.dumps({name: part.state() for name, part in self._memory.items()}).encode()

    def restore(self, state: bytes) -> None:
        """Take what `state` gave."""
        kept = json.loads(state)
        for name, part in self._memory.items():
            if name in kept:
                part.restore(kept[name])

    def _content(self, payload: bytes) -> bytes | RejectedError:
        try:
            check_size(payload, self.limits)
            return decompress(payload, self._compression, self.limits.max_decompressed_bytes)
        except RejectedError as error:
            return error

    def _decode_compressed(
        self, items: Sequence[Any], contents: Sequence[bytes | RejectedError]
    ) -> DecodedDocuments:
        """Decode what could be decompressed; the others are rejected whole."""
        good = [index for index, content in enumerate(contents) if isinstance(content, bytes)]
        opened = [items[index] if self.wants_headers else contents[index] for index in good]
        batch = moved(self._decode(opened), np.array(good, np.int32))
        batch.rejects.extend(
            content.reject(index, None)
            for index, content in enumerate(contents)
            if isinstance(content, RejectedError)
        )
        batch.rejects.sort(key=lambda reject: reject.message)
        return decoded_documents(batch)


def decoded_documents(batch: PredictionBatch) -> DecodedDocuments:
    """Make rows of documents."""
    rows = log_order(batch)
    columns = Columns(
        rows.model,
        rows.ts,
        rows.number.astype(np.float64),
        np.full(len(rows.ts), FLAG_DOCUMENT),
    )
    return DecodedDocuments(
        columns, rows.message, [], batch.rejects, documents=replace(batch, rejects=[])
    )
