"""What travels from the series to the rules: queries and the rows that answer them."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from engine.promql.leaf import Leaf
from engine.promql.matrix import Labels

CONTEXT_WIDTH = 7
"""Columns of a result's context, see `LeafRows`."""


@dataclass(frozen=True)
class Query:
    """A leaf at the multiples of an interval."""

    leaf: Leaf
    interval_ns: int

    @property
    def key(self) -> str:
        """Text that names the query across runs."""
        return f"{self.leaf.text} @{self.interval_ns}"


@dataclass(frozen=True, slots=True)
class Announced:
    """Pairs of a query and a series that a shard has results of for the first time.

    Attributes
    ----------
    pair : int32[m]
        Their numbers in the shard.
    query : int32[m]
        Their queries, by number in the plan.
    labels : list of Labels
        The series.
    """

    pair: NDArray[np.int32]
    query: NDArray[np.int32]
    labels: list[Labels]


@dataclass(frozen=True, slots=True)
class LeafRows:
    """Results of some queries in one shard for some ticks, as columns of equal length n.

    Attributes
    ----------
    shard : int
    interval_ns : int
        Of all its queries.
    pair : int32[n]
        Which query and series, by the shard's own number.
    tick : int64[n]
        Nanoseconds since the epoch.
    value : float64[n]
    announced : Announced
        What the pairs are that have not occurred before.
    context : float64[n, CONTEXT_WIDTH] or None
        For anomaly series: timestamp (ms), value, expected value, lower and upper band, the
        signals (`engine.detectors.signals.masks`) and what feedback has multiplied the boundary by,
        of the newest anomalous sample at the tick.
    """

    shard: int
    interval_ns: int
    pair: NDArray[np.int32]
    tick: NDArray[np.int64]
    value: NDArray[np.float64]
    announced: Announced
    context: NDArray[np.float64] | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """Results of one stream's queries for the same lanes, as columns of equal length n.

    `slot` is the series' slot in the shard, `query` the query's number.
    """

    stream: str
    lanes: tuple[int, ...]
    interval_ns: int
    pair: NDArray[np.int32]
    slot: NDArray[np.int32]
    query: NDArray[np.int32]
    tick: NDArray[np.int64]
    value: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Closed:
    """A shard's word that it has evaluated all ticks up to its watermark.

    `begun` is a time at or before its first sample since the start or resume, the smallest int64
    before it ever had one.
    """

    shard: int
    watermark: int
    begun: int
    results: list[LeafRows] = field(default_factory=list)
