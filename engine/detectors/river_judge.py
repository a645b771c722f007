"""Asks River's models: scores, failures and what is kept beside each model."""

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.detectors.protocol import NOT_JUDGED, Failure
from engine.detectors.river_names import make_model, said, takes_target
from engine.detectors.river_store import ARRAYS, RiverStore
from engine.detectors.slot_state import SlotState

FAILURES_MAX: Final = 10
"""So many failures in a row suspend a model."""

STATE_WEIGHT: Final = 0.1
"""Of a new score in the state's moving mean."""

_LARGEST_SCORE: Final = float(np.finfo(np.float32).max)

_EMPTY: dict[str, NDArray[Any]] = {
    "learned": np.zeros((), np.int64),
    "failures": np.zeros((), np.uint8),
    "suspended": np.zeros((), np.bool_),
    "floor": np.zeros(()),
    "mean_score": np.zeros(()),
}


class RiverJudge(SlotState):
    """What models of series and of entities have in common.

    A model scores what it has not seen yet, then learns it, as River's own loops do. The raw onset
    is its score, on its own scale, which may end at 1. Scores below zero are shifted up by the
    lowest one of the model's warm-up, and what is still below zero counts as 0; the order of the
    others stays. The raw state is an exponentially weighted mean of the raw onsets.

    A sample fails if the model raises or its score is no finite number; the model goes on, and is
    suspended after `FAILURES_MAX` in a row. While it warms up only its learning can fail, since a
    model that knows nothing need not be able to score.

    Saved models are pickles (see `RiverStore`). Where another class or another version of River
    saved them, all start anew.

    Parameters
    ----------
    name : str
        Dotted name of the model's class.
    params : mapping
        Of its constructor.
    warm_up : int
        Samples that a model learns before its scores count.
    beside : dict of arrays
        More state by slot, as of `SlotState`.
    """

    version: Final = 1
    signals: Final = ("model",)
    default_boundary: Final = (math.inf, math.inf)  # every model has a scale of its own

    def __init__(
        self,
        name: str,
        params: Mapping[str, Any],
        warm_up: int,
        beside: Mapping[str, NDArray[Any]] | None = None,
    ) -> None:
        self.name = name
        super().__init__(_EMPTY | dict(beside or {}))
        self._params = dict(params)
        self._warm_up = warm_up
        self._models = RiverStore(name, self._make)
        self._supervised: bool | None = None

    @property
    def takes_target(self) -> bool:
        """Whether the model judges a target, given features."""
        if self._supervised is None:
            self._supervised = takes_target(self._make())
        return self._supervised

    def pooled(self) -> dict[str, NDArray[Any]]:
        """The models, pickled."""
        return self._models.arrays()

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take over copies of a snapshot's arrays.

        Raises
        ------
        ValueError
            If a name, a type or a shape is not as it should be.
        """
        super().restore({name: arrays[name] for name in arrays if name not in ARRAYS})
        if not self._models.restore(arrays):
            self._start_anew(slice(None))

    def judge(
        self,
        row: int,
        place: int,
        features: dict[str, float],
        target: float | None,
        scores: NDArray[np.float64],
        signals: NDArray[np.float32],
    ) -> Failure | None:
        """Let a model score a row and learn it.

        Parameters
        ----------
        row : int
            Of `scores` and `signals`, which say already that it is not judged.
        place : int
            The model's slot.
        features : dict
            Finite numbers by name.
        target : float or None
            For a model that takes one.
        scores, signals
            As of `Scorer.score`; the row is filled if it is judged.
        """
        own = self.slots
        model, is_lost = self._models.take(place)
        if is_lost:
            self._start_anew(slice(place, place + 1))
        is_warm = bool(own["learned"][place] >= self._warm_up)
        score, unscored = _score(model, features, target)
        unlearned = _learn(model, features, target)
        detail = (unscored if is_warm else None) or unlearned
        if detail is not None:
            return self._failure(row, place, detail)
        own["failures"][place] = 0
        if not is_warm:
            own["learned"][place] += 1
            if unscored is None:
                own["floor"][place] = min(score, own["floor"][place])
            return None
        raw = min(max(score - float(own["floor"][place]), 0.0), _LARGEST_SCORE)
        own["mean_score"][place] += STATE_WEIGHT * (raw - own["mean_score"][place])
        scores[0, row] = raw
        scores[1, row] = own["mean_score"][place]
        signals[0, row] = raw
        return None

    def _failure(self, row: int, place: int, detail: str) -> Failure:
        own = self.slots
        own["failures"][place] += 1
        suspends = bool(own["failures"][place] >= FAILURES_MAX)
        if suspends:
            own["suspended"][place] = True
            self._models.drop(place)
        return Failure(row, detail, suspends)

    def _make(self) -> Any:
        return make_model(self.name, self._params)

    def _start_anew(self, places: slice) -> None:
        """Let new models warm up; what is known of the samples before stays."""
        for name, empty in _EMPTY.items():
            self.slots[name][places] = empty


def not_judged(scores: NDArray[np.float64]) -> None:
    """Say of all rows that they are not judged, and that nothing was expected."""
    scores[0] = NOT_JUDGED
    scores[1] = 0.0
    scores[2:] = np.nan


def _score(
    model: Any, features: dict[str, float], target: float | None
) -> tuple[float, str | None]:
    """A model's score, or what is wrong with it."""
    # A copy, for models may keep what they are given, and change it.
    given = dict(features)
    try:
        # By name, for a pipeline hands nothing else on.
        score = model.score_one(given) if target is None else model.score_one(given, y=target)
        number = float(score)
    except Exception as error:  # noqa: BLE001  (a model may raise what it likes)
        return math.nan, said(error)
    if math.isfinite(number):
        return number, None
    return math.nan, f"returned {'NaN' if math.isnan(number) else number}"


def _learn(model: Any, features: dict[str, float], target: float | None) -> str | None:
    """Let a model learn; say what went wrong."""
    try:
        if target is None:
            model.learn_one(features)
        else:
            # By place, for a filter hands nothing else on.
            model.learn_one(features, target)
    except Exception as error:  # noqa: BLE001
        return said(error)
    return None
