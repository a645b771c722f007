"""After a reported score only a higher one is reported for a while: onsets count episodes."""

import numpy as np
from numpy.typing import NDArray

from engine.detectors.protocol import UNTOLD
from engine.kernels.jit import in_place

HUSH_ROWS = 100
"""For so many rows after a reported score only a higher one is reported."""


@in_place
def hush_rows(
    slot: NDArray[np.int32],
    onset: NDArray[np.float64],
    peak: NDArray[np.float64],
    peak_age: NDArray[np.int16],
) -> None:
    """Let scores through that top the last reported one or find it long past; others become 0.

    Parameters
    ----------
    slot : int32[n]
        Series of each score.
    onset : float64[n]
        Raw onsets in the order of time within a slot, as a `Scorer` gives them. Changed.
    peak : float64[slots]
        The last reported score of each series. Changed, as is `peak_age`.
    peak_age : int16[slots]
        Judged rows since then, no more than needed.
    """
    for i in range(len(slot)):
        score = onset[i]
        is_told = score > UNTOLD
        if not is_told:
            score = UNTOLD - score
        elif score < 0.0:
            continue
        s = slot[i]
        peak_age[s] = min(peak_age[s] + 1, HUSH_ROWS + 1)
        if score == 0.0 or (score <= peak[s] and peak_age[s] <= HUSH_ROWS):
            onset[i] = 0.0 if is_told else UNTOLD
            continue
        peak[s] = score
        peak_age[s] = 0
