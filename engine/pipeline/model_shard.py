"""A model shard: predictions and labels of some models, in event time, to series and records.

Its series go on as batches of a partition of their own, so that series shards, rules and sinks see
them as they see any others.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.codecs.prediction_rows import model_key, row_json, take_table
from engine.codecs.predictions import LabelTable, PredictionBatch, PredictionTable
from engine.drift.label_letters import SOURCE
from engine.drift.model_monitor import ModelMonitor
from engine.drift.panes import Arrays, part
from engine.drift.version_monitor import Evidence
from engine.events import DeadLetter, Drift, Reason
from engine.pipeline.plan import MODEL_SHARDS, FlowPlan, series_max
from engine.series.columns import Columns
from engine.series.identity import Series
from engine.series.pieces import Batch, Definition, Progress
from engine.series.watermark import NOT_YET, Watermark

_LATE = "the watermark had passed it before its partition was read"


@dataclass(frozen=True, slots=True)
class ModelPiece:
    """A batch's part for one model shard; shards without rows need the progress, too."""

    shard: int
    progress: Progress
    tables: list[PredictionTable]
    labels: list[LabelTable]


def split_documents(batch: Batch, shards: int) -> list[ModelPiece]:
    """Split the documents of a batch by model."""
    documents = batch.documents or PredictionBatch()
    pieces = [ModelPiece(shard, batch.progress, [], []) for shard in range(shards)]
    for table in documents.tables:
        pieces[model_key(table.model) % shards].tables.append(table)
    for late in documents.labels:
        pieces[model_key(late.model) % shards].labels.append(late)
    return pieces


@dataclass(slots=True)
class ModelShardOutput:
    """What a model shard says after some pieces.

    Attributes
    ----------
    batch : Batch or None
        Samples of the models' series, and how far they are; None if neither is new.
    records : list of Drift
    letters : list of DeadLetter
    """

    batch: Batch | None = None
    records: list[Drift] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)


class ModelShard:
    """The models whose key modulo the number of model shards is `number`.

    Parameters
    ----------
    number : int
    plan : FlowPlan
    folder : Path
        For what models spill to disk.
    keep_evidence : callable
        Keeps rows of episodes that open or grow, for reports.
    """

    def __init__(
        self,
        number: int,
        plan: FlowPlan,
        folder: Path,
        keep_evidence: Callable[[Evidence], None] = lambda _: None,
    ) -> None:
        self.number = number
        self.plan = plan
        self._folder = folder
        self._keep_evidence = keep_evidence
        self.watermark = Watermark(len(plan.partitions))
        for place in range(len(plan.partitions)):
            self.watermark.ended[place] = place not in plan.documents
        limit = plan.limits.models
        self._models_max = min(limit, series_max(limit, MODEL_SHARDS))
        self._models: dict[str, ModelMonitor] = {}
        self._handled = NOT_YET
        self._has_ended = False

    @property
    def rows_waiting(self) -> int:
        """Rows that wait for their tick."""
        return sum(monitor.rows_waiting for monitor in self._models.values())

    @property
    def open_predictions(self) -> tuple[int, int]:
        """Predictions and labels that wait for each other: in memory, and on disk."""
        found = [monitor.open_predictions for monitor in self._models.values()]
        return sum(memory for memory, _ in found), sum(disk for _, disk in found)

    @property
    def models(self) -> int:
        """Models that are watched."""
        return len(self._models)

    def handle(self, pieces: list[ModelPiece]) -> ModelShardOutput:
        """Take pieces of batches in, and handle the ticks that the watermark has passed."""
        output = ModelShardOutput()
        caught_up = False
        for piece in pieces:
            tables: list[PredictionTable | LabelTable] = [*piece.tables, *piece.labels]
            for table in tables:
                self._accept(table, output)
            self.watermark.update(piece.progress)
            caught_up = caught_up or piece.progress.caught_up
        self._advance(output, caught_up=caught_up)
        return output

    def finish(self) -> ModelShardOutput:
        """Handle what is left, at the end of the input."""
        output = ModelShardOutput()
        self._advance(output, caught_up=True)
        return output

    def progress(self) -> Progress:
        """How far the models' series are: all of them up to there are out."""
        return Progress(
            partition=self.plan.partition_of_models(self.number),
            claim=self._handled,
            newest=self._handled,
            ended=self._has_ended,
        )

    def state(self) -> tuple[Arrays, Any]:
        """All state of this moment: copies of arrays, and plain values."""
        arrays: Arrays = {}
        models = {}
        for number, (name, monitor) in enumerate(self._models.items()):
            own, models[name] = monitor.state()
            arrays |= {f"{number}|{key}": array for key, array in own.items()}
        meta = {
            "models": models,
            "claims": dict(zip(self.plan.partitions, self.watermark.claims, strict=True)),
            "newest": dict(zip(self.plan.partitions, self.watermark.newest, strict=True)),
            "watermark": self.watermark.value,
            "handled": self._handled,
        }
        return arrays, msgspec.Raw(msgspec.msgpack.encode(meta))

    def restore(self, arrays: dict[str, NDArray[Any]], raw: msgspec.Raw) -> None:
        """Go on from a checkpoint."""
        meta = msgspec.msgpack.decode(raw, strict=False)
        for place, name in enumerate(self.plan.partitions):
            self.watermark.claims[place] = meta["claims"].get(name, NOT_YET)
            self.watermark.newest[place] = meta["newest"].get(name, NOT_YET)
        self.watermark.value = meta["watermark"]
        self._handled = meta["handled"]
        for number, (name, plain) in enumerate(meta["models"].items()):
            self._models[name] = monitor = self._made(name)
            monitor.restore(part(arrays, str(number)), plain)

    def _accept(self, table: PredictionTable | LabelTable, output: ModelShardOutput) -> None:
        """Let rows wait for their tick; those of too many models, and late ones, are refused."""
        monitor = self._models.get(table.model)
        if monitor is None:
            if len(self._models) >= self._models_max:
                output.letters += _letters(table, Reason.LIMIT, "more models than limits.models")
                return
            self._models[table.model] = monitor = self._made(table.model)
        # A partition keeps its promises; only one that is new or has a new lateness gets here.
        late = table.ts <= self._handled
        if late.any():
            output.letters += _letters(take_table(table, np.flatnonzero(late)), Reason.LATE, _LATE)
            table = take_table(table, np.flatnonzero(~late))
        if isinstance(table, PredictionTable):
            monitor.add([table], [])
        else:
            monitor.add([], [table])

    def _made(self, model: str) -> ModelMonitor:
        return ModelMonitor(
            self.plan.config.model(model),
            self._folder / f"{model_key(model):016x}",
            self.plan.references.get(model),
        )

    def _advance(self, output: ModelShardOutput, *, caught_up: bool) -> None:
        watermark = self.watermark.advance()
        ended = all(self.watermark.ended)
        if watermark == NOT_YET or (watermark == self._handled and ended == self._has_ended):
            return
        columns: list[Columns] = []
        series: list[Series] = []
        for _, monitor in sorted(self._models.items()):
            said = monitor.advance_to(watermark)
            columns += said.columns
            series += said.series
            output.records += said.records
            output.letters += said.letters
            for item in said.evidence:
                self._keep_evidence(item)
        self._handled, self._has_ended = watermark, ended
        output.batch = Batch(
            replace(self.progress(), caught_up=caught_up),
            joined(columns),
            _definitions(series, columns),
            [],
        )


def joined(parts: list[Columns]) -> Columns:
    """Put columns one after the other."""
    if not parts:
        return Columns.empty()
    return Columns(
        np.concatenate([columns.fingerprint for columns in parts]),
        np.concatenate([columns.ts for columns in parts]),
        np.concatenate([columns.value for columns in parts]),
        np.concatenate([columns.flags for columns in parts]),
    )


def _definitions(series: list[Series], columns: list[Columns]) -> list[Definition]:
    """Announce series, which no detector watches."""
    first_ts = min((int(part.ts[0]) for part in columns if len(part)), default=0)
    return [Definition(item, first_ts, 0) for item in series]


def _letters(table: PredictionTable | LabelTable, reason: Reason, detail: str) -> list[DeadLetter]:
    own = PredictionBatch(
        [table] if isinstance(table, PredictionTable) else [],
        [table] if isinstance(table, LabelTable) else [],
    )
    return [
        DeadLetter(
            source=SOURCE,
            partition=-1,
            offset=-1,
            reason=reason,
            detail=detail,
            key=None,
            value=row_json(own, row),
            ts=int(table.ts[row]),
        )
        for row in range(len(table))
    ]
