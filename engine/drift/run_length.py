"""Our detectors with one knob: the expected number of events between false alarms.

`RateDetector` watches errors (0 or 1) and tells when their rate changes; `LevelDetector` watches
any values and tells when they have become larger or smaller as a whole, `SpreadDetector` when they
scatter more or less. All learn what is usual from the stream itself, weigh every moment at which a
change may have begun, and allow for dependence between neighbours; see `run_length_kernels.py`.
"""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from engine.drift.run_length_hull import VERTICES_MAX
from engine.drift.run_length_kernels import FALL, HEAD_WIDTH, RISE, watch_level, watch_rate
from engine.drift.run_length_ranks import (
    BINS,
    FIRST_VALUES,
    LEVEL,
    SPREAD,
    WIDTH,
    score_ranks,
)
from engine.drift.run_length_thresholds import (
    LEVEL_RATES,
    RATES,
    level_thresholds,
    rate_thresholds,
)
from engine.drift.sequential import Alarms, ArrayDetector, Arrays

Kernel = Callable[..., tuple[int, int, int]]
Columns = tuple[NDArray[Any], ...]
Direction = Literal["rise", "fall", "both"]
SIDES = {"rise": (RISE,), "fall": (FALL,), "both": (RISE, FALL)}

FALSE_ALARM_EVENTS = 450_000.0
FALSE_ALARM_EVENTS_MIN = 2_000.0

SETTLE_MAX = 1_000
"""Events after which a model that starts anew has learned what it learns fast."""

SETTLE_PART = 0.1
"""Part of the expected run that may be spent on settling."""

WARNING_PART = 0.05
"""A warning is an alarm of a detector with so much shorter runs."""

ROWS_MAX = 1 << 13
"""Rows scored at a time: those behind an alarm are scored again."""


class _RunLengthDetector(ArrayDetector):
    """What all of them have in common: sides, settling and thresholds."""

    def __init__(
        self, false_alarm_events: float, direction: Direction, settle: int | None, state: Arrays
    ) -> None:
        if false_alarm_events < FALSE_ALARM_EVENTS_MIN:
            raise ValueError(f"at least {FALSE_ALARM_EVENTS_MIN:.0f} events between false alarms")
        self._sides = SIDES[direction]
        shape = len(self._sides), VERTICES_MAX, 2
        super().__init__(
            {"heads": np.zeros((len(self._sides), HEAD_WIDTH)), "hulls": np.zeros(shape), **state}
        )
        usual = min(SETTLE_MAX, int(SETTLE_PART * false_alarm_events))
        self.settle = float(usual if settle is None else settle)
        # Each side may use its part of what is left of a run after settling.
        events = (false_alarm_events - self.settle) * len(self._sides)
        self._run_lengths = np.array([WARNING_PART * events, events])
        self._rates, self._thresholds = RATES, rate_thresholds(self._run_lengths)

    def _first_alarm(
        self, kernel: Kernel, columns: Columns, warnings: list[NDArray[np.int64]]
    ) -> tuple[int, int]:
        """Let all sides watch rows until the first alarm of any.

        Returns
        -------
        rows : int
            Rows taken.
        news : int
            Rows since the change, if the last one raised an alarm, otherwise 0.
        """
        rows, news, seen = len(columns[0]), 0, []
        room = np.empty(rows, np.int64)
        for at, side in enumerate(self._sides):
            state = self._state["heads"][at], self._state["hulls"][at]
            taken, warned, fresh = kernel(
                *(column[:rows] for column in columns),
                side,
                self.settle,
                self._rates,
                self._thresholds,
                *state,
                room,
            )
            seen.append(room[:warned].copy())
            if fresh:
                rows, news = taken, fresh
        told = np.unique(np.concatenate(seen))
        warnings.append(told[told < rows - (news > 0)])
        return rows, news

    def _watch(self, values: NDArray[np.float64]) -> Alarms:
        alarms, onsets, begin = [], [], 0
        warnings: list[NDArray[np.int64]] = []
        while begin < len(values):
            told: list[NDArray[np.int64]] = []
            rows, news = self._advance(values[begin : begin + ROWS_MAX], told)
            warnings += [rows_told + begin for rows_told in told]
            begin += rows
            if news:
                alarms.append(begin - 1)
                onsets.append(begin - news)
                self._start_anew()
        return Alarms(
            np.array(alarms, np.int64),
            np.array(onsets, np.int64),
            np.concatenate([np.empty(0, np.int64), *warnings]),
        )

    @abstractmethod
    def _advance(
        self, values: NDArray[np.float64], warnings: list[NDArray[np.int64]]
    ) -> tuple[int, int]:
        """Watch rows until the first alarm; see `_first_alarm`."""

    def _start_anew(self) -> None:
        self._state["heads"][:] = 0.0


class RateDetector(_RunLengthDetector):
    """Changes of the rate of ones among zeros and ones.

    Parameters
    ----------
    false_alarm_events : float
        Expected events between false alarms while nothing changes.
    direction : {"rise", "fall", "both"}
        Which changes count.
    settle : int, optional
        Events that are passed over at the start and after an alarm; a tenth of the expected run,
        at most 1,000, if not given.
    """

    def __init__(
        self,
        false_alarm_events: float = FALSE_ALARM_EVENTS,
        *,
        direction: Direction = "rise",
        settle: int | None = None,
    ) -> None:
        super().__init__(false_alarm_events, direction, settle, {})

    def _watch(self, values: NDArray[np.float64]) -> Alarms:
        if not ((values == 0.0) | (values == 1.0)).all():
            raise ValueError("a rate is of zeros and ones")
        return super()._watch(values)

    def _advance(
        self, values: NDArray[np.float64], warnings: list[NDArray[np.int64]]
    ) -> tuple[int, int]:
        return self._first_alarm(watch_rate, (values,), warnings)


class _RankDetector(_RunLengthDetector):
    """What detectors by sequential ranks have in common; `kind` is what they score of a rank."""

    kind: int

    def __init__(
        self,
        false_alarm_events: float = FALSE_ALARM_EVENTS,
        *,
        direction: Direction = "both",
        settle: int | None = None,
    ) -> None:
        super().__init__(
            false_alarm_events,
            direction,
            settle,
            {
                "ranks": np.zeros(WIDTH),
                "first": np.zeros(FIRST_VALUES),
                "edges": np.zeros(BINS - 1),
                "counts": np.zeros(BINS),
            },
        )
        self.settle = max(self.settle, 2.0 * FIRST_VALUES)
        self._rates, self._thresholds = LEVEL_RATES, level_thresholds(self._run_lengths)

    def _advance(
        self, values: NDArray[np.float64], warnings: list[NDArray[np.int64]]
    ) -> tuple[int, int]:
        scores, rates = np.empty(len(values)), np.empty(len(values))
        state = self._state
        tables = state["first"], state["edges"], state["counts"]
        score_ranks(values, self.kind, state["ranks"], *tables, scores, rates)
        return self._first_alarm(watch_level, (scores, rates), warnings)

    def _start_anew(self) -> None:
        super()._start_anew()
        for name in ("ranks", "counts"):
            self._state[name][:] = 0.0


class LevelDetector(_RankDetector):
    """Changes of the level of any values, by their ranks.

    Parameters
    ----------
    false_alarm_events : float
        Expected events between false alarms while nothing changes.
    direction : {"rise", "fall", "both"}
        Which changes count.
    settle : int, optional
        As in `RateDetector`, and at least twice the 256 values that the bins of ranks are made of.
    """

    kind = LEVEL


class SpreadDetector(_RankDetector):
    """Changes of the spread of any values, by how far their ranks are from the middle.

    Parameters
    ----------
    false_alarm_events : float
        Expected events between false alarms while nothing changes.
    direction : {"rise", "fall", "both"}
        Whether a wider spread counts, a narrower one, or both.
    settle : int, optional
        As in `LevelDetector`.
    """

    kind = SPREAD
