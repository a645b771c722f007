"""The names of what detectors look at, as they stand in reasons and score events."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SIGNALS = (
    "range",
    "daily rhythm",
    "weekly rhythm",
    "forecast",
    "level",
    "spread",
    "step",
    "trend",
    "flat line",
    "deviation",
    "distribution",
    "density",
    "joint deviation",
    "peers",
    "model",
)
"""All of them. A detector's own are some of these: a name's place here is its number in masks."""

NAMED_PART = 0.25
"""A reason names the signals with at least this part of the loudest one's contribution."""


def masks(names: Sequence[str], signals: NDArray[np.float32]) -> NDArray[np.float64]:
    """Which signals are worth naming, row by row.

    Parameters
    ----------
    names : sequence of str
        A detector's signals.
    signals : float32[k, n]
        Their contributions.

    Returns
    -------
    float64[n]
        Sum of ``2 ** number`` over the signals to name: a whole number, exact in a float.
    """
    if not names:
        return np.zeros(signals.shape[1])
    loudest = signals.max(axis=0)
    chosen = (signals > 0) & (signals >= NAMED_PART * loudest)
    weights = np.array([2.0 ** SIGNALS.index(name) for name in names])
    return np.asarray(weights @ chosen)


def named(mask: float) -> list[str]:
    """The names in a mask."""
    bits = int(mask)
    return [name for number, name in enumerate(SIGNALS) if bits >> number & 1]
