"""Shards as Bytewax sees them: of series, and of models."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from bytewax.operators import StatefulBatchLogic

from engine.pipeline.model_shard import ModelPiece, ModelShard, ModelShardOutput
from engine.pipeline.series_shard import SeriesShard
from engine.pipeline.shard_output import ShardOutput
from engine.pipeline.steps import (
    Block,
    Manifest,
    Stateful,
    StatefulPlan,
    ToLane,
    ToSink,
    W,
)
from engine.rules.plan import LANES
from engine.series.blocks import CheckpointId
from engine.series.columns import Columns
from engine.series.pieces import Batch, Piece, Progress


class AnyPiece(Protocol):
    """A batch's part for one shard, of series or of models."""

    @property
    def shard(self) -> int:
        """Number of the shard."""

    @property
    def progress(self) -> Progress:
        """How far the batch's partition is."""


P = TypeVar("P", bound=AnyPiece)


class OfShard(Stateful[P, W]):
    """A shard, whatever its pieces and outputs are."""

    shard: Any

    def __init__(
        self,
        plan: StatefulPlan,
        manifest: Manifest | None,
        make: Callable[[int], Any],
        observe: Callable[[Any, Any], None],
    ) -> None:
        self._make = make
        self._observe = observe
        super().__init__(plan, manifest)

    def on_batch(self, values: list[P]) -> tuple[list[W], bool]:
        """Handle pieces of batches."""
        self._begin(values[0].shard)
        emitted = self._emitted(self.shard.handle(values))
        for piece in values:
            emitted += self._told(piece.progress.checkpoint)
        return emitted, StatefulBatchLogic.RETAIN

    def on_eof(self) -> tuple[list[W], bool]:
        """Handle what is left, and take the final checkpoint."""
        emitted = self._emitted(self.shard.finish())
        self._due = self.plan.final
        return emitted + self._passed_at_end(), StatefulBatchLogic.RETAIN

    @abstractmethod
    def _emitted(self, output: Any) -> list[W]:
        """Give what goes on of what the shard says."""

    def _passed_at_end(self) -> list[W]:
        return self._pass_on(self.plan.final)

    def _open(self, number: int) -> None:
        self.shard = self._make(number)

    def _restore(self, own: Block, *others: Block) -> None:
        del others
        self.shard.restore(*own)

    def _state(self) -> tuple[Any, Any]:
        state: tuple[Any, Any] = self.shard.state()
        return state


class ShardPart(OfShard[Piece, ToLane | ToSink]):
    """A series shard."""

    shard: SeriesShard

    def _pass_on(self, checkpoint: CheckpointId | None) -> list[ToLane | ToSink]:
        return [ToLane(lane, checkpoint=checkpoint) for lane in range(LANES)]

    def _emitted(self, output: ShardOutput) -> list[ToLane | ToSink]:
        self._observe(self.shard, output)
        emitted: list[ToLane | ToSink] = [
            ToLane(lane, closed) for lane, closed in output.closed.items()
        ]
        if output.scores:
            emitted.append(ToSink("scores", output.scores))
        if output.dead_letters:
            emitted.append(ToSink("dead_letters", output.dead_letters))
        return emitted


class ModelPart(OfShard[ModelPiece, Batch | ToSink]):
    """A model shard; its batches go to the series shards."""

    shard: ModelShard

    def _passed_at_end(self) -> list[Batch | ToSink]:
        return []  # the series shards take the final checkpoint by themselves

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
