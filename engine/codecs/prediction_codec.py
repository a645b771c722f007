"""The codec of any format of predictions whose messages are read one by one."""

from collections.abc import Iterator, Sequence

from engine.codecs.prediction_columns import PredictionTables
from engine.codecs.prediction_documents import bounded
from engine.codecs.predictions import PredictionBatch, ReadRows, Rows

_PIECE_BYTES = 1 << 19
"""Messages that are read before their rows become columns: what is read then still is in cache."""


class PredictionCodec:
    """Decoder of a format of predictions.

    Parameters
    ----------
    read : callable
        Reads one message.
    tables : PredictionTables
        Holds the schemas; a format of labels of the same models has the same.
    """

    def __init__(self, read: ReadRows, tables: PredictionTables) -> None:
        self.read = read
        self.tables = tables

    def decode(self, payloads: Sequence[bytes]) -> PredictionBatch:
        """Decode messages; a large batch gives several tables for one model."""
        batch = PredictionBatch()
        for start, stop in _pieces(payloads):
            batch.extend(self.tables.build(read_rows(self.read, payloads[start:stop], start)))
        return batch


def read_rows(read: ReadRows, payloads: Sequence[bytes], start: int = 0) -> Rows:
    """Read messages one after the other; `start` is the place of the first."""
    rows: Rows = ([], [], [])
    for index, payload in enumerate(payloads, start):
        predictions, labels, rejects = read(payload, index)
        too_many = bounded(rejects, index)
        if too_many is None:
            rows[0].extend(predictions)
            rows[1].extend(labels)
            rows[2].extend(rejects)
        else:
            rows[2].append(too_many)
    return rows


def _pieces(payloads: Sequence[bytes]) -> Iterator[tuple[int, int]]:
    """Cut messages into runs of about `_PIECE_BYTES`, each of at least one."""
    start, size = 0, 0
    for index, payload in enumerate(payloads):
        size += len(payload)
        if size >= _PIECE_BYTES:
            yield start, index + 1
            start, size = index + 1, 0
    if start < len(payloads):
        yield start, len(payloads)
