"""Scores on their way out."""

from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.series.identity import Series


class ScoreEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The score of one sample; 1.0 is the alarm boundary of `onset` and `state`.

    `signals` gives what contributed to the onset before it was hushed, and how much.
    """

    ts: str
    name: str
    labels: dict[str, str]
    value: float | str
    onset: float | str
    state: float | str
    expected: float | str
    lower: float | str
    upper: float | str
    detector: str
    signals: dict[str, float] = {}


@dataclass(frozen=True, slots=True)
class ScoreBlock:
    """Scores of one block as columns of equal length n.

    Attributes
    ----------
    detector : str
    series : list of Series
        The series that occur.
    index : int64[n]
        Which of them each row is of.
    ts : int64[n]
        Nanoseconds since the epoch.
    value, onset, state, expected, lower, upper : float64[n]
    signal_names : tuple of str
        What the detector looks at.
    signals : float32[k, n]
        What each of them contributed to the onset.
    drivers : list of dict or None
        In the place of signals: the series that drive each row's joint score, and how much.
    """

    detector: str
    series: list[Series]
    index: NDArray[np.int64]
    ts: NDArray[np.int64]
    value: NDArray[np.float64]
    onset: NDArray[np.float64]
    state: NDArray[np.float64]
    expected: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    signal_names: tuple[str, ...] = ()
    signals: NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 0), np.float32))
    drivers: list[dict[str, float]] | None = None

    def __len__(self) -> int:
        return len(self.ts)

    def contributions(self, rows: NDArray[np.int64]) -> list[dict[str, float]]:
        """What contributed to the onset of some rows, by name, to four digits."""
        if self.drivers is not None:
            return [self.drivers[row] for row in rows.tolist()]
        if not self.signal_names:
            return [{}] * len(rows)
        return [
            {name: part for name, part in zip(self.signal_names, parts, strict=True) if part > 0}
            for parts in self.signals[:, rows].T.astype(np.float64).round(4).tolist()
        ]
