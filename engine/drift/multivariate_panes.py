"""What a pane keeps for the statistics of all features together and of embeddings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from engine.drift.row_sample import RowSample

_TOTALS, _SAMPLE = "totals/", "sample/"


@dataclass(slots=True)
class MultivariateTotals:
    """Sums of whole numbers by statistic, and a sample of the rows if one is wanted.

    Two of them merge without rounding: it does not matter how rows were cut.

    Attributes
    ----------
    totals : dict of str to int64[k]
        Each begins with its number of rows.
    sample : RowSample or None
    rows : int
    """

    totals: dict[str, NDArray[np.int64]]
    sample: RowSample | None = None
    rows: int = field(default=0)

    def merge(self, other: Self) -> None:
        """Take in another pane's rows."""
        self.rows += other.rows
        for name, more in other.totals.items():
            self.totals[name] += more
        if self.sample is not None and other.sample is not None:
            self.sample.merge(other.sample)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Give all that is held, to be kept with the state."""
        held: dict[str, NDArray[Any]] = {"rows": np.array([self.rows])}
        held.update({_TOTALS + name: totals for name, totals in self.totals.items()})
        if self.sample is not None:
            held.update({_SAMPLE + name: array for name, array in self.sample.arrays().items()})
        return held

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what another pane of the same parameters gave as `arrays`."""
        self.rows = int(arrays["rows"][0])
        self.totals = {name: arrays[_TOTALS + name].copy() for name in self.totals}
        if self.sample is not None:
            self.sample.restore(below(arrays, _SAMPLE))


def below(arrays: Mapping[str, NDArray[Any]], start: str) -> dict[str, NDArray[Any]]:
    """Arrays whose names begin so, by the rest of their names."""
    return {key[len(start) :]: array for key, array in arrays.items() if key.startswith(start)}
