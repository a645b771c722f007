"""A model shard as Bytewax sees it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from bytewax.operators import StatefulBatchLogic

from engine.pipeline.model_shard import ModelPiece, ModelShard, ModelShardOutput
from engine.pipeline.steps import Block, Manifest, Stateful, StatefulPlan, ToSink
from engine.series.blocks import CheckpointId
from engine.series.columns import Columns
from engine.series.pieces import Batch


class ModelPart(Stateful[ModelPiece, Batch | ToSink]):
    """A model shard; its batches go to the series shards."""

    shard: ModelShard

    def __init__(
        self,
        plan: StatefulPlan,
        manifest: Manifest | None,
        make: Callable[[int], ModelShard],
        observe: Callable[[ModelShard, ModelShardOutput], None],
    ) -> None:
        self._make = make
        self._observe = observe
        super().__init__(plan, manifest)

    def on_batch(self, values: list[ModelPiece]) -> tuple[list[Batch | ToSink], bool]:
        """Handle pieces of batches."""
        self._begin(values[0].shard)
        emitted = self._emitted(self.shard.handle(values))
        for piece in values:
            emitted += self._told(piece.progress.checkpoint)
        return emitted, StatefulBatchLogic.RETAIN

    def on_eof(self) -> tuple[list[Batch | ToSink], bool]:
        """Handle what is left, and take the final checkpoint, as the series shards do."""
        emitted = self._emitted(self.shard.finish())
        self._due = self.plan.final
        return emitted, StatefulBatchLogic.RETAIN

    def _open(self, number: int) -> None:
        self.shard = self._make(number)

    def _restore(self, own: Block, *others: Block) -> None:
        del others
        self.shard.restore(*own)

    def _state(self) -> tuple[Any, Any]:
        return self.shard.state()

    def _pass_on(self, checkpoint: CheckpointId | None) -> list[Batch | ToSink]:
        progress = replace(self.shard.progress(), checkpoint=checkpoint)
        return [Batch(progress, Columns.empty(), [], [])]

    def _emitted(self, output: ModelShardOutput) -> list[Batch | ToSink]:
        self._observe(self.shard, output)
        emitted: list[Batch | ToSink] = [] if output.batch is None else [output.batch]
        if output.records:
            emitted.append(ToSink("drift", output.records))
        if output.letters:
            emitted.append(ToSink("dead_letters", output.letters))
        return emitted
