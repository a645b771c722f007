"""What rows that were joined before their tick have changed, kept until it comes."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.drift.label_rows import (
    ACCEPTED,
    Changes,
    Labels,
    Predictions,
    joined_changes,
    net_changes,
)

Verdicts = NDArray[np.uint8]
Refused = tuple[tuple[Predictions, Verdicts], tuple[Labels, Verdicts]]

_PREDICTIONS = Predictions._make(
    np.zeros(0, kind) for kind in (np.uint64, np.int64, np.float64, np.float64, np.int32)
)
_LABELS = Labels._make(np.zeros(0, kind) for kind in (np.uint64, np.int64, np.float64))
_NO_VERDICTS = np.zeros(0, np.uint8)


class TakenRows:
    """Changes and refused rows since the last tick."""

    def __init__(self) -> None:
        self._changes: list[Changes] = []
        self._predictions: list[tuple[Predictions, Verdicts]] = [(_PREDICTIONS, _NO_VERDICTS)]
        self._labels: list[tuple[Labels, Verdicts]] = [(_LABELS, _NO_VERDICTS)]

    def add_predictions(self, batch: Predictions, changes: Changes, verdicts: Verdicts) -> None:
        """Note what predictions have changed."""
        self._changes.append(changes)
        self._predictions.append(_refused(batch, verdicts))

    def add_labels(self, batch: Labels, changes: Changes, verdicts: Verdicts) -> None:
        """Note what labels have changed."""
        self._changes.append(changes)
        self._labels.append(_refused(batch, verdicts))

    def take(self) -> tuple[Changes, Refused]:
        """Give the changes, but for what came and went, and the refused rows; then forget them."""
        self._join()
        changes = net_changes(joined_changes(self._changes))
        refused = self._predictions[0], self._labels[0]
        self._changes = []
        self._predictions, self._labels = [(_PREDICTIONS, _NO_VERDICTS)], [(_LABELS, _NO_VERDICTS)]
        return changes, refused

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Give copies of all of it."""
        self._join()
        changes = joined_changes(self._changes)
        found = {f"taken|changes|{name}": column for name, column in changes._asdict().items()}
        for name, ((batch, verdicts),) in (
            ("predictions", self._predictions),
            ("labels", self._labels),
        ):
            found |= {f"taken|{name}|{field}": c for field, c in batch._asdict().items()}
            found[f"taken|{name}|verdicts"] = verdicts
        return {name: array.copy() for name, array in found.items()}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `snapshot` gave."""

        def columns(name: str, fields: tuple[str, ...]) -> list[NDArray[Any]]:
            return [arrays[f"taken|{name}|{field}"] for field in fields]

        self._changes = [Changes._make(columns("changes", Changes._fields))]
        predictions = Predictions._make(columns("predictions", Predictions._fields))
        self._predictions = [(predictions, arrays["taken|predictions|verdicts"])]
        labels = Labels._make(columns("labels", Labels._fields))
        self._labels = [(labels, arrays["taken|labels|verdicts"])]

    def _join(self) -> None:
        self._predictions = [_joined(self._predictions)]
        self._labels = [_joined(self._labels)]


def _joined(parts: list[Any]) -> Any:
    """One batch of several, with its verdicts."""
    if len(parts) == 1:
        return parts[0]
    columns = zip(*(batch for batch, _ in parts), strict=True)
    batch = type(parts[0][0])._make(np.concatenate(column) for column in columns)
    return batch, np.concatenate([verdicts for _, verdicts in parts])


def _refused(batch: Any, verdicts: Verdicts) -> tuple[Any, Verdicts]:
    """Rows that are in no good order, with their verdict."""
    rows = np.flatnonzero(verdicts != ACCEPTED)
    return type(batch)(*(column[rows] for column in batch)), verdicts[rows]
