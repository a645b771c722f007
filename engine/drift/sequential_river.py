"""River's detectors by name, value by value.

River is imported when the first one is made. Its objects are state only River can read: a snapshot
is their pickle, as bytes in an array.
"""

import importlib
import pickle
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.drift.sequential import NOT_ESTIMATED, Alarms, Arrays

NAMES = {
    "ADWIN": ("river.drift", "ADWIN"),
    "KSWIN": ("river.drift", "KSWIN"),
    "PageHinkley": ("river.drift", "PageHinkley"),
    "DDM": ("river.drift.binary", "DDM"),
    "EDDM": ("river.drift.binary", "EDDM"),
    "FHDDM": ("river.drift.binary", "FHDDM"),
    "HDDMA": ("river.drift.binary", "HDDMA"),
    "HDDM_A": ("river.drift.binary", "HDDMA"),
    "HDDMW": ("river.drift.binary", "HDDMW"),
    "HDDM_W": ("river.drift.binary", "HDDMW"),
}


class RiverDetector:
    """A detector of River's.

    Parameters
    ----------
    name : str
        A key of `NAMES`, or the full name, as in `river.drift.binary.DDM`.
    **parameters
        Go to River as they are.

    Raises
    ------
    ValueError
        If River has no detector of that name, or does not take the parameters.
    """

    def __init__(self, name: str, **parameters: Any) -> None:
        known = NAMES.get(name.rpartition(".")[2])
        if known is None or name not in {*NAMES, f"{known[0]}.{name.rpartition('.')[2]}"}:
            raise ValueError(f"no drift detector {name!r}; there are {', '.join(NAMES)}")
        module, made = known
        try:
            self._detector = getattr(importlib.import_module(module), made)(**parameters)
        except TypeError as error:
            raise ValueError(f"{name}: {error}") from error
        self._seen = 0

    def update(self, values: NDArray[np.float64]) -> Alarms:
        """Watch the next values, float64[n].

        Raises
        ------
        ValueError
            If a value is not finite.
        """
        if not np.isfinite(values).all():
            raise ValueError("sequential detectors take finite values only")
        detector, rows, onsets, warnings = self._detector, [], [], []
        for row, value in enumerate(values.tolist(), self._seen):
            detector.update(value)
            if detector.drift_detected:
                rows.append(row)
                # ADWIN keeps what is new; the others do not tell.
                width = getattr(detector, "width", None)
                onsets.append(NOT_ESTIMATED if width is None else row + 1 - int(width))
            elif getattr(detector, "warning_detected", False):
                warnings.append(row)
        self._seen += len(values)
        return Alarms(*(np.array(found, np.int64) for found in (rows, onsets, warnings)))

    def snapshot(self) -> Arrays:
        """River's object, pickled, as uint8[bytes], and the values seen."""
        pickled = np.frombuffer(pickle.dumps(self._detector), np.uint8)
        return {"seen": np.array([self._seen], np.int64), "pickled": pickled}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Go on from a snapshot; only ever from our own checkpoints, since it is unpickled.

        Raises
        ------
        ValueError
            If it is not a snapshot of such a detector.
        """
        if arrays.keys() != {"seen", "pickled"}:
            raise ValueError(f"state has {sorted(arrays)}, not ['pickled', 'seen']")
        detector = pickle.loads(arrays["pickled"].tobytes())  # noqa: S301
        if type(detector) is not type(self._detector):
            raise ValueError(f"state is of {type(detector).__name__}")
        self._detector, self._seen = detector, int(arrays["seen"][0])
