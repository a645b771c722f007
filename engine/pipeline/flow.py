"""The Bytewax dataflow: sources, series shards, rule lanes, sinks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import Dataflow, Stream
from bytewax.operators import KeyedStream

from engine.pipeline.evidence import EvidenceFolder
from engine.pipeline.model_shard import ModelShard, split_documents
from engine.pipeline.observe import Observer
from engine.pipeline.plan import MODEL_SHARDS, FlowPlan
from engine.pipeline.series_shard import SeriesShard
from engine.pipeline.shard_names import balanced_names
from engine.pipeline.shard_parts import ModelPart, ShardPart
from engine.pipeline.steps import (
    Failure,
    LanePart,
    SinkParts,
    SourceParts,
    StatefulPlan,
    ToLane,
    ToSink,
    batches_of,
)
from engine.rules.plan import LANES
from engine.series.blocks import CheckpointId, CheckpointStore
from engine.series.pieces import Batch, split
from engine.sinks.lane import Lane
from engine.sources.reader import Polled, Reader

OUTPUTS = ("alerts", "dead_letters", "drift", "scores")


@dataclass(frozen=True, slots=True)
class OpenSink:
    """A sink of the flow: its name, the outputs it takes, and how each is opened.

    Its state is kept under the name, which says where it writes.
    """

    name: str
    outputs: tuple[str, ...]
    open: Callable[[str, Any | None], Lane]


def part_names(shards: int, *, with_models: bool = False) -> frozenset[str]:
    """Names of all parts whose blocks make a checkpoint whole."""
    names = [*balanced_names("s", shards), *balanced_names("r", LANES)]
    if with_models:
        names += balanced_names("m", MODEL_SHARDS)
    return frozenset(names)


@dataclass(frozen=True, kw_only=True)
class FlowParts:
    """What a flow is put together from.

    `store` and `final` (the checkpoint at the end) are None where no state is kept; `warm` are
    shards, by number, that begin with what they have learned from a recording; `spill` is the
    folder for what models keep on disk; `evidence`, where there is one, keeps rows of episodes.
    """

    plan: FlowPlan
    sources: dict[str, Callable[[Any | None], Reader]]
    sinks: list[OpenSink]
    store: CheckpointStore | None
    final: CheckpointId | None
    observer: Observer
    failure: Failure
    spill: Path
    evidence: EvidenceFolder | None
    warm: dict[int, SeriesShard] = field(default_factory=dict)


def build_flow(parts: FlowParts) -> Dataflow:
    """Put the dataflow together.

    Step ids are part of the state on disk: renaming one loses its state.
    """
    plan = parts.plan
    shard_names = balanced_names("s", plan.shards)
    lane_names = balanced_names("r", LANES)
    flow = Dataflow("streamgauge")
    polled = op.input("source", flow, SourceParts(parts.sources, parts.failure))

    def keyed_pieces(item: Polled) -> list[tuple[str, Any]]:
        return [
            pair
            for batch in batches_of(item)
            if batch.progress.partition not in plan.documents
            for pair in zip(shard_names, split(batch, plan.shards), strict=True)
        ]

    def rejected(item: Polled) -> list[ToSink]:
        return [ToSink("dead_letters", item.dead_letters)] if item.dead_letters else []

    def make_shard(number: int) -> SeriesShard:
        return parts.warm.pop(number, None) or SeriesShard(number, plan)

    shards = StatefulPlan(names=shard_names, store=parts.store, final=parts.final)
    lanes = StatefulPlan(names=lane_names, store=parts.store, final=parts.final)
    observer = parts.observer

    pieces = op.flat_map("split", polled, keyed_pieces)
    said_of_models: list[Stream[ToSink]] = []
    if plan.documents:
        model_output = build_models(parts, polled)
        made = op.flat_map(
            "split_made",
            model_output,
            lambda pair: (
                list(zip(shard_names, split(pair[1], plan.shards), strict=True))
                if isinstance(pair[1], Batch)
                else []
            ),
        )
        pieces = op.merge("with_models", pieces, made)
        said_of_models.append(op.filter_map("model_records", model_output, to_sink))
    shard_output = op.stateful_batch(
        "series", pieces, lambda manifest: ShardPart(shards, manifest, make_shard, observer.shard)
    )
    to_lanes = op.filter_map(
        "to_lanes",
        shard_output,
        lambda pair: (lane_names[pair[1].lane], pair[1]) if isinstance(pair[1], ToLane) else None,
    )
    alerts = op.stateful_batch(
        "rules",
        to_lanes,
        lambda manifest: LanePart(lanes, manifest, plan.make_lane, OUTPUTS, observer.lane),
    )
    said = op.merge(
        "said",
        op.flat_map("rejected", polled, rejected),
        op.filter_map("scored", shard_output, to_sink),
        op.map("alerts", alerts, lambda pair: pair[1]),
        *said_of_models,
    )
    for number, sink in enumerate(parts.sinks):
        # Records are counted once, however many sinks there are.
        observe = observer.sink if number == 0 else ignore
        addressed = op.filter_map(f"to_{sink.name}", said, addressing(sink.outputs))
        op.output(sink.name, addressed, SinkParts(sink.outputs, sink.open, observe, parts.failure))
    return flow


def build_models(parts: FlowParts, polled: Stream[Polled]) -> KeyedStream[Batch | ToSink]:
    """Put the model shards into the flow, behind the sources of predictions and labels."""
    plan = parts.plan
    names = balanced_names("m", MODEL_SHARDS)
    models = StatefulPlan(names=names, store=parts.store, final=parts.final)

    def keyed_documents(item: Polled) -> list[tuple[str, Any]]:
        batch = item.batch
        if batch is None or batch.progress.partition not in plan.documents:
            return []
        if batch.documents is not None:
            parts.observer.documents(batch.documents)
        return list(zip(names, split_documents(batch, MODEL_SHARDS), strict=True))

    def make_shard(number: int) -> ModelShard:
        if parts.evidence is None:
            return ModelShard(number, plan, parts.spill)
        return ModelShard(number, plan, parts.spill, parts.evidence.keep)

    return op.stateful_batch(
        "models",
        op.flat_map("split_models", polled, keyed_documents),
        lambda manifest: ModelPart(models, manifest, make_shard, parts.observer.models),
    )


def to_sink(pair: tuple[str, Any]) -> ToSink | None:
    """Give what goes to the sinks."""
    return pair[1] if isinstance(pair[1], ToSink) else None


def addressing(outputs: Sequence[str]) -> Callable[[ToSink], tuple[str, ToSink] | None]:
    """Give a function that addresses items to a sink that takes these outputs."""
    taken = frozenset(outputs)
    return lambda item: (item.output, item) if item.output in taken else None


def ignore(_: ToSink) -> None:
    """Observe nothing."""
