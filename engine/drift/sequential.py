"""What every sequential detector does: watch a column of values, batch by batch.

However the values are cut into batches, the same rows raise an alarm. After an alarm a detector
starts anew with the next value. State is a few arrays; rows are counted from the first value ever
seen.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]

NOT_ESTIMATED = -1


@dataclass(frozen=True, slots=True)
class Alarms:
    """What a batch brought.

    Attributes
    ----------
    rows : int64[k]
        Rows at which drift was detected, ascending.
    onsets : int64[k]
        The first row of what is new, as far as the detector tells; NOT_ESTIMATED if it does not.
    warnings : int64[m]
        Rows at which drift was likely but not detected.
    """

    rows: NDArray[np.int64]
    onsets: NDArray[np.int64]
    warnings: NDArray[np.int64]


class SequentialDetector(Protocol):
    """A detector of drift in one column."""

    def update(self, values: NDArray[np.float64]) -> Alarms:
        """Watch the next values, float64[n], all finite."""

    def snapshot(self) -> Arrays:
        """Copies of all state, by name."""

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Go on from a snapshot of a detector with the same settings.

        Raises
        ------
        ValueError
            If a name, a type or a shape is not as it should be.
        """


class ArrayDetector(ABC):
    """A detector whose state is arrays that keep their shapes.

    Parameters
    ----------
    state : dict of arrays
        By name; the detector changes them in place.
    """

    def __init__(self, state: Arrays) -> None:
        self._state = {"seen": np.zeros(1, np.int64), **state}

    @property
    def seen(self) -> int:
        """Values seen so far."""
        return int(self._state["seen"][0])

    def update(self, values: NDArray[np.float64]) -> Alarms:
        """Watch the next values, float64[n].

        Raises
        ------
        ValueError
            If a value is not finite: what is missing is for the caller to leave out.
        """
        if not np.isfinite(values).all():
            raise ValueError("sequential detectors take finite values only")
        first = self.seen
        found = self._watch(np.ascontiguousarray(values, np.float64))
        self._state["seen"][0] += len(values)
        return Alarms(found.rows + first, found.onsets + first, found.warnings + first)

    def snapshot(self) -> Arrays:
        """Copies of all state, by name."""
        return {name: array.copy() for name, array in self._state.items()}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Go on from a snapshot.

        Raises
        ------
        ValueError
            If a name, a type or a shape is not as it should be.
        """
        if arrays.keys() != self._state.keys():
            raise ValueError(f"state has {sorted(arrays)}, not {sorted(self._state)}")
        for name, own in self._state.items():
            if arrays[name].dtype != own.dtype or arrays[name].shape != own.shape:
                raise ValueError(f"{name} is {arrays[name].dtype}{arrays[name].shape}")
        for name, own in self._state.items():
            own[...] = arrays[name]

    @abstractmethod
    def _watch(self, values: NDArray[np.float64]) -> Alarms:
        """Alarms with rows relative to the batch; onsets may be negative."""
