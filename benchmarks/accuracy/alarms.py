"""What an alarm budget buys: the share of events found, and how soon.

The threshold is the lowest at which false alarms stay within the budget. A false alarm lasts an
hour: rows of one hour that are outside all events and reach the threshold are one. An event is
found if a row of it reaches the threshold.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .range_metrics import segments

ALARM_ROWS = 12
"""An hour of rows."""
DAY_ROWS = 288
ROW_MINUTES = 5


@dataclass(frozen=True, slots=True)
class Recall:
    """What is found at a threshold; the delay is the median over events found, NaN if none is."""

    threshold: float
    false_alarms_per_day: float
    events: int
    found: int
    delay_minutes: float

    @property
    def share(self) -> float:
        return self.found / self.events


def hourly(label: NDArray[np.bool_], score: NDArray[np.float64]) -> NDArray[np.float64]:
    """The highest score outside events in each hour of a series, -inf where there is none."""
    outside = np.where(label, -np.inf, score)
    return np.maximum.reduceat(outside, np.arange(0, len(score), ALARM_ROWS))


def budget_threshold(
    labels: Sequence[NDArray[np.bool_]], scores: Sequence[NDArray[np.float64]], per_day: float
) -> float:
    """The lowest score at which all series together keep the budget, per series and day.

    Scores of 0 say nothing and are no threshold. If every score breaks the budget: infinity.
    """
    quiet_rows = sum(int(np.count_nonzero(~label)) for label in labels)
    allowed = math.floor(per_day * quiet_rows / DAY_ROWS)
    hours = np.concatenate([hourly(*both) for both in zip(labels, scores, strict=True)])
    hours = -np.sort(-hours)
    floor = max(0.0, float(hours[allowed])) if allowed < len(hours) else 0.0
    rows = np.concatenate(scores)
    above = rows[rows > floor]
    return float(above.min()) if len(above) else math.inf


def recall_at(
    labels: Sequence[NDArray[np.bool_]], scores: Sequence[NDArray[np.float64]], threshold: float
) -> Recall:
    """What is found of all series' events at a threshold, and what false alarms it costs."""
    delays = []
    events = false_alarms = quiet_rows = 0
    for label, score in zip(labels, scores, strict=True):
        false_alarms += int(np.count_nonzero(hourly(label, score) >= threshold))
        quiet_rows += int(np.count_nonzero(~label))
        for first, last in segments(label):
            reached = np.flatnonzero(score[first : last + 1] >= threshold)
            delays += [ROW_MINUTES * int(reached[0])] if len(reached) else []
            events += 1
    return Recall(
        threshold=threshold,
        false_alarms_per_day=false_alarms / (quiet_rows / DAY_ROWS),
        events=events,
        found=len(delays),
        delay_minutes=float(np.median(delays)) if delays else math.nan,
    )
