"""What the columns of a recording mean: long or wide, which column is the time, which are metrics.

Decided once per file from its schema and a sample of its first rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from engine.errors import UsageError
from engine.sources.series_index import is_labels
from engine.sources.timestamps import UNITS_NS, guess_unit, to_nanoseconds

TIME_COLUMNS = ("ts", "timestamp")
LONG_COLUMNS = frozenset({"name", "value"})
SINGLE_METRIC = "value"
UNIT_AUTO = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How the user wants a recording to be read.

    Attributes
    ----------
    name : str or None
        Metric name where the only column of a wide recording is ``value``.
    labels : mapping of str to str
        Added to every series that has no such label.
    exclude : sequence of str
        Columns that are left out.
    timestamp_unit : str
        ``s``, ``ms``, ``us``, ``ns`` for numeric timestamps, or ``auto``.
    """

    name: str | None
    labels: Mapping[str, str]
    exclude: Sequence[str]
    timestamp_unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Meaning of a file's columns.

    Attributes
    ----------
    wide : bool
        One column per metric, or else one row per sample.
    time_column : str
        The column with the timestamps.
    unit : str
        Unit of numeric timestamps, ``""`` where they are dates or text.
    metrics : mapping of str to str
        Wide: column to metric name, in the file's order; long: empty.
    has_labels, has_flags : bool
        Whether a long file has these optional columns.
    """

    wide: bool
    time_column: str
    unit: str
    metrics: Mapping[str, str]
    has_labels: bool
    has_flags: bool

    @property
    def columns(self) -> list[str]:
        """Columns to read."""
        if self.wide:
            return [self.time_column, *self.metrics]
        optional = [("labels", self.has_labels), ("flags", self.has_flags)]
        return [self.time_column, "name", "value", *(c for c, present in optional if present)]


def layout_of(sample: pl.DataFrame, options: Options, *, file: str) -> Layout:
    """Decide what a file's columns mean.

    Parameters
    ----------
    sample : polars.DataFrame
        The first rows, all columns.
    options : Options
        What the user said.
    file : str
        Name of the file, for messages.

    Raises
    ------
    UsageError
        If the file can't be a recording of metrics as it stands; says what to do.
    """
    columns = [column for column in sample.columns if column not in set(options.exclude)]
    if "prediction_id" in columns:
        raise UsageError(f"{file}: holds predictions, not metrics; say `kind: predictions`")
    time_column = time_column_of(columns, file)
    unit = time_unit_of(sample[time_column], options.timestamp_unit, file)
    if LONG_COLUMNS.issubset(columns):
        if options.name is not None:
            raise UsageError(f"{file}: the rows carry their metric name; leave out --name")
        if not _is_numeric(sample["value"]):
            raise UsageError(f"{file}: column `value` holds no numbers")
        if "labels" in columns and not is_labels(sample["labels"].dtype):
            raise UsageError(f"{file}: column `labels` must be JSON text, a struct or a map")
        return Layout(
            wide=False,
            time_column=time_column,
            unit=unit,
            metrics={},
            has_labels="labels" in columns,
            has_flags="flags" in columns,
        )
    metrics = _metrics(sample, [c for c in columns if c != time_column], options.name, file)
    return Layout(
        wide=True,
        time_column=time_column,
        unit=unit,
        metrics=metrics,
        has_labels=False,
        has_flags=False,
    )


def time_column_of(columns: Sequence[str], file: str) -> str:
    """Tell which column is the time.

    Raises
    ------
    UsageError
        There is none, or more than one.
    """
    present = [column for column in TIME_COLUMNS if column in columns]
    if not present:
        found = ", ".join(columns) or "none"
        raise UsageError(f"{file}: no column `ts` or `timestamp` (columns: {found}); rename one")
    if len(present) > 1:
        raise UsageError(
            f"{file}: has both `ts` and `timestamp`; leave one out with --exclude timestamp"
        )
    return present[0]


def time_unit_of(column: pl.Series, wanted: str, file: str) -> str:
    """Tell the unit of the timestamps, ``""`` where they are dates or text.

    Raises
    ------
    UsageError
        The unit is not plain, or nothing in the column is a timestamp.
    """
    if wanted != UNIT_AUTO and wanted not in UNITS_NS:
        raise UsageError(
            f"{file}: timestamp unit {wanted!r} is not known; use {', '.join(UNITS_NS)} or "
            f"{UNIT_AUTO}"
        )
    guess = guess_unit(column)
    if guess == "":
        _check_understood(column, file)
        return ""
    if wanted != UNIT_AUTO:
        return wanted
    if guess is None:
        raise UsageError(
            f"{file}: the unit of the timestamps in `{column.name}` is not plain from the first "
            f"one; give --timestamp-unit {' | '.join(UNITS_NS)}"
        )
    return guess


def _check_understood(column: pl.Series, file: str) -> None:
    """Refuse a column whose every timestamp would be rejected."""
    values = column.drop_nulls()
    if len(values) and to_nanoseconds(values, "").null_count() == len(values):
        raise UsageError(
            f"{file}: `{column.name}` holds {str(values[0])!r}, which is no timestamp; write RFC "
            "3339, YYYY-MM-DD HH:MM:SS, or numbers since the epoch"
        )


def _metrics(
    sample: pl.DataFrame, columns: Sequence[str], name: str | None, file: str
) -> dict[str, str]:
    if not columns:
        raise UsageError(f"{file}: no column beside the timestamps; nothing to read")
    other = [column for column in columns if not _is_numeric(sample[column])]
    if other:
        raise UsageError(
            f"{file}: not numeric: {', '.join(other)}; leave them out with --exclude, or write "
            "the recording long (columns ts, name, labels, value)"
        )
    if list(columns) == [SINGLE_METRIC]:
        return {SINGLE_METRIC: name or SINGLE_METRIC}
    if name is not None:
        raise UsageError(
            f"{file}: --name is for files whose only column is `value`; "
            f"this one has {', '.join(columns)}"
        )
    return {column: column for column in columns}


def _is_numeric(column: pl.Series) -> bool:
    """Whether a column holds numbers; one without any value so far may."""
    if column.dtype.is_numeric() or column.dtype in (pl.Boolean, pl.Null):
        return True
    if column.dtype != pl.String:
        return False
    texts = column.drop_nulls()
    numbers = texts.str.strip_chars().cast(pl.Float64, strict=False)
    return texts.is_empty() or numbers.null_count() < len(texts)
