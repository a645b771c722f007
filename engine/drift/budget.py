"""One false-alarm budget for a model: from alarms a week to the level of each single test.

A level per test says little to those who are woken: ten features at 5 % each alarm in four windows
of ten. Here a model has so many false alarms a week, whatever its features, segments and methods
are, and however often its windows close.
"""

import math
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

WEEK_NS = 7 * 24 * 3_600 * 10**9

ALPHA_MAX = 0.05
"""However large a budget is, what is as likely as that by chance is no finding."""


@dataclass(frozen=True, slots=True)
class Budget:
    """How many false alarms a model may raise.

    Attributes
    ----------
    false_alarms_per_week : float
        More than 0.
    share : float
        Part of it for what is asked, more than 0 and at most 1.
    """

    false_alarms_per_week: float
    share: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 < self.false_alarms_per_week < math.inf:
            raise ValueError(f"{self.false_alarms_per_week} false alarms a week: not more than 0")
        if not 0.0 < self.share <= 1.0:
            raise ValueError(f"a share of {self.share} is not more than 0 and at most 1")

    @property
    def per_week(self) -> float:
        """False alarms a week that are left to the share."""
        return self.false_alarms_per_week * self.share

    def part(self, share: float) -> Self:
        """Give a part of this budget, such as to the detectors between windows."""
        return replace(self, share=self.share * share)

    def window_alpha(self, every_ns: int) -> float:
        """Chance that a window may raise any false alarm, at most `ALPHA_MAX`.

        Parameters
        ----------
        every_ns : int
            From a window's end to the next one's: the slide, not the length.
        """
        if every_ns < 1:
            raise ValueError(f"windows can't close every {every_ns} ns")
        return min(self.per_week * every_ns / WEEK_NS, ALPHA_MAX)

    def alpha(self, tests: int, every_ns: int) -> float:
        """Level of each test of a window, for any dependence between them (Bonferroni).

        Parameters
        ----------
        tests : int
            Features times methods times segments that have enough data, at least 1.
        every_ns : int
            See `window_alpha`.
        """
        return self.window_alpha(every_ns) / _some(tests)

    def run_length(self, tests: int, events_per_week: float) -> float:
        """Events between two false alarms of each of several sequential detectors.

        Parameters
        ----------
        tests : int
            Detectors, at least 1.
        events_per_week : float
            That each of them sees.

        Returns
        -------
        float
            Expected number of events.
        """
        return _some(tests) * events_per_week / self.per_week


def adjusted(p_values: ArrayLike, alpha: float) -> NDArray[np.bool_]:
    """Reject hypotheses so that the chance of any false rejection is at most alpha.

    Holm's procedure: as safe as Bonferroni's, whatever depends on what, and never less sharp.

    Parameters
    ----------
    p_values : float64[n]
        NaN stands for a test without enough data: it is no rejection, and no test.
    alpha : float

    Returns
    -------
    bool[n]
        Which are rejected.

    References
    ----------
    S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
    Statistics 6, 1979.
    """
    values = np.asarray(p_values, np.float64)
    order = np.argsort(values, kind="stable")  # NaN is last
    tests = int(np.count_nonzero(~np.isnan(values)))
    levels = alpha / np.arange(tests, 0, -1)
    passed = values[order[:tests]] <= levels
    # The first that stays stops all that are larger.
    rejections = tests if passed.all() else int(np.argmin(passed))
    rejected = np.zeros(len(values), np.bool_)
    rejected[order[:rejections]] = True
    return rejected


def _some(tests: int) -> int:
    if tests < 1:
        raise ValueError(f"a budget can't be divided among {tests} tests")
    return tests
