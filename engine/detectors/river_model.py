"""Any anomaly detector of River, one model for each series."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.detectors.protocol import Failure
from engine.detectors.river_judge import RiverJudge, not_judged
from engine.detectors.river_names import SeriesOptions, split_params


class RiverScorer(RiverJudge):
    """One model of River for each series (see `Scorer`).

    A model gets ``{"value": v}`` and, with `SeriesOptions.lags`, the samples before as ``lag_1``,
    ``lag_2``, ...; until a series has so many, its samples are kept, not given. A supervised model
    gets the sample as its target and only the lags as features: with the sample among them it
    would have nothing to judge. NaN and infinities are given to no model.

    Parameters
    ----------
    name : str
        Dotted name of a class under ``river.``.
    params : mapping
        Its constructor's, and beside them those of `SeriesOptions`.

    Raises
    ------
    UsageError
        If an option is not of its type; `river_problem` finds all other mistakes beforehand.
    """

    def __init__(self, name: str, params: Mapping[str, Any]) -> None:
        options, given = split_params(name, params, SeriesOptions)
        self._lags = options.lags
        # Newest first; NaN: not known yet. Without lags there is no such array.
        beside = {"recent": np.full(options.lags, np.nan)} if options.lags else None
        super().__init__(name, given, options.warm_up, beside)

    def score(
        self,
        slot: NDArray[np.int32],
        ts: NDArray[np.int64],  # noqa: ARG002  (the protocol's; models know no time)
        value: NDArray[np.float64],
        scores: NDArray[np.float64],
        signals: NDArray[np.float32],
    ) -> tuple[Failure, ...]:
        """Score a block of samples, then learn them (see `Scorer.score`)."""
        not_judged(scores)
        failures = []
        suspended, supervised = self.slots["suspended"], self.takes_target
        for row, (place, sample) in enumerate(zip(slot.tolist(), value.tolist(), strict=True)):
            if suspended[place] or not math.isfinite(sample):
                continue
            features = self._lagged(place, sample)
            if features is None:
                continue
            target = sample if supervised else None
            if target is None:
                features = {"value": sample, **features}
            failure = self.judge(row, place, features, target, scores, signals)
            if failure is not None:
                failures.append(failure)
        return tuple(failures)

    def _lagged(self, place: int, sample: float) -> dict[str, float] | None:
        """The samples before this one, which becomes one; None if there are too few."""
        if not self._lags:
            return {}
        recent = self.slots["recent"][place]
        before = recent.tolist()
        recent[1:] = before[:-1]
        recent[0] = sample
        if math.isnan(before[-1]):
            return None
        return {f"lag_{lag}": known for lag, known in enumerate(before, 1)}
