"""A codec made of a compiled scan that delimits what names a series, and a strict reader.

The scan reads the usual forms and gives, for each row, where the bytes that name its series stand;
bytes never seen before, and every message that the scan is not sure of, go to the strict reader.
The result is always that of `read_all` with the strict reader, to the last bit of a float.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from engine.codecs.interning import IdentityTable
from engine.codecs.messages import Messages
from engine.codecs.samples import Announcer, Limits, Read, merge_read
from engine.series.columns import Columns, Decoded
from engine.series.identity import Series

Scan = Callable[..., int]
"""Takes buffer, lengths, plain, ts, value, message and spans, as `json_scan.scan`; gives rows."""


class ScannedCodec:
    """Decoder of messages; it remembers the series that it has met.

    Parameters
    ----------
    scan : Scan
    row_bytes_min : int
        The shortest row that the scan accepts, to bound the number of rows.
    identity : callable
        Makes a document of what a span of the text delimits.
    read_identity : callable
        Reads the series of such a document; None if it can't be used.
    read : Read
        The strict reader.
    limits : Limits
    cache_entries : int
        How many spellings of series are remembered, at some 320 bytes each, and of how many series
        it is remembered that `Decoded.new_series` had them.
    """

    def __init__(
        self,
        *,
        scan: Scan,
        row_bytes_min: int,
        identity: Callable[[bytes, list[int]], bytes],
        read_identity: Callable[[bytes, Limits], Series | None],
        read: Read,
        limits: Limits,
        cache_entries: int,
    ) -> None:
        self.limits = limits
        self.read = read
        self._scan = scan
        self._row_bytes_min = row_bytes_min
        self._identity = identity
        self._read_identity = read_identity
        self._identities = IdentityTable(entries_max=cache_entries)
        self._announcer = Announcer(cache_entries)

    def decode(self, payloads: Sequence[bytes]) -> Decoded:
        """Decode messages.

        Returns
        -------
        Decoded
            Good rows in the order of messages and of the rows in each. A series is in `new_series`
            once in the codec's life, or again after `cache_entries` others.
        """
        messages = Messages.of(payloads)
        buffer, lengths = messages.joined, messages.length
        rows_max = int((lengths + 1).sum()) // self._row_bytes_min + 1
        plain = lengths <= self.limits.max_message_bytes
        ts = np.empty(rows_max, np.int64)
        value = np.empty(rows_max, np.float64)
        message = np.empty(rows_max, np.int32)
        spans = np.empty((rows_max, 4), np.int64)
        rows = self._scan(buffer, lengths, plain, ts, value, message, spans)

        fingerprint = np.empty(rows, np.uint64)
        missed = self._identities.find(buffer, spans[:rows], fingerprint)
        new_series = self._learn(buffer, spans, missed, message, plain, fingerprint)
        columns = Columns(
            fingerprint, ts[:rows].copy(), value[:rows].copy(), np.zeros(rows, np.uint8)
        )
        decoded = Decoded(columns, message[:rows].copy(), new_series)
        if plain.all():
            return decoded
        return merge_read(self.read, payloads, decoded, plain, self._announcer)

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
        documents = [self._identity(text, span) for span in spans[missed].tolist()]
        met = {document: self._read_identity(document, self.limits) for document in set(documents)}
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
                self._announcer.announce(series, new_series)
        return new_series
