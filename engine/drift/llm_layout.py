"""What is counted of LLM calls: the cells of a row of integers, and the series that each gives.

Bucket bounds are those of the GenAI semantic conventions (``gen_ai.client.operation.duration``,
``gen_ai.client.operation.time_to_first_chunk``, ``gen_ai.client.token.usage``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from engine.codecs.otlp_attributes import label_number

NANO = 1_000_000_000
_SECONDS = tuple(0.01 * 2**place for place in range(14))
_TOKENS = tuple(4.0**place for place in range(14))


@dataclass(frozen=True, slots=True)
class Cell:
    """A series that is always told.

    Attributes
    ----------
    name : str
    labels : mapping of str to str
    scale : int
        The counted integer is so many times the series' value.
    """

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    scale: int = 1


@dataclass(frozen=True, slots=True)
class HistogramCells:
    """The cells of a histogram: its buckets, that without a bound last, and its sum.

    Attributes
    ----------
    name : str
    feature : str
        The feature that it is of.
    bounds : tuple of float
        Upper bounds, inclusive.
    scale : int
        Of the sum.
    first : int
        Place of the first bucket in the row.
    """

    name: str
    feature: str
    bounds: tuple[float, ...]
    scale: int
    first: int

    @property
    def total(self) -> int:
        """Place of the sum."""
        return self.first + len(self.bounds) + 1

    @property
    def buckets(self) -> slice:
        """Places of the buckets."""
        return slice(self.first, self.total)

    def series(self) -> list[Cell]:
        """Give the series: a bucket for each bound, the sum, the count."""
        bounds = (*self.bounds, float("inf"))
        buckets = [Cell(f"{self.name}_bucket", {"le": label_number(bound)}) for bound in bounds]
        return [*buckets, Cell(f"{self.name}_sum", scale=self.scale), Cell(f"{self.name}_count")]


CALLS, REFUSALS, COST, TOOL_CALLS = range(4)
INPUT, OUTPUT, CACHED, REASONING = range(4, 8)
CELLS: Sequence[Cell] = (
    Cell("llm_calls_total"),
    Cell("llm_refusals_total"),
    Cell("llm_cost_usd_total", scale=NANO),
    Cell("llm_tool_calls_total"),
    *(Cell("llm_tokens_total", {"type": t}) for t in ("input", "output", "cached", "reasoning")),
)
"""The first cells of a row, in this order."""

ERRORS, FINISH_REASONS = "llm_errors_total", "llm_finish_reasons_total"
NAMED: Mapping[str, tuple[str, str]] = MappingProxyType(
    {ERRORS: ("error_type", "error_type"), FINISH_REASONS: ("finish_reason", "finish_reason")}
)
"""Counters by a category: the feature that has it, and the label that it becomes."""

_BUCKETS = len(_SECONDS) + 2  # one without a bound, and the sum
HISTOGRAMS: Sequence[HistogramCells] = (
    HistogramCells("llm_duration_seconds", "duration_s", _SECONDS, NANO, len(CELLS)),
    HistogramCells(
        "llm_time_to_first_chunk_seconds",
        "time_to_first_chunk_s",
        _SECONDS,
        NANO,
        len(CELLS) + _BUCKETS,
    ),
    HistogramCells("llm_output_tokens", "output_tokens", _TOKENS, 1, len(CELLS) + 2 * _BUCKETS),
)
WIDTH = HISTOGRAMS[-1].total + 1
"""Cells of a row."""

LLM_SERIES = frozenset(
    {*(cell.name for cell in CELLS), *NAMED}
    | {cell.name for histogram in HISTOGRAMS for cell in histogram.series()}
)
"""Names of all series that are made of LLM calls."""

_COUNT_MAX = 1e15  # of one call: 11 days in ns, a million dollars; sums have room for 9,000 such


def integers(values: NDArray[np.float64], scale: int) -> NDArray[np.int64]:
    """Give values in units of 1 / scale, rounded; null, negative and infinite ones count as 0."""
    held = np.isfinite(values) & (values >= 0)
    scaled = np.minimum(np.where(held, values, 0.0), _COUNT_MAX) * scale
    return np.rint(np.minimum(scaled, _COUNT_MAX)).astype(np.int64)
