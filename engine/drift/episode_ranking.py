"""Ranks what moved in a window: effect times importance."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from engine.drift.episode_findings import Finding, Place
from engine.events import (
    DriftCause,
    DriftSegment,
    DriftWindow,
    MovedValue,
    SmallPicture,
    number,
    rfc3339,
)

CAUSES_MAX = 10
SEGMENTS_MAX = 10
SEGMENT_FEATURES_MAX = 5

ImportanceOf = Callable[[str], float]
"""Gives a feature's importance, 1 on average."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """What moved, first what moved most where it matters most.

    Attributes
    ----------
    leading : Finding
        Of the first cause.
    effect : float
        The largest.
    rank : float
        Effect times importance of the first cause.
    features, segments : tuple of str
        All that moved, by name; segments without that of all together.
    causes : tuple of DriftCause
        One for each segment and feature, by the method with the largest effect.
    causes_left_out : int
        What `CAUSES_MAX` does not let in.
    top_segments : tuple of DriftSegment
    """

    leading: Finding
    effect: float
    rank: float
    features: tuple[str, ...]
    segments: tuple[str, ...]
    causes: tuple[DriftCause, ...]
    causes_left_out: int
    top_segments: tuple[DriftSegment, ...]


def ranked(significant: Iterable[Finding], importance_of: ImportanceOf) -> Ranking:
    """Rank findings, at least one; ties are in order of names."""
    places: dict[Place, list[Finding]] = {}
    for finding in sorted(significant, key=Finding.order):
        places.setdefault(finding.place, []).append(finding)
    strongest = [min(found, key=_weakness) for found in places.values()]
    ranks = {one.place: one.effect * importance_of(one.feature) for one in strongest}
    strongest.sort(key=lambda one: (-ranks[one.place], *one.order()))
    total = sum(ranks[one.place] for one in strongest) or 1.0
    causes = tuple(
        _cause(one, places[one.place], importance_of(one.feature), ranks[one.place] / total)
        for one in strongest[:CAUSES_MAX]
    )
    return Ranking(
        leading=strongest[0],
        effect=max(one.effect for one in strongest),
        rank=ranks[strongest[0].place],
        features=tuple(sorted({one.feature for one in strongest})),
        segments=tuple(sorted({one.segment for one in strongest if one.segment})),
        causes=causes,
        causes_left_out=len(strongest) - len(causes),
        top_segments=_top_segments(strongest, ranks),
    )


def window_of(finding: Finding) -> DriftWindow:
    """Give the window of a finding as it is said."""
    return DriftWindow(
        begin=rfc3339(finding.window_begin_ns),
        end=rfc3339(finding.window_end_ns),
        rows=finding.rows,
        referenceRows=finding.reference_rows,
    )


def _weakness(one: Finding) -> tuple[float, float]:
    """Sort a place's methods, the strongest first; one without p-value is the least sure."""
    return -one.effect, math.inf if math.isnan(one.p_value) else one.p_value


def _cause(one: Finding, of_place: list[Finding], importance: float, share: float) -> DriftCause:
    # Methods that have no picture of their own share that of the others.
    moved = next((found.moved for found in [one, *of_place] if found.moved), ())
    picture = next((found.picture for found in [one, *of_place] if found.picture is not None), None)
    return DriftCause(
        feature=one.feature,
        segment=one.segment,
        kind=one.kind,
        method=one.method,
        score=number(one.score),
        effect=one.effect,
        pValue=number(one.p_value),
        importance=importance,
        share=share,
        direction=one.direction or next((f.direction for f in of_place if f.direction), ""),
        moved=tuple(MovedValue(m.value, m.reference_share, m.window_share) for m in moved),
        picture=None
        if picture is None
        else SmallPicture(picture.bins, picture.reference, picture.window),
    )


def _top_segments(strongest: list[Finding], ranks: dict[Place, float]) -> tuple[DriftSegment, ...]:
    """Rank segments by the sum of their causes; all together is none of them."""
    features: dict[str, list[str]] = {}
    sums: dict[str, float] = {}
    for one in strongest:
        if one.segment:
            features.setdefault(one.segment, []).append(one.feature)
            sums[one.segment] = sums.get(one.segment, 0.0) + ranks[one.place]
    total = sum(sums.values()) or 1.0
    names = sorted(sums, key=lambda name: (-sums[name], name))[:SEGMENTS_MAX]
    return tuple(
        DriftSegment(name, sums[name] / total, tuple(features[name][:SEGMENT_FEATURES_MAX]))
        for name in names
    )
