"""What episodes are made of: one method's verdict on one feature of one segment in one window."""

import math
from dataclasses import dataclass
from typing import Literal

from engine.drift.findings import Moved, Picture
from engine.events import Group

FindingKind = Literal["data", "prediction", "sequential", "data_quality", "quality", "concept"]
"""What a finding is about.

``data``: a feature's values; ``prediction``: the model's outputs; ``sequential``: an alarm of a
detector that takes value by value; ``data_quality``: missing or unseen values, types, volume,
freshness; ``quality``: a realised metric; ``concept``: the gap of estimated and realised quality.
"""

GROUP_OF: dict[FindingKind, Group] = {
    "data": "drift",
    "prediction": "drift",
    "sequential": "drift",
    "data_quality": "data_quality",
    "quality": "quality",
    "concept": "quality",
}

EFFECT_MAX = 1000.0
"""An effect beyond it says no more; some scores are infinite."""

Place = tuple[str, str]
"""Segment and feature."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A verdict.

    Attributes
    ----------
    kind : FindingKind
    segment : str
        Empty: all together.
    feature, method : str
    score : float
        How far window and reference are apart, in the method's own unit.
    p_value : float
        NaN where the method has none.
    alpha : float
        The largest p-value that is significant.
    significant : bool
        The p-value is not above `alpha`, and the score is not below `score_min`.
    score_min : float
        The least score that counts; what is significant is ranked in units of it.
    window_begin_ns, window_end_ns : int
        The window holds its begin, not its end.
    rows, reference_rows : int
        Values that are no nulls.
    onset_ns : int or None
        When it began, by a method that can tell.
    direction : str
        The change in words, such as ``mean up from 3.1 to 4``.
    moved : tuple of Moved
    picture : Picture or None
    """

    kind: FindingKind
    segment: str
    feature: str
    method: str
    score: float
    p_value: float
    alpha: float
    significant: bool
    score_min: float
    window_begin_ns: int
    window_end_ns: int
    rows: int
    reference_rows: int
    onset_ns: int | None = None
    direction: str = ""
    moved: tuple[Moved, ...] = ()
    picture: Picture | None = None

    @property
    def place(self) -> Place:
        """Segment and feature."""
        return self.segment, self.feature

    @property
    def group(self) -> Group:
        """The kind of episode it belongs to."""
        return GROUP_OF[self.kind]

    @property
    def effect(self) -> float:
        """The score in units of the least one that counts; 1 where the method has no scale.

        So that methods with different units can be ranked.
        """
        if math.isnan(self.score) or not self.score_min > 0:
            return 1.0
        return min(abs(self.score) / self.score_min, EFFECT_MAX)

    def order(self) -> tuple[str | int, ...]:
        """Sort findings of a model, whatever order they were made in."""
        return (
            *(self.segment, self.feature, self.method, self.kind),
            *(self.window_end_ns, self.window_begin_ns),
        )
