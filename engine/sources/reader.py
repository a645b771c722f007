"""What a source partition is to the flow: something that is polled and can be resumed."""

from dataclasses import dataclass, field
from typing import Any, Protocol

from engine.events import DeadLetter
from engine.series.blocks import FINAL_EPOCH, CheckpointId, CheckpointStore
from engine.series.pieces import Batch
from engine.sources.skew import Skew

CHECKPOINTS_KEPT = 4


@dataclass(slots=True)
class Polled:
    """What a poll gave: nothing, a batch, or the end.

    `pause_s` is how long to wait before the next poll; 0 for at once.
    """

    batch: Batch | None = None
    dead_letters: list[DeadLetter] = field(default_factory=list)
    pause_s: float = 0.0
    end: bool = False


class Reader(Protocol):
    """A source partition as the flow sees it: a plain class that tests can drive."""

    def poll(self) -> Polled:
        """Read on, without blocking for long."""

    def snapshot(self) -> dict[str, Any]:
        """Close the epoch: where to go on from. Plain values, unchanged by what follows."""

    def close(self) -> None:
        """Let go of connections and files."""


@dataclass(frozen=True, slots=True)
class CheckpointPlan:
    """When checkpoints are taken: at the close of every `every`-th epoch of a run.

    `store` leaves one out while an earlier one is still being written; without it none is.
    """

    run: int
    every: int
    store: CheckpointStore | None = None

    def due(self, epoch: int, *, closing: bool = False) -> CheckpointId | None:
        """Checkpoint to take at the close of an epoch, counted from 0 in this run.

        One that no partition has announced when the first one closes the epoch is not taken.
        """
        if epoch % self.every != self.every - 1:
            return None
        checkpoint = CheckpointId(self.run, epoch)
        if self.store is None or self.store.begins(checkpoint, may_begin=not closing):
            return checkpoint
        return None

    @property
    def final(self) -> CheckpointId:
        """The checkpoint at the end of the run."""
        return CheckpointId(self.run, FINAL_EPOCH)


class Epochs:
    """Counts the epochs of a partition and keeps its positions at the newest checkpoints.

    All partitions of a flow close the same epochs, so their counts agree without a word between
    them; so do the checkpoints that they announce.

    Parameters
    ----------
    plan : CheckpointPlan or None
        None where there is no state to keep.
    """

    def __init__(self, plan: CheckpointPlan | None) -> None:
        self.plan = plan
        self.number = 0
        self.positions: dict[CheckpointId, dict[str, Any]] = {}
        self.ending = False

    def due(self) -> CheckpointId | None:
        """Checkpoint to announce in the running epoch."""
        return self.plan.due(self.number) if self.plan else None

    def takes_position(self) -> bool:
        """Whether the position at the close of the running epoch is kept."""
        plan = self.plan
        return plan is not None and (self.ending or plan.due(self.number, closing=True) is not None)

    def close(self, position: dict[str, Any]) -> None:
        """Note the position if the closing epoch has a checkpoint, and go on to the next."""
        if self.plan is not None:
            checkpoint = self.plan.due(self.number, closing=True)
            if checkpoint is not None:
                self.positions[checkpoint] = position
            if self.ending:
                self.positions[self.plan.final] = position
        for old in sorted(self.positions)[:-CHECKPOINTS_KEPT]:
            del self.positions[old]
        self.number += 1

    def end(self, partition: int, skew: Skew) -> bool:
        """Wish to end; whether to. All partitions end together, once all wish to.

        One that ended before would have no position at the checkpoints of the others, and would
        be played again from an earlier one after a crash.
        """
        skew.leave(partition)
        # When the first epoch has closed, all partitions are open and known to each other.
        together = self.plan is None or self.number > 0
        self.ending = self.ending or (together and skew.all_left())
        return self.ending

    def state(self) -> list[tuple[int, int, dict[str, Any]]]:
        """The positions as plain values."""
        return [(item.run, item.epoch, position) for item, position in self.positions.items()]

    def restore(self, state: list[tuple[int, int, dict[str, Any]]]) -> None:
        """Go on from a snapshot's positions."""
        self.positions = {CheckpointId(run, epoch): position for run, epoch, position in state}
