"""The columns that travel the dataflow, and what a codec gives back for some messages."""

from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from engine.series.identity import Series

FLAG_STALE = np.uint8(1)  # the series ends here (Prometheus' stale marker)
FLAG_DELTA = np.uint8(2)  # value is an increment, to be summed in the shard
FLAG_RESET = np.uint8(4)  # the counter began anew before this sample
FLAG_DROPPED = np.uint8(8)  # left out as the configuration says, once event time has seen it
FLAG_FEEDBACK = np.uint8(16)  # no sample but a verdict on one, see `engine.codecs.verdicts`
FLAG_DOCUMENT = np.uint8(32)  # value is a document's number, see `engine.codecs.document_codec`

STALE_NAN_BITS = np.uint64(0x7FF0000000000002)
"""Bits of Prometheus' stale marker; the usual NaN is 0x7ff8000000000001."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Samples as columns of equal length n.

    Attributes
    ----------
    fingerprint : uint64[n]
        Fingerprint of the row's series.
    ts : int64[n]
        Event time, nanoseconds since the epoch.
    value : float64[n]
        The sample; anything if `flags` says stale.
    flags : uint8[n]
        Bits `FLAG_STALE`, `FLAG_DELTA`, `FLAG_RESET`, `FLAG_DROPPED`, `FLAG_FEEDBACK`,
        `FLAG_DOCUMENT`.
    """

    fingerprint: NDArray[np.uint64]
    ts: NDArray[np.int64]
    value: NDArray[np.float64]
    flags: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.ts)

    @classmethod
    def empty(cls) -> Self:
        """No rows."""
        return cls(
            np.empty(0, np.uint64), np.empty(0, np.int64), np.empty(0), np.empty(0, np.uint8)
        )

    def take(self, index: NDArray[np.int64] | NDArray[np.bool_] | slice) -> Self:
        """Rows by index, mask or slice."""
        return type(self)(
            self.fingerprint[index], self.ts[index], self.value[index], self.flags[index]
        )


@dataclass(frozen=True, slots=True)
class Reject:
    """A message or a row of one that can't be used.

    Attributes
    ----------
    message : int
        Index of the message in the call to `decode`.
    reason : str
        One of the dead-letter reasons (``decode_error``, ``schema_error``, ...).
    detail : str
        What is wrong, for people; at most 500 characters are kept.
    row : bytes or None
        The rejected row of an otherwise good message, as native JSON; None: the whole message.
    """

    message: int
    reason: str
    detail: str
    row: bytes | None = None


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a codec made of some messages.

    Attributes
    ----------
    columns : Columns
        Good rows, in the order of the messages and of the rows in each.
    message : int32[n]
        For each row the index of its message.
    new_series : list of Series
        Series that this codec saw for the first time.
    rejects : list of Reject
        What could not be used, in message order.
    dropped : dict of str to int
        Rows that have `FLAG_DROPPED`, counted by the configuration's key that says so.
    """

    columns: Columns
    message: NDArray[np.int32]
    new_series: list[Series] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    dropped: dict[str, int] = field(default_factory=dict)
