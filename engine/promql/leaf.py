"""What an expression reads of the series themselves, one series at a time."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from engine.config.durations import format_duration
from engine.promql.selector import Selector
from engine.promql.syntax import number_text

TIMESTAMP = "timestamp"
"""The function of a plain selector that gives its sample's own time instead of its value."""

ENDED = "ended"
"""A function beside PromQL: 1 for a series whose newest sample is a stale marker."""

OF_NEWEST = {None: 0, TIMESTAMP: 1, ENDED: 2}
"""Codes of what is asked of the newest sample."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A filter with the series on the left: those whose value is `op` than `number` stay."""

    op: str
    number: float

    def __str__(self) -> str:
        return f"{self.op} {number_text(self.number)}"


@dataclass(frozen=True)
class Leaf:
    """A selector, alone or under a function: equal leaves are evaluated once.

    Attributes
    ----------
    selector : Selector
        Which series.
    function : str or None
        A range function, `TIMESTAMP`, `ENDED`, or None for the newest sample.
    range_ns : int
        A range function's window, else 0.
    offset_ns : int
        How far back the window ends.
    at_ns : int or None
        Where ``@`` fixes the time.
    parameters : tuple of float
        The function's other arguments, where they are constant.
    comparison : Comparison or None
        What a result must pass.
    """

    selector: Selector
    function: str | None = None
    range_ns: int = 0
    offset_ns: int = 0
    at_ns: int | None = None
    parameters: tuple[float, ...] = ()
    comparison: Comparison | None = None

    @property
    def is_ranged(self) -> bool:
        """Whether it reads more than the newest sample at the tick."""
        return self.range_ns > 0 or self.offset_ns != 0 or self.at_ns is not None

    @cached_property
    def text(self) -> str:
        """Canonical PromQL text."""
        moved = "" if self.at_ns is None else f" @ {self.at_ns / 1e9:.3f}"
        if self.offset_ns:
            sign = "-" if self.offset_ns < 0 else ""
            moved += f" offset {sign}{format_duration(abs(self.offset_ns))}"
        window = f"[{format_duration(self.range_ns)}]" if self.range_ns else ""
        inside = f"{self.selector}{window}{moved}"
        if self.function is not None:
            inside = f"{self.function}({', '.join((inside, *map(number_text, self.parameters)))})"
        return f"{inside} {self.comparison}" if self.comparison else inside


_PASSES = {
    ">": np.greater,
    "<": np.less,
    ">=": np.greater_equal,
    "<=": np.less_equal,
    "==": np.equal,
    "!=": np.not_equal,
}


def passes(value: NDArray[np.float64], comparison: Comparison | None) -> NDArray[np.bool_]:
    """Which values pass; all where there is no comparison."""
    if comparison is None:
        return np.ones(value.shape, np.bool_)
    return np.asarray(_PASSES[comparison.op](value, comparison.number))
