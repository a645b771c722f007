"""The sequential detectors of many series: where their state lies, and what they say of samples.

Ours keep a few arrays of fixed shapes, so one detector serves all series of a shard: it goes on
from a series' row, watches, and puts the row back. River's are objects, one for each series.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.detectors.river_names import said
from engine.detectors.river_store import RiverStore
from engine.drift.sequential import Alarms, Arrays, SequentialDetector
from engine.drift.sequential_names import sequential_detector
from engine.series.reserved import SlotArrays

ALARM = 2.0
"""Onset of a sample that raises an alarm: 1.0 is the boundary, and detectors tell no strength."""

WARNING = 0.9
"""Onset of a sample at which drift is likely but not detected."""

_PREFIX = "detector_"
_BITS = ("rate", "DDM", "EDDM", "FHDDM")
_FRACTIONS = ("hddm_a", "hddm_w", "HDDMA", "HDDM_A", "HDDMW", "HDDM_W")


def domain_of(name: str) -> str | None:
    """What samples of a series have to be for a detector, in words; None: any numbers."""
    last = name.rpartition(".")[2]
    if last in _BITS:
        return "zeros and ones"
    return "values from 0 to 1" if last in _FRACTIONS else None


def misfits(name: str, values: NDArray[np.float64]) -> dict[int, str]:
    """Say which values a detector does not take, by their places, and why.

    Its bounds are no bounds for others, and some of River's detectors raise on them.
    """
    domain = domain_of(name)
    if domain is None:
        return {}
    fits = (values >= 0.0) & (values <= 1.0)
    if domain == "zeros and ones":
        fits = (values == 0.0) | (values == 1.0)
    return {
        row: f"{name} takes {domain}, not {values[row]:g}" for row in np.flatnonzero(~fits).tolist()
    }


class SequentialStore(Protocol):
    """The detectors of many series."""

    def watch(
        self, place: int, values: NDArray[np.float64], onset: NDArray[np.float64]
    ) -> dict[int, str]:
        """Let a series' detector see its next values.

        Parameters
        ----------
        place : int
            The series' slot.
        values : float64[n]
            Finite.
        onset : float64[n]
            Filled with ALARM and WARNING; zeros at first.

        Returns
        -------
        dict
            Places of the values that it could not take, and why.
        """

    def drop(self, place: int) -> None:
        """Forget a detector that is asked no more."""

    def pooled(self) -> Arrays:
        """State beside the rows by slot."""


def _tell(alarms: Alarms, first: int, rows: NDArray[np.int64], onset: NDArray[np.float64]) -> None:
    """Write what a detector said of values that lie at `rows`."""
    onset[rows[alarms.warnings - first]] = WARNING
    onset[rows[alarms.rows - first]] = ALARM


class OwnStore:
    """Detectors of ours, whose arrays are rows by slot.

    Parameters
    ----------
    name : str
        A key of `engine.drift.sequential_names.OWN`.
    params : mapping
        Of its constructor.
    beside : dict of arrays
        What else is kept of each slot, as of `SlotArrays`.
    """

    def __init__(
        self, name: str, params: Mapping[str, Any], beside: Mapping[str, NDArray[Any]]
    ) -> None:
        self._name = name
        self._detector: SequentialDetector = sequential_detector(name, **params)
        self._empty = self._detector.snapshot()
        state = {_PREFIX + part: array for part, array in self._empty.items()}
        self.slots = SlotArrays({**beside, **state})

    def watch(
        self, place: int, values: NDArray[np.float64], onset: NDArray[np.float64]
    ) -> dict[int, str]:
        """Let a series' detector see its next values (see `SequentialStore.watch`)."""
        wrong = misfits(self._name, values)
        rows = np.delete(np.arange(len(values)), list(wrong))
        own = self._row(place)
        first = int(own["seen"][0])
        self._detector.restore(own)
        _tell(self._detector.update(values[rows]), first, rows, onset)
        for name, array in self._detector.snapshot().items():
            own[name][...] = array
        return wrong

    def drop(self, place: int) -> None:
        """Forget a detector that is asked no more."""
        for name, array in self._row(place).items():
            array[...] = self._empty[name]

    def pooled(self) -> Arrays:
        """Nothing: all is by slot."""
        return {}

    def _row(self, place: int) -> Arrays:
        return {name: self.slots[_PREFIX + name][place] for name in self._empty}


class RiverDetectors:
    """Detectors of River, an object for each series, pickled at checkpoints (see `RiverStore`).

    Parameters
    ----------
    name : str
        As of `engine.drift.sequential_river`.
    params : mapping
        Of its constructor.
    """

    def __init__(self, name: str, params: Mapping[str, Any]) -> None:
        self._name = name
        self._params = dict(params)
        self._store = RiverStore(name, lambda: sequential_detector(name, **self._params))

    def watch(
        self, place: int, values: NDArray[np.float64], onset: NDArray[np.float64]
    ) -> dict[int, str]:
        """Let a series' detector see its next values (see `SequentialStore.watch`)."""
        wrong = misfits(self._name, values)
        # What was lost cannot be had again: a new one goes on.
        detector, _ = self._store.take(place)
        for row in range(len(values)):
            if row in wrong:
                continue
            try:
                # One by one, so that it is known which value it raised on.
                alarms = detector.update(values[row : row + 1])
            except Exception as error:  # noqa: BLE001  (River may raise what it likes)
                wrong[row] = said(error)
                continue
            onset[row] = ALARM if len(alarms.rows) else WARNING if len(alarms.warnings) else 0.0
        return wrong

    def drop(self, place: int) -> None:
        """Forget a detector that is asked no more."""
        self._store.drop(place)

    def pooled(self) -> Arrays:
        """The detectors, pickled, as `engine.detectors.river_store.ARRAYS` says."""
        return self._store.arrays()

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> bool:
        """Take saved detectors over; False if another version of River saved them.

        Raises
        ------
        ValueError
            If an array is missing or not as it should be.
        """
        return self._store.restore(arrays)
