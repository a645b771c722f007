"""What predictions, labels and LLM calls say of their models, at a look.

For the configuration that `streamgauge init` proposes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from engine.codecs.predictions import Column, Kind, LabelTable, PredictionBatch, PredictionTable
from engine.config.connections import Kind as SourceKind

_NEVER = -(2**63)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSummary:
    """A look at the predictions and labels of a model.

    Attributes
    ----------
    name : str
    versions : mapping of str to int
        Predictions of each version, by its name.
    features : mapping of str to Kind
        In the order in which they were met.
    categories : mapping of str to int
        How many values each tag and each categorical feature has; tags first.
    tags : tuple of str
        Which of them are tags.
    ids, predictions, scores, labels : int
        Rows of predictions that have one.
    late_labels : int
        Rows that are labels.
    evaluators : tuple of str
        Who has judged, other than the truth; sorted.
    """

    name: str
    versions: Mapping[str, int]
    features: Mapping[str, Kind]
    categories: Mapping[str, int]
    tags: tuple[str, ...]
    ids: int
    predictions: int
    scores: int
    labels: int
    late_labels: int
    evaluators: tuple[str, ...]

    @property
    def rows(self) -> int:
        """Rows of predictions."""
        return sum(self.versions.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentSummary:
    """A look at some predictions, labels or LLM calls.

    Attributes
    ----------
    kind : str
        As `Source.kind` has it.
    models : tuple of ModelSummary
        By name.
    rows, rejects : int
        Predictions and labels; messages, rows and values that can't be used.
    first_reject : str
        What is wrong with the first of them; empty without any.
    first_ts, last_ts : int or None
        Range of the timestamps in nanoseconds; None without rows.
    out_of_order_ns : mapping of int to int
        How far rows lie behind earlier rows of their partition or file at most, by its number.
    """

    kind: SourceKind
    models: tuple[ModelSummary, ...]
    rows: int
    rejects: int
    first_reject: str
    first_ts: int | None
    last_ts: int | None
    out_of_order_ns: Mapping[int, int]


@dataclass(slots=True)
class _Model:
    """What is known of a model so far."""

    versions: dict[str, int] = field(default_factory=dict)
    features: dict[str, Kind] = field(default_factory=dict)
    tags: dict[str, set[str]] = field(default_factory=dict)
    values: dict[str, set[str]] = field(default_factory=dict)
    ids: int = 0
    predictions: int = 0
    scores: int = 0
    labels: int = 0
    late_labels: int = 0
    evaluators: set[str] = field(default_factory=set)

    def add(self, table: PredictionTable) -> None:
        self.versions[table.version] = self.versions.get(table.version, 0) + len(table)
        self.ids += int((table.key != 0).sum())
        self.predictions += _held(table.prediction)
        self.scores += int((~np.isnan(table.score)).sum())
        self.labels += 0 if table.label is None else _held(table.label)
        for name, column in table.tags.items():
            self.tags.setdefault(name, set()).update(column.names)
        for name, column in table.features.items():
            self.features[name] = column.kind  # the last one: categories may turn out to be text
            if column.kind is Kind.CATEGORICAL:
                self.values.setdefault(name, set()).update(column.names)
            else:
                self.values.pop(name, None)

    def add_labels(self, table: LabelTable) -> None:
        self.late_labels += len(table)
        if table.evaluator:
            self.evaluators.add(table.evaluator)

    def summary(self, name: str) -> ModelSummary:
        sizes = {name: len(values) for name, values in {**self.values, **self.tags}.items()}
        return ModelSummary(
            name=name,
            versions=dict(sorted(self.versions.items())),
            features=dict(self.features),
            categories={name: sizes[name] for name in dict.fromkeys([*self.tags, *sizes])},
            tags=tuple(self.tags),
            ids=self.ids,
            predictions=self.predictions,
            scores=self.scores,
            labels=self.labels,
            late_labels=self.late_labels,
            evaluators=tuple(sorted(self.evaluators)),
        )


@dataclass(slots=True)
class DocumentLook:
    """What was met so far.

    Attributes
    ----------
    rejects : int
    first_reject : str
    """

    rejects: int = 0
    first_reject: str = ""
    _models: dict[str, _Model] = field(default_factory=dict)
    _firsts: list[int] = field(default_factory=list)
    _newest: dict[int, int] = field(default_factory=dict)
    _out_of_order_ns: dict[int, int] = field(default_factory=dict)

    def add(self, documents: PredictionBatch) -> None:
        """Take the rows of a batch."""
        for table in documents.tables:
            self._models.setdefault(table.model, _Model()).add(table)
        for late in documents.labels:
            self._models.setdefault(late.model, _Model()).add_labels(late)

    def add_times(self, partition: int, ts: NDArray[np.int64]) -> None:
        """Take the times (int64[n], ns) of rows of a partition or file, in its order."""
        if not len(ts):
            return
        newest = np.maximum(np.maximum.accumulate(ts), self._newest.get(partition, _NEVER))
        self.add_behind(partition, int((newest - ts).max()))
        self._newest[partition] = int(newest[-1])
        self._firsts.append(int(ts.min()))

    def add_behind(self, partition: int, behind_ns: int) -> None:
        """Take how far a row of a partition lies behind what came before it."""
        known_ns = self._out_of_order_ns.get(partition, 0)
        self._out_of_order_ns[partition] = max(known_ns, behind_ns)

    def refuse(self, details: list[str]) -> None:
        """Count what can't be used; `details` say why, in order."""
        self.rejects += len(details)
        if details and not self.first_reject:
            self.first_reject = details[0]

    def summary(self, *, is_llm: bool) -> DocumentSummary:
        """Give what was met."""
        models = tuple(model.summary(name) for name, model in sorted(self._models.items()))
        predicted = sum(model.rows for model in models)
        late = sum(model.late_labels for model in models)
        kind: SourceKind = "labels" if late and not predicted else "predictions"
        return DocumentSummary(
            kind="llm" if is_llm else kind,
            models=models,
            rows=predicted + late,
            rejects=self.rejects,
            first_reject=self.first_reject,
            first_ts=min(self._firsts, default=None),
            last_ts=max(self._newest.values(), default=None),
            out_of_order_ns=dict(self._out_of_order_ns),
        )


def _held(column: Column) -> int:
    """Count the values of predictions or labels that are there."""
    values = column.values
    return int((values >= 0 if column.kind is Kind.CATEGORICAL else ~np.isnan(values)).sum())
