"""Distances of numbers on the fine bins of a grid."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.drift.compare_kernels import areas_between, take_gaps, widest_inside
from engine.drift.statistics import LEAST_SPREAD
from engine.drift.summary import FeatureCounts


@dataclass(frozen=True, slots=True)
class FineDistances:
    """Two distributions' distances.

    With 10,000 rows on both sides they are within 0.001 of the exact ones, as measured on smooth,
    heavy-tailed and tied data. With fewer rows, KS is within two of the smaller side's rows. A
    window's new value of many rows stands somewhere in its bin: that adds up to a bin's share of
    the reference, 1 / 384, to the error of KS, and up to 0.006 to that of Wasserstein.

    Attributes
    ----------
    ks : float
        Kolmogorov-Smirnov statistic: the largest gap between the distribution functions at the
        grid's edges, or the one to be expected between two of them (`widest_inside`).
    gap : float
        The largest gap at the edges alone, which chance makes no larger than the exact one.
    wasserstein : float
        First Wasserstein distance in units of `spread`. Outside the grid's edges the areas are
        those of the sums of values; inside, values are taken as spread evenly over their bin, and
        what that gets wrong of the means' difference is put right (`_corrected`).
    spread : float
        Standard deviation of the reference, at least `LEAST_SPREAD`.
    """

    ks: float
    gap: float
    wasserstein: float
    spread: float


def fine_distances(reference: FeatureCounts, window: FeatureCounts) -> FineDistances:
    """Compare two features' counts on one grid; both have values."""
    grid = reference.grid
    both = reference.counts, window.counts, reference.rows, window.rows
    gaps, areas = np.empty(len(grid.edges)), np.empty(2)
    ks = gap = float(take_gaps(*both, gaps))
    if gap > 0.0:  # else both are alike as far as bins tell, and so is what is inside
        ks = min(max(gap, float(widest_inside(*both, gaps, grid.is_single))), 1.0)
    areas_between(grid.edges, gaps, areas)
    above, below = areas.tolist()
    for area in (
        reference.below / reference.rows - window.below / window.rows,
        window.above / window.rows - reference.above / reference.rows,
    ):
        above, below = above + max(area, 0.0), below + max(-area, 0.0)
    spread = max(reference.spread, LEAST_SPREAD)
    return FineDistances(ks, gap, _corrected(above, below, reference, window) / spread, spread)


def _corrected(
    above: float, below: float, reference: FeatureCounts, window: FeatureCounts
) -> float:
    """Give the sum of both areas, whose difference is known: it is that of the means.

    What the bins get wrong of it is shared out by area. So it is right where one function is above
    the other all along, and stays as it is where they cross and cross.
    """
    area, shift = above + below, window.offset - reference.offset
    if area == 0.0:
        return abs(shift)
    error = (above - below) - shift
    return max(area - error * ((above - below) / area), abs(shift))


def positions(window: FeatureCounts) -> NDArray[np.float64]:
    """Where the values of each slot lie: in the middle, outside the edges at their mean.

    Returns
    -------
    float64[slots]
    """
    edges = window.grid.edges
    below = edges[0] - window.below / max(int(window.counts[0]), 1)
    above = edges[-1] + window.above / max(int(window.counts[-1]), 1)
    middles = edges[:-1] + np.diff(edges) / 2.0
    return np.concatenate([[below], middles, [above]])
