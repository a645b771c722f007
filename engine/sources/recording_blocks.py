"""Rows of a recording's file as blocks of columns, with what could not be used beside them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from engine.codecs.predictions import PredictionBatch
from engine.series.columns import (
    FLAG_DOCUMENT,
    FLAG_FEEDBACK,
    FLAG_STALE,
    STALE_NAN_BITS,
    Columns,
    Reject,
)
from engine.series.identity import Series
from engine.sources.recording_layout import Layout
from engine.sources.recording_scan import Frame
from engine.sources.series_index import SeriesIndex, labels_text
from engine.sources.timestamps import to_nanoseconds


@dataclass(frozen=True, slots=True)
class Block:
    """A run of a file's rows, in file order.

    Attributes
    ----------
    columns : Columns
        The samples, n of them.
    row : int64[n]
        For each sample the number of its row in the file.
    next_row : int
        First row of the file after this block: where to go on after a restart.
    new_series : list of Series
        Series that this reading of the file has not met before.
    rejects : list of Reject
        Rows that can't be used, in file order; `message` is the row's number.
    advances : list of (int, int)
        Recorded advances of the watermark: after the first `position` samples of this block,
        to the time in nanoseconds.
    documents : PredictionBatch or None
        What the rows are numbers in, where they are no samples.
    """

    columns: Columns
    row: NDArray[np.int64]
    next_row: int
    new_series: list[Series]
    rejects: list[Reject]
    advances: list[tuple[int, int]]
    documents: PredictionBatch | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """What a frame decoded to; as `Block`, but advances are (row in the file, time)."""

    columns: Columns
    row: NDArray[np.int64]
    new_series: list[Series]
    rejects: list[Reject]
    advances: list[tuple[int, int]]


def cut(chunk: Chunk, *, start_row: int, end_row: int, rows: int) -> Iterator[Block]:
    """Cut a chunk of rows `start_row` up to `end_row` into blocks of at most `rows` file rows."""
    for first in range(start_row, end_row, rows):
        last = min(first + rows, end_row)
        begin, end = np.searchsorted(chunk.row, (first, last))
        yield Block(
            columns=chunk.columns.take(slice(begin, end)),
            row=chunk.row[begin:end],
            next_row=last,
            new_series=chunk.new_series if first == start_row else [],
            rejects=[reject for reject in chunk.rejects if first <= reject.message < last],
            advances=[
                (int(np.searchsorted(chunk.row, row) - begin), ts)
                for row, ts in chunk.advances
                if first <= row < last
            ],
        )


def decode_long(frame: Frame, layout: Layout, index: SeriesIndex) -> Chunk:
    """Decode rows of one sample each.

    A row without name and value is a control record: the watermark advances to its time.
    """
    rows = frame.rows
    name = rows["name"].cast(pl.String).fill_null("")
    ts = to_nanoseconds(rows[layout.time_column], layout.unit)
    value = to_numbers(rows["value"])
    dated = ts.is_not_null()
    named = name != ""
    candidate = dated & named & value.is_not_null()
    labels = (
        labels_text(rows["labels"]) if layout.has_labels else name.clear(len(name)).fill_null("")
    )
    fingerprint, new_series = index.resolve(name.filter(candidate), labels.filter(candidate))
    at = candidate.arg_true().to_numpy().astype(np.int64)
    identified = fingerprint.is_not_null()
    rejects: list[Reject] = []
    advances: list[tuple[int, int]] = []
    if len(at) < rows.height:
        advancing = dated & ~named & rows["value"].is_null()
        advances = [(frame.first_row + i, ts[i]) for i in advancing.arg_true()]
        rejects = _rejects(frame, ~(candidate | advancing), dated=dated, named=named)
    if not identified.all():
        detail = "labels must be a JSON object of texts"
        nameless = at[(~identified).to_numpy()]
        rejects = sorted(
            rejects + [_reject(frame, i, "schema_error", detail) for i in nameless.tolist()],
            key=lambda reject: reject.message,
        )
        at, fingerprint = at[identified.to_numpy()], fingerprint.drop_nulls()
    values = _taken(value, at).to_numpy()
    flags = (
        _taken(rows["flags"].cast(pl.UInt8, strict=False).fill_null(0), at).to_numpy()
        & ~(FLAG_FEEDBACK | FLAG_DOCUMENT)  # rows of a recording are samples
        if layout.has_flags
        else stale_flags(values)
    )
    columns = Columns(fingerprint.to_numpy(), _taken(ts, at).to_numpy(), values, flags)
    return Chunk(columns, at + frame.first_row, new_series, rejects, advances)


def decode_wide(frame: Frame, layout: Layout, series: Sequence[Series]) -> Chunk:
    """Decode rows of one sample per metric; a null is no sample.

    Parameters
    ----------
    series : sequence of Series
        One for each metric of the layout, in its order.
    """
    rows = frame.rows
    ts = to_nanoseconds(rows[layout.time_column], layout.unit)
    numbers = [to_numbers(rows[column]) for column in layout.metrics]
    values = np.column_stack([number.fill_null(0.0).to_numpy() for number in numbers])
    present = np.column_stack([number.is_not_null().to_numpy() for number in numbers])
    dated = ts.is_not_null()
    rejects = [] if dated.all() else _rejects(frame, ~dated, dated=dated, named=~dated)
    for k, column in enumerate(layout.metrics):
        misread = dated & rows[column].is_not_null() & numbers[k].is_null()
        for i in misread.arg_true():
            row = {
                "ts": rows[layout.time_column][i],
                "name": series[k].name,
                "labels": dict(series[k].labels),
                "value": rows[column][i],
            }
            rejects.append(_reject(frame, i, "bad_value", f"`{column}` is no number", row))
    rejects.sort(key=lambda reject: reject.message)
    present &= dated.to_numpy()[:, np.newaxis]
    at, metric = np.nonzero(present)
    values = values[present]
    fingerprints = np.array([one.fingerprint for one in series], np.uint64)
    columns = Columns(
        fingerprints[metric], ts.fill_null(0).to_numpy()[at], values, stale_flags(values)
    )
    return Chunk(columns, at + frame.first_row, [], rejects, [])


def to_numbers(column: pl.Series) -> pl.Series:
    """Give a column as Float64, null where it holds no number; NaN and infinities stay."""
    if column.dtype == pl.String:
        column = column.str.strip_chars()
    return column.cast(pl.Float64, strict=False)


def stale_flags(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Flags of samples that have no flags of their own: stale by the bits of the value."""
    return np.where(values.view(np.uint64) == STALE_NAN_BITS, FLAG_STALE, np.uint8(0))


def _taken(column: pl.Series, at: NDArray[np.int64]) -> pl.Series:
    return column if len(at) == len(column) else column.gather(at)


def _rejects(frame: Frame, wrong: pl.Series, *, dated: pl.Series, named: pl.Series) -> list[Reject]:
    """Say what is wrong with rows that are no samples; a blank row is nothing at all."""
    blank = frame.rows.select(pl.all_horizontal(pl.all().is_null())).to_series()
    rejects = []
    for i in wrong.arg_true():
        line = None if frame.unreadable is None else frame.unreadable[i]
        if line is not None:
            detail = "the line is no JSON object"
            rejects.append(Reject(frame.first_row + i, "decode_error", detail, line.encode()))
        elif blank[i]:
            continue
        elif not dated[i]:
            rejects.append(_reject(frame, i, "bad_timestamp", "no timestamp that is understood"))
        elif not named[i]:
            rejects.append(_reject(frame, i, "schema_error", "a value without a metric name"))
        else:
            rejects.append(_reject(frame, i, "bad_value", "`value` is no number"))
    return rejects


def _reject(
    frame: Frame, i: int, reason: str, detail: str, row: Mapping[str, Any] | None = None
) -> Reject:
    content = frame.rows.row(i, named=True) if row is None else row
    return Reject(frame.first_row + i, reason, detail, msgspec.json.encode(content, enc_hook=str))
