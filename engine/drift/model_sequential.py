"""Detectors that watch a version's values one by one, within the model's budget of false alarms."""

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.config.durations import DAY_NS
from engine.config.models import ERROR, ModelConfig, SequentialConfig
from engine.drift.budget import Budget
from engine.drift.episode_findings import Finding
from engine.drift.model_quality import QualityKind
from engine.drift.model_segments import ALL
from engine.drift.panes import Arrays, part
from engine.drift.run_length import FALSE_ALARM_EVENTS_MIN, RateDetector
from engine.drift.sequential import NOT_ESTIMATED, SequentialDetector
from engine.drift.sequential_names import sequential_detector

RATE_ROWS = 1000
"""Rows of a version from which its events per week are told."""

TIMES_KEPT = 1 << 14
"""Times of the last values, to date onsets by; an older onset is the oldest of them."""

_WEEK_NS = 7 * DAY_NS
_BUDGETED = ("rate", "level", "spread")
_EVENTS_MAX = 1e15


class _Watched:
    """One detector, and the times of the last values that it saw."""

    def __init__(
        self, entry: SequentialConfig, kind: QualityKind | None, detector: SequentialDetector
    ) -> None:
        self.entry = entry
        self.kind: QualityKind | None = kind
        self.detector = detector
        self.takes_rates = isinstance(detector, RateDetector)
        self.seen = 0
        self.times = np.empty(0, np.int64)

    def watch(self, ts: NDArray[np.int64], values: NDArray[np.float64]) -> list[tuple[int, int]]:
        """Give (time, onset or 0) of the alarms that values raise."""
        self.times = np.concatenate([self.times, ts])
        first = self.seen + len(ts) - len(self.times)
        self.seen += len(ts)
        alarms = self.detector.update(values)
        found = []
        for row, onset in zip(alarms.rows.tolist(), alarms.onsets.tolist(), strict=True):
            onset_ns = 0
            if onset != NOT_ESTIMATED:
                onset_ns = int(self.times[max(0, onset - first)])
            found.append((int(self.times[row - first]), onset_ns))
        self.times = self.times[-TIMES_KEPT:]
        return found


class VersionSequences:
    """The sequential detectors of one version.

    They begin when it is known how many events a week has, since what the budget asks for is an
    expected number of events between false alarms. That number follows where a version speaks more
    or less, as one does that is let out little by little.

    Parameters
    ----------
    config : ModelConfig
    budget : Budget
    """

    def __init__(self, config: ModelConfig, budget: Budget) -> None:
        self._config = config
        self._budget = budget
        # By place in the configuration; each begins with the first values that it sees.
        self._watched: dict[int, _Watched] = {}
        self._first_ns: int | None = None
        self._rows = 0
        # Begin of the week that goes on, and the rows before it.
        self._week: tuple[int, int] | None = None
        self.events_per_week: float | None = None

    def count(self, ts: NDArray[np.int64]) -> int:
        """Count rows in event-time order; give the first one of them that is to be watched.

        Those up to which the rate of events is told are not.
        """
        needed = RATE_ROWS - self._rows
        self._rows += len(ts)
        if self.events_per_week is not None or not len(ts):
            return 0
        if self._first_ns is None:
            self._first_ns = int(ts[0])
        if needed > len(ts):
            return len(ts)
        span_ns = max(1, int(ts[needed - 1]) - self._first_ns)
        self.events_per_week = RATE_ROWS * _WEEK_NS / span_ns
        return needed

    def watch(
        self,
        name: str,
        ts: NDArray[np.int64],
        values: NDArray[np.float64],
        kind: QualityKind | None = None,
    ) -> list[Finding]:
        """Let the detectors on a feature, or on `ERROR`, see values; non-finite ones are left out.

        Of a rate's detector so are all but 0 and 1.

        Parameters
        ----------
        name : str
        ts : int64[n]
        values : float64[n]
        kind : str or None
            Of the model's predictions, for its errors.
        """
        if self.events_per_week is None:
            return []
        finite = np.isfinite(values)
        found = []
        for number, entry in enumerate(self._config.sequential):
            if entry.on != name or not finite.any():
                continue
            if number not in self._watched:
                self._watched[number] = _Watched(entry, kind, self._made(entry, kind))
            item = self._watched[number]
            takes = finite & np.isin(values, (0, 1)) if item.takes_rates else finite
            alarms = item.watch(ts[takes], values[takes])
            found += [_finding(entry, *alarm) for alarm in alarms]
        return found

    def advance_to(self, tick_ns: int) -> None:
        """Move on to a tick: take the rate of the week that is over, or a larger one at once."""
        if self.events_per_week is None:
            return
        begin_ns, before = self._week = self._week or (tick_ns, self._rows)
        rows, passed_ns = self._rows - before, tick_ns - begin_ns
        if passed_ns >= _WEEK_NS:
            self._week = None
            if rows < RATE_ROWS:
                return
            self.events_per_week = rows * _WEEK_NS / passed_ns
        elif rows > self.events_per_week:
            self.events_per_week = 2.0 * rows
        else:
            return
        self.spend(self._budget)

    def spend(self, budget: Budget) -> None:
        """Go on within another budget; what detectors have learned stays."""
        self._budget = budget
        for item in self._watched.values():
            if item.entry.use in _BUDGETED:
                known, item.detector = item.detector, self._made(item.entry, item.kind)
                item.detector.restore(known.snapshot())

    def wants(self, name: str) -> bool:
        """Whether any detector watches this."""
        return any(entry.on == name for entry in self._config.sequential)

    def state(self, arrays: Arrays, prefix: str) -> dict[str, Any]:
        """Put copies of the arrays into `arrays`, and give the plain values."""
        for number, item in self._watched.items():
            own = {**item.detector.snapshot(), "times": item.times}
            arrays |= {f"{prefix}|{number}|{name}": array.copy() for name, array in own.items()}
        return {
            "first_ns": self._first_ns,
            "rows": self._rows,
            "week": self._week,
            "events_per_week": self.events_per_week,
            "watched": [
                (number, item.seen, _identity(item.entry)) for number, item in self._watched.items()
            ],
        }

    def restore(
        self,
        arrays: Mapping[str, NDArray[Any]],
        plain: Mapping[str, Any],
        kind: QualityKind | None,
    ) -> None:
        """Take over what `state` gave, with the prefix taken off; other detectors begin anew."""
        self._first_ns, self._rows = plain["first_ns"], plain["rows"]
        self._week = plain["week"] and tuple(plain["week"])
        self.events_per_week = plain["events_per_week"]
        for number, seen, identity in plain["watched"]:
            entries = self._config.sequential[number : number + 1]
            for entry in entries:
                if _identity(entry) == identity:
                    item = _Watched(entry, kind, self._made(entry, kind))
                    own = part(arrays, str(number))
                    times = own.pop("times")
                    try:
                        item.detector.restore(own)
                    except ValueError:
                        continue  # of another kind of predictions
                    item.times, item.seen = times, seen
                    self._watched[number] = item

    def _made(self, entry: SequentialConfig, kind: QualityKind | None) -> SequentialDetector:
        name, params = entry.use, dict(entry.params)
        if entry.on == ERROR and name == "rate" and kind == "regression":
            name = "level"  # errors of numbers are no rate
        if name in _BUDGETED and "false_alarm_events" not in params:
            events = self._budget.run_length(
                len(self._config.sequential), self.events_per_week or 0.0
            )
            params["false_alarm_events"] = min(max(events, FALSE_ALARM_EVENTS_MIN), _EVENTS_MAX)
        if entry.on == ERROR and name in _BUDGETED:
            params.setdefault("direction", "rise")
        return sequential_detector(name, **params)


def _identity(entry: SequentialConfig) -> str:
    """Name a detector with all its parameters: another one takes over nothing."""
    return msgspec.json.encode(entry, order="deterministic").decode()


def _finding(entry: SequentialConfig, ts: int, onset_ns: int) -> Finding:
    """An alarm as a finding; what is watched is past that time."""
    return Finding(
        kind="quality" if entry.on == ERROR else "sequential",
        segment=ALL,
        feature=entry.on,
        method=entry.use,
        score=float("nan"),
        p_value=float("nan"),
        alpha=0.0,
        significant=True,
        score_min=0.0,
        window_begin_ns=onset_ns or ts,
        window_end_ns=ts,
        rows=0,
        reference_rows=0,
        onset_ns=onset_ns or None,
        direction="larger than before" if entry.on == ERROR else "other than before",
    )
