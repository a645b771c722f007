"""What a pane counts of all its segments together: all features at once, and a sample of rows."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from engine.codecs.predictions import Column
from engine.drift.multivariate import Multivariate
from engine.drift.multivariate_panes import MultivariateTotals, below
from engine.drift.row_sample import RowSample

SAMPLE_ROWS = 300
"""Rows that are kept of a pane, for reports."""

_TOTALS, _SAMPLE = "totals|", "sample|"


class Together:
    """Rows of all segments.

    Parameters
    ----------
    multivariate : Multivariate or None

    Attributes
    ----------
    totals : MultivariateTotals or None
    sample : RowSample
    """

    def __init__(self, multivariate: Multivariate | None) -> None:
        self._multivariate = multivariate
        self.totals: MultivariateTotals | None = None
        if multivariate is not None:
            self.totals = multivariate.pane()
        self.sample = RowSample(SAMPLE_ROWS)

    def add(
        self,
        columns: Mapping[str, Column],
        index: NDArray[np.int64],
        keys: NDArray[np.uint64],
    ) -> None:
        """Count rows by index, ascending; `keys` (uint64[n]) tell rows of the same values apart."""
        if self._multivariate is not None and self.totals is not None:
            self._multivariate.add(self.totals, columns, index, keys)
        self.sample.add(columns, index, keys)

    def hold_out(self) -> None:
        """Count, of rows that parameters were learned from, only those that nothing was."""
        if self._multivariate is not None:
            self.totals = self._multivariate.pane()
            self.totals.merge(self._multivariate.reference)

    def merge(self, other: Self) -> None:
        """Count what another one has counted."""
        if self.totals is not None and other.totals is not None:
            self.totals.merge(other.totals)
        self.sample.merge(other.sample)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Give what a checkpoint keeps."""
        found = {_SAMPLE + name: array for name, array in self.sample.arrays().items()}
        if self.totals is not None:
            found |= {_TOTALS + name: array for name, array in self.totals.arrays().items()}
        return found

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `arrays` gave."""
        self.sample.restore(below(arrays, _SAMPLE))
        totals = below(arrays, _TOTALS)
        if self.totals is not None and totals:
            self.totals.restore(totals)
