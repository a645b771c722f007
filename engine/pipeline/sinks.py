"""Opens the sinks of a configuration as lanes of the flow."""

from collections.abc import Sequence
from typing import Any

from engine.config.connections import Sink
from engine.pipeline.flow import OpenLane
from engine.series.blocks import CheckpointId, CheckpointStore
from engine.sinks.folder import FolderLanes
from engine.sinks.kafka import KafkaLanes
from engine.sinks.lane import Lane, LaneMaker


def open_sinks(sinks: Sequence[Sink], store: CheckpointStore | None) -> dict[str, OpenLane]:
    """Give for each sink a function that opens its lanes, by step name.

    Raises
    ------
    SinkError
        A sink can't be used: topics of the wrong kind, a folder that can't be written.
    """
    found: dict[str, OpenLane] = {}
    for number, sink in enumerate(sinks):
        maker: LaneMaker
        if sink.kafka is not None:
            maker = KafkaLanes(sink.kafka)
        elif sink.folder is not None:
            maker = FolderLanes(sink.folder)
        else:
            continue
        found[f"sink{number}"] = _opener(maker, store)
    return found


def _opener(maker: LaneMaker, store: CheckpointStore | None) -> OpenLane:
    def usable(marked: tuple[CheckpointId, ...]) -> CheckpointId | None:
        return store.newest_usable(marked) if store is not None else None

    def open_lane(output: str, resume: Any | None) -> Lane:
        return maker.make_lane(output, resume, usable)

    return open_lane
