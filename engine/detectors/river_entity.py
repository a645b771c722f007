"""Any anomaly detector of River, one model for each entity, over its metrics together."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.detectors.protocol import Failure
from engine.detectors.river_judge import RiverJudge, not_judged
from engine.detectors.river_names import EntityOptions, split_params


@dataclass(frozen=True, slots=True)
class Instant:
    """What an entity's metrics are at one moment.

    Attributes
    ----------
    entity : int
        Its number; models are kept by it.
    features : dict
        Values by the metric's name. A metric that has none is left out; NaN and infinities count
        as left out.
    """

    entity: int
    features: dict[str, float]


class RiverEntityModel(RiverJudge):
    """One model of River for each entity; its state is by entity instead of by slot.

    River leaves it to the model what a missing feature means; some (`HalfSpaceTrees`, `LODA`) know
    for ever only the features of the first instant they learn.

    Parameters
    ----------
    name : str
        Dotted name of a class under ``river.``.
    params : mapping
        Its constructor's, and beside them those of `EntityOptions`.

    Raises
    ------
    UsageError
        If an option is not of its type; `river_problem` finds all other mistakes beforehand.
    """

    def __init__(self, name: str, params: Mapping[str, Any]) -> None:
        options, given = split_params(name, params, EntityOptions)
        self._target = options.target
        super().__init__(name, given, options.warm_up)

    def score(
        self,
        instants: Sequence[Instant],
        scores: NDArray[np.float64],
        signals: NDArray[np.float32],
    ) -> tuple[Failure, ...]:
        """Score instants, then learn them; give those that could not be scored.

        Parameters
        ----------
        instants : sequence of Instant
            Those of an entity in order of time. One without a number, or without the target that
            the model judges, is not judged and not learned.
        scores : float64[SCORE_ROWS, n]
            Filled, as of `Scorer.score`.
        signals : float32[1, n]
            Filled; zeros at first.
        """
        not_judged(scores)
        failures = []
        suspended = self.slots["suspended"]
        for row, instant in enumerate(instants):
            features = {
                name: value for name, value in instant.features.items() if math.isfinite(value)
            }
            target = None if self._target is None else features.pop(self._target, None)
            if suspended[instant.entity] or (
                not features if self._target is None else target is None
            ):
                continue
            failure = self.judge(row, instant.entity, features, target, scores, signals)
            if failure is not None:
                failures.append(failure)
        return tuple(failures)
