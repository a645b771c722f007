"""Opens the sinks of a configuration as lanes of the flow."""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
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
            place = f"{sink.kafka.brokers} {sink.kafka.prefix}"
            found.append(_opened("kafka", place, KafkaLanes(sink.kafka), store))
        elif sink.folder is not None:
            place = str(Path(sink.folder.path).resolve())
            found.append(_opened("folder", place, FolderLanes(sink.folder), store))
    names = [sink.name for sink in found]
    if len(set(names)) < len(names):
        raise UsageError("two sinks write to the same place; leave one of them out")
    return found


def _opened(kind: str, place: str, maker: LaneMaker, store: CheckpointStore | None) -> OpenSink:
    name = f"{kind}_{sha256(place.encode()).hexdigest()[:12]}"

    def usable(marked: tuple[CheckpointId, ...]) -> CheckpointId | None:
        return store.newest_usable(marked) if store is not None else None

    def open_lane(output: str, resume: Any | None) -> Lane:
        return maker.make_lane(output, resume, usable)

    return OpenSink(name, maker.lanes, open_lane)
