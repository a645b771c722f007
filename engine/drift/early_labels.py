"""Labels that are there before the first prediction has said what a model predicts."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.drift.label_letters import label_letters
from engine.drift.label_rows import Labels
from engine.drift.panes import Arrays, part
from engine.drift.version_rows import LabelRows
from engine.events import DeadLetter


class EarlyLabels:
    """Labels of one model that wait for its first prediction, no longer than for any other one.

    Parameters
    ----------
    model : str
    label_delay_ns : int
    labels_max : int
        Labels that are kept of each evaluator.
    """

    def __init__(self, model: str, label_delay_ns: int, labels_max: int) -> None:
        self._model = model
        self._delay_ns = label_delay_ns
        self._max = labels_max
        # In order of time.
        self._held: dict[str, Labels] = {}

    def add(self, late: LabelRows) -> list[DeadLetter]:
        """Keep labels; those that are too many become dead letters."""
        held = self._held.get(late.evaluator)
        if held is not None:
            late = LabelRows(late.evaluator, _joined(held, late.labels))
        kept, more = _divided(late.labels, self._max)
        self._held[late.evaluator] = kept
        return label_letters(self._model, late.evaluator, "early", more)

    def take(self) -> list[LabelRows]:
        """Give all of them, and keep none."""
        held, self._held = self._held, {}
        return [LabelRows(evaluator, labels) for evaluator, labels in held.items()]

    def advance_to(self, tick_ns: int) -> list[DeadLetter]:
        """Give up labels that no prediction can belong to any more."""
        letters: list[DeadLetter] = []
        for evaluator, labels in list(self._held.items()):
            over = int(np.searchsorted(labels.ts, tick_ns - self._delay_ns, side="left"))
            gone, kept = _divided(labels, over)
            letters += label_letters(self._model, evaluator, "orphan", gone)
            self._held[evaluator] = kept
            if not len(kept.ts):
                del self._held[evaluator]
        return letters

    def next_event_ns(self) -> int | None:
        """When the oldest label is given up; None without one."""
        firsts = [int(labels.ts[0]) for labels in self._held.values()]
        return min(firsts) + self._delay_ns + 1 if firsts else None

    def state(self, arrays: Arrays, prefix: str) -> list[str]:
        """Put copies of the arrays into `arrays`, and give the plain values."""
        for number, labels in enumerate(self._held.values()):
            for name, column in labels._asdict().items():
                arrays[f"{prefix}|{number}|{name}"] = column.copy()
        return list(self._held)

    def restore(self, arrays: Mapping[str, NDArray[Any]], plain: list[str]) -> None:
        """Take over what `state` gave, with the prefix taken off."""
        for number, evaluator in enumerate(plain):
            own = part(arrays, str(number))
            self._held[evaluator] = Labels._make(own[name] for name in Labels._fields)


def _joined(held: Labels, more: Labels) -> Labels:
    return Labels._make(np.concatenate(both) for both in zip(held, more, strict=True))


def _divided(labels: Labels, number: int) -> tuple[Labels, Labels]:
    """The first labels, and the rest."""
    return (
        Labels._make(column[:number] for column in labels),
        Labels._make(column[number:] for column in labels),
    )
