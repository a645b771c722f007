"""What all codecs share: the row of a strict reader, its limits, and the codec's protocol."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from engine.series.columns import Columns, Decoded, Reject
from engine.series.identity import NAME_LABEL, Series

_DETAIL_CHARACTERS_MAX = 500

REJECTS_MAX = 1_000
"""Bad rows of one message; with more, the message as a whole is a dead letter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a message may hold at most; bytes are those of UTF-8.

    Attributes
    ----------
    max_message_bytes : int
        A longer message is rejected as ``too_large``.
    max_decompressed_bytes : int
        So is one that is longer once it is decompressed.
    max_labels : int
        A row with more labels is rejected as ``limit``.
    max_label_bytes : int
        So is one with a longer name, label name or label value.
    """

    max_message_bytes: int = 1_048_576
    max_decompressed_bytes: int = 16_777_216
    max_labels: int = 64
    max_label_bytes: int = 1024


class Sample(NamedTuple):
    """One good row: its series, nanoseconds since the epoch, the value, and flags of `Columns`."""

    series: Series
    ts: int
    value: float
    flags: int = 0


class RejectedError(Exception):
    """A row or message that can't be used; carries the dead-letter reason."""

    def __init__(self, reason: str, detail: str) -> None:
        self.reason = reason
        super().__init__(detail)

    def reject(self, message: int, row: bytes | None) -> Reject:
        """Make the dead letter of a row, or of the whole message without one."""
        return Reject(message, self.reason, str(self)[:_DETAIL_CHARACTERS_MAX], row)


Read = Callable[[bytes, int], tuple[list[Sample], list[Reject]]]
"""Reads one message strictly and slowly; the number is what its rejects say."""


class Codec(Protocol):
    """A format: messages to columns."""

    limits: Limits

    def decode(self, payloads: Sequence[bytes]) -> Decoded:
        """Decode messages; a series is in `new_series` once in the codec's life, or nearly so."""

    def read(self, payload: bytes, index: int) -> tuple[list[Sample], list[Reject]]:
        """Read one message strictly and slowly: what `decode` must equal."""


class Announcer:
    """Remembers which series a codec has given in `new_series`.

    Parameters
    ----------
    entries_max : int
        Of how many; then it begins anew, and series are given again, which does no harm.
    """

    def __init__(self, entries_max: int) -> None:
        self._entries_max = entries_max
        self._known: set[int] = set()

    def __len__(self) -> int:
        return len(self._known)

    def announce(self, series: Series, new_series: list[Series]) -> None:
        """Append the series if it was not given before."""
        if series.fingerprint in self._known:
            return
        if len(self._known) >= self._entries_max:
            self._known.clear()
        self._known.add(series.fingerprint)
        new_series.append(series)


class PlainCodec:
    """A format that has only a strict reader.

    Parameters
    ----------
    read : callable
        The strict reader.
    limits : Limits
    cache_entries : int
        Of how many series it is remembered that `Decoded.new_series` had them.
    """

    def __init__(self, read: Read, *, limits: Limits, cache_entries: int = 1 << 20) -> None:
        self.read = read
        self.limits = limits
        self._announcer = Announcer(cache_entries)

    def decode(self, payloads: Sequence[bytes]) -> Decoded:
        """Decode messages, one after the other."""
        decoded = read_all(self.read, payloads)
        new_series: list[Series] = []
        for series in decoded.new_series:
            self._announcer.announce(series, new_series)
        return Decoded(decoded.columns, decoded.message, new_series, decoded.rejects)


def read_all(read: Read, payloads: Sequence[bytes]) -> Decoded:
    """Decode messages slowly and obviously; `new_series` holds each of their series once."""
    samples: list[Sample] = []
    messages: list[int] = []
    rejects: list[Reject] = []
    for index, payload in enumerate(payloads):
        rows, rejected = _bounded(*read(payload, index), index)
        samples += rows
        messages += [index] * len(rows)
        rejects += rejected
    series = {row.series.fingerprint: row.series for row in samples}
    return Decoded(
        columns_of(samples), np.array(messages, np.int32), list(series.values()), rejects
    )


def merge_read(
    read: Read,
    payloads: Sequence[bytes],
    fast: Decoded,
    scanned: np.ndarray[tuple[int], np.dtype[np.bool_]],
    announcer: Announcer,
) -> Decoded:
    """Read the messages that a fast pass left, and put their rows where they belong.

    Parameters
    ----------
    read : Read
    payloads : sequence of bytes
    fast : Decoded
        What the fast pass gave; its rows of messages that are not `scanned` are dropped.
    scanned : bool[m]
        Messages that the fast pass read wholly.
    announcer : Announcer
        Told of the series that are met here.
    """
    samples: list[Sample] = []
    messages: list[int] = []
    rejects: list[Reject] = []
    for index in np.flatnonzero(~scanned).tolist():
        rows, rejected = _bounded(*read(payloads[index], index), index)
        samples += rows
        messages += [index] * len(rows)
        rejects += rejected
    for sample in samples:
        announcer.announce(sample.series, fast.new_series)
    kept = scanned[fast.message]
    message = np.concatenate([fast.message[kept], np.array(messages, np.int32)])
    order = np.argsort(message, kind="stable")
    columns = _concatenated(fast.columns.take(kept), columns_of(samples)).take(order)
    return Decoded(columns, message[order], fast.new_series, rejects)


def _bounded(
    rows: list[Sample], rejects: list[Reject], index: int
) -> tuple[list[Sample], list[Reject]]:
    """Refuse a message with very many bad rows as a whole: each of them would be a dead letter."""
    if len(rejects) <= REJECTS_MAX:
        return rows, rejects
    too_many = RejectedError("limit", f"more than {REJECTS_MAX} rows can't be used")
    return [], [too_many.reject(index, None)]


def columns_of(samples: Sequence[Sample]) -> Columns:
    """Put rows into columns."""
    return Columns(
        np.array([sample.series.fingerprint for sample in samples], np.uint64),
        np.array([sample.ts for sample in samples], np.int64),
        np.array([sample.value for sample in samples], np.float64),
        np.array([sample.flags for sample in samples], np.uint8),
    )


def checked_series(name: str, labels: dict[str, str], limits: Limits) -> Series:
    """Make a series of text that a message holds.

    Raises
    ------
    RejectedError
        The name or a label's name is empty or ``__name__``, or a limit is passed.
    """
    if not name:
        raise RejectedError("schema_error", "name is empty")
    if "" in labels or NAME_LABEL in labels:
        raise RejectedError("schema_error", f"a label's name is empty or {NAME_LABEL}")
    check_length("name", name, limits)
    for label, value in labels.items():
        check_length("a label's name", label, limits)
        check_length(f"value of label {label}", value, limits)
    series = Series.of(name, labels)
    if len(series.labels) > limits.max_labels:
        raise RejectedError("limit", f"more than {limits.max_labels} labels")
    return series


def check_length(what: str, text: str, limits: Limits) -> None:
    """Refuse text that is too long for a name or label."""
    # No text has more bytes than four a character, so that mostly none has to be encoded.
    if 4 * len(text) > limits.max_label_bytes < len(text.encode(errors="replace")):
        raise RejectedError("limit", f"{what} is longer than {limits.max_label_bytes} bytes")


def check_size(payload: bytes, limits: Limits) -> None:
    """Refuse a message that is too long as a whole."""
    if len(payload) > limits.max_message_bytes:
        detail = f"{len(payload)} bytes are more than {limits.max_message_bytes}"
        raise RejectedError("too_large", detail)


def _concatenated(first: Columns, second: Columns) -> Columns:
    return Columns(
        np.concatenate([first.fingerprint, second.fingerprint]),
        np.concatenate([first.ts, second.ts]),
        np.concatenate([first.value, second.value]),
        np.concatenate([first.flags, second.flags]),
    )
