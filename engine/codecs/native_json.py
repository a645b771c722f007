"""The native JSON metric message to columns, at the speed of compiled code.

A scan (`json_scan.py`) reads the usual forms; the strict reader (`json_strict.py`), which says what
the format means, reads every other message, and every series that is met for the first time. The
result is always that of `decode_strict`, to the last bit of a float.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.codecs.interning import (
    LABELS_LENGTH,
    LABELS_START,
    NAME_LENGTH,
    NAME_START,
    WORD_PADDING,
    IdentityTable,
)
from engine.codecs.json_scan import ROW_BYTES_MIN, SEPARATOR, scan
from engine.codecs.json_strict import (
    Limits,
    columns_of,
    decode_strict,
    read_identity,
    read_message,
)
from engine.series.columns import Columns, Decoded, Reject
from engine.series.identity import Series

__all__ = ["Limits", "NativeJsonCodec", "decode_strict"]


class NativeJsonCodec:
    """Decoder of native JSON metric messages; it remembers the series that it has met.

    Parameters
    ----------
    max_message_bytes : int
        A longer message is rejected as ``too_large``.
    max_labels : int
        A row with more labels is rejected as ``limit``.
    max_label_bytes : int
        A row with a longer name, label name or label value (UTF-8) is rejected as ``limit``.
    cache_entries : int
        How many spellings of series are remembered, at some 320 bytes each, and of how many series
        it is remembered that `Decoded.new_series` had them.
    """

    def __init__(
        self,
        *,
        max_message_bytes: int = 1_048_576,
        max_labels: int = 64,
        max_label_bytes: int = 1024,
        cache_entries: int = 1 << 20,
    ) -> None:
        self.limits = Limits(
            max_message_bytes=max_message_bytes,
            max_labels=max_labels,
            max_label_bytes=max_label_bytes,
        )
        self._identities = IdentityTable(entries_max=cache_entries)
        self._announced: set[int] = set()
        self._announced_max = cache_entries

    def decode(self, payloads: Sequence[bytes]) -> Decoded:
        """Decode messages.

        Parameters
        ----------
        payloads : sequence of bytes
            One native JSON message each.

        Returns
        -------
        Decoded
            Good rows in the order of messages and rows. A series is in `new_series` once in the
            codec's life, or again after `cache_entries` others.
        """
        lengths = np.fromiter(map(len, payloads), np.int64, len(payloads))
        buffer = np.frombuffer(SEPARATOR.join((*payloads, bytes(WORD_PADDING))), np.uint8)
        rows_max = len(buffer) // ROW_BYTES_MIN + 1
        plain = lengths <= self.limits.max_message_bytes
        ts = np.empty(rows_max, np.int64)
        value = np.empty(rows_max, np.float64)
        message = np.empty(rows_max, np.int32)
        spans = np.empty((rows_max, 4), np.int64)
        rows = scan(buffer, lengths, plain, ts, value, message, spans)

        fingerprint = np.empty(rows, np.uint64)
        missed = self._identities.find(buffer, spans[:rows], fingerprint)
        new_series = self._learn(buffer, spans, missed, message, plain, fingerprint)
        columns = Columns(
            fingerprint, ts[:rows].copy(), value[:rows].copy(), np.zeros(rows, np.uint8)
        )
        decoded = Decoded(columns, message[:rows].copy(), new_series)
        return decoded if plain.all() else self._read_rest(payloads, plain, decoded)

    def _learn(
        self,
        buffer: NDArray[np.uint8],
        spans: NDArray[np.int64],
        missed: NDArray[np.int64],
        message: NDArray[np.int32],
        plain: NDArray[np.bool_],
        fingerprint: NDArray[np.uint64],
    ) -> list[Series]:
        """Parse the identities of `missed` rows, each once; gives the series that are new.

        A message with an identity that can't be used is `plain` no more, and its other rows teach
        nothing: whether they count is for the strict reader to say.
        """
        text = buffer.tobytes() if len(missed) else b""
        documents = [_identity_document(text, span) for span in spans[missed].tolist()]
        met = {document: read_identity(document, self.limits) for document in set(documents)}
        for row, document in zip(missed, documents, strict=True):
            if met[document] is None:
                plain[message[row]] = False
        new_series: list[Series] = []
        learned: set[bytes] = set()
        for row, document in zip(missed, documents, strict=True):
            series = met[document]
            if series is None or not plain[message[row]]:
                continue
            fingerprint[row] = series.fingerprint
            if document not in learned:
                learned.add(document)
                self._identities.add(buffer, spans[row], series.fingerprint)
                self._announce(series, new_series)
        return new_series

    def _announce(self, series: Series, new_series: list[Series]) -> None:
        if series.fingerprint in self._announced:
            return
        if len(self._announced) >= self._announced_max:
            self._announced.clear()
        self._announced.add(series.fingerprint)
        new_series.append(series)

    def _read_rest(
        self, payloads: Sequence[bytes], plain: NDArray[np.bool_], scanned: Decoded
    ) -> Decoded:
        """Read the messages that are not `plain` strictly, and put their rows in their places."""
        samples = []
        messages: list[int] = []
        rejects: list[Reject] = []
        for index in np.flatnonzero(~plain).tolist():
            rows, rejected = read_message(payloads[index], index, self.limits)
            samples += rows
            messages += [index] * len(rows)
            rejects += rejected
        for sample in samples:
            self._announce(sample.series, scanned.new_series)
        kept = plain[scanned.message]
        message = np.concatenate([scanned.message[kept], np.array(messages, np.int32)])
        order = np.argsort(message, kind="stable")
        columns = _concatenated(scanned.columns.take(kept), columns_of(samples)).take(order)
        return Decoded(columns, message[order], scanned.new_series, rejects)


def _identity_document(text: bytes, span: list[int]) -> bytes:
    """Make a message of only the name and labels that a span delimits."""
    name = text[span[NAME_START] : span[NAME_START] + span[NAME_LENGTH]]
    labels = text[span[LABELS_START] : span[LABELS_START] + span[LABELS_LENGTH]]
    return b'{"name":"%b","labels":%b}' % (name, labels or b"{}")


def _concatenated(first: Columns, second: Columns) -> Columns:
    return Columns(
        np.concatenate([first.fingerprint, second.fingerprint]),
        np.concatenate([first.ts, second.ts]),
        np.concatenate([first.value, second.value]),
        np.concatenate([first.flags, second.flags]),
    )
