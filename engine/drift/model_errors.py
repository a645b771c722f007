"""Whether a version's errors have become larger than they were at first, window by window.

A sequential detector tells sooner that they have; this tells for how long it goes on. Windows are
of the time at which labels came to be known, so none has to wait for labels.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special  # type: ignore[import-untyped]

from engine.config.models import ERROR
from engine.drift.budget import Budget
from engine.drift.episode_findings import Finding
from engine.drift.model_quality import QualityKind
from engine.drift.model_segments import ALL
from engine.drift.significance import share_p_value

BASELINE_ROWS = 1000
"""Errors that later ones are compared with: the first ones that became known."""

_COUNT, _SUM, _SQUARES = range(3)


class ErrorWindows:
    """Errors of one version, by one evaluator.

    Parameters
    ----------
    feature : str
        What findings call it: ``error``, or the evaluator.
    slide_ns : int
        Length of a window; one with too few errors goes on for another such length.
    rows_min : int
    effect_min : float
        The least rise of a share of errors that counts.
    """

    def __init__(self, feature: str, slide_ns: int, rows_min: int, effect_min: float) -> None:
        self._feature = feature
        self._slide_ns = slide_ns
        self._rows_min = rows_min
        self._effect_min = effect_min
        self._baseline = np.zeros(3)
        self._window = np.zeros(3)
        self._is_share = True
        self._begin_ns: int | None = None
        self._end_ns: int | None = None

    def add(self, tick_ns: int, values: NDArray[np.float64], kind: QualityKind) -> None:
        """Take finite errors that became known at a tick, in their order."""
        self._is_share = kind in ("binary", "classes")
        room = int(max(0, BASELINE_ROWS - self._baseline[_COUNT]))
        _count(self._baseline, values[:room])
        rest = values[room:]
        if len(rest) and self._end_ns is None:
            self._end_ns = -(-tick_ns // self._slide_ns) * self._slide_ns
            if self._begin_ns is None:
                self._begin_ns = self._end_ns - self._slide_ns
        _count(self._window, rest)

    def next_end_ns(self) -> int | None:
        """When the open window ends; None without one."""
        return self._end_ns

    def advance_to(self, tick_ns: int, budget: Budget, tests: int = 1) -> list[Finding]:
        """Give what the window says that is over, if one is and has enough errors.

        Parameters
        ----------
        tick_ns : int
        budget : Budget
        tests : int
            What it is divided among, this being one.
        """
        begin_ns, end_ns = self._begin_ns, self._end_ns
        if begin_ns is None or end_ns is None or tick_ns < end_ns:
            return []
        window = self._window
        self._end_ns = None
        if min(window[_COUNT], self._baseline[_COUNT]) < self._rows_min:
            return []  # the next errors go on with it
        self._window, self._begin_ns = np.zeros(3), None
        chance, rise = self._compared(window)
        alpha = budget.alpha(tests, end_ns - begin_ns)
        return [
            Finding(
                kind="quality",
                segment=ALL,
                feature=self._feature,
                method="error_rate" if self._is_share else "mean_error",
                score=rise,
                p_value=chance,
                alpha=alpha,
                significant=chance <= alpha and rise >= self._effect_min,
                score_min=self._effect_min,
                window_begin_ns=begin_ns,
                window_end_ns=end_ns,
                rows=int(window[_COUNT]),
                reference_rows=int(self._baseline[_COUNT]),
                direction=self._direction(window),
            )
        ]

    def state(self) -> dict[str, Any]:
        """Give all of it as plain values."""
        return {
            "baseline": self._baseline.tolist(),
            "window": self._window.tolist(),
            "is_share": self._is_share,
            "begin_ns": self._begin_ns,
            "end_ns": self._end_ns,
        }

    def restore(self, plain: Mapping[str, Any]) -> None:
        """Take over what `state` gave."""
        self._baseline = np.array(plain["baseline"])
        self._window = np.array(plain["window"])
        self._is_share = plain["is_share"]
        self._begin_ns, self._end_ns = plain["begin_ns"], plain["end_ns"]

    def _direction(self, window: NDArray[np.float64]) -> str:
        """Say in words how the mean has changed."""
        means = [part[_SUM] / part[_COUNT] for part in (self._baseline, window)]
        if self._feature != ERROR:  # what an evaluator gave less of
            means = [-mean for mean in means]
        way = "up" if means[1] > means[0] else "down"
        return f"{way} from {means[0]:.3g} to {means[1]:.3g}"

    def _compared(self, window: NDArray[np.float64]) -> tuple[float, float]:
        """Give the p-value of larger errors, and by how much they are larger.

        A share's rise is as it is, a mean's in standard deviations of the first errors.
        """
        means = [part[_SUM] / part[_COUNT] for part in (self._baseline, window)]
        rise = float(means[1] - means[0])
        if self._is_share:
            both = share_p_value(
                *(int(window[_SUM]), int(window[_COUNT])),
                *(int(self._baseline[_SUM]), int(self._baseline[_COUNT])),
            )
            # Half of it would be too small: nearly all of it is the chance of more errors.
            return (both if rise > 0 else 1.0), rise
        spreads = [
            max(0.0, part[_SQUARES] / part[_COUNT] - (part[_SUM] / part[_COUNT]) ** 2)
            for part in (self._baseline, window)
        ]
        variance = spreads[0] / self._baseline[_COUNT] + spreads[1] / window[_COUNT]
        if not variance > 0:
            return (0.0 if rise > 0 else 1.0), math.copysign(math.inf, rise) if rise else 0.0
        deviation = math.sqrt(spreads[0]) or math.sqrt(spreads[1])
        return float(special.ndtr(-rise / math.sqrt(variance))), rise / deviation


def _count(into: NDArray[np.float64], values: NDArray[np.float64]) -> None:
    into += (len(values), math.fsum(values), math.fsum(values * values))
