"""Who judges the series of an entity together: the joint score, or a model of River."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.detectors.instants import Instants
from engine.detectors.joint import JointScorer, JointScores
from engine.detectors.protocol import SCORE_ROWS, Failure
from engine.pipeline.score_streams import Watched
from engine.series.snapshot import Table

_UNUSUAL = 1.0


@dataclass(frozen=True, slots=True)
class Verdicts:
    """On n instants.

    `joint` are raw scores and what drives them; `rate` (float64[n]) is the part of an entity's
    series with a high state, NaN if they have none.
    """

    joint: JointScores
    rate: NDArray[np.float64]
    failures: tuple[Failure, ...] = ()


class EntityJudge(Protocol):
    """Judges entities, each with a slot of its own."""

    @property
    def width(self) -> int:
        """Values of a series that are seen together."""

    @property
    def default_boundary(self) -> tuple[float, float]:
        """As of `Scorer`."""

    def seen(self, watched: Watched) -> NDArray[np.float64]:
        """Values of the watched rows, float64[n, width]; where the first is NaN none is seen."""

    def judge(self, instants: Instants, name_of: Callable[[int], str]) -> Verdicts:
        """Judge instants by what was known before each, then learn them.

        `name_of` says what a slot's series is called within its entity.
        """

    def tables(self) -> list[Table]:
        """Live state by entity."""

    def pooled(self) -> dict[str, NDArray[Any]]:
        """Live state that is of no entity."""

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take over copies of a snapshot's arrays."""

    def grow(self, slots: int, limit: int = 0) -> None:
        """Make room for at least so many entities."""


class JointJudge(JointScorer):
    """The joint score of what a detector said of the series one by one."""

    width = 3

    def seen(self, watched: Watched) -> NDArray[np.float64]:
        """Deviation, onset and state."""
        scores = watched.scores
        return np.column_stack([scores.deviation, scores.onset, scores.state])

    def judge(self, instants: Instants, name_of: Callable[[int], str]) -> Verdicts:
        """Score instants jointly."""
        del name_of
        deviation, onset, state = np.ascontiguousarray(instants.values.T)
        # An onset is news at its own instant only.
        onset[instants.row < 0] = 0.0
        joint = self.score(instants.group, instants.start, instants.member, deviation, onset, state)
        high = np.concatenate([[0], np.cumsum(state > _UNUSUAL)])
        return Verdicts(joint, np.diff(high[instants.start]) / np.diff(instants.start))


class RiverJudgeOfEntities:
    """A model of River for each entity, over the values of its series.

    Parameters
    ----------
    name : str
        Dotted.
    params : mapping
    """

    width = 1

    def __init__(self, name: str, params: Mapping[str, Any]) -> None:
        # River takes a second to import, so only those wait who use it.
        from engine.detectors.river_entity import RiverEntityModel  # noqa: PLC0415

        self._model = RiverEntityModel(name, params)
        self.tables = self._model.tables
        self.pooled = self._model.pooled
        self.restore = self._model.restore
        self.grow = self._model.grow
        self.default_boundary = self._model.default_boundary

    def seen(self, watched: Watched) -> NDArray[np.float64]:
        """The samples."""
        return watched.rows.value[watched.chosen][:, np.newaxis]

    def judge(self, instants: Instants, name_of: Callable[[int], str]) -> Verdicts:
        """Let the models judge."""
        from engine.detectors.river_entity import Instant  # noqa: PLC0415

        given = []
        for place, entity in enumerate(instants.group.tolist()):
            rows = slice(*instants.start[place : place + 2].tolist())
            names = map(name_of, instants.slot[rows].tolist())
            values = instants.values[rows, 0].tolist()
            given.append(Instant(entity, dict(zip(names, values, strict=True))))
        scores = np.full((SCORE_ROWS, len(given)), np.nan)
        signals = np.zeros((1, len(given)), np.float32)
        failures = self._model.score(given, scores, signals)
        nothing = np.zeros(len(instants.member))
        joint = JointScores(scores[0].copy(), scores[1].copy(), nothing)
        return Verdicts(joint, np.full(len(given), np.nan), failures)
