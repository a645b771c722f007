"""Running sums over a range of panes that moves: known-at values without adding up all panes.

What is counted is whole numbers, so what leaves the range is taken away without a trace.
"""

import numpy as np
from numpy.typing import NDArray

from engine.drift.label_rows import Changes
from engine.drift.quality_kernels import count_classes, count_ranked, count_values
from engine.drift.quality_layout import QualityParams, parts
from engine.drift.quality_metrics import QualitySummary

_FIRST = np.iinfo(np.int64).min


def count_changes(
    rows: NDArray[np.int64],
    params: QualityParams,
    slots: NDArray[np.int64],
    changes: Changes,
    probabilities: NDArray[np.float64],
) -> None:
    """Count changes into rows int64[rows, width], each into its slot.

    Parameters
    ----------
    probabilities : float64[n]
        Estimated ones of label 1, NaN where there is none.
    """
    views = parts(rows, params)
    if params.kind == "regression":
        count_values(views, slots, changes, params.quantile)
    elif params.kind == "ranking":
        count_ranked(views, slots, changes)
    else:
        count_classes(views, slots, changes, probabilities)


class RunningSums:
    """Sums by segment over all panes from a first one on."""

    def __init__(self, params: QualityParams) -> None:
        self._params = params
        self._rows: dict[int, NDArray[np.int64]] = {}
        self.first = _FIRST

    def count(
        self, changes: Changes, panes: NDArray[np.int64], probabilities: NDArray[np.float64]
    ) -> None:
        """Count changes of the panes in range."""
        in_range = panes >= self.first
        segments, slots = np.unique(changes.segment[in_range], return_inverse=True)
        if not len(segments):
            return
        none = np.zeros(self._params.width, np.int64)
        rows = np.stack([self._rows.get(segment, none) for segment in segments.tolist()])
        some = Changes._make(column[in_range] for column in changes)
        count_changes(rows, self._params, slots, some, probabilities[in_range])
        self._rows |= dict(zip(segments.tolist(), rows, strict=True))
        self._rows = {segment: row for segment, row in self._rows.items() if row.any()}

    def add(self, segment: int, row: NDArray[np.int64], sign: int) -> None:
        """Add a pane's row int64[width], or take it away."""
        none = np.zeros(self._params.width, np.int64)
        self._rows[segment] = self._rows.get(segment, none) + sign * row
        if not self._rows[segment].any():
            del self._rows[segment]

    def summaries(self) -> dict[int, QualitySummary]:
        """Give what is known by segment; pairs are not kept."""
        return {
            segment: QualitySummary(self._params, row, None)
            for segment, row in sorted(self._rows.items())
        }
