"""OTLP metrics in protobuf to columns, at the speed of compiled code.

A scan (`otlp_scan.py`) reads gauges, sums and histograms; the slow reader (`otlp_points.py`), which
says what the format means, reads every other message. It also parses, in a small message of its
own, every head and every series that is met for the first time. The result is always that of
`read`.
"""

from collections.abc import Callable, Sequence
from itertools import count

import numpy as np
from numpy.typing import NDArray

from engine.codecs.interning import IdentityTable
from engine.codecs.otlp_batch import Batch
from engine.codecs.otlp_names import Names
from engine.codecs.otlp_points import read_proto
from engine.codecs.otlp_records import KIND_BITS, Histograms, Metrics, Scopes
from engine.codecs.samples import Announcer, Limits, Sample, merge_read
from engine.series.columns import Columns, Decoded, Reject
from engine.series.identity import Series

__all__ = ["OtlpProtoCodec"]

_PART_BITS = 17
_IS_PART = 1 << 63  # tells the id of a histogram's part from that of a metric
_POINTS_PER_READ = 256

_Key = tuple[int, bytes]


class OtlpProtoCodec:
    """Decoder of OTLP metrics messages; it remembers the heads and series that it has met.

    Parameters
    ----------
    limits : Limits
    names : str
        How names are translated, see `otlp_names`.
    cache_entries : int
        How many scopes, metrics, histograms and series are remembered each, at some 320 bytes, and
        of how many series it is remembered that `Decoded.new_series` had them.
    """

    def __init__(self, *, limits: Limits, names: Names, cache_entries: int = 1 << 20) -> None:
        self.limits = limits
        self.names = names
        self._scopes = IdentityTable(entries_max=cache_entries)
        self._metrics = IdentityTable(entries_max=cache_entries)
        self._histograms = IdentityTable(entries_max=cache_entries)
        self._series = IdentityTable(entries_max=cache_entries)
        self._ids = count(1)
        self._announcer = Announcer(cache_entries)

    def read(self, payload: bytes, index: int) -> tuple[list[Sample], list[Reject]]:
        """Read one message slowly."""
        return read_proto(payload, index, self.limits, self.names)

    def decode(self, payloads: Sequence[bytes]) -> Decoded:
        """Decode messages.

        Parameters
        ----------
        payloads : sequence of bytes
            One `MetricsData` each.

        Returns
        -------
        Decoded
            Good rows in the order of messages and points. A series is in `new_series` once in the
            codec's life, or again after `cache_entries` others.
        """
        batch = Batch(payloads, self.limits.max_message_bytes)
        self._find_metrics(batch)
        if len(batch.found.histograms.row):
            self._find_histograms(batch)
        points = batch.found.points
        fingerprint = np.empty(len(points.ts), np.uint64)
        missed = self._series.find(batch.buffer, points.spans, fingerprint)
        new_series = self._learn_series(batch, missed, fingerprint) if len(missed) else []
        columns = Columns(fingerprint, points.ts.copy(), points.value.copy(), points.flags.copy())
        decoded = Decoded(columns, points.message.copy(), new_series)
        if batch.plain.all():
            return decoded
        return merge_read(self.read, payloads, decoded, batch.plain, self._announcer)

    def _find_metrics(self, batch: Batch) -> None:
        """Write each metric's id, which stands for its scope, kind and head, into its place."""
        scopes, metrics = batch.found.scopes, batch.found.metrics
        scope_ids = self._ids_of(batch, self._scopes, scopes, batch.scope_document)
        batch.places[metrics.place] = (
            scope_ids[metrics.scope] << np.uint64(KIND_BITS) | metrics.kind
        )
        metric_ids = self._ids_of(batch, self._metrics, metrics, batch.metric_document)
        batch.places[metrics.place] = metric_ids

    def _find_histograms(self, batch: Batch) -> None:
        """Write the ids of the histograms' parts into their places."""
        histograms = batch.found.histograms
        ids = self._ids_of(batch, self._histograms, histograms, batch.histogram_document)
        first = np.cumsum(histograms.parts) - histograms.parts
        part = np.arange(histograms.parts.sum()) - np.repeat(first, histograms.parts)
        base = np.uint64(_IS_PART) | ids << np.uint64(_PART_BITS)
        batch.places[np.repeat(histograms.place, histograms.parts) + part] = np.repeat(
            base, histograms.parts
        ) | part.astype(np.uint64)

    def _ids_of(
        self,
        batch: Batch,
        table: IdentityTable,
        records: Scopes | Metrics | Histograms,
        document_of: Callable[[int], bytes],
    ) -> NDArray[np.uint64]:
        """Give the id of each record; a message with one that can't be used is `plain` no more.

        Parameters
        ----------
        batch : Batch
        table : IdentityTable
            Where the ids are.
        records : Scopes, Metrics or Histograms
        document_of : callable
            Gives a message of only the record with this number, to check one that is new.
        """
        ids = np.empty(len(records.spans), np.uint64)
        missed = table.find(batch.buffer, records.spans, ids)
        met: dict[bytes, int] = {}
        for row in missed.tolist():
            # What is above it may have spoilt the message.
            if not batch.plain[records.message[row]]:
                continue
            document = document_of(row)
            if document not in met:
                samples, rejects = self.read(document, 0)
                parts = records.parts[row] if isinstance(records, Histograms) else 0
                good = not rejects and len(samples) == parts
                met[document] = next(self._ids) if good else 0
                if good:
                    table.add(batch.buffer, records.spans[row], met[document])
            ids[row] = met[document]
            if not met[document]:
                batch.plain[records.message[row]] = False
        return ids

    def _learn_series(
        self, batch: Batch, missed: NDArray[np.int64], fingerprint: NDArray[np.uint64]
    ) -> list[Series]:
        """Parse the series of `missed` rows, each once; gives those that are new.

        A message with one that can't be used is `plain` no more, and its other rows teach nothing:
        whether they count is for the slow reader to say.
        """
        points = batch.found.points
        rows = missed[batch.plain[points.message[missed]]].tolist()
        keys = [batch.key(points.spans, row) for row in rows]
        met = self._series_of(batch, rows, keys)
        for row, key in zip(rows, keys, strict=True):
            if met.get(key) is None:
                batch.plain[points.message[row]] = False
        new_series: list[Series] = []
        learned: set[_Key] = set()
        for row, key in zip(rows, keys, strict=True):
            series = met.get(key)
            if series is None or not batch.plain[points.message[row]]:
                continue
            fingerprint[row] = series.fingerprint
            if key not in learned:
                learned.add(key)
                self._series.add(batch.buffer, points.spans[row], series.fingerprint)
                self._announcer.announce(series, new_series)
        return new_series

    def _series_of(
        self, batch: Batch, rows: Sequence[int], keys: Sequence[_Key]
    ) -> dict[_Key, Series | None]:
        """Parse the series of rows; None where the slow reader has none or not only good ones."""
        met: dict[_Key, Series | None] = {}
        metric_of: dict[int, int] = {}
        attributes_of: dict[int, dict[bytes, None]] = {}
        for row, (number, attributes) in zip(rows, keys, strict=True):
            if not number & _IS_PART:
                if number not in metric_of:
                    start = int(batch.found.points.spans[row, 0])
                    metric_of[number] = batch.metric_of(start)
                attributes_of.setdefault(number, {})[attributes] = None
            elif (number, attributes) not in met:
                met |= self._parts_of(batch, row)
        for number, some in attributes_of.items():
            series = self._read_series(batch, metric_of[number], list(some))
            met |= {(number, attributes): series[attributes] for attributes in some}
        return met

    def _parts_of(self, batch: Batch, row: int) -> dict[_Key, Series | None]:
        """Parse the series of all parts of the histogram that a row is of."""
        histograms = batch.found.histograms
        histogram = batch.histogram_of(row)
        samples, _ = self.read(batch.histogram_document(histogram), 0)
        place = int(histograms.place[histogram])
        numbers = batch.places[place : place + len(samples)].tolist()
        return {
            (number, b""): sample.series for number, sample in zip(numbers, samples, strict=True)
        }

    def _read_series(
        self, batch: Batch, metric: int, attributes: list[bytes]
    ) -> dict[bytes, Series | None]:
        """Parse the series of points of one metric; None where the point has no good row."""
        read: dict[bytes, Series | None] = {}
        for start in range(0, len(attributes), _POINTS_PER_READ):
            some = attributes[start : start + _POINTS_PER_READ]
            samples, rejects = self.read(batch.points_document(metric, some), 0)
            if not rejects and len(samples) == len(some):
                read |= zip(some, (sample.series for sample in samples), strict=True)
            elif len(some) > 1:
                for one in some:
                    read |= self._read_series(batch, metric, [one])
            else:
                read |= {some[0]: None}
        return read
