"""What the columns of a recording of predictions mean, and its rows as the codecs take them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from engine.codecs.prediction_frames import FEATURE, TAG
from engine.errors import UsageError
from engine.sources.recording_layout import LONG_COLUMNS, time_column_of, time_unit_of
from engine.sources.timestamps import to_nanoseconds

_TEXTS = ("model", "version", "prediction_id")
_VALUES = ("prediction", "score", "label")
_NESTED = ("features", "tags")
_CALLS = frozenset({"request_model", "response_model", "finish_reasons", "evaluation"})
_TRUTHS: Mapping[str, bool] = {"true": True, "false": False}


def holds_predictions(columns: Sequence[str]) -> bool:
    """Tell by its columns whether a file holds predictions or labels."""
    if LONG_COLUMNS.issubset(columns):
        return False
    of_models = any(name in (*_VALUES, *_NESTED) or name.startswith(FEATURE) for name in columns)
    return "prediction_id" in columns or ("model" in columns and of_models)


def holds_calls(columns: Sequence[str]) -> bool:
    """Tell by the keys of its lines whether a file holds calls of language models."""
    if LONG_COLUMNS.issubset(columns):
        return False
    return any(name in _CALLS or name.startswith("gen_ai.") for name in columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionLayout:
    """Meaning of the columns of a file of predictions.

    Attributes
    ----------
    time_column : str
    unit : str
        Unit of times that are numbers, ``""`` where they are dates or text.
    columns : tuple of str
        What is read of a table.
    types : mapping of str to polars type
        Columns of text that hold numbers or truth values.
    model, version : str
        Of rows that do not say theirs.
    """

    time_column: str
    unit: str
    columns: tuple[str, ...]
    types: Mapping[str, pl.DataType]
    model: str
    version: str


def prediction_layout(
    sample: pl.DataFrame, *, file: str, unit: str, model: str, version: str
) -> PredictionLayout:
    """Decide what a file's columns mean.

    Parameters
    ----------
    sample : polars.DataFrame
        The first rows, all columns.
    file : str
        Name of the file, for messages.
    unit : str
        Of times that are numbers, or ``auto``.
    model, version : str
        Of rows that do not say theirs; empty for none.

    Raises
    ------
    UsageError
        The file can't be a recording of predictions; says what to do.
    """
    found = sample.columns
    time_column = time_column_of(found, file)
    if "model" not in found and not model:
        raise UsageError(f"{file}: has no column `model`; give the source's recording a `model`")
    known = {time_column, "label_ts", *_TEXTS, *_VALUES}
    columns = [name for name in found if name in known or name.startswith((FEATURE, TAG))]
    if not any(name in _VALUES or name.startswith(FEATURE) for name in (*columns, *_of(sample))):
        raise UsageError(
            f"{file}: holds no predictions; their columns are prediction, score, label and "
            f"feature.<name> (found: {', '.join(found)})"
        )
    typed = [name for name in columns if name in _VALUES or name.startswith(FEATURE)]
    types = {name: _type_of(sample[name]) for name in typed if sample[name].dtype == pl.String}
    return PredictionLayout(
        time_column=time_column,
        unit=time_unit_of(sample[time_column], unit, file),
        columns=tuple(columns),
        types={name: kind for name, kind in types.items() if kind is not None},
        model=model,
        version=version,
    )


def _of(sample: pl.DataFrame) -> list[str]:
    """Give the features of native messages as columns."""
    return [FEATURE] if "features" in sample.columns else []


def _type_of(texts: pl.Series) -> pl.DataType | None:
    """Tell what a column of text holds: numbers, truth values, or (None) text."""
    held = texts.drop_nulls().str.strip_chars()
    if held.is_empty():
        return None
    if held.str.to_lowercase().is_in(list(_TRUTHS)).all():
        return pl.Boolean()
    return pl.Float64() if held.cast(pl.Float64, strict=False).is_not_null().all() else None


@dataclass(frozen=True, slots=True)
class TypedRows:
    """Rows of a table as `engine.codecs.prediction_frames` takes them.

    Attributes
    ----------
    rows : polars.DataFrame
        Predictions and labels.
    place : list of int
        For each of them its place in what was read.
    misread : list of (int, str, str)
        Values that are not what the others of their column are: place, column, text.
    advances : list of (int, int)
        Recorded advances of the watermark: place, nanoseconds.
    """

    rows: pl.DataFrame
    place: list[int]
    misread: list[tuple[int, str, str]]
    advances: list[tuple[int, int]]


def typed_rows(read: pl.DataFrame, layout: PredictionLayout) -> TypedRows:
    """Give rows of a table their types; blank ones are nothing at all."""
    others = [name for name in read.columns if name != layout.time_column]
    holds = read.select(pl.any_horizontal(pl.col(others).is_not_null())).to_series()
    ts = to_nanoseconds(read[layout.time_column], layout.unit).alias("ts")
    # What has no time that is understood is kept, so that it is rejected by name.
    kept = holds | (read[layout.time_column].is_not_null() & ts.is_null())
    advances = [(place, ts[place]) for place in (~kept & ts.is_not_null()).arg_true()]
    columns = {"ts": ts}
    misread: list[tuple[int, str, str]] = []
    for name in others:
        column = read[name]
        if name == "label_ts":
            column = to_nanoseconds(column, layout.unit)
        elif name in layout.types:
            typed = _typed(column, layout.types[name])
            odd = typed.is_null() & column.is_not_null()
            misread += [(place, name, column[place]) for place in odd.arg_true()]
            column = typed
        columns[name] = column
    for name, default in (("model", layout.model), ("version", layout.version)):
        if default:
            given = columns.get(name, pl.Series([None] * len(read), dtype=pl.String))
            columns[name] = given.cast(pl.String).fill_null(default)
    rows = pl.DataFrame([column.alias(name) for name, column in columns.items()])
    return TypedRows(rows.filter(kept), kept.arg_true().to_list(), sorted(misread), advances)


def _typed(texts: pl.Series, kind: pl.DataType) -> pl.Series:
    texts = texts.str.strip_chars()
    if isinstance(kind, pl.Boolean):
        lower = texts.str.to_lowercase()
        return lower.replace_strict(_TRUTHS, default=None, return_dtype=pl.Boolean)
    return texts.cast(pl.Float64, strict=False)
