"""Streaming half-space trees on the last few values of every series."""

from typing import Annotated, Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.detectors.half_space_trees_kernels import SHINGLE, score_half_spaces
from engine.detectors.protocol import Failure
from engine.detectors.slot_state import SlotState

SEED = 2011
"""Of the trees; all series of all shards share them."""


class HalfSpaceTreesParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters in the configuration.

    A series takes ``trees * 2 ** (height + 2)`` bytes, with the defaults 6.4 kB.

    Attributes
    ----------
    trees : int
        Number of trees.
    height : int
        Splits from a tree's root to a leaf.
    window_rows : int
        Samples in a window: masses of the last whole one are what a sample is held against. A
        series is judged after two of them. Masses are bytes, hence the limit.
    lags : int
        Values that are looked at together, the newest and those before it.
    size_limit : float
        A node with at most this part of a window ends a sample's way down a tree. Tan et al. take
        0.1, with which an outlier shares its node with what is only rare.
    memory_rows : int
        Samples that the work space's level and spread are means of.
    """

    trees: Annotated[int, msgspec.Meta(ge=1, le=100)] = 25
    height: Annotated[int, msgspec.Meta(ge=1, le=10)] = 6
    window_rows: Annotated[int, msgspec.Meta(ge=16, le=255)] = 250
    lags: Annotated[int, msgspec.Meta(ge=1, le=16)] = 2
    size_limit: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.01
    memory_rows: Annotated[int, msgspec.Meta(ge=255, le=10_000_000)] = 1000


def random_trees(
    trees: int, height: int, lags: int, seed: int = SEED
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Grow trees over the unit cube of `lags` dimensions, as algorithm 1 of Tan et al.

    Each tree draws a work range for every dimension, ``s - 2 max(s, 1 - s)`` to ``s + 2 max(s, 1 -
    s)`` for a uniform s; each inner node halves its range of a dimension drawn at random.

    Returns
    -------
    lag : uint8[trees, 2**height - 1]
        Dimension that an inner node looks at, in heap order.
    split : float64[trees, 2**height - 1]
        Where it parts.
    """
    inner = 2**height - 1
    # The raw stream of a bit generator is the same in all versions of NumPy.
    draws = (np.random.PCG64(seed).random_raw(trees * (lags + inner)) >> 11) * 2.0**-53
    centres, choices = np.split(draws.reshape(trees, lags + inner), [lags], axis=1)
    reach = 2.0 * np.maximum(centres, 1.0 - centres)
    low = np.empty((trees, 2 * inner + 1, lags))
    high = np.empty_like(low)
    low[:, 0], high[:, 0] = centres - reach, centres + reach
    lag = (choices * lags).astype(np.uint8)
    split = np.empty((trees, inner))
    tree = np.arange(trees)
    for node in range(inner):
        own = lag[:, node]
        middle = 0.5 * (low[tree, node, own] + high[tree, node, own])
        split[:, node] = middle
        for child in (2 * node + 1, 2 * node + 2):
            low[:, child], high[:, child] = low[:, node], high[:, node]
        high[tree, 2 * node + 1, own] = middle
        low[tree, 2 * node + 2, own] = middle
    return lag, split


class HalfSpaceTreesScorer(SlotState):
    """How empty the neighbourhood of the last few values was in the last window of the series.

    All series share the trees; each has its masses, of the last whole window and of the one being
    filled. Values are brought into the trees' work space by the series' robust level and spread.
    The mass of a terminal node times two to its depth, meant over the trees, is what Tan et al.
    score by, small for anomalies. It differs from the paper in one thing: half a point is added to
    a terminal node's mass, so that the sizes of empty nodes count. The raw onset is the sparsity
    ``window / mass``, divided by one more than its recent mean; the raw state is that mean.

    Parameters
    ----------
    params : HalfSpaceTreesParams

    References
    ----------
    Tan, Ting, Liu, "Fast anomaly detection for streaming data", IJCAI 2011.
    """

    name: Final = "half_space_trees"
    version: Final = 1
    signals: Final = ("density",)
    default_boundary: Final = (0.5, 3.0)

    def __init__(self, params: HalfSpaceTreesParams) -> None:
        nodes = 2 ** (params.height + 1) - 1
        empty: dict[str, NDArray[Any]] = {
            "rows": np.zeros(SHINGLE + params.lags),
            "masses": np.zeros((2, params.trees, nodes), np.uint8),
        }
        super().__init__(empty)
        self._params = params
        self._lag, self._split = random_trees(params.trees, params.height, params.lags)
        self._point = np.empty(params.lags)
        self.bytes_per_series: Final = sum(row.nbytes for row in empty.values())

    def score(
        self,
        slot: NDArray[np.int32],
        ts: NDArray[np.int64],  # noqa: ARG002  (the protocol's; this scorer knows no time)
        value: NDArray[np.float64],
        scores: NDArray[np.float64],
        signals: NDArray[np.float32],
    ) -> tuple[Failure, ...]:
        """Score a block of samples, then learn them (see `Scorer.score`)."""
        params = self._params
        score_half_spaces(
            self.slots["rows"],
            self.slots["masses"],
            self._lag,
            self._split,
            self._point,
            slot,
            value,
            params.window_rows,
            params.size_limit * params.window_rows,
            float(params.memory_rows),
            scores,
            signals,
        )
        return ()
