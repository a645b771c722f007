"""What a sink offers to the flow: one lane for each output, and how a lane resumes.

A flow resumes from a checkpoint and says again what it said after it. So a lane remembers where
it stood at the last checkpoints, and one that writes files cuts them back to there.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, Self

from engine.series.blocks import CheckpointId

MARKS_KEPT = 4
"""Checkpoints whose positions a lane remembers."""

Usable = Callable[[tuple[CheckpointId, ...]], CheckpointId | None]
"""Tells which of a lane's checkpoints the flow resumes from; None: from the very start."""


class Lane(Protocol):
    """Writes one output."""

    def write(self, items: list[Any]) -> None:
        """Write records in order.

        Parameters
        ----------
        items : list
            `Alert` for alerts, `ScoreBlock` for scores, `Drift` for drift, `DeadLetter` for
            dead_letters.

        Raises
        ------
        SinkError
            If these or earlier ones can't be written.
        """

    def mark(self, checkpoint: CheckpointId) -> None:
        """Learn that all that was written so far belongs to this checkpoint.

        Raises
        ------
        SinkError
            If it can't be made to last.
        """

    def snapshot(self) -> Any:
        """Give what resuming needs, small and picklable; all before the last mark will last.

        Raises
        ------
        SinkError
            If something could not be written.
        """

    def close(self) -> None:
        """Finish the output.

        Raises
        ------
        SinkError
            If something could not be written.
        """


class LaneMaker(Protocol):
    """A sink: makes the lanes of one place."""

    @property
    def lanes(self) -> tuple[str, ...]:
        """Names of the outputs it takes."""

    def make_lane(self, name: str, resume: Any | None, usable: Usable) -> Lane:
        """Begin an output anew, or go on with it where `resume`, a snapshot, is given.

        Raises
        ------
        SinkError
            If it can't be written, or is not what the snapshot speaks of.
        """


@dataclass(frozen=True, slots=True)
class Marks:
    """Positions of a lane at the last checkpoints, oldest first."""

    positions: tuple[tuple[CheckpointId, int], ...] = ()

    def add(self, checkpoint: CheckpointId, position: int) -> Self:
        """Remember a position; the oldest one beyond `MARKS_KEPT` is forgotten."""
        earlier = [item for item in self.positions if item[0] < checkpoint]
        return type(self)((*earlier, (checkpoint, position))[-MARKS_KEPT:])

    def rewind(self, usable: Usable) -> tuple[Self, int]:
        """Give the marks and the position at the checkpoint that the flow resumes from."""
        chosen = usable(tuple(checkpoint for checkpoint, _ in self.positions))
        if chosen is None:
            return type(self)(), 0
        kept = tuple(item for item in self.positions if item[0] <= chosen)
        return type(self)(kept), dict(kept)[chosen]

    def dump(self) -> tuple[tuple[int, int, int], ...]:
        """Give run, epoch and position of each, for a snapshot."""
        return tuple((at.run, at.epoch, position) for at, position in self.positions)

    @classmethod
    def load(cls, dumped: tuple[tuple[int, int, int], ...]) -> Self:
        """Read a snapshot back."""
        return cls(tuple((CheckpointId(run, epoch), position) for run, epoch, position in dumped))
