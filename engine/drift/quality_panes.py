"""Quality by pane of prediction time and by segment: what changes go into, and summaries come from.

Each (pane, segment) has a row of integers. Rows add up: a window is the sum of its panes, all
segments together are the sum of theirs.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.drift.label_rows import PAIR, Changes
from engine.drift.quality_kernels import LARGEST
from engine.drift.quality_layout import LABELLED, PREDICTIONS, QualityParams, parts
from engine.drift.quality_metrics import QualitySummary
from engine.drift.quality_rows import KeptRows, PaneRows, Place
from engine.drift.quality_running import RunningSums, count_changes

ROWS_MIN = 16

COUNTED_MAX = 1 << 16
"""Pairs of a pane and a segment, used or not, up to which they are counted, not sorted."""


class QualityPanes:
    """Rows of integers by pane and segment.

    Parameters
    ----------
    params : QualityParams
    pane_ns : int
        Length of a pane.
    probabilities : callable, optional
        From a binary classifier's scores float64[n] to estimated probabilities of label 1; needs
        `QualityParams.has_estimates`.

    Attributes
    ----------
    touched : set of (pane, segment)
        What changed; whoever reads it clears it.
    """

    def __init__(
        self,
        params: QualityParams,
        pane_ns: int,
        probabilities: Callable[[NDArray[np.float64]], NDArray[np.float64]] | None = None,
    ) -> None:
        self._params = params
        self._probabilities = probabilities
        self._pane_ns = pane_ns
        self._slots: dict[int, dict[int, int]] = {}
        """Row of each segment, by pane."""
        self._rows = np.zeros((ROWS_MIN, params.width), np.int64)
        self._places = np.zeros((ROWS_MIN, 2), np.int64)
        """Pane and segment of each row."""
        self._is_used = np.zeros(ROWS_MIN, np.bool_)
        self._kept = PaneRows(params.rows_kept_max)
        self._running = RunningSums(params)
        self.touched: set[Place] = set()

    @property
    def segments(self) -> list[int]:
        """All segments that have rows, ascending."""
        return np.unique(self._places[self._is_used, 1]).tolist()

    @property
    def panes(self) -> list[int]:
        """All panes that have rows, ascending."""
        return sorted(self._slots)

    def apply(self, changes: Changes) -> None:
        """Count changes of the join."""
        if not changes.number:
            return
        panes, segments = changes.ts // self._pane_ns, changes.segment.astype(np.int64)
        first, lowest = int(panes.min()), int(segments.min())
        width = int(segments.max()) - lowest + 1
        pairs, place = _numbered((panes - first) * width + (segments - lowest))
        where: list[Place] = [
            (first + pair // width, lowest + pair % width) for pair in pairs.tolist()
        ]
        self._claim(where)
        slots = np.array([self._slots[p][s] for p, s in where], np.int64)[place]
        probabilities = self._expected(changes)
        count_changes(self._rows, self._params, slots, changes, probabilities)
        self._running.count(changes, panes, probabilities)
        self._keep(changes)
        self.touched.update(where)

    def summary(self, panes: Collection[int], segment: int | None = None) -> QualitySummary:
        """Give the sum over some panes of a segment, or of all."""
        slots, places = [], []
        for pane in panes:
            for its_segment, slot in self._slots.get(pane, {}).items():
                if segment in {None, its_segment}:
                    slots.append(slot)
                    places.append((pane, its_segment))
        row = self._rows[slots].sum(axis=0)
        return QualitySummary(self._params, row, self._kept.of(places))

    def start_from(self, pane: int) -> None:
        """Let known-at values begin with a pane, not before the one they began with."""
        for old in [known for known in self._slots if self._running.first <= known < pane]:
            for segment, slot in self._slots[old].items():
                self._running.add(segment, self._rows[slot], -1)
        self._running.first = pane

    def known(self) -> dict[int, QualitySummary]:
        """Give the sum over all panes from the one known-at values begin with, by segment.

        Only of rankings the pairs are there: ROC-AUC is from binned scores.
        """
        known = self._running.summaries()
        if self._params.kind != "ranking":
            return known
        span = [pane for pane in self._slots if pane >= self._running.first]
        return {segment: self.summary(span, segment) for segment in known}

    def coverage_by_age(
        self, tick: int, ages_ns: Iterable[int], segment: int | None = None
    ) -> list[tuple[int, int]]:
        """Count labelled and all predictions by age at a tick.

        Parameters
        ----------
        ages_ns : iterable of int
            Ascending upper ends of classes of age; the age of a prediction is its pane's end's.

        Returns
        -------
        list of (labelled, predictions)
        """
        slots = self._slots_of(segment)
        ages = tick - (self._places[slots, 0] + 1) * self._pane_ns
        counts = parts(self._rows, self._params).counts[slots]
        found = []
        younger = np.iinfo(np.int64).min
        for age in ages_ns:
            some = counts[(ages > younger) & (ages <= age)].sum(axis=0)
            found.append((int(some[LABELLED]), int(some[PREDICTIONS])))
            younger = age
        return found

    def drop_before(self, pane: int) -> None:
        """Forget earlier panes."""
        for old in [known for known in self._slots if known < pane]:
            slots = list(self._slots.pop(old).values())
            self._rows[slots] = 0
            self._is_used[slots] = False
        self._kept.drop_before(pane)

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Give copies of all rows, with their panes and segments."""
        slots = self._slots_of(None)
        slots = slots[np.lexsort(self._places[slots].T[::-1])]
        return {
            "panes|place": self._places[slots],
            "panes|rows": self._rows[slots],
            **self._kept.snapshot(),
        }

    def restore(self, arrays: Mapping[str, NDArray[Any]], start: int) -> None:
        """Take over what `snapshot` gave, before anything was counted.

        Parameters
        ----------
        start : int
            Pane that known-at values begin with.
        """
        places = [(pane, segment) for pane, segment in arrays["panes|place"].tolist()]
        self._claim(places)
        self._rows[[self._slots[pane][segment] for pane, segment in places]] = arrays["panes|rows"]
        self._kept.restore(arrays)
        self._running.first = start
        for (pane, segment), row in zip(places, arrays["panes|rows"], strict=True):
            if pane >= start:
                self._running.add(segment, row, 1)

    def _slots_of(self, segment: int | None) -> NDArray[np.int64]:
        """Rows of a segment, or of all."""
        slots = np.flatnonzero(self._is_used)
        return slots if segment is None else slots[self._places[slots, 1] == segment]

    def _claim(self, places: Sequence[Place]) -> None:
        """Have a row for each place."""
        fresh = [(p, s) for p, s in places if s not in self._slots.get(p, ())]
        rows = len(self._rows)
        while int(self._is_used.sum()) + len(fresh) > rows:
            rows *= 2
        if rows > len(self._rows):
            more = rows - len(self._rows)
            self._rows = np.pad(self._rows, ((0, more), (0, 0)))
            self._places = np.pad(self._places, ((0, more), (0, 0)))
            self._is_used = np.pad(self._is_used, (0, more))
        free = np.flatnonzero(~self._is_used)[: len(fresh)].tolist()
        for (pane, segment), slot in zip(fresh, free, strict=True):
            self._slots.setdefault(pane, {})[segment] = slot
        self._places[free] = np.array(fresh, np.int64).reshape(-1, 2)
        self._is_used[free] = True

    def _expected(self, changes: Changes) -> NDArray[np.float64]:
        """Estimated probabilities of label 1, NaN where there is none."""
        probabilities = np.full(changes.number, np.nan)
        if self._probabilities is not None:
            rows = ~np.isnan(changes.score)
            probabilities[rows] = self._probabilities(changes.score[rows])
        return probabilities

    def _keep(self, changes: Changes) -> None:
        """Keep the pairs that some metrics need."""
        if self._params.kind not in {"binary", "ranking"}:
            return
        usable = (changes.kind == PAIR) & ~np.isnan(changes.score)
        if self._params.kind == "binary":
            usable &= np.isin(changes.label, (0, 1)) & np.isin(changes.prediction, (0, 1))
            usable &= (changes.score >= 0) & (changes.score <= 1)
        else:
            usable &= (changes.label >= 0) & (changes.label < LARGEST)
        rows = np.flatnonzero(usable)
        if not len(rows):
            return
        is_binary = self._params.kind == "binary"
        places = np.stack([changes.ts[rows] // self._pane_ns, changes.segment[rows]], axis=1)
        order = np.lexsort(places.T)
        rows, places = rows[order], places[order]
        begins = np.flatnonzero(np.any(np.diff(places, axis=0, prepend=places[:1] - 1), axis=1))
        for (pane, segment), its in zip(
            places[begins].tolist(), np.split(rows, begins[1:]), strict=True
        ):
            group = np.zeros(len(its)) if is_binary else changes.prediction[its]
            self._kept.add(
                (pane, segment),
                KeptRows(
                    *(group, changes.score[its], changes.label[its]),
                    changes.sign[its].astype(np.int64),
                ),
            )


def merged(summaries: Iterable[QualitySummary], params: QualityParams) -> QualitySummary:
    """Give the summary of all; of none, an empty one."""
    whole = QualitySummary(params, np.zeros(params.width, np.int64), ())
    for summary in summaries:
        whole = whole.merged(summary)
    return whole


def _numbered(codes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Distinct codes, ascending, and of each of codes >= 0, int64[n], its place among them."""
    if int(codes.max()) >= COUNTED_MAX:
        return np.unique(codes, return_inverse=True)
    # A hundred times as fast as sorting.
    is_used = np.bincount(codes) > 0
    return np.flatnonzero(is_used), (np.cumsum(is_used) - 1)[codes]
