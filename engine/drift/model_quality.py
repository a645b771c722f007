"""Quality of one model by one evaluator's labels: what its ticks say, and its errors as they come.

The label join and the windows are `quality`; here their rows get names, and what they say becomes
series, events, findings and dead letters.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.codecs.predictions import Column, Kind
from engine.config.models import ModelConfig
from engine.drift.cbpe import Cbpe
from engine.drift.label_join import LabelJoinParams
from engine.drift.label_letters import label_letters
from engine.drift.label_rows import LATE, LIMIT, PAIR, REPEATED, Labels, Predictions
from engine.drift.model_segments import ALL, Segments
from engine.drift.quality import (
    ALL_SEGMENTS,
    QualityMeta,
    QualityMonitor,
    QualityMonitorParams,
    TickQuality,
    WindowQuality,
)
from engine.drift.quality_layout import QualityParams
from engine.drift.quality_metrics import QualitySummary
from engine.drift.version_rows import VersionRows, as_floats
from engine.drift.windows import WindowSpec
from engine.events import DeadLetter

QualityKind = Literal["binary", "classes", "regression", "ranking"]
CHECKPOINTS_NAMED = 5
"""Newest checkpoints whose files on disk are kept: more than a resume may go back to."""

ERROR_MAX = 1e100
"""Larger errors say nothing but that a value is absurd; sums of squares would overflow."""

LAG_QUANTILES = (0.5, 0.9, 0.99)


@dataclass(slots=True)
class Errors:
    """Errors of one version that became known at a tick, in the order of prediction time."""

    ts: NDArray[np.int64]
    values: NDArray[np.float64]


@dataclass(slots=True)
class QualityNews:
    """What a tick says.

    Attributes
    ----------
    known : dict of (version, segment) to QualitySummary
        Segment `ALL`: the version as a whole.
    windows : list of (version, segment, WindowQuality)
        Of each segment, and of versions with segments as a whole, too (segment `ALL`).
    errors : dict of str to Errors
        By version.
    letters : list of DeadLetter
    duplicates : dict of str to int
        Predictions that were said before, by version.
    """

    known: dict[tuple[str, str], QualitySummary] = field(default_factory=dict)
    windows: list[tuple[str, str, WindowQuality]] = field(default_factory=list)
    errors: dict[str, Errors] = field(default_factory=dict)
    letters: list[DeadLetter] = field(default_factory=list)
    duplicates: dict[str, int] = field(default_factory=dict)


class ModelQuality:
    """Quality of a model by one evaluator's labels.

    Parameters
    ----------
    config : ModelConfig
    evaluator : str
        Empty: labels are the truth. Else they are judgements of predictions, and what is told is
        their mean.
    kind : str
    folder : Path
        For predictions that wait on disk.
    segments : Segments
    estimator : Cbpe, optional
    """

    def __init__(
        self,
        config: ModelConfig,
        evaluator: str,
        kind: QualityKind,
        folder: Path,
        segments: Segments,
        estimator: Cbpe | None = None,
    ) -> None:
        self.config = config
        self.evaluator = evaluator
        self.kind = kind
        self._segments = segments
        quality = config.quality
        self.has_estimates = estimator is not None and kind == "binary"
        self.known: dict[tuple[str, str], QualitySummary] = {}
        # When a tick may say more, if nothing is added; found out when it is asked for.
        self._due: tuple[int | None] | None = None
        self._named: deque[set[str]] = deque(maxlen=CHECKPOINTS_NAMED)
        self._classes = quality.classes if kind == "classes" else 2
        self.monitor = QualityMonitor(
            QualityMonitorParams(
                LabelJoinParams(config.label_delay_ns, config.open_predictions),
                QualityParams(kind, classes=self._classes, quantile=quality.quantile, k=quality.k),
                WindowSpec(quality.window_ns, quality.slide_ns),
                quality.window_ns,
                quality.correct_every_ns,
            ),
            folder,
            estimator if self.has_estimates else None,
            segments,
        )

    def add(self, rows: VersionRows, segment: NDArray[np.int32]) -> None:
        """Let predictions with an id wait for their labels."""
        has_id = np.flatnonzero(rows.key != 0)
        if self.evaluator:
            predicted = np.zeros(len(rows))
        elif rows.prediction is None:
            predicted = np.full(len(rows), np.nan)
        else:
            predicted = self._bounded(as_floats(rows.prediction))
        score = rows.score
        if self.kind == "binary":
            predicted = np.where(np.isnan(predicted) & ~np.isnan(score), score >= 0.5, predicted)
        self._due = None
        columns: tuple[NDArray[Any], ...] = (rows.key, rows.ts, score, predicted, segment)
        self.monitor.add_predictions(Predictions._make(column[has_id] for column in columns))

    def add_labels(self, labels: Labels) -> None:
        """Let labels wait for their tick."""
        self._due = None
        label = self._bounded(labels.label) if not self.evaluator else labels.label
        self.monitor.add_labels(labels._replace(label=label))

    def advance_to(self, tick_ns: int) -> QualityNews:
        """Take up what waits up to a tick."""
        self._due = None
        said = self.monitor.advance_to(tick_ns)
        self.known = dict(self._known(said))
        news = QualityNews(
            known=self.known,
            windows=list(self._windows(said)),
            errors=self._errors(said),
        )
        places = self._segments.places
        (predictions, verdicts), (labels, label_verdicts) = said.refused
        for segment in predictions.segment[verdicts == REPEATED].tolist():
            version = places[segment][0]
            news.duplicates[version] = news.duplicates.get(version, 0) + 1
        of = self.config.model, self.evaluator
        late = Labels._make(column[label_verdicts == LATE] for column in labels)
        many = Labels._make(column[label_verdicts == LIMIT] for column in labels)
        news.letters += label_letters(*of, "orphan", said.closed.orphans)
        news.letters += label_letters(*of, "late", late)
        news.letters += label_letters(*of, "limit", many)
        return news

    def take_ahead(self, until_ns: int) -> None:
        """Join rows up to a time before the next tick."""
        self.monitor.take_ahead(until_ns)

    def next_event_ns(self) -> int | None:
        """Give the time from which on a tick may say more than its known-at values; None: never."""
        if self._due is None:
            self._due = (self.monitor.next_event_ns(),)
        return self._due[0]

    def state(self) -> tuple[dict[str, NDArray[Any]], Any]:
        """Give arrays and plain values; rows on disk are in files that are synchronised then."""
        arrays, meta = self.monitor.snapshot()
        spill = self.monitor.join.spill
        spill.sync()
        # Checkpoints that a resume may still go back to name files, too.
        self._named.append({segment.file for segment in meta.join.spill.segments})
        spill.remove_unused(set().union(*self._named))
        plain = {"kind": self.kind, "meta": msgspec.to_builtins(meta)}
        return arrays, plain

    def restore(self, arrays: Mapping[str, NDArray[Any]], plain: Mapping[str, Any]) -> bool:
        """Take over what `state` gave; tell whether windows go on with what they have counted."""
        meta = msgspec.convert(plain["meta"], QualityMeta)
        self._named.append({segment.file for segment in meta.join.spill.segments})
        self._due = None
        return self.monitor.restore(arrays, meta)

    def _bounded(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Classes beyond the bound count as the last one."""
        return np.minimum(values, self._classes - 1) if self.kind == "classes" else values

    def _known(self, said: TickQuality) -> Iterator[tuple[tuple[str, str], QualitySummary]]:
        by_version: dict[str, list[QualitySummary]] = {}
        for number, summary in sorted(said.known.items()):
            if number == ALL_SEGMENTS:
                continue
            version, segment = self._segments.places[number]
            by_version.setdefault(version, []).append(summary)
            if segment != ALL:
                yield (version, segment), summary
        for version, parts in by_version.items():
            yield (version, ALL), reduce(QualitySummary.merged, parts)

    def _windows(self, said: TickQuality) -> Iterator[tuple[str, str, WindowQuality]]:
        """Windows of versions as a whole, and of their segments that are not the whole."""
        for window in said.windows:
            if window.segment <= ALL_SEGMENTS:
                yield self._segments.version_of(window.segment), ALL, window
                continue
            version, segment = self._segments.places[window.segment]
            if segment != ALL:
                yield version, segment, window

    def _errors(self, said: TickQuality) -> dict[str, Errors]:
        """Errors of pairs that hold since this tick, as far as they are numbers."""
        changes = said.changes
        if self.kind == "ranking" or not changes.number:
            return {}
        holds = (changes.kind == PAIR) & (changes.sign > 0)
        if self.evaluator:
            error = changes.label
        elif self.kind == "regression":
            error = np.abs(changes.label - changes.prediction)
        else:
            error = (changes.label != changes.prediction).astype(np.float64)
            error[np.isnan(changes.label) | np.isnan(changes.prediction)] = np.nan
        rows = np.flatnonzero(holds & (np.abs(error) <= ERROR_MAX))
        rows = rows[np.lexsort((changes.key[rows], changes.ts[rows]))]
        places = self._segments.places
        versions = np.array([places[number][0] for number in changes.segment[rows].tolist()])
        found = {}
        for version in sorted(set(versions.tolist())):
            own = rows[versions == version]
            found[version] = Errors(changes.ts[own], error[own])
        return found


def kind_of(rows: VersionRows) -> QualityKind | None:
    """Tell what predictions are by the first ones; None if nothing was predicted."""
    column: Column | None = rows.prediction
    if column is None:
        scores = rows.score[~np.isnan(rows.score)]
        within = len(scores) and ((scores >= 0) & (scores <= 1)).all()
        return "binary" if within else None
    if column.kind is Kind.CATEGORICAL:
        return "classes"
    values = as_floats(column)
    values = values[~np.isnan(values)]
    if not len(values):
        return None
    return "binary" if np.isin(values, (0.0, 1.0)).all() else "regression"
