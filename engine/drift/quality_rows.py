"""Pairs that are kept as they are: for exact ROC-AUC, and for rankings, which have no summary.

A pane keeps its pairs of a segment up to a bound; beyond it they are dropped, for good. What was
retracted cancels out: each pair has a weight, 1 or -1.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_SLACK_ROWS = 256
_PARTS_MAX = 64

Place = tuple[int, int]
"""A pane and a segment."""


class KeptRows(NamedTuple):
    """Pairs, all arrays [n].

    Attributes
    ----------
    group : float64
        The prediction: of a ranking, the query's number.
    score, label : float64
    weight : int64
        1; -1 takes an equal pair away.
    """

    group: NDArray[np.float64]
    score: NDArray[np.float64]
    label: NDArray[np.float64]
    weight: NDArray[np.int64]

    def chosen(self, rows: NDArray[Any]) -> "KeptRows":
        """Some of the pairs."""
        return KeptRows._make(column[rows] for column in self)


KEPT_TYPES = (np.float64, np.float64, np.float64, np.int64)


def together(parts: Iterable[KeptRows]) -> KeptRows:
    """All pairs of several."""
    none = KeptRows._make(np.zeros(0, dtype) for dtype in KEPT_TYPES)
    columns: Any = zip(*[none, *parts], strict=True)
    return KeptRows._make(np.concatenate(column) for column in columns)


def cancelled(rows: KeptRows) -> KeptRows:
    """Equal pairs as one with their weight, in order; none with weight 0."""
    if not len(rows.weight):
        return rows
    ordered = rows.chosen(np.lexsort((rows.label, rows.score, rows.group)))
    is_first = np.ones(len(ordered.weight), np.bool_)
    is_first[1:] = np.any([c[1:] != c[:-1] for c in ordered[:3]], axis=0)
    begins = np.flatnonzero(is_first)
    weights = np.add.reduceat(ordered.weight, begins)
    kept = ordered.chosen(begins)._replace(weight=weights)
    return kept.chosen(weights != 0)


class PaneRows:
    """Kept pairs by pane and segment.

    Parameters
    ----------
    rows_max : int
        Pairs of a place.
    """

    def __init__(self, rows_max: int) -> None:
        self._rows_max = rows_max
        self._parts: dict[Place, list[KeptRows]] = {}
        self._net: dict[Place, int] = {}
        """Pairs of each place, retracted ones taken off; -1: more than are kept."""
        self._held: dict[Place, int] = {}
        """Rows of each place, retractions among them."""

    def add(self, place: Place, rows: KeptRows) -> None:
        """Keep pairs of a place, if there is room."""
        net = self._net.get(place, 0)
        if net < 0:
            return
        net += int(rows.weight.sum())
        if net > self._rows_max:
            self._net[place] = -1
            self._parts.pop(place, None)
            self._held.pop(place, None)
            return
        self._net[place] = net
        parts = self._parts.setdefault(place, [])
        parts.append(rows)
        self._held[place] = self._held.get(place, 0) + len(rows.weight)
        if self._held[place] > 2 * net + _SLACK_ROWS:
            parts[:] = [cancelled(together(parts))]
            self._held[place] = len(parts[0].weight)
        elif len(parts) > _PARTS_MAX:
            parts[:] = [together(parts)]

    def of(self, places: Sequence[Place]) -> tuple[KeptRows, ...] | None:
        """Give all pairs of some places, in parts; None if one had too many."""
        if any(self._net.get(place, 0) < 0 for place in places):
            return None
        return tuple(part for place in places for part in self._parts.get(place, ()))

    def drop_before(self, pane: int) -> None:
        """Forget earlier panes."""
        for old in [known for known in self._net if known[0] < pane]:
            del self._net[old]
            self._parts.pop(old, None)
            self._held.pop(old, None)

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Give all pairs and their places."""
        places = sorted(self._net)
        rows = {place: together(self._parts.get(place, ())) for place in places}
        arrays: dict[str, NDArray[Any]] = {
            "kept|place": np.array(places, np.int64).reshape(-1, 2),
            "kept|net": np.array([self._net[place] for place in places], np.int64),
            "kept|count": np.array([len(rows[place].weight) for place in places], np.int64),
        }
        everything = together(rows.values())
        return arrays | {f"kept|{name}": getattr(everything, name) for name in KeptRows._fields}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `snapshot` gave."""
        everything = KeptRows._make(arrays[f"kept|{name}"] for name in KeptRows._fields)
        ends = np.cumsum(arrays["kept|count"]).tolist()
        places = [(pane, segment) for pane, segment in arrays["kept|place"].tolist()]
        self._net = dict(zip(places, arrays["kept|net"].tolist(), strict=True))
        self._parts, self._held = {}, {}
        begin = 0
        for place, end in zip(places, ends, strict=True):
            if self._net[place] >= 0:
                self._parts[place] = [everything.chosen(np.arange(begin, end))]
                self._held[place] = end - begin
            begin = end
