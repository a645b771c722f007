"""Realised quality of one model: windows that are corrected as labels come, and known-at values.

Rows go in as they come and wait until a tick; a tick counts all predictions and labels up to it,
no more, so that what is said at a tick depends on the logs' content only. It says two things:

- *windows* of prediction time: each time labels changed a window that is over, the window again,
  with a higher revision, and a last time when nothing can change it any more;
- *known-at* values for rules: the quality of the window that ends with the tick, of what is known
  at the tick.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.drift.cbpe import Cbpe
from engine.drift.label_join import LabelJoin, LabelJoinMeta, LabelJoinParams
from engine.drift.label_rows import (
    Changes,
    Closed,
    Labels,
    Predictions,
)
from engine.drift.label_waiting import WaitingRows
from engine.drift.quality_layout import QualityParams
from engine.drift.quality_metrics import QualitySummary
from engine.drift.quality_panes import QualityPanes
from engine.drift.quality_taken import TakenRows
from engine.drift.windows import WindowSpec

ALL_SEGMENTS = -1
"""In place of a segment: all of them together."""

_ALWAYS = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True)
class QualityMonitorParams:
    """What is measured, over what.

    Attributes
    ----------
    join : LabelJoinParams
    quality : QualityParams
    window : WindowSpec
        Of prediction time. Its slide is the width of the panes that known-at values step by, too.
    known_size_ns : int
        Length of the window of known-at values, a multiple of the slide.
    correct_every_ns : int
        What was said of a window is corrected at ticks that are multiples of this; 0: at all. A
        new window, and the last word on one, do not wait for it.
    """

    join: LabelJoinParams
    quality: QualityParams
    window: WindowSpec
    known_size_ns: int
    correct_every_ns: int = 0


@dataclass(frozen=True, slots=True)
class WindowQuality:
    """A window of prediction time, as known at a tick.

    Attributes
    ----------
    begin_ns, end_ns : int
        The window holds its begin, not its end.
    segment : int
        `ALL_SEGMENTS`: of all together.
    revision : int
        1 at first; what is said later about the same window and segment has a higher one.
    known_at_ns : int
        The tick.
    is_final : bool
        Nothing can change it any more.
    quality : QualitySummary
    """

    begin_ns: int
    end_ns: int
    segment: int
    revision: int
    known_at_ns: int
    is_final: bool
    quality: QualitySummary


@dataclass(frozen=True, slots=True)
class TickQuality:
    """What a tick says.

    Attributes
    ----------
    tick_ns : int
    known : dict of int to QualitySummary
        Known-at values by segment, `ALL_SEGMENTS` among them; empty if there is nothing.
    windows : list of WindowQuality
        Those that changed, in order of time and segment.
    closed : Closed
        Predictions that expired without a label, orphan labels.
    refused : tuple of (Predictions, uint8), (Labels, uint8)
        Rows that were not taken up, with the join's verdict.
    changes : Changes
        What the tick's rows changed, but for what came and went within it.
    """

    tick_ns: int
    known: dict[int, QualitySummary]
    windows: list[WindowQuality]
    closed: Closed
    refused: tuple[tuple[Predictions, NDArray[np.uint8]], tuple[Labels, NDArray[np.uint8]]]
    changes: Changes


class Groups(Protocol):
    """Segments that windows also tell of together; numbers of groups are below `ALL_SEGMENTS`."""

    def group_of(self, segment: int) -> int:
        """Give the number of a segment's group."""

    def members(self, group: int) -> Collection[int]:
        """Give the segments of a group."""


class QualityMeta(msgspec.Struct, frozen=True):
    """What a checkpoint holds beside the arrays.

    `layout` says what is counted, by what panes; predictions before `counts_from_ns` are not.
    """

    join: LabelJoinMeta
    layout: str
    counts_from_ns: int


WindowPlace = tuple[int, int]
"""A window, by its last pane, and a segment."""


@dataclass(slots=True)
class _Revisions:
    """How often each window was said that is not final, and which have changed since."""

    said: dict[WindowPlace, int] = field(default_factory=dict)
    changed: set[WindowPlace] = field(default_factory=set)


class QualityMonitor:
    """Quality of one model.

    Parameters
    ----------
    params : QualityMonitorParams
    folder : Path
        For the join's spilled rows; no other monitor may use it.
    estimator : Cbpe, optional
        Estimates a binary classifier's quality beside the realised one
        (`QualitySummary.estimated_metrics`).
    groups : Groups, optional
        Whose windows are told in place of those of `ALL_SEGMENTS`.
    """

    def __init__(
        self,
        params: QualityMonitorParams,
        folder: Path,
        estimator: Cbpe | None = None,
        groups: Groups | None = None,
    ) -> None:
        if estimator is not None:
            params = replace(params, quality=replace(params.quality, has_estimates=True))
        self._params = params
        self._groups = groups
        self._known = WindowSpec(params.known_size_ns, params.window.slide_ns)
        self._waiting = WaitingRows()
        self._taken = TakenRows()
        probabilities = None if estimator is None else estimator.probabilities
        self._panes = QualityPanes(params.quality, params.window.slide_ns, probabilities)
        self._revisions = _Revisions()
        self._counts_from_ns = _ALWAYS
        self.join = LabelJoin(params.join, folder)

    @property
    def panes(self) -> QualityPanes:
        """Quality by pane, of all that is known at the last tick."""
        return self._panes

    @property
    def rows_waiting(self) -> int:
        """Rows after the last tick."""
        return len(self._waiting)

    def add_predictions(self, batch: Predictions) -> None:
        """Let predictions wait for their tick."""
        self._waiting.add_predictions(batch)

    def add_labels(self, batch: Labels) -> None:
        """Let labels wait for their tick."""
        self._waiting.add_labels(batch)

    def take_ahead(self, until_ns: int) -> None:
        """Join rows up to a time before the next tick, so that it has less to do.

        There must be none left that come later. Nothing is said of them before the tick.
        """
        predictions, labels = self._waiting.take_up_to(until_ns)
        self._taken.add_predictions(predictions, *self.join.add_predictions(predictions))
        self._taken.add_labels(labels, *self.join.add_labels(labels))

    def advance_to(self, tick_ns: int) -> TickQuality:
        """Take up all rows up to a tick; there must be none left that come later."""
        self._panes.start_from(self._known.known_range(tick_ns).start)
        self.take_ahead(tick_ns)
        # What came and went within a tick must not count as a change of any window.
        changes, refused = self._taken.take()
        self._panes.apply(self._counted(changes))
        closed = self.join.advance(tick_ns)
        return TickQuality(
            tick_ns=tick_ns,
            known=self._known_at(),
            windows=list(self._revised(tick_ns)),
            closed=closed,
            refused=refused,
            changes=changes,
        )

    def snapshot(self) -> tuple[dict[str, NDArray[Any]], QualityMeta]:
        """Give copies of all state; spilled rows as the files that hold them."""
        joined, meta = self.join.snapshot()
        said = [(*place, number) for place, number in sorted(self._revisions.said.items())]
        changed = sorted(self._revisions.changed)
        arrays = {
            **{f"join|{name}": array for name, array in joined.items()},
            **self._panes.snapshot(),
            **self._waiting.snapshot(),
            **self._taken.snapshot(),
            "revisions|said": np.array(said, np.int64).reshape(-1, 3),
            "revisions|changed": np.array(changed, np.int64).reshape(-1, 2),
        }
        return arrays, QualityMeta(meta, self._layout, self._counts_from_ns)

    def restore(self, arrays: Mapping[str, NDArray[Any]], meta: QualityMeta) -> bool:
        """Take over a checkpoint, before anything was added.

        Where what is counted, or by what panes, is another one since, windows begin anew with the
        predictions that come: none is told that holds earlier ones, which still meet their labels.

        Returns
        -------
        bool
            Whether windows go on.

        Raises
        ------
        StateError
            A spilled file is missing or damaged.
        """
        prefix = "join|"
        joined = {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}
        self.join.restore(joined, meta.join)
        self._waiting.restore(arrays)
        self._taken.restore(arrays)
        if meta.layout != self._layout:
            window = self._params.window
            self._counts_from_ns = window.end_ns(window.pane(meta.join.watermark))
            return False
        self._counts_from_ns = meta.counts_from_ns
        self._panes.restore(arrays, self._known.known_range(meta.join.watermark).start)
        said = arrays["revisions|said"].tolist()
        changed = arrays["revisions|changed"].tolist()
        self._revisions = _Revisions(
            {(window, segment): number for window, segment, number in said},
            {(window, segment) for window, segment in changed},
        )
        return True

    def next_event_ns(self) -> int | None:
        """Give the time from which on a tick may say more than its known-at values; None: never.

        Ticks before it need not be asked for, if nothing is added meanwhile.
        """
        spec, revisions = self._params.window, self._revisions
        times = [self._waiting.first_ns()]
        every = max(1, self._params.correct_every_ns)
        corrected = (self.join.watermark // every + 1) * every
        times += [
            corrected if place in revisions.said else spec.end_ns(place[0])
            for place in revisions.changed
        ]
        delay = self._params.join.label_delay_ns
        times += [spec.end_ns(window) + delay for window, _ in revisions.said]
        return min((time for time in times if time is not None), default=None)

    @property
    def _layout(self) -> str:
        """What sums are of, as text: other ones can't be added to them."""
        params = self._params
        said = [params.quality, params.window.size_ns, params.window.slide_ns, params.known_size_ns]
        return msgspec.json.encode(said).decode()

    def _counted(self, changes: Changes) -> Changes:
        """Leave out changes of predictions that windows have not counted."""
        rows = changes.ts >= self._counts_from_ns
        return changes if rows.all() else Changes._make(column[rows] for column in changes)

    def _known_at(self) -> dict[int, QualitySummary]:
        known = self._panes.known()
        if known:
            known[ALL_SEGMENTS] = reduce(QualitySummary.merged, known.values())
        return known

    def _revised(self, tick_ns: int) -> Iterator[WindowQuality]:
        """Yield the windows that are over and that changed, or that are final now."""
        spec, revisions = self._params.window, self._revisions
        over_before = spec.pane(tick_ns)
        final_before = spec.pane(tick_ns - self._params.join.label_delay_ns)
        for pane, segment in self._panes.touched:
            group = ALL_SEGMENTS if self._groups is None else self._groups.group_of(segment)
            for window in spec.windows_with([pane]):
                if spec.begin_ns(window) >= self._counts_from_ns:
                    revisions.changed |= {(window, segment), (window, group)}
        self._panes.touched.clear()
        due = {place for place in revisions.changed if place[0] < over_before}
        if not self._corrects(tick_ns):
            due = {p for p in due if p not in revisions.said or p[0] < final_before}
        revisions.changed -= due
        due |= {place for place in revisions.said if place[0] < final_before}
        for window, segment in sorted(due):
            number = revisions.said.pop((window, segment), 0) + 1
            is_final = window < final_before
            if not is_final:
                revisions.said[window, segment] = number
            quality = self._summary(spec.pane_range(window), segment)
            yield WindowQuality(
                *(spec.begin_ns(window), spec.end_ns(window), segment, number),
                *(tick_ns, is_final, quality),
            )
        self._forget(tick_ns, final_before)

    def _summary(self, panes: range, segment: int) -> QualitySummary:
        """Quality of a segment, of a group, or of all."""
        if segment > ALL_SEGMENTS:
            return self._panes.summary(panes, segment)
        if self._groups is None or segment == ALL_SEGMENTS:
            return self._panes.summary(panes)
        members = self._groups.members(segment)
        parts = (self._panes.summary(panes, member) for member in members)
        return reduce(QualitySummary.merged, parts)

    def _corrects(self, tick_ns: int) -> bool:
        """Whether a tick says windows again that were said before."""
        every = self._params.correct_every_ns
        return not every or tick_ns % every == 0

    def _forget(self, tick_ns: int, final_before: int) -> None:
        """Drop panes that no window needs that can still be said."""
        first = min(
            final_before - self._params.window.panes_per_window + 1,
            self._known.known_range(tick_ns).start,
        )
        self._panes.drop_before(first)
