"""What every detector offers to the shard that runs it."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Scores:
    """Verdicts on n samples, row by row.

    Attributes
    ----------
    onset : float64[n]
        Something begins here: 1.0 is the boundary for the asked rate of false alarms. After a
        reported score only a higher one shows for a while, so onsets count episodes. 0 while
        warming up and for values that are no numbers.
    state : float64[n]
        It is still going on: sustained deviation on the same scale, not hushed.
    expected, lower, upper : float64[n]
        What was expected before the sample was seen, and the band that counts as usual, in the
        sample's unit; NaN while unknown.
    """

    onset: NDArray[np.float64]
    state: NDArray[np.float64]
    expected: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]


class Detector(Protocol):
    """Scores the samples of a shard's series, then learns from them."""

    @property
    def name(self) -> str:
        """As in the configuration."""

    @property
    def version(self) -> int:
        """Of the state's meaning and layout; snapshots of another one can't be restored."""

    def by_slot(self) -> dict[str, NDArray[Any]]:
        """Live state with a row for each slot; scoring samples changes only rows of their slots."""

    def pooled(self) -> dict[str, NDArray[Any]]:
        """Live state that is of no slot; it is copied at every checkpoint and should be small."""

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take over copies of a snapshot's arrays, by slot and pooled.

        Raises
        ------
        StateError
            If they are of another layout.
        """

    def grow(self, slots: int, limit: int = 0) -> None:
        """Make room for at least so many slots; new ones have seen nothing.

        `limit` is how many there may be some day: address space for them can be reserved at once.
        """

    def score(
        self,
        slot: NDArray[np.int32],
        ts: NDArray[np.int64],
        value: NDArray[np.float64],
        share: float,
    ) -> Scores:
        """Score a block of samples, then learn them.

        Parameters
        ----------
        slot : int32[n]
            Series, ascending.
        ts : int64[n]
            Nanoseconds since the epoch; ascending and unique within a slot. No row may be earlier
            than a row of a block before.
        value : float64[n]
            Samples; NaN and infinities get 0 and are not learned.
        share : float
            This shard's part, 0 to 1, of the series that the asked rate of false alarms is for.
        """
