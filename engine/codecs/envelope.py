"""A format whose messages are compressed inside, beside what Kafka itself compresses."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from engine.codecs.compression import Compression, decompress
from engine.codecs.samples import Codec, RejectedError, Sample, check_size
from engine.series.columns import Decoded, Reject


class Envelope:
    """A codec whose messages are decompressed first.

    Parameters
    ----------
    codec : Codec
    compression : str
    """

    def __init__(self, codec: Codec, compression: Compression) -> None:
        self.limits = codec.limits
        self._codec = codec
        self._compression = compression

    def decode(self, payloads: Sequence[bytes]) -> Decoded:
        """Decode messages; those that can't be decompressed are rejected whole."""
        contents: list[bytes] = []
        place: list[int] = []
        rejects: list[Reject] = []
        for index, payload in enumerate(payloads):
            try:
                contents.append(self._content(payload))
                place.append(index)
            except RejectedError as error:
                rejects.append(error.reject(index, None))
        decoded = self._codec.decode(contents)
        message = np.array(place, np.int32)[decoded.message]
        rejects += [replace(reject, message=place[reject.message]) for reject in decoded.rejects]
        rejects.sort(key=lambda reject: reject.message)
        return replace(decoded, message=message, rejects=rejects)

    def read(self, payload: bytes, index: int) -> tuple[list[Sample], list[Reject]]:
        """Read one message strictly."""
        try:
            return self._codec.read(self._content(payload), index)
        except RejectedError as error:
            return [], [error.reject(index, None)]

    def _content(self, payload: bytes) -> bytes:
        check_size(payload, self.limits)
        return decompress(payload, self._compression, self.limits.max_decompressed_bytes)
