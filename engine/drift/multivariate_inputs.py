"""The features of a row as one vector of numbers, for statistics of all features together.

Numbers, truth values and text lengths are standardised by the reference; a null is the mean. A
category is a point in a few dimensions that its name alone decides (so that no table of names has
to be kept, and new categories have their points, too), standardised likewise. Features beyond the
`DIMENSIONS` share dimensions, with random signs (Weinberger et al., "Feature hashing for large
scale multitask learning", 2009).
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.codecs.predictions import Column, Kind
from engine.drift.multivariate_kernels import add_codes, add_numbers
from engine.drift.row_index import as_slice

DIMENSIONS = 256
"""Of the vectors, at most."""

CODE_DIMENSIONS = 4
"""Of the points of a feature's categories."""

BLOCK_ROWS = 1024
"""Rows that are turned into vectors at once, to stay in the processor's cache."""

_CONSTANT = 1e-12
_NAMES_KEPT = 1 << 16


def column_rows(columns: Mapping[str, Column]) -> int:
    """Rows of some columns; an embedding does not tell."""
    plain = (column for column in columns.values() if column.kind is not Kind.EMBEDDING)
    return max((len(column.values) for column in plain), default=0)


def blocks(
    rows: int,
    index: NDArray[np.int64] | None,
) -> Iterator[tuple[NDArray[np.int64] | slice, int]]:
    """Cut the rows, or those of an index int64[k], into blocks; with their sizes."""
    total = rows if index is None else len(index)
    for begin in range(0, total, BLOCK_ROWS):
        end = min(begin + BLOCK_ROWS, total)
        block = slice(begin, end) if index is None else as_slice(index[begin:end])
        yield block, end - begin


def fit_rows(rows: int, at_most: int) -> NDArray[np.int64]:
    """Spread at most so many places evenly over the rows."""
    return np.arange(rows) if rows <= at_most else np.arange(at_most) * rows // at_most


@lru_cache(maxsize=_NAMES_KEPT)
def category_point(name: str) -> tuple[float, ...]:
    """Give a category's point in [-1, 1)**CODE_DIMENSIONS."""
    digest = blake2b(name.encode(), digest_size=4 * CODE_DIMENSIONS).digest()
    parts: list[int] = np.frombuffer(digest, "<u4").tolist()
    return tuple(part / 2.0**31 - 1.0 for part in parts)


def category_points(names: Sequence[str]) -> NDArray[np.float64]:
    """Points of categories, float64[len(names), CODE_DIMENSIONS]."""
    points = [category_point(name) for name in names]
    return np.array(points, np.float64).reshape(-1, CODE_DIMENSIONS)


def numbers(values: NDArray[Any]) -> NDArray[np.float64]:
    """Values of a column that is not categorical as float64[n], NaN for null."""
    if values.dtype != np.int8:
        return values
    return np.where(values < 0, np.nan, values.astype(np.float64))


def moments(values: NDArray[np.float64]) -> tuple[float, float]:
    """Mean and standard deviation of the finite values, float64[n]; never too large for a float.

    What lies beyond the outermost percentiles counts as these, unless nothing else differs: a few
    outliers would make the scale, and so the reference, unlike any window.
    """
    finite = values[np.isfinite(values)]
    unit = float(np.max(np.abs(finite), initial=0.0))
    if not unit:
        return 0.0, 0.0
    scaled = finite / unit
    trimmed = np.clip(scaled, *np.quantile(scaled, (0.01, 0.99)))
    kept = trimmed if float(np.ptp(trimmed)) > 0.0 else scaled
    return float(np.mean(kept)) * unit, float(np.std(kept)) * unit


def _scale(mean: float, deviation: float) -> float:
    """Inverse of a deviation; a constant is measured by itself."""
    spread = deviation if deviation > _CONSTANT * abs(mean) else max(abs(mean), 1.0)
    return 1.0 / spread if spread > 0.0 and math.isfinite(1.0 / spread) else 1.0


@dataclass(slots=True)
class MultivariateInputs:
    """How features become vectors, frozen with the reference.

    Attributes
    ----------
    features : list of (str, Kind)
        None are embeddings.
    means, scales : float64[parts]
        Of each feature's one part, or of its `CODE_DIMENSIONS` parts.
    places : int64[parts]
        The dimension that a part is added to.
    width : int
        Dimensions.
    """

    features: list[tuple[str, Kind]]
    means: NDArray[np.float64]
    scales: NDArray[np.float64]
    places: NDArray[np.int64]
    width: int
    _tables: dict[str, tuple[tuple[str, ...], NDArray[np.float32]]] = field(
        default_factory=dict, repr=False, compare=False
    )

    @classmethod
    def fit(cls, columns: Mapping[str, Column]) -> Self:
        """Learn the reference's means and standard deviations; features go by name."""
        features: list[tuple[str, Kind]] = []
        means: list[float] = []
        scales: list[float] = []
        for name, column in sorted(columns.items()):
            if column.kind is Kind.EMBEDDING:
                continue
            features.append((name, column.kind))
            if column.kind is Kind.CATEGORICAL:
                points = category_points(column.names)[column.values[column.values >= 0]]
                parts, weight = list(points.T), 1.0 / math.sqrt(CODE_DIMENSIONS)
            else:
                parts, weight = [numbers(column.values)], 1.0
            for part in parts:
                mean, deviation = moments(part)
                means.append(mean)
                scales.append(weight * _scale(mean, deviation))
        return cls(features, *_fold(np.array(means), np.array(scales)))

    def encode(
        self,
        columns: Mapping[str, Column],
        rows: NDArray[np.int64] | slice,
        count: int,
    ) -> NDArray[np.float32]:
        """Turn some rows into vectors, float32[count, width]; absent features are null."""
        out = np.zeros((count, self.width), np.float32)
        part = 0
        for name, kind in self.features:
            parts = CODE_DIMENSIONS if kind is Kind.CATEGORICAL else 1
            column = columns.get(name)
            if column is not None and column.kind is kind and len(column.values):
                self._add(name, column, rows, slice(part, part + parts), out)
            part += parts
        return out

    def _add(
        self,
        name: str,
        column: Column,
        rows: NDArray[np.int64] | slice,
        parts: slice,
        out: NDArray[np.float32],
    ) -> None:
        if column.kind is Kind.CATEGORICAL:
            table = self._table(name, column.names, parts)
            add_codes(column.values[rows], table, self.places[parts], out)
            return
        mean, scale = self.means[parts.start], self.scales[parts.start]
        values = numbers(column.values[rows])
        add_numbers(values, mean, scale, int(self.places[parts.start]), out)

    def _table(self, name: str, names: Sequence[str], parts: slice) -> NDArray[np.float32]:
        """Points of categories as they are added, kept until there are others."""
        kept = self._tables.get(name)
        if kept is None or kept[0] != tuple(names):
            points = (category_points(names) - self.means[parts]) * self.scales[parts]
            kept = self._tables[name] = tuple(names), points.astype(np.float32)
        return kept[1]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Give all that was fitted, to be kept with the state."""
        names = msgspec.json.encode([(name, kind.value) for name, kind in self.features])
        return {
            "features": np.frombuffer(names, np.uint8),
            "means": self.means,
            "scales": self.scales,
            "places": self.places,
        }

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Make the inputs again that gave these arrays."""
        listed = msgspec.json.decode(arrays["features"].tobytes(), type=list[tuple[str, str]])
        places = np.asarray(arrays["places"], np.int64)
        return cls(
            [(name, Kind(kind)) for name, kind in listed],
            np.asarray(arrays["means"], np.float64),
            np.asarray(arrays["scales"], np.float64),
            places,
            min(len(places), DIMENSIONS),
        )


def _fold(
    means: NDArray[np.float64],
    scales: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64], int]:
    """Give parts their dimensions; those that share one get signs, and a smaller scale."""
    count = len(means)
    width = min(count, DIMENSIONS)
    if count > DIMENSIONS:
        signs = np.random.default_rng(count).choice([-1.0, 1.0], count)
        scales = scales * signs / math.sqrt(math.ceil(count / DIMENSIONS))
    return means, scales, np.arange(count, dtype=np.int64) % max(width, 1), width
