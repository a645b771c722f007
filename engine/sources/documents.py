"""Predictions and labels on their way through a source: rows are checked, documents go on."""

import numpy as np

from engine.codecs.document_codec import DecodedDocuments, DocumentCodec
from engine.codecs.prediction_rows import row_json, take_rows
from engine.codecs.predictions import PredictionBatch
from engine.codecs.samples import Codec
from engine.series.columns import Columns, Decoded
from engine.series.pieces import Batch, Progress
from engine.sources.intake import Taken
from engine.sources.records import Records


def decode_records(codec: Codec, records: Records) -> Decoded:
    """Decode records, with their headers if the codec wants these."""
    if isinstance(codec, DocumentCodec) and codec.wants_headers:
        return codec.decode_records(records.with_headers())
    return codec.decode(records.values)


def batch_of(progress: Progress, taken: Taken, documents: PredictionBatch | None) -> Batch:
    """Make the batch of rows that go on, or of the documents that such rows stand for."""
    if documents is None:
        return Batch(progress, taken.columns, taken.definitions, taken.population, taken.place)
    some = take_rows(documents, taken.columns.value.astype(np.int64))
    return Batch(progress, Columns.empty(), [], [], documents=some)


def documents_of(decoded: Decoded) -> PredictionBatch | None:
    """Give the documents that decoded rows are numbers in; None where the rows are samples."""
    return decoded.documents if isinstance(decoded, DecodedDocuments) else None


def document_json(documents: PredictionBatch, columns: Columns, row: int) -> bytes:
    """Write the document that a row stands for as native JSON."""
    return row_json(documents, int(columns.value[row]))
