"""State of a scorer that is arrays with a row for each slot, and nothing else."""

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from engine.series.reserved import SlotArrays
from engine.series.snapshot import Table


class SlotState:
    """The part of `Scorer` that keeps the state.

    Parameters
    ----------
    empty : dict of arrays
        By name, the row of a slot that has seen nothing.
    """

    def __init__(self, empty: Mapping[str, NDArray[Any]]) -> None:
        self.slots = SlotArrays(empty)

    def tables(self) -> list[Table]:
        """Live state of the slots."""
        return [Table(self.slots.arrays())]

    def pooled(self) -> dict[str, NDArray[Any]]:
        """Nothing: series know nothing of each other."""
        return {}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take over copies of a snapshot's arrays.

        Raises
        ------
        ValueError
            If a name, a type or a shape is not as it should be.
        """
        self.slots.restore(arrays)

    def grow(self, slots: int, limit: int = 0) -> None:
        """Make room for at least so many slots; new ones have seen nothing."""
        self.slots.grow(slots, limit)
