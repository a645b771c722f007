"""What a recording of predictions, labels or LLM calls holds, at a look, for `streamgauge init`."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from engine.codecs.document_codec import DocumentCodec
from engine.codecs.prediction_columns import PredictionTables
from engine.codecs.recognise import DocumentFormat
from engine.codecs.samples import Limits
from engine.config.connections import RecordingSource
from engine.errors import UsageError
from engine.sources.calls_look import CallsLook, tags_of_calls
from engine.sources.document_summary import DocumentLook, DocumentSummary
from engine.sources.prediction_files import (
    DocumentFile,
    RecordingKind,
    open_calls,
    open_predictions,
    recording_kind,
)
from engine.sources.recording_files import partition_files
from engine.sources.recording_scan import format_of, line_frames, sample

ROWS_MAX = 500_000
_BLOCK_ROWS = 8_192
_SEARCHED_LINES = 2_000
_NATIVE_CALLS = DocumentFormat("llm", "json")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedDocuments:
    """A look at a recording of documents.

    Attributes
    ----------
    summary : DocumentSummary
    formats : tuple of str
        Formats of its files: ``parquet``, ``csv``, ``jsonl``; sorted.
    partitions : int
        Number of files.
    complete : bool
        False if the look ended at the limit: then there is more than this.
    model : str
        What the model is called whose name the rows leave out, or that calls are made by; else
        empty.
    tags : tuple of str
        Of calls: keys that may be tags.
    """

    summary: DocumentSummary
    formats: tuple[str, ...]
    partitions: int
    complete: bool
    model: str
    tags: tuple[str, ...]


def look_at_documents(
    root: Path, limits: Limits | None = None, rows_max: int = ROWS_MAX
) -> RecordedDocuments | None:
    """Summarise a recording of predictions, labels or LLM calls; None if it holds metrics.

    Parameters
    ----------
    root : Path
        File or folder.
    limits : Limits or None
        Of messages.
    rows_max : int
        Rows to look at, shared evenly by the files.

    Raises
    ------
    UsageError
        There is nothing to read, or it can't be read as what it should be.
    SourceError
        A file is damaged.
    """
    kind = recording_kind(root)
    if kind == "metrics":
        return None
    limits = limits or Limits()
    model = _model_of(root, kind)
    tags: tuple[str, ...] = ()
    if kind == "llm":
        tags = tuple(tags_of_calls(_first_lines(root), limits))
        files = open_calls(root, limits, _codec_of_calls(model, tags))
    else:
        files = open_predictions(root, RecordingSource(path=str(root), model=model), limits)
    if not files:
        raise UsageError(f"{root}: holds no rows")
    look = DocumentLook()
    share = max(1, rows_max // len(files))
    complete = [_looked(look, number, file, share) for number, file in enumerate(files)]
    return RecordedDocuments(
        summary=look.summary(is_llm=kind == "llm"),
        formats=tuple(sorted({format_of(file.paths[0]) for file in files})),
        partitions=len(files),
        complete=all(complete),
        model=model,
        tags=tags,
    )


def _model_of(root: Path, kind: RecordingKind) -> str:
    """Name the model of rows that don't: as the recording is called."""
    if kind == "predictions":
        columns = [sample(paths).columns for paths in partition_files(root).values()]
        if all("model" in found for found in columns if list(found) != ["ts"]):
            return ""
    return root.resolve().name.partition(".")[0] or kind


def _first_lines(root: Path) -> list[bytes]:
    """Give some lines of each file."""
    files = partition_files(root)
    share = max(1, _SEARCHED_LINES // len(files))
    lines: list[bytes] = []
    for paths in files.values():
        for _, found in line_frames(paths, start_row=0, rows=share):
            lines += [line.encode() for line in found[:share] if line]
            break
    return lines


def _codec_of_calls(
    model: str, tags: tuple[str, ...]
) -> Callable[[PredictionTables], DocumentCodec]:
    return partial(_calls, model=model, tags=tags)


def _calls(tables: PredictionTables, *, model: str, tags: tuple[str, ...]) -> DocumentCodec:
    codec = CallsLook(model, tables, _NATIVE_CALLS, tags)
    return DocumentCodec(codec.decode, {}, limits=tables.limits.message)


def _looked(look: DocumentLook, number: int, file: DocumentFile, rows_max: int) -> bool:
    """Look at a file; tells whether that was all of it."""
    seen = 0
    for block in file.reading(None).blocks(min(rows_max, _BLOCK_ROWS)):
        if seen >= rows_max:
            return False
        if block.documents is not None:
            look.add(block.documents)
        look.add_times(number, block.columns.ts)
        look.refuse([reject.detail for reject in block.rejects])
        seen = block.next_row
    return True
