"""Messages as one buffer, so that compiled code can walk them without a Python object for each."""

from collections.abc import Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

from engine.codecs.interning import WORD_PADDING

SEPARATOR = 0
"""The byte that stands behind every message: no JSON token and no line holds it."""


class Messages(Sequence[bytes]):
    """Payloads that stand one after the other, each followed by `SEPARATOR`.

    Parameters
    ----------
    buffer : uint8[b]
        `WORD_PADDING` bytes of anything stand behind the last separator.
    start : int64[m]
        Where each payload begins.
    length : int64[m]
        Its bytes, without the separator.
    """

    def __init__(
        self, buffer: NDArray[np.uint8], start: NDArray[np.int64], length: NDArray[np.int64]
    ) -> None:
        self.buffer = buffer
        self.start = start
        self.length = length

    @classmethod
    def of(cls, payloads: Sequence[bytes]) -> "Messages":
        """Give payloads in this form; those that have it already are not copied."""
        if isinstance(payloads, Messages):
            return payloads
        length = np.fromiter(map(len, payloads), np.int64, len(payloads))
        start = np.cumsum(length + 1) - length - 1
        text = bytes((SEPARATOR,)).join((*payloads, bytes(WORD_PADDING)))
        return cls(np.frombuffer(text, np.uint8), start, length)

    def __len__(self) -> int:
        return len(self.start)

    @overload
    def __getitem__(self, index: int) -> bytes: ...

    @overload
    def __getitem__(self, index: slice) -> "Messages": ...

    def __getitem__(self, index: int | slice) -> "bytes | Messages":
        if isinstance(index, slice):
            return Messages(self.buffer, self.start[index], self.length[index])
        begin = int(self.start[index])
        return self.buffer[begin : begin + int(self.length[index])].tobytes()

    @property
    def joined(self) -> NDArray[np.uint8]:
        """The buffer from the first message on; `length` alone says where the others stand."""
        return self.buffer[int(self.start[0]) if len(self) else 0 :]
