"""Kafka records as columns, and what a client has to tell beside them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.codecs.cloud_events import Record
from engine.codecs.interning import WORD_PADDING
from engine.codecs.messages import Messages
from engine.config.durations import MILLISECOND_NS

NO_KEY = -1

Headers = Sequence[tuple[str, bytes | None]]
"""A record's headers in their order; a name may stand twice."""


@dataclass(frozen=True, slots=True)
class Records:
    """Records of one partition, in the order of its log.

    Attributes
    ----------
    values : Messages
        A record without a value has an empty one.
    keys : Messages
        The same for keys.
    has_key : bool[n]
        Whether there is a key.
    offset : int64[n]
    timestamp_ms : int64[n]
        Kafka's timestamp; -1, or 0 in formats before Kafka 0.11, where there is none.
    headers : list of Headers or None
        Of each record; None where they were not asked for.
    """

    values: Messages
    keys: Messages
    has_key: NDArray[np.bool_]
    offset: NDArray[np.int64]
    timestamp_ms: NDArray[np.int64]
    headers: list[Headers] | None = None

    def __len__(self) -> int:
        return len(self.offset)

    def take(self, part: slice) -> "Records":
        """Give a run of records."""
        return Records(
            self.values[part],
            self.keys[part],
            self.has_key[part],
            self.offset[part],
            self.timestamp_ms[part],
            None if self.headers is None else self.headers[part],
        )

    def key(self, row: int) -> bytes | None:
        """Give a record's key."""
        return self.keys[row] if self.has_key[row] else None

    def with_headers(self) -> list[Record]:
        """Give the records with their headers and timestamps."""
        stamps = self.timestamp_ms.tolist()
        headers = self.headers or [()] * len(self)
        return [
            Record(value, some, stamp * MILLISECOND_NS if stamp > 0 else None)
            for value, some, stamp in zip(self.values, headers, stamps, strict=True)
        ]


def records_of(
    values: Sequence[bytes | None],
    keys: Sequence[bytes | None],
    offsets: Sequence[int],
    timestamps_ms: Sequence[int],
    headers: list[Headers] | None = None,
) -> Records:
    """Put records into columns."""
    return Records(
        Messages.of([value or b"" for value in values]),
        Messages.of([key or b"" for key in keys]),
        np.fromiter((key is not None for key in keys), np.bool_, len(keys)),
        np.fromiter(offsets, np.int64, len(offsets)),
        np.fromiter(timestamps_ms, np.int64, len(timestamps_ms)),
        headers,
    )


def joined_records(parts: Sequence[Records]) -> Records:
    """Put runs of records one behind the other."""
    if len(parts) == 1:
        return parts[0]
    return Records(
        _joined([part.values for part in parts]),
        _joined([part.keys for part in parts]),
        np.concatenate([part.has_key for part in parts]),
        np.concatenate([part.offset for part in parts]),
        np.concatenate([part.timestamp_ms for part in parts]),
        None
        if any(part.headers is None for part in parts)
        else [headers for part in parts for headers in part.headers or ()],
    )


def _joined(parts: Sequence[Messages]) -> Messages:
    sizes = [int((part.length + 1).sum()) for part in parts]
    length = np.concatenate([part.length for part in parts])
    buffers = [part.joined[:size] for part, size in zip(parts, sizes, strict=True)]
    padding = np.zeros(WORD_PADDING, np.uint8)
    return Messages(np.concatenate([*buffers, padding]), np.cumsum(length + 1) - length - 1, length)


@dataclass(frozen=True, slots=True)
class ClientError:
    """An error that a client tells of; `code` is librdkafka's."""

    code: int
    text: str
    fatal: bool


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a client had.

    Attributes
    ----------
    records : Records or None
    at_end : bool or None
        Whether the partition's end came after the last record; None: nothing was told.
    errors : list of ClientError
    """

    records: Records | None
    at_end: bool | None
    errors: list[ClientError] = field(default_factory=list)


class RecordClient(Protocol):
    """Reads one partition from an offset on."""

    def fetch(self, count: int) -> Fetched:
        """Take over up to so many records and events, without waiting."""

    def high(self) -> int:
        """Offset behind the last record, as far as the client has heard; negative if it has not."""

    def commit(self, offset: int, *, wait: bool) -> bool:
        """Tell the broker where we are; whether that was taken."""

    def close(self) -> None:
        """Leave the broker."""
