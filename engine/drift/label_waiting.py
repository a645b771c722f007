"""Predictions and labels that wait for their tick.

A tick knows all rows up to it and none after it. Among those of one tick order does not matter.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from engine.drift.label_rows import Labels, Predictions

_PREDICTION_TYPES = (np.uint64, np.int64, np.float64, np.float64, np.int32)
_LABEL_TYPES = (np.uint64, np.int64, np.float64)

Batch = TypeVar("Batch", Predictions, Labels)


def _together(parts: list[Batch]) -> Batch:
    columns: Any = zip(*parts, strict=True)
    return type(parts[0])(*(np.concatenate(column) for column in columns))


def _chosen(batch: Batch, rows: NDArray[np.bool_]) -> Batch:
    columns: Any = batch
    return type(batch)(*(column[rows] for column in columns))


class WaitingRows:
    """Rows after the last tick."""

    def __init__(self) -> None:
        self._predictions = [Predictions._make(np.zeros(0, t) for t in _PREDICTION_TYPES)]
        self._labels = [Labels._make(np.zeros(0, t) for t in _LABEL_TYPES)]

    def __len__(self) -> int:
        return sum(len(ts) for ts in self._times())

    def first_ns(self) -> int | None:
        """Time of the first row."""
        return min((int(ts.min()) for ts in self._times() if len(ts)), default=None)

    def add_predictions(self, batch: Predictions) -> None:
        """Let predictions wait."""
        self._predictions.append(batch)

    def add_labels(self, batch: Labels) -> None:
        """Let labels wait."""
        self._labels.append(batch)

    def _times(self) -> list[NDArray[np.int64]]:
        return [part.ts for part in self._predictions] + [part.ts for part in self._labels]

    def take_up_to(self, tick_ns: int) -> tuple[Predictions, Labels]:
        """Give all rows up to a tick, in the order in which they came."""
        predictions, labels = _together(self._predictions), _together(self._labels)
        are_due = predictions.ts <= tick_ns, labels.ts <= tick_ns
        self._predictions = [_chosen(predictions, ~are_due[0])]
        self._labels = [_chosen(labels, ~are_due[1])]
        return _chosen(predictions, are_due[0]), _chosen(labels, are_due[1])

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Give all rows."""
        predictions, labels = _together(self._predictions), _together(self._labels)
        return {
            **{f"waiting_predictions|{n}": a for n, a in predictions._asdict().items()},
            **{f"waiting_labels|{n}": a for n, a in labels._asdict().items()},
        }

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `snapshot` gave."""
        self._predictions = [
            Predictions._make(arrays[f"waiting_predictions|{n}"] for n in Predictions._fields)
        ]
        self._labels = [Labels._make(arrays[f"waiting_labels|{n}"] for n in Labels._fields)]
