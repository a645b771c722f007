"""What of a feature has moved, and both distributions in small."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.codecs.predictions import OTHER, Kind
from engine.drift.compare_counts import coarse_bins, joined
from engine.drift.findings import Moved, Picture
from engine.drift.grid import FeatureGrid
from engine.drift.summary import FeatureCounts

MOVED = 5
"""Values that are named."""

PICTURE_BINS = 12
"""Of categories, the last of them for the rest."""

TRUTHS = ("false", "true")


def details(
    reference: FeatureCounts, window: FeatureCounts, names: Sequence[str]
) -> tuple[tuple[Moved, ...], Picture | None]:
    """Give the values that moved most and the picture; nothing where a side has no values."""
    if not (reference.rows and window.rows):
        return (), None
    grid = reference.grid
    own, other = reference.counts.astype(np.int64), window.counts.astype(np.int64)
    if grid.is_numeric:
        bins = coarse_bins(grid, reference.counts)
        number = int(bins.max()) + 1
        own, other = joined(reference.counts, bins, number), joined(window.counts, bins, number)
        labels = range_labels(grid, bins)
    elif grid.kind is Kind.BOOLEAN:
        labels = list(TRUTHS)
    else:
        labels = [category_label(names, code, len(own) - 1) for code in range(len(own))]
    return counted_details(labels, own, other, ordered=grid.is_numeric)


def counted_details(
    labels: Sequence[str], reference: NDArray[np.int64], window: NDArray[np.int64], *, ordered: bool
) -> tuple[tuple[Moved, ...], Picture]:
    """Give the values that moved most and the picture of counts.

    Parameters
    ----------
    labels : sequence of str
    reference, window : int64[labels]
        Neither sum is 0.
    ordered : bool
        Whether the places follow each other and all are shown; else those of the most rows are.
    """
    rows, others = int(reference.sum()), int(window.sum())
    shares = np.stack([reference / rows, window / others])
    change = np.abs(window / 1.0 * rows - reference / 1.0 * others)  # whole numbers: ties are ties
    # Of like changes, the first place comes first.
    order = np.argsort(-change, kind="stable")[:MOVED].tolist()
    moved = tuple(
        Moved(labels[place], float(shares[0, place]), float(shares[1, place]))
        for place in order
        if change[place] > 0.0
    )
    if ordered:
        return moved, _picture(list(labels), shares)
    weight = shares.sum(axis=0)
    shown = np.argsort(-weight, kind="stable")
    shown = shown[weight[shown] > 0.0]
    if len(shown) <= PICTURE_BINS:
        return moved, _picture([labels[place] for place in shown.tolist()], shares[:, shown])
    head, rest = shown[: PICTURE_BINS - 1], shown[PICTURE_BINS - 1 :]
    cut = np.concatenate([shares[:, head], shares[:, rest].sum(axis=1, keepdims=True)], axis=1)
    return moved, _picture([*(labels[place] for place in head.tolist()), OTHER], cut)


def _picture(labels: list[str], shares: NDArray[np.float64]) -> Picture:
    return Picture(tuple(labels), tuple(shares[0].tolist()), tuple(shares[1].tolist()))


def category_label(names: Sequence[str], code: int, rest: int) -> str:
    """Name of a code; those from `rest` on have one together."""
    if code >= rest:
        return OTHER
    return names[code] if code < len(names) else f"#{code}"


def range_labels(grid: FeatureGrid, bins: NDArray[np.int64]) -> list[str]:
    """Name the coarse bins of numbers: ``..a``, ``a..b``, ``b..``, a value, or all others."""
    labels = []
    edges = grid.edges
    following = np.nextafter(edges, np.inf)
    for number in range(int(bins.max()) + 1):
        slots = np.flatnonzero(bins == number)
        first, last = int(slots[0]), int(slots[-1])
        if len(slots) < last - first + 1:
            labels.append(OTHER)
        elif first == last and 0 < first < len(edges) and following[first - 1] == edges[first]:
            labels.append(f"{edges[first - 1]:.6g}")
        else:
            left = f"{edges[first - 1]:.6g}" if first else ""
            right = f"{edges[last]:.6g}" if last < len(edges) else ""
            labels.append(f"{left}..{right}")
    return labels
