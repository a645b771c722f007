"""Frames of a recording's file, in file order and bounded in size, for each of its formats.

Text formats are read as text: what a field means, and that it means nothing, is decided per row
later, so that one odd field far down costs a row and not the file.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from engine.errors import SourceError, UsageError

FORMATS = {".parquet": "parquet", ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
SAMPLE_ROWS = 1_000


@dataclass(frozen=True, slots=True)
class Frame:
    """Some rows of a file.

    Attributes
    ----------
    first_row : int
        Number of the first row in the file.
    rows : polars.DataFrame
        The columns asked for.
    unreadable : polars.Series or None
        JSON Lines: the line where it is no JSON object, null elsewhere; None: all are good.
    """

    first_row: int
    rows: pl.DataFrame
    unreadable: pl.Series | None = None


def format_of(path: Path) -> str:
    """``parquet``, ``csv`` or ``jsonl``, by the file's extension.

    Raises
    ------
    UsageError
        If the extension is none of these.
    """
    try:
        return FORMATS[path.suffix.lower()]
    except KeyError:
        known = ", ".join(FORMATS)
        raise UsageError(f"{path}: not a recording; its name must end in {known}") from None


def sample(paths: Sequence[Path]) -> pl.DataFrame:
    """Read the first rows with all columns.

    Raises
    ------
    UsageError
        If the file can't be read as what its extension says.
    """
    try:
        if format_of(paths[0]) == "jsonl":
            lines = pl.scan_lines(list(paths), glob=False).head(SAMPLE_ROWS).collect()["line"]
            return _parse_lines(lines, columns=None)[0]
        return _scan(paths).head(SAMPLE_ROWS).collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise UsageError(f"{paths[0]}: can't be read: {_first_line(error)}") from error


def frames(
    paths: Sequence[Path], columns: Sequence[str], *, start_row: int, rows: int
) -> Iterator[Frame]:
    """Read the files one after the other, as one.

    Parameters
    ----------
    paths : sequence of Path
        Files of the same format and columns.
    columns : sequence of str
        What to read.
    start_row : int
        Rows to skip. Rows of JSON Lines are lines, of CSV the records below the header.
    rows : int
        Rows per frame, fewer in the last.

    Raises
    ------
    SourceError
        If the file turns out damaged on the way.
    """
    lines = format_of(paths[0]) == "jsonl"
    lazy = pl.scan_lines(list(paths), glob=False) if lines else _scan(paths).select(columns)
    if start_row:
        lazy = lazy.slice(start_row)
    row = start_row
    try:
        for batch in lazy.collect_batches(chunk_size=rows, maintain_order=True, lazy=True):
            yield Frame(row, *_parse_lines(batch["line"], columns)) if lines else Frame(row, batch)
            row += batch.height
    except (pl.exceptions.PolarsError, OSError) as error:
        raise SourceError(f"{paths[0]}: damaged after row {row}: {_first_line(error)}") from error


def line_frames(
    paths: Sequence[Path], *, start_row: int, rows: int
) -> Iterator[tuple[int, list[str | None]]]:
    """Read lines of text; gives the number of the first one with some of them.

    Parameters
    ----------
    paths : sequence of Path
    start_row : int
        Lines to skip.
    rows : int
        About how many to give at once.

    Raises
    ------
    SourceError
        If the file turns out damaged on the way.
    """
    lazy = pl.scan_lines(list(paths), glob=False)
    if start_row:
        lazy = lazy.slice(start_row)
    row = start_row
    try:
        for batch in lazy.collect_batches(chunk_size=rows, maintain_order=True, lazy=True):
            yield row, batch["line"].to_list()
            row += batch.height
    except (pl.exceptions.PolarsError, OSError) as error:
        raise SourceError(f"{paths[0]}: damaged after row {row}: {_first_line(error)}") from error


def _scan(paths: Sequence[Path]) -> pl.LazyFrame:
    if format_of(paths[0]) == "parquet":
        return pl.scan_parquet(list(paths), glob=False)
    return pl.scan_csv(list(paths), infer_schema=False, glob=False)


def _parse_lines(
    lines: pl.Series, columns: Sequence[str] | None
) -> tuple[pl.DataFrame, pl.Series | None]:
    """Parse JSON objects, one per line; a line that is none has nulls and is given back."""
    try:
        return _objects(lines, columns), None
    except (pl.exceptions.PolarsError, ValueError):
        # Some line is blank or broken: which one is only looked for where there is one.
        whole = lines.str.json_path_match("$")
        good = (whole.str.starts_with("{") & lines.str.contains(r"^\s*\{")).fill_null(value=False)
    blank = lines.str.strip_chars() == ""
    unreadable = lines.zip_with(~good & ~blank, lines.clear(len(lines)))
    if not good.any():
        empty = dict.fromkeys(columns or (), lines.clear(len(lines)))
        return pl.DataFrame(empty), unreadable
    index = good.cum_sum().cast(pl.Int64) - 1
    objects = _objects(lines.filter(good), columns)
    return objects[index.zip_with(good, index.clear(len(index)))], unreadable


def _objects(lines: pl.Series, columns: Sequence[str] | None) -> pl.DataFrame:
    """Parse good lines; without `columns` all there are, typed by what they hold."""
    raw = lines.str.join("\n")[0].encode()
    schema = None if columns is None else {c: pl.String for c in columns if c != "labels"}
    try:
        frame = pl.read_ndjson(raw, schema=schema, infer_schema_length=None)
    except pl.exceptions.PolarsError:
        if columns is not None:
            raise
        frame = _mixed(lines)
    if frame.height != len(lines):
        raise ValueError("blank lines")
    if columns is None or "labels" not in columns:
        return frame
    # Polars' own text of a nested object is not always JSON (it leaves backslashes bare).
    return frame.with_columns(lines.str.json_path_match("$.labels").alias("labels"))


def _mixed(lines: pl.Series) -> pl.DataFrame:
    """Parse objects whose values have several types: what is no number becomes text.

    Raises
    ------
    ValueError
        A line is no object.
    """
    rows = [msgspec.json.decode(line, type=dict[str, Any]) for line in lines.to_list()]
    columns: dict[str, list[Any]] = {}
    for key in dict.fromkeys(key for row in rows for key in row):
        values = [row.get(key) for row in rows]
        kinds = {type(value) for value in values if value is not None}
        if not kinds <= {int, float}:
            values = [v if v is None or isinstance(v, str) else str(v) for v in values]
        columns[key] = values
    return pl.DataFrame(columns, strict=False)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
