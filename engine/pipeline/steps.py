"""The parts of the flow as Bytewax sees them: thin shells around plain classes."""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from bytewax.inputs import AbortExecution, FixedPartitionedSource, StatefulSourcePartition
from bytewax.operators import StatefulBatchLogic
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from engine.clock import utc_after
from engine.errors import StreamgaugeError
from engine.events import trigger_of
from engine.rules.lane import RuleLane
from engine.rules.queries import Closed
from engine.series.blocks import CheckpointId, CheckpointStore
from engine.series.pieces import Batch
from engine.sinks.lane import Lane
from engine.sources.reader import CHECKPOINTS_KEPT, Polled, Reader

V = TypeVar("V")
W = TypeVar("W")

Manifest = tuple[int, tuple[CheckpointId, ...]]
"""A part's number and the checkpoints that it has taken: all that Bytewax snapshots of it."""

Block = tuple[Any, Any]
"""A part's state as it was read from disk: arrays and plain values."""


@dataclass
class Failure:
    """The first error that ended the flow, as Bytewax wraps or hides what its callbacks raise."""

    error: StreamgaugeError | None = None

    def note(self, error: StreamgaugeError) -> None:
        """Keep the first error."""
        self.error = self.error or error

    def raise_noted(self) -> None:
        """Raise what was noted."""
        if self.error is not None:
            raise self.error


class SourcePart(StatefulSourcePartition[Polled, Any]):
    """A source partition."""

    def __init__(self, reader: Reader, failure: Failure) -> None:
        self.reader = reader
        self._failure = failure
        self._pause_s = 0.0

    def next_batch(self) -> Iterable[Polled]:
        try:
            polled = self.reader.poll()
        except StreamgaugeError as error:
            # Ends the flow at once, without a snapshot and without a panic's noise.
            self._failure.note(error)
            raise AbortExecution from error
        except StopIteration as error:
            raise RuntimeError("a source stopped without saying that it ends") from error
        if polled.end:
            raise StopIteration
        self._pause_s = polled.pause_s
        return [polled] if polled.batch is not None or polled.dead_letters else []

    def next_awake(self) -> datetime | None:
        return utc_after(self._pause_s) if self._pause_s else None

    def snapshot(self) -> Any:
        return self.reader.snapshot()

    def close(self) -> None:
        self.reader.close()


class SourceParts(FixedPartitionedSource[Polled, Any]):
    """All partitions of the flow's sources, by key."""

    def __init__(
        self, open_part: dict[str, Callable[[Any | None], Reader]], failure: Failure
    ) -> None:
        self._open_part = open_part
        self._failure = failure

    def list_parts(self) -> list[str]:
        return list(self._open_part)

    def build_part(self, step_id: str, for_part: str, resume_state: Any | None) -> SourcePart:
        del step_id
        return SourcePart(self._open_part[for_part](resume_state), self._failure)


@dataclass(frozen=True, slots=True)
class ToLane:
    """What a series shard sends to a rule lane."""

    lane: int
    closed: Closed | None = None
    checkpoint: CheckpointId | None = None


@dataclass(frozen=True, slots=True)
class ToSink:
    """What goes to a lane of the sinks: records of one output, or word of a checkpoint."""

    output: str
    records: Sequence[Any] = ()
    checkpoint: CheckpointId | None = None


@dataclass(frozen=True, kw_only=True)
class StatefulPlan:
    """What shards and lanes need for their checkpoints.

    `store` and `final` (the checkpoint at the end of the run) are None where no state is kept;
    `names` are the parts' keys by number.
    """

    names: Sequence[str]
    store: CheckpointStore | None
    final: CheckpointId | None


class Stateful(StatefulBatchLogic[V, W, Manifest]):
    """A part whose checkpoint is taken at the close of the epoch in which it was told to.

    Bytewax does not say which key a logic is for: the manifest does, or the first value.
    """

    def __init__(self, plan: StatefulPlan, manifest: Manifest | None) -> None:
        self.plan = plan
        self._number = -1
        self._taken: tuple[CheckpointId, ...] = ()
        self._due: CheckpointId | None = None
        if manifest is not None:
            self._number, self._taken = manifest
            self._open(self._number)
            self._resume()

    @abstractmethod
    def _open(self, number: int) -> None:
        """Make the part, empty."""

    @abstractmethod
    def _restore(self, own: Block, *others: Block) -> None:
        """Let the part go on from a checkpoint, of its own block and those of `_sources`."""

    @abstractmethod
    def _state(self) -> tuple[Any, Any]:
        """The part's state, as arrays and plain values."""

    @abstractmethod
    def _pass_on(self, checkpoint: CheckpointId | None) -> list[W]:
        """Tell the next step of a checkpoint, or of the end where no state is kept."""

    def _begin(self, number: int) -> None:
        if self._number < 0:
            self._number = number
            self._open(number)

    def _told(self, checkpoint: CheckpointId | None) -> list[W]:
        """Hear of a checkpoint; pass news on."""
        if checkpoint is None or checkpoint == self._due:
            return []
        self._due = checkpoint
        return self._pass_on(checkpoint)

    def on_notify(self) -> tuple[list[W], bool]:
        """Nothing waits for a time: time is in the data."""
        return [], StatefulBatchLogic.RETAIN

    def notify_at(self) -> None:
        """No wish to be notified."""

    def snapshot(self) -> Manifest:
        """Take the checkpoint that is due, and give the manifest."""
        store = self.plan.store
        if store is not None:
            store.check()
            if self._due is not None:
                store.write(self._due, self.plan.names[self._number], *self._state())
                self._taken = (*self._taken, self._due)[-CHECKPOINTS_KEPT:]
        self._due = None
        return self._number, self._taken

    def _resume(self) -> None:
        store = self.plan.store
        checkpoint = store.newest_usable(self._taken) if store is not None else None
        if store is not None and checkpoint is not None:
            own = self.plan.names[self._number]
            others = [name for name in self._sources if name != own]
            self._restore(*(store.read(checkpoint, name) for name in (own, *others)))

    @property
    def _sources(self) -> Sequence[str]:
        """Names of the parts whose state this one takes over."""
        return (self.plan.names[self._number],)


class LanePart(Stateful[ToLane, ToSink]):
    """A rule lane."""

    lane: RuleLane

    def __init__(
        self,
        plan: StatefulPlan,
        manifest: Manifest | None,
        make: Callable[[int], RuleLane],
        outputs: Sequence[str],
        observe: Callable[[RuleLane], None],
    ) -> None:
        self._make = make
        self._outputs = outputs
        self._observe = observe
        super().__init__(plan, manifest)

    def on_batch(self, values: list[ToLane]) -> tuple[list[ToSink], bool]:
        """Evaluate the ticks that all shards have closed."""
        self._begin(values[0].lane)
        alerts = self.lane.handle([item.closed for item in values if item.closed is not None])
        self._observe(self.lane)
        emitted = [ToSink("alerts", alerts)] if alerts else []
        asked = [request for request in map(trigger_of, alerts) if request is not None]
        if asked:
            emitted.append(ToSink("drift", asked))
        for item in values:
            emitted += self._told(item.checkpoint)
        return emitted, StatefulBatchLogic.RETAIN

    def on_eof(self) -> tuple[list[ToSink], bool]:
        """Take the final checkpoint; every output hears of the end, so that it has its file."""
        self._due = self.plan.final
        return self._pass_on(self.plan.final), StatefulBatchLogic.RETAIN

    def _open(self, number: int) -> None:
        self.lane = self._make(number)

    def _restore(self, own: Block, *others: Block) -> None:
        self.lane.restore(*own, others)

    @property
    def _sources(self) -> Sequence[str]:
        # Groups may have moved between lanes.
        return self.plan.names

    def _state(self) -> tuple[Any, Any]:
        return self.lane.arrays(), self.lane.meta()

    def _pass_on(self, checkpoint: CheckpointId | None) -> list[ToSink]:
        return [ToSink(output, checkpoint=checkpoint) for output in self._outputs]


class SinkPart(StatefulSinkPartition[ToSink, Any]):
    """One output's lane of a sink."""

    def __init__(self, lane: Lane, observe: Callable[[ToSink], None], failure: Failure) -> None:
        self.lane = lane
        self._observe = observe
        self._failure = failure
        self._marked: CheckpointId | None = None

    def write_batch(self, values: list[ToSink]) -> None:
        for item in values:
            if item.records:
                self.lane.write(list(item.records))
                self._observe(item)
            if item.checkpoint is not None:
                self._marked = item.checkpoint

    def snapshot(self) -> Any:
        # A checkpoint's word may come before the epoch's last records: it holds at its close.
        if self._marked is not None:
            self.lane.mark(self._marked)
            self._marked = None
        return self.lane.snapshot()

    def close(self) -> None:
        try:
            self.lane.close()
        except StreamgaugeError as error:
            # Raised here, in a destructor, it would abort the process.
            self._failure.note(error)


class SinkParts(FixedPartitionedSink[ToSink, Any]):
    """A sink; one part for each output."""

    def __init__(
        self,
        outputs: Sequence[str],
        open_lane: Callable[[str, Any | None], Lane],
        observe: Callable[[ToSink], None],
        failure: Failure,
    ) -> None:
        self._failure = failure
        self._outputs = sorted(outputs)  # Bytewax numbers parts in this order
        self._open_lane = open_lane
        self._observe = observe

    def list_parts(self) -> list[str]:
        return self._outputs

    def part_fn(self, item_key: str) -> int:
        return self._outputs.index(item_key)

    def build_part(self, step_id: str, for_part: str, resume_state: Any | None) -> SinkPart:
        del step_id
        return SinkPart(self._open_lane(for_part, resume_state), self._observe, self._failure)


def batches_of(polled: Polled) -> list[Batch]:
    """The batch of a poll, if it has one."""
    return [polled.batch] if polled.batch is not None else []
