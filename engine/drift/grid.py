"""The bins on which a model's features are counted: learned from a reference, then frozen."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from engine.codecs.predictions import Column, Kind

VALUES = 256
"""Numbers with at most so many distinct values are counted value by value."""

QUANTILES, WIDTHS = 384, 128
"""Other numbers get so many bins of like counts, cut by so many of like widths.

The first keep the distribution functions close, the second the areas between them in the tails.
"""

HEAVY_SHARE = 1 / 64
"""A value with more of the rows than this gets a bin of its own."""

UNSEEN_CODES = 64
"""Categories that come up later and are counted one by one; the rest are counted together."""

_CELLS_PER_EDGE, _CELLS_MAX = 2, 1024
_FARTHEST = 1e150  # edges stay so near that differences of values are finite
_STEP_BITS = 24
_LEAST_EXPONENT = -960
_LEAST_SIZE = 0.001


@dataclass(frozen=True, slots=True)
class Edges:
    """Between which numbers are counted.

    Attributes
    ----------
    values : float64[k], ascending
        A bin holds its left edge; a value that has a bin of its own stands between two neighbouring
        floats. Empty if the reference had no values.
    is_single : bool[k + 1]
        Whether the reference had at most one distinct value before the first, between two, and from
        the last on.
    """

    values: NDArray[np.float64]
    is_single: NDArray[np.bool_]


NO_EDGES = Edges(np.empty(0), np.ones(1, np.bool_))


@dataclass(frozen=True, slots=True)
class FeatureGrid:
    """The bins of one feature.

    Attributes
    ----------
    name : str
    kind : Kind
    edges : float64[k]
    is_single : bool[k + 1]
        As in `Edges`, of numbers and text lengths.
    known : int
        Categories that were known when the grid was frozen.
    index : int
        Place among all features.
    number : int
        Place among those with edges; -1 for others.
    start, slots : int
        Where its counts stand. With edges there are k + 1: before the first, k - 1 bins, from the
        last on.
    frame : float64[4]
        First edge, cells per unit, centre, steps per unit. Values are summed as whole steps from
        the centre, so that the order of sums doesn't matter; a range is at most 2**24 steps.
    cells : int16[cells + 1]
        Edges before each cell, see `summary_kernels.place_of`.
    """

    name: str
    kind: Kind
    edges: NDArray[np.float64]
    is_single: NDArray[np.bool_]
    known: int
    index: int
    number: int
    start: int
    slots: int
    frame: NDArray[np.float64]
    cells: NDArray[np.int16]

    @property
    def stop(self) -> int:
        """Where its counts end."""
        return self.start + self.slots

    @property
    def is_numeric(self) -> bool:
        """Whether it has edges: numbers and lengths of text."""
        return self.number >= 0


class Grid:
    """The bins of a model's features; embeddings have none.

    Parameters
    ----------
    features : iterable of (name, kind, Edges, known)

    Attributes
    ----------
    features : dict of str to FeatureGrid
    slots : int
        Counts in all.
    numbers : int
        Features with edges.
    """

    __slots__ = ("features", "numbers", "slots")

    def __init__(self, features: "Iterable[tuple[str, Kind, Edges, int]]") -> None:
        self.features: dict[str, FeatureGrid] = {}
        self.slots = 0
        self.numbers = 0
        for name, kind, edges, known in features:
            grid = _feature(name, kind, edges, known, self)
            self.features[name] = grid
            self.slots += grid.slots
            self.numbers += grid.is_numeric

    @classmethod
    def learn(cls, columns: Mapping[str, Column]) -> Self:
        """Make the grid of reference columns, in their order; their rows' order doesn't matter."""
        return cls(
            (name, column.kind, _edges_of(column), len(column.names))
            for name, column in columns.items()
            if column.kind is not Kind.EMBEDDING
        )

    def same_as(self, other: "Grid") -> bool:
        """Whether counts on both can be added."""
        if self is other:
            return True
        own, others = self.arrays(), other.arrays()
        return all(np.array_equal(own[name], others[name]) for name in own)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Give what a checkpoint keeps."""
        features = list(self.features.values())
        singles = (one.is_single for one in features)
        text = json.dumps([[one.name, one.kind.value, one.known] for one in features])
        return {
            "features": np.frombuffer(text.encode(), np.uint8),
            "edge_counts": np.array([len(one.edges) for one in features], np.int64),
            "edges": np.concatenate([np.empty(0), *(one.edges for one in features)]),
            "is_single": np.concatenate([np.empty(0, np.bool_), *singles]),
        }

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Make the grid whose `arrays` were kept."""
        features = json.loads(arrays["features"].tobytes())
        stops = np.cumsum(arrays["edge_counts"])
        slots = np.cumsum(arrays["edge_counts"] + 1)
        edges = np.split(arrays["edges"].copy(), stops[:-1]) if len(stops) else []
        singles = np.split(arrays["is_single"].copy(), slots[:-1]) if len(stops) else []
        return cls(
            (name, Kind(kind), Edges(*both), known)
            for (name, kind, known), *both in zip(features, edges, singles, strict=True)
        )

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(
            array.nbytes
            for one in self.features.values()
            for array in (one.edges, one.is_single, one.frame, one.cells)
        )


def _feature(name: str, kind: Kind, edges: Edges, known: int, grid: Grid) -> FeatureGrid:
    index, start = len(grid.features), grid.slots
    is_numeric = kind in {Kind.NUMERIC, Kind.TEXT}
    frame, cells = np.empty(0), np.empty(0, np.int16)
    if is_numeric:
        known, slots = 0, len(edges.values) + 1
        frame = _frame(edges.values)
        cells = _cells(edges.values, frame)
    else:
        slots = 2 if kind is Kind.BOOLEAN else known + UNSEEN_CODES + 1
    return FeatureGrid(
        *(name, kind, edges.values, edges.is_single, known, index),
        *(grid.numbers if is_numeric else -1, start, slots, frame, cells),
    )


def _edges_of(column: Column) -> Edges:
    return learned_edges(column.values) if column.kind in {Kind.NUMERIC, Kind.TEXT} else NO_EDGES


def learned_edges(values: NDArray[np.float64]) -> Edges:
    """Edges for numbers.

    Parameters
    ----------
    values : float64[n]
        NaN and infinities are nulls.

    Returns
    -------
    Edges
        At most `QUANTILES` + `WIDTHS` + 2; none without values.
    """
    ordered = np.sort(values[np.isfinite(values)])
    ordered = np.clip(ordered, -_FARTHEST, _FARTHEST) + 0.0  # no negative zero
    if not len(ordered):
        return NO_EDGES
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] > ordered[:-1]]))
    distinct = ordered[starts]
    if len(distinct) <= VALUES:
        edges = _own_bins(distinct)
    else:
        edges = _cut(distinct, np.diff(starts, append=len(ordered)))
    places = np.searchsorted(distinct, edges)
    held = np.diff(places, prepend=0, append=len(distinct))
    return Edges(edges, held <= 1)


def _cut(distinct: NDArray[np.float64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Edges by quantiles and widths, and around heavy values."""
    is_heavy = counts > counts.sum() * HEAVY_SHARE
    heavy = distinct[is_heavy]
    light = np.cumsum(np.where(is_heavy, 0, counts))
    bins = QUANTILES - 2 * len(heavy)
    targets = np.arange(1, bins) * (light[-1] / bins)
    # Between two values, so that values of a bin lie about its middle and not all at an end.
    places = np.maximum(np.searchsorted(light, targets, side="right"), 1)
    left, right = distinct[places - 1], distinct[places]
    middle = left + (right - left) / 2.0
    quantiles = np.where(middle > left, middle, right)
    ends = np.array([distinct[0], np.nextafter(distinct[-1], np.inf)])
    widths = np.linspace(distinct[0], distinct[-1], WIDTHS + 1)[1:-1]
    return np.unique(np.concatenate([ends, _own_bins(heavy), quantiles, widths]) + 0.0)


def _own_bins(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Edges about each value, which are neighbouring floats; `values` ascend."""
    both = np.stack([values, np.nextafter(values, np.inf)], axis=1)
    return np.unique(both.ravel())


def _frame(edges: NDArray[np.float64]) -> NDArray[np.float64]:
    if not len(edges):
        return np.array([0.0, 0.0, 0.0, 2.0**_STEP_BITS])
    first, last = float(edges[0]), float(edges[-1])
    size = last - first
    cells = _cells_number(len(edges))
    per_unit = cells / size
    if not math.isfinite(per_unit):  # all edges are in the first cell then
        per_unit = 0.0
    if last <= np.nextafter(first, np.inf):  # one value has no range
        size = max(abs(first), _LEAST_SIZE)
    exponent = max(math.frexp(size)[1], _LEAST_EXPONENT)
    return np.array([first, per_unit, edges[len(edges) // 2], 2.0 ** (_STEP_BITS - exponent)])


def _cells_number(edges: int) -> int:
    return int(min(_CELLS_MAX, _CELLS_PER_EDGE * edges))


def _cells(edges: NDArray[np.float64], frame: NDArray[np.float64]) -> NDArray[np.int16]:
    """Edges before each cell, found as values' cells are."""
    if not len(edges):
        return np.zeros(1, np.int16)
    number = _cells_number(len(edges))
    own = np.minimum(((edges - frame[0]) * frame[1]).astype(np.int64), number - 1)
    return np.searchsorted(own, np.arange(number + 1)).astype(np.int16)
