"""A reference file of a model: a recording of its predictions, also of some other form, or counts.

A recording's features are the columns ``feature.<name>``, or, where there are none, all columns
that are nothing else. Rows without a version are the reference of all versions.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import polars as pl

from engine.codecs.prediction_columns import PredictionTables
from engine.codecs.prediction_frames import FEATURE, TAG, FrameColumnsError, batches_of
from engine.codecs.predictions import Kind, PredictionLimits, PredictionTable
from engine.config.models import ModelConfig
from engine.drift.cbpe import Cbpe
from engine.drift.frozen_reference import FrozenReference
from engine.drift.model_segments import Segments
from engine.drift.reference_file import REFERENCE_SUFFIX
from engine.drift.version_rows import VersionRows, WaitingTables, as_floats
from engine.drift.version_windows import VersionWindows
from engine.drift.vocabulary import Vocabulary
from engine.errors import UsageError

_OTHER_COLUMNS = frozenset(
    {
        "ts",
        "timestamp",
        "model",
        "version",
        "prediction_id",
        "prediction",
        "score",
        "label",
        "label_ts",
    }
)
_FOREVER = np.iinfo(np.int64).max
_READERS: dict[str, Callable[[Path], pl.DataFrame]] = {
    ".parquet": pl.read_parquet,
    ".csv": pl.read_csv,
}


class ModelReference:
    """The rows of a reference file.

    Parameters
    ----------
    tables : list of PredictionTable
        One or more for each version.
    path : Path
        For messages.

    Attributes
    ----------
    estimator : Cbpe or None
        Estimates quality without labels, where the file has scores, predictions and labels.
    labelled_rows : int
        Rows that the estimator was learned from.
    """

    def __init__(self, tables: list[PredictionTable], path: Path) -> None:
        self._tables = tables
        self._path = path
        self.estimator, self.labelled_rows = _estimator(tables)

    @classmethod
    def read(cls, path: Path, model: str, kinds: Mapping[str, Kind]) -> "ModelReference":
        """Read a file.

        Raises
        ------
        UsageError
            It is missing, empty or of another form, or has not the features of `kinds`.
        """
        frame = _of_model(_frame(path), path, model)
        features = [name for name in frame.columns if name.startswith(FEATURE)]
        if not features:
            plain = [
                name
                for name in frame.columns
                if name not in _OTHER_COLUMNS and not name.startswith(TAG)
            ]
            frame = frame.rename({name: FEATURE + name for name in plain})
            features = [FEATURE + name for name in plain]
        _check_features(path, {name.removeprefix(FEATURE) for name in features}, kinds)
        # In the file's order, and of this model, whatever it says.
        frame = frame.drop(
            [n for n in ("ts", "timestamp", "model", "label_ts") if n in frame.columns]
        )
        frame = frame.with_columns(
            pl.Series("ts", np.arange(len(frame)), pl.Int64), pl.lit(model).alias("model")
        )
        tables = PredictionTables(PredictionLimits(features=100_000), {model: kinds})
        found: list[PredictionTable] = []
        try:
            for batch in batches_of(frame, tables):
                if batch.rejects:
                    first = batch.rejects[0]
                    raise UsageError(f"{path}: row {first.message + 1}: {first.detail}")
                found += batch.tables
        except FrameColumnsError as error:
            raise UsageError(f"{path}: {error}") from error
        return cls(found, path)

    def teach(self, vocabulary: Vocabulary) -> None:
        """Let the file's kinds and categories be the model's first ones."""
        for version in sorted({table.version for table in self._tables}):
            self.of(version, vocabulary)

    def check_words(self, vocabulary: Vocabulary) -> None:
        """Nothing to check after a restart: the file's rows take the model's kinds and codes."""

    def of(self, version: str, vocabulary: Vocabulary) -> VersionRows | None:
        """Give the reference of a version, in the model's codes; None if there is none."""
        own = [table for table in self._tables if table.version == version]
        own = own or [table for table in self._tables if not table.version]
        if not own:
            return None
        waiting = WaitingTables(vocabulary)
        for table in own:
            waiting.add_predictions(table)
        rows, _ = waiting.take_through(_FOREVER)
        return rows[0].renamed(version)

    def begin(self, windows: VersionWindows, segments: Segments, vocabulary: Vocabulary) -> None:
        """Let a version's windows be compared with its rows, if there are some."""
        found = self.of(windows.version, vocabulary)
        if found is not None:
            segment = segments.numbers_of(found)
            windows.take_reference(found.columns(), segment, found.content_keys())


AnyReference = ModelReference | FrozenReference
"""What can begin a version's windows."""


def reference_of(path: Path, config: ModelConfig) -> AnyReference:
    """Read the reference file of a model: rows, or what `streamgauge reference` has written.

    Raises
    ------
    UsageError
        It is missing, empty or of another form, or has not the features that are declared.
    """
    if path.suffix == REFERENCE_SUFFIX:
        return FrozenReference.read(path, config)
    kinds = {name: Kind(kind) for name, kind in config.features.items()}
    return ModelReference.read(path, config.model, kinds)


def _frame(path: Path) -> pl.DataFrame:
    if not path.exists():
        raise UsageError(f"reference {path} is missing; write it, or use `first 5000 rows`")
    reader = _READERS.get(path.suffix, pl.read_ndjson)
    try:
        frame = reader(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise UsageError(f"reference {path} can't be read: {error}") from error
    if frame.is_empty():
        raise UsageError(f"reference {path} is empty")
    return frame


def _of_model(frame: pl.DataFrame, path: Path, model: str) -> pl.DataFrame:
    """The rows of a model, where the file says whose they are."""
    if "model" not in frame.columns:
        return frame
    own = frame.filter(pl.col("model").cast(pl.String) == model)
    if own.is_empty():
        others = ", ".join(map(str, frame["model"].unique().sort().to_list()[:5]))
        raise UsageError(f"reference {path} is of {others}, not of {model}")
    return own


def _check_features(path: Path, found: set[str], kinds: Mapping[str, Kind]) -> None:
    if not found:
        raise UsageError(f"reference {path} has no features: no column `{FEATURE}<name>`")
    missing = sorted(set(kinds) - found)
    more = sorted(found - set(kinds)) if kinds else []
    if missing:
        besides = f", and has others: {', '.join(more)}" if more else ""
        raise UsageError(f"reference {path} lacks features: {', '.join(missing)}{besides}")


def _estimator(tables: list[PredictionTable]) -> tuple[Cbpe | None, int]:
    """Learn an estimator, if that can be; give the rows that it was learned from, too."""
    parts = []
    for table in tables:
        if table.label is None or table.prediction.kind is not Kind.NUMERIC:
            return None, 0
        parts.append((table.score, as_floats(table.prediction), as_floats(table.label)))
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    complete = ~np.isnan(np.stack(columns)).any(axis=0)
    scores, predictions, labels = (column[complete] for column in columns)
    if not len(scores) or not (np.isin(labels, (0, 1)) & np.isin(predictions, (0, 1))).all():
        return None, 0
    return Cbpe.fit(scores, predictions, labels), len(scores)
