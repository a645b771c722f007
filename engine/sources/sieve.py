"""What a source renames and leaves out: relabelling, NaN and infinity.

Rows that are left out stay among the columns, with `FLAG_DROPPED`, until event time has seen them:
a partition of nothing else must not hold the watermark back.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from engine.codecs.samples import Codec, Sample
from engine.config.connections import Source
from engine.series.columns import FLAG_DROPPED, FLAG_STALE, STALE_NAN_BITS, Columns, Decoded, Reject
from engine.series.identity import Series
from engine.sources.relabelled import Relabelling

_STALE_NAN = STALE_NAN_BITS.view(np.float64)


class Sieve:
    """The rules of one source, for one of its partitions.

    Parameters
    ----------
    source : Source
        Whose `relabel`, `nan` and `infinity` count.
    entries_max : int
        At how many series to relabel the sieve is `full`.
    """

    def __init__(self, source: Source, *, entries_max: int) -> None:
        self._relabelling = (
            Relabelling(source.relabel, entries_max=entries_max) if source.relabel else None
        )
        self._nan = source.nan
        self._infinity = source.infinity

    @property
    def full(self) -> bool:
        """Whether sieve and codec should begin anew; the sieve still takes what comes."""
        return self._relabelling is not None and self._relabelling.full

    def clear(self) -> None:
        """Forget all series; only together with the codec, which must give them again."""
        if self._relabelling is not None:
            self._relabelling.clear()

    def relabel(self, series: Series) -> Series | None:
        """Relabel one series; None if it is dropped."""
        return series if self._relabelling is None else self._relabelling.relabel(series)

    def sift(
        self, columns: Columns, new_series: list[Series]
    ) -> tuple[Columns, list[Series], dict[str, int]]:
        """Apply the rules to decoded rows.

        Parameters
        ----------
        columns : Columns
        new_series : list of Series
            Series that were met for the first time.

        Returns
        -------
        columns : Columns
            As many rows in the same order; some have `FLAG_DROPPED`.
        new_series : list of Series
            Those that go on.
        dropped : dict of str to int
            As in `Decoded`.
        """
        dropped: dict[str, int] = {}
        columns = self._sift_values(columns, dropped)
        if self._relabelling is not None:
            columns, new_series, count = self._relabelling.apply(columns, new_series)
            if count:
                dropped["relabel"] = count
        return columns, new_series, dropped

    def _sift_values(self, columns: Columns, dropped: dict[str, int]) -> Columns:
        if (self._nan, self._infinity) == ("keep", "keep"):
            return columns
        odd = ~np.isfinite(columns.value) & (columns.flags & FLAG_STALE == 0)
        if not odd.any():
            return columns
        nan = odd & np.isnan(columns.value)
        value, flags = columns.value, columns.flags
        if self._nan == "stale":
            flags = np.where(nan, flags | FLAG_STALE, flags)
            value = np.where(nan, _STALE_NAN, value)
        rows: NDArray[np.bool_]
        for key, policy, rows in (
            ("nan", self._nan, nan),
            ("infinity", self._infinity, odd & ~nan),
        ):
            if policy == "drop" and rows.any():
                flags = np.where(rows, flags | FLAG_DROPPED, flags)
                dropped[key] = int(rows.sum())
        return Columns(columns.fingerprint, columns.ts, value, flags)


class SievedCodec:
    """A codec whose rows are sifted.

    Parameters
    ----------
    make : callable
        Makes the codec. It is called again when the sieve is full: the new codec knows no series,
        gives each again, and the sieve begins anew with it, so that its memory is bounded.
    sieve : Sieve
    """

    def __init__(self, make: Callable[[], Codec], sieve: Sieve) -> None:
        self._make = make
        self._codec = make()
        self._sieve = sieve
        self.limits = self._codec.limits

    def decode(self, payloads: Sequence[bytes]) -> Decoded:
        """Decode messages and sift their rows."""
        if self._sieve.full:
            self._codec = self._make()
            self._sieve.clear()
        decoded = self._codec.decode(payloads)
        columns, new_series, dropped = self._sieve.sift(decoded.columns, decoded.new_series)
        return replace(decoded, columns=columns, new_series=new_series, dropped=dropped)

    def read(self, payload: bytes, index: int) -> tuple[list[Sample], list[Reject]]:
        """Read one message strictly and slowly, without the rows of dropped series."""
        samples, rejects = self._codec.read(payload, index)
        renamed = [(self._sieve.relabel(sample.series), sample) for sample in samples]
        return [
            sample._replace(series=series) for series, sample in renamed if series is not None
        ], rejects
