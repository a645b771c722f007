"""Recordings of predictions and labels: files that are read in file order, a partition each.

Parquet and CSV files have the columns that `engine.codecs.prediction_frames` names, JSON Lines hold
messages, one a line. A row with nothing but a time is a recorded advance of the watermark.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from engine.codecs.document_codec import DecodedDocuments, DocumentCodec, decoded_documents
from engine.codecs.json_documents import shown
from engine.codecs.prediction_codec import PredictionCodec
from engine.codecs.prediction_columns import PredictionTables
from engine.codecs.prediction_formats import SCHEMAS, make_tables
from engine.codecs.prediction_frames import FEATURE, FrameColumnsError, batches_of
from engine.codecs.prediction_json import read_native
from engine.codecs.predictions import Kind, PredictionBatch
from engine.codecs.samples import Limits
from engine.config.connections import RecordingSource
from engine.errors import UsageError
from engine.series.columns import Reject
from engine.sources.prediction_layout import (
    PredictionLayout,
    holds_calls,
    holds_predictions,
    prediction_layout,
    typed_rows,
)
from engine.sources.prediction_lines import advance_of, is_native, read_line
from engine.sources.recording_blocks import Block
from engine.sources.recording_files import CHUNK_SAMPLES, partition_files
from engine.sources.recording_scan import Frame, format_of, frames, line_frames, sample

Declared = Mapping[str, Mapping[str, Kind]]
RecordingKind = Literal["metrics", "predictions", "llm"]


@dataclass(frozen=True, slots=True)
class DocumentFile:
    """One file of a recording of predictions, as `RecordingPartition` is one of samples.

    Attributes
    ----------
    key : str
        Path relative to the recording.
    paths : tuple of Path
        The file, or its parts in order.
    layout : PredictionLayout or None
        Of tables; None: lines.
    make_codec : callable
        Makes the codec of the lines, which remembers what the tables have learned, too.
    make_tables : callable
    """

    key: str
    paths: tuple[Path, ...]
    layout: PredictionLayout | None
    make_codec: Callable[[PredictionTables], DocumentCodec]
    make_tables: Callable[[], PredictionTables]

    def reading(self, state: bytes | None) -> "DocumentReading":
        """Begin to read; `state` is what an earlier reading knew where this one goes on."""
        return DocumentReading(self, state)


class DocumentReading:
    """A reading of one file.

    Parameters
    ----------
    file : DocumentFile
    state : bytes or None
    """

    def __init__(self, file: DocumentFile, state: bytes | None) -> None:
        self._file = file
        self._tables = file.make_tables()
        self._codec = file.make_codec(self._tables)
        if state is not None:
            self._codec.restore(state)

    def state(self) -> bytes:
        """Give what is known from all blocks so far."""
        return self._codec.state()

    def blocks(self, rows: int, start_row: int = 0) -> Iterator[Block]:
        """Read the rows in file order; each block is decoded when it is asked for.

        Parameters
        ----------
        rows : int
            Rows of the file in a block, at most.
        start_row : int
            Row of the file to begin with: the `next_row` of an earlier block.

        Raises
        ------
        SourceError
            If the file turns out damaged on the way.
        """
        paths, layout = self._file.paths, self._file.layout
        if layout is None:
            for first_row, lines in line_frames(paths, start_row=start_row, rows=rows):
                for place in range(0, len(lines), rows):
                    yield self._lines(lines[place : place + rows], first_row + place)
            return
        chunk = max(1, CHUNK_SAMPLES // len(layout.columns) // rows) * rows
        for frame in frames(paths, layout.columns, start_row=start_row, rows=chunk):
            for place in range(0, frame.rows.height, rows):
                part = frame.rows.slice(place, rows)
                yield self._table(Frame(frame.first_row + place, part), layout)

    def _lines(self, lines: list[str | None], first_row: int) -> Block:
        place = [index for index, line in enumerate(lines) if line and not line.isspace()]
        payloads = [(lines[index] or "").encode() for index in place]
        decoded = self._codec.decode(payloads)
        number = np.array(place, np.int64) + first_row
        rejects: list[Reject] = []
        advances: list[tuple[int, int]] = []
        for reject in decoded.rejects:
            row, payload = int(number[reject.message]), payloads[reject.message]
            advance = advance_of(payload) if reject.reason == "schema_error" else None
            if advance is None:
                rejects.append(replace(reject, message=row, row=reject.row or payload))
            else:
                advances.append((row, advance))
        return _block(decoded, number, first_row + len(lines), rejects, advances)

    def _table(self, frame: Frame, layout: PredictionLayout) -> Block:
        typed = typed_rows(frame.rows, layout)
        batch = PredictionBatch()
        for part in batches_of(typed.rows, self._tables, max(1, len(typed.rows))):
            batch.extend(part)
        decoded = decoded_documents(batch)
        number = np.array(typed.place, np.int64) + frame.first_row
        rejects = [
            replace(
                reject,
                message=int(number[reject.message]),
                row=_row_json(typed.rows, reject.message) if reject.row is None else reject.row,
            )
            for reject in decoded.rejects
        ]
        for place, column, text in typed.misread:
            model = str(frame.rows["model"][place]) if "model" in frame.rows else layout.model
            name = column.removeprefix(FEATURE)
            batch.refused[model, name, "schema_error"] += 1
            row = _row_json(frame.rows, place)
            detail = f"{name} is {shown(text)}, unlike the others of its column"
            rejects.append(Reject(frame.first_row + place, "schema_error", detail, row))
        rejects.sort(key=lambda reject: reject.message)
        return _block(
            decoded,
            number,
            frame.first_row + frame.rows.height,
            rejects,
            [(place + frame.first_row, ts) for place, ts in typed.advances],
        )


def open_predictions(
    root: Path,
    settings: RecordingSource,
    limits: Limits,
    declared: Declared | None = None,
    keys: Collection[str] | None = None,
) -> list[DocumentFile]:
    """Open a file or folder of predictions and labels.

    Parameters
    ----------
    root : Path
    settings : RecordingSource
    limits : Limits
    declared : mapping of str to (mapping of str to Kind), optional
        Kinds of features by model, where they are known beforehand.
    keys : collection of str, optional
        The partitions to open; all by default.

    Raises
    ------
    UsageError
        There is nothing to read, or a file can't be a recording of predictions as it stands.
    """
    files = []
    for key, paths in partition_files(root, keys).items():
        rows = sample(paths)
        if _is_silent(rows.columns):
            continue
        layout = prediction_layout(
            rows,
            file=str(paths[0]),
            unit=settings.timestamp_unit,
            model=settings.model,
            version=settings.version,
        )
        is_table = format_of(paths[0]) != "jsonl"
        if is_table:
            _check_columns(typed_rows(rows.head(0).select(layout.columns), layout).rows, paths[0])
        files.append(
            DocumentFile(
                key,
                paths,
                layout if is_table else None,
                partial(_codec_of_lines, layout=layout),
                partial(make_tables, limits, declared=declared),
            )
        )
    return files


def open_calls(
    root: Path,
    limits: Limits,
    make_codec: Callable[[PredictionTables], DocumentCodec],
    keys: Collection[str] | None = None,
) -> list[DocumentFile]:
    """Open a file or folder of calls of language models: JSON Lines of native messages.

    `keys` are the partitions to open; all by default.

    Raises
    ------
    UsageError
        There is nothing to read, or a file is no JSON Lines.
    """
    files = partition_files(root, keys)
    for paths in files.values():
        if format_of(paths[0]) != "jsonl":
            raise UsageError(f"{paths[0]}: recordings of LLM calls are JSON Lines (.jsonl)")
    make = partial(make_tables, limits)
    return [DocumentFile(key, paths, None, make_codec, make) for key, paths in files.items()]


def recording_kind(root: Path) -> RecordingKind:
    """Tell by the first rows what a recording holds.

    Raises
    ------
    UsageError
        There is nothing to read, or files differ in what they hold.
    """
    kinds = keys_by_kind(root)
    if len(kinds) > 1:
        raise UsageError(f"{root}: holds {' and '.join(kinds)}; name one of its files")
    return next(iter(kinds))


def keys_by_kind(root: Path) -> dict[RecordingKind, list[str]]:
    """Tell by their first rows what the partitions of a recording hold: their keys, by kind.

    Those that have recorded nothing but advances are left out where others have.

    Raises
    ------
    UsageError
        There is nothing to read.
    """
    found: dict[RecordingKind, list[str]] = {}
    silent = []
    for key, paths in partition_files(root).items():
        columns = sample(paths).columns
        if _is_silent(columns):
            silent.append(key)
        else:
            found.setdefault(_kind_of(columns), []).append(key)
    return dict(sorted(found.items())) or {"metrics": silent}


def _is_silent(columns: Sequence[str]) -> bool:
    """Tell whether a partition has recorded nothing but advances of its watermark."""
    return list(columns) == ["ts"]


def _kind_of(columns: Sequence[str]) -> RecordingKind:
    if holds_predictions(columns):
        return "predictions"
    return "llm" if holds_calls(columns) else "metrics"


def _codec_of_lines(tables: PredictionTables, *, layout: PredictionLayout) -> DocumentCodec:
    limits = tables.limits.message
    if is_native(layout):
        codec = PredictionCodec(partial(read_native, limits=limits), tables)
    else:
        codec = PredictionCodec(partial(read_line, limits=limits, layout=layout), tables)
    return DocumentCodec(codec.decode, {SCHEMAS: tables}, limits=limits)


def _check_columns(rows: pl.DataFrame, path: Path) -> None:
    try:
        list(batches_of(rows, PredictionTables()))
    except FrameColumnsError as error:
        raise UsageError(f"{path}: {error}") from None


def _block(
    decoded: DecodedDocuments,
    number: NDArray[np.int64],
    next_row: int,
    rejects: list[Reject],
    advances: Sequence[tuple[int, int]] = (),
) -> Block:
    """Make a block; `number` (int64[m]) are the rows of the file that the messages are."""
    row = number[decoded.message]
    return Block(
        columns=decoded.columns,
        row=row,
        next_row=next_row,
        new_series=[],
        rejects=rejects,
        advances=[(int(np.searchsorted(row, place)), ts) for place, ts in advances],
        documents=decoded.documents,
    )


def _row_json(rows: pl.DataFrame, index: int) -> bytes:
    found = rows.row(index, named=True)
    held = {name: value for name, value in found.items() if value is not None}
    return msgspec.json.encode(held, enc_hook=str)
