"""Prometheus remote write 1.0 and 2.0 to columns, at the speed of compiled code.

A scan (`remote_write_scan.py`) reads what producers write; the strict reader
(`remote_write_points.py`), which says what the format means, reads every other message, and every
series that is met for the first time. The result is always the strict reader's.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.codecs.interning import LABELS_LENGTH, LABELS_START, WORD_PADDING, IdentityTable
from engine.codecs.remote_write_points import body_of, read_identity, read_message, read_symbols
from engine.codecs.remote_write_scan import (
    ROW_BYTES_MIN,
    SERIES_BYTES_MIN,
    SYMBOL_BYTES_MIN,
    SYMBOLS_TAG,
    scan_1,
    scan_2,
    scan_symbols,
)
from engine.codecs.samples import Announcer, Limits, RejectedError, Sample, merge_read
from engine.series.columns import FLAG_STALE, STALE_NAN_BITS, Columns, Decoded, Reject
from engine.series.identity import Series

# Messages are joined up to about this size, so that a group stays in the processor's cache.
_GROUP_BYTES = 1 << 19
_IDS_MAX = 1 << 32


class _Group(NamedTuple):
    """Some consecutive messages of one version, joined."""

    is_second: bool
    begin: int  # index of the first message
    buffer: NDArray[np.uint8]
    lengths: NDArray[np.int64]
    plain: NDArray[np.bool_]


class _Rows(NamedTuple):
    """Where a scan writes; see `scan_1` for the columns."""

    ts: NDArray[np.int64]
    bits: NDArray[np.uint64]
    series: NDArray[np.int64]
    spans: NDArray[np.int64]
    message: NDArray[np.int32]

    @classmethod
    def within(cls, buffer: NDArray[np.uint8]) -> "_Rows":
        """Make room for all rows that a buffer may hold."""
        rows_max = len(buffer) // ROW_BYTES_MIN + 1
        series_max = len(buffer) // SERIES_BYTES_MIN + 1
        return cls(
            np.empty(rows_max, np.int64),
            np.empty(rows_max, np.uint64),
            np.empty(rows_max, np.int64),
            np.empty((series_max, 4), np.int64),
            np.empty(series_max, np.int32),
        )

    def cut(self, rows: int, series: int) -> "_Rows":
        """Keep what was written."""
        return _Rows(
            self.ts[:rows],
            self.bits[:rows],
            self.series[:rows],
            self.spans[:series],
            self.message[:series],
        )


class _Met(NamedTuple):
    """How identities of one version are remembered and read."""

    table: IdentityTable
    buffer: NDArray[np.uint8]
    read: Callable[[bytes], Series | None]


class RemoteWriteCodec:
    """Decoder of remote write messages; it remembers the series that it has met.

    Parameters
    ----------
    limits : Limits
    cache_entries : int
        How many spellings of series are remembered, how many symbols of 2.0, and of how many series
        it is remembered that `Decoded.new_series` had them.
    """

    def __init__(self, *, limits: Limits, cache_entries: int = 1 << 20) -> None:
        self.limits = limits
        self._cache_entries = cache_entries
        self._identities = IdentityTable(entries_max=cache_entries)
        self._announcer = Announcer(cache_entries)
        self._forget_symbols()

    def _forget_symbols(self) -> None:
        """Begin anew with the ids of symbols, and so with all that is named by them."""
        self._symbols = IdentityTable(entries_max=self._cache_entries)
        self._symbol_identities = IdentityTable(entries_max=self._cache_entries)
        self._next_id = 0

    def decode(self, payloads: Sequence[bytes]) -> Decoded:
        """Decode messages.

        Parameters
        ----------
        payloads : sequence of bytes
            One remote write request each, of either version.

        Returns
        -------
        Decoded
            Good rows in the order of messages, time series and samples. A series is in `new_series`
            once in the codec's life, or again after `cache_entries` others.
        """
        plain = np.ones(len(payloads), np.bool_)
        new_series: list[Series] = []
        columns = [Columns.empty()]
        messages = [np.empty(0, np.int32)]
        for group in self._groups(payloads, plain):
            group_columns, message = self._decode_group(group, new_series)
            columns.append(group_columns)
            messages.append(message)
        joined = Columns(
            np.concatenate([part.fingerprint for part in columns]),
            np.concatenate([part.ts for part in columns]),
            np.concatenate([part.value for part in columns]),
            np.concatenate([part.flags for part in columns]),
        )
        decoded = Decoded(joined, np.concatenate(messages), new_series)
        if plain.all():
            return decoded
        return merge_read(self.read, payloads, decoded, plain, self._announcer)

    def read(self, payload: bytes, index: int) -> tuple[list[Sample], list[Reject]]:
        """Read one message strictly."""
        return read_message(payload, index, self.limits)

    def _groups(self, payloads: Sequence[bytes], plain: NDArray[np.bool_]) -> Iterator[_Group]:
        """Decompress messages and join those of one version; those too large are not `plain`."""
        bodies: list[bytes] = []
        begin, size, is_second = 0, 0, False
        for index, payload in enumerate(payloads):
            try:
                body = body_of(payload, self.limits)
            except RejectedError:
                plain[index] = False
                body = b""
            is_other = bool(body) and (body[0] == SYMBOLS_TAG) != is_second
            if bodies and (is_other or size + len(body) > _GROUP_BYTES):
                yield _joined(bodies, is_second, begin, plain)
                bodies, begin, size = [], index, 0
            is_second = is_second != is_other
            bodies.append(body)
            size += len(body)
        if bodies:
            yield _joined(bodies, is_second, begin, plain)

    def _decode_group(
        self, group: _Group, new_series: list[Series]
    ) -> tuple[Columns, NDArray[np.int32]]:
        """Read a group; its messages that are not `plain` afterwards have no meaning here."""
        scan = self._scan_2 if group.is_second else self._scan_1
        rows, fingerprint_of_series = scan(group, new_series)
        columns = Columns(
            fingerprint_of_series[rows.series],
            rows.ts.copy(),
            rows.bits.copy().view(np.float64),
            (rows.bits == STALE_NAN_BITS) * FLAG_STALE,
        )
        return columns, rows.message[rows.series] + np.int32(group.begin)

    def _scan_1(self, group: _Group, new_series: list[Series]) -> tuple[_Rows, NDArray[np.uint64]]:
        buffer = group.buffer
        rows = _Rows.within(buffer)
        rows = rows.cut(*scan_1(buffer, group.lengths, group.plain, *rows))
        fingerprint = np.empty(len(rows.spans), np.uint64)
        missed = self._identities.find(buffer, rows.spans, fingerprint)
        if len(missed):
            met = _Met(self._identities, buffer, lambda region: read_identity(region, self.limits))
            self._learn(met, rows, missed, group.plain, fingerprint, new_series)
        return rows, fingerprint

    def _scan_2(self, group: _Group, new_series: list[Series]) -> tuple[_Rows, NDArray[np.uint64]]:
        buffer, lengths, plain = group.buffer, group.lengths, group.plain
        symbol_spans = np.empty((len(buffer) // SYMBOL_BYTES_MIN + 1, 4), np.int64)
        firsts = np.empty(len(lengths) + 1, np.int64)
        behind = np.empty(len(lengths), np.int64)
        symbols = scan_symbols(buffer, lengths, plain, symbol_spans, firsts, behind)
        symbol_spans = symbol_spans[:symbols]
        ids = self._ids_of(buffer, symbol_spans)

        keys = np.empty(len(buffer) + WORD_PADDING, np.uint32)
        rows = _Rows.within(buffer)
        rows = rows.cut(*scan_2(buffer, lengths, plain, firsts, behind, ids, keys, *rows))
        key_bytes = keys.view(np.uint8)
        fingerprint = np.empty(len(rows.spans), np.uint64)
        missed = self._symbol_identities.find(key_bytes, rows.spans, fingerprint)
        if len(missed):
            symbol_of_id = dict(zip(ids.tolist(), range(symbols), strict=True))

            def read_key(key: bytes) -> Series | None:
                wanted = [symbol_of_id[number] for number in np.frombuffer(key, np.uint32).tolist()]
                texts = [_text(buffer, symbol_spans[symbol]) for symbol in wanted]
                return read_symbols(texts, self.limits)

            met = _Met(self._symbol_identities, key_bytes, read_key)
            self._learn(met, rows, missed, plain, fingerprint, new_series)
        return rows, fingerprint

    def _ids_of(self, buffer: NDArray[np.uint8], spans: NDArray[np.int64]) -> NDArray[np.uint32]:
        """Give each symbol its id; equal ids mean equal symbols as long as the tables live."""
        if self._next_id + len(spans) > _IDS_MAX:
            self._forget_symbols()
        ids = np.empty(len(spans), np.uint64)
        missed = self._symbols.find(buffer, spans, ids)
        met: dict[bytes, int] = {}
        for symbol in missed.tolist():
            text = _text(buffer, spans[symbol])
            if text not in met:
                met[text] = self._next_id
                self._next_id += 1
                self._symbols.add(buffer, spans[symbol], met[text])
            ids[symbol] = met[text]
        return ids.astype(np.uint32)

    def _learn(
        self,
        met: _Met,
        rows: _Rows,
        missed: NDArray[np.int64],
        plain: NDArray[np.bool_],
        fingerprint: NDArray[np.uint64],
        new_series: list[Series],
    ) -> None:
        """Parse the identities of `missed` time series, each once.

        A message with an identity that can't be used is `plain` no more, and its other time series
        teach nothing: whether they count is for the strict reader to say.
        """
        regions = [_text(met.buffer, span) for span in rows.spans[missed]]
        identities = {region: met.read(region) for region in set(regions)}
        for series, region in zip(missed, regions, strict=True):
            if identities[region] is None:
                plain[rows.message[series]] = False
        learned: set[bytes] = set()
        for series, region in zip(missed, regions, strict=True):
            identity = identities[region]
            if identity is None or not plain[rows.message[series]]:
                continue
            fingerprint[series] = identity.fingerprint
            if region not in learned:
                learned.add(region)
                met.table.add(met.buffer, rows.spans[series], identity.fingerprint)
                self._announcer.announce(identity, new_series)


def _joined(bodies: list[bytes], is_second: bool, begin: int, plain: NDArray[np.bool_]) -> _Group:
    return _Group(
        is_second,
        begin,
        np.frombuffer(b"".join((*bodies, bytes(WORD_PADDING))), np.uint8),
        np.fromiter(map(len, bodies), np.int64, len(bodies)),
        plain[begin : begin + len(bodies)],
    )


def _text(buffer: NDArray[np.uint8], span: NDArray[np.int64]) -> bytes:
    """Give the bytes that a span delimits."""
    start = span[LABELS_START]
    return buffer[start : start + span[LABELS_LENGTH]].tobytes()
