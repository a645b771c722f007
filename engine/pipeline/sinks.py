"""Opens the sinks of a configuration as lanes of the flow."""

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from engine.config.connections import KafkaSink, Sink
from engine.config.schema import Config
from engine.errors import UsageError
from engine.pipeline.flow import OpenSink
from engine.series.blocks import CheckpointId, CheckpointStore
from engine.sinks.folder import FolderLanes
from engine.sinks.kafka import KafkaLanes
from engine.sinks.lane import Lane, LaneMaker
from engine.sinks.topics import ensure_topics


def with_sinks(config: Config) -> Config:
    """Give a configuration without sinks those of its first Kafka source's cluster.

    Raises
    ------
    UsageError
        There is no Kafka source to write beside.
    """
    if config.sinks:
        return config
    for source in config.sources:
        if source.kafka is not None:
            sink = KafkaSink(brokers=source.kafka.brokers, properties=source.kafka.properties)
            return replace(config, sinks=(Sink(kafka=sink),))
    raise UsageError("the configuration has no sinks; add `sinks: [{folder: {path: out}}]`")


def open_sinks(sinks: Sequence[Sink], store: CheckpointStore | None) -> list[OpenSink]:
    """Open the sinks; topics that are missing are made.

    Raises
    ------
    SinkError
        A sink can't be used: topics of the wrong kind, a folder that can't be written.
    """
    found = []
    for sink in sinks:
        if sink.kafka is not None:
            ensure_topics(sink.kafka)
            found.append(_opened(KafkaLanes(sink.kafka), store))
        elif sink.folder is not None:
            found.append(_opened(FolderLanes(sink.folder), store))
    return found


def _opened(maker: LaneMaker, store: CheckpointStore | None) -> OpenSink:
    def usable(marked: tuple[CheckpointId, ...]) -> CheckpointId | None:
        return store.newest_usable(marked) if store is not None else None

    def open_lane(output: str, resume: Any | None) -> Lane:
        return maker.make_lane(output, resume, usable)

    return OpenSink(maker.lanes, open_lane)
