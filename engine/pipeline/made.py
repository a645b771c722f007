"""Samples that the engine makes of a block's own, taken into the block."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.series.order import Rows, order_rows


@dataclass(frozen=True, slots=True)
class Made:
    """Samples of series that are made: int32[n], int64[n], float64[n]."""

    slot: NDArray[np.int32]
    ts: NDArray[np.int64]
    value: NDArray[np.float64]


def with_samples(
    rows: Rows, values: dict[str, NDArray[np.float64]], made: Made, raw: str
) -> tuple[Rows, dict[str, NDArray[np.float64]], NDArray[np.int64]]:
    """Take samples into a block.

    Parameters
    ----------
    rows : Rows
    values : dict of float64[n]
        The rows' values in each stream.
    made : Made
    raw : str
        The stream that the made samples are in; in the others they are NaN.

    Returns
    -------
    rows, values
        Of the larger block.
    place : int64[m]
        Where each made sample is in it; -1 for one whose series had a sample of that time.
    """
    if not len(made.slot):
        return rows, values, np.empty(0, np.int64)
    slot = np.concatenate([rows.slot, made.slot])
    ts = np.concatenate([rows.ts, made.ts])
    value = np.concatenate([rows.value, made.value])
    flags = np.concatenate([rows.flags, np.zeros(len(made.slot), np.uint8)])
    start, chosen, repeats, conflicts = order_rows(slot, ts, value, flags, len(rows.start) - 1)
    nothing = np.full(len(made.slot), np.nan)
    larger = {
        stream: np.concatenate([old, made.value if stream == raw else nothing])[chosen]
        for stream, old in values.items()
    }
    place = np.full(len(slot), -1)
    place[chosen] = np.arange(len(chosen))
    merged = Rows(
        start,
        slot[chosen],
        ts[chosen],
        value[chosen],
        flags[chosen],
        rows.repeats + repeats,
        rows.conflicts + conflicts,
    )
    return merged, larger, place[len(rows) :]
