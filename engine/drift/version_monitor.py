"""One version of a model: its windows, detectors and errors, and the episodes that follow."""

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.codecs.predictions import Column
from engine.config.models import ERROR, ModelConfig
from engine.drift.budget import Budget
from engine.drift.episode_findings import Finding
from engine.drift.episode_state import EpisodesState
from engine.drift.episodes import EpisodeParams, Episodes
from engine.drift.findings import PREDICTION, SCORE, FeatureDrift, Statistic
from engine.drift.importance import Importance
from engine.drift.model_errors import ErrorWindows
from engine.drift.model_quality import Errors, QualityKind
from engine.drift.model_segments import Segments
from engine.drift.model_sequential import VersionSequences
from engine.drift.panes import Arrays, part
from engine.drift.row_sample import RowSample
from engine.drift.together import SAMPLE_ROWS
from engine.drift.version_rows import VersionRows, as_floats
from engine.drift.version_windows import Anew, ClosedWindow, VersionWindows
from engine.drift.window_comparison import Comparison
from engine.events import Drift, DriftEvent, Group

WINDOWS, SEQUENTIAL, QUALITY = 0.5, 0.25, 0.25
"""Parts of the model's budget of false alarms."""

SHARE_MIN = 0.01
"""The least change of a share of missing or unseen values that opens an episode."""

_DATA_QUALITY = frozenset({"missing", "unseen", "out_of_range"})
_TOGETHER = frozenset({"mmd", "pca", "domain_classifier", "centroid"})


@dataclass(frozen=True, slots=True)
class Evidence:
    """Rows of an episode's window and of the reference, for a report.

    Attributes
    ----------
    event : DriftEvent
        Which opened the episode, or said that it grew.
    reference, window : dict of str to Column
        Some rows of each.
    """

    event: DriftEvent
    reference: dict[str, Column]
    window: dict[str, Column]


@dataclass(frozen=True, slots=True)
class Budgets:
    """A model's budget of false alarms, by what spends it."""

    windows: Budget
    sequential: Budget
    quality: Budget

    @classmethod
    def of(cls, false_alarms_per_week: float, sharing: int = 1) -> "Budgets":
        """Divide a budget; give the part of each of `sharing` versions."""
        shares = (share / sharing for share in (WINDOWS, SEQUENTIAL, QUALITY))
        return cls(*(Budget(false_alarms_per_week, share) for share in shares))


class VersionMonitor:
    """What is watched of one version.

    Parameters
    ----------
    config : ModelConfig
    version : str
    comparison : Comparison
    segments : Segments
    importance : Importance
        Of the model's features, the same for all versions.
    quality_tests : int
        What shares the budget for quality: error windows of each evaluator, the concept gap.
    """

    def __init__(
        self,
        config: ModelConfig,
        version: str,
        comparison: Comparison,
        segments: Segments,
        importance: Importance,
        quality_tests: int = 1,
    ) -> None:
        self._config = config
        self.version = version
        self._sharing = 1
        self._quality_tests = quality_tests
        self._budgets = Budgets.of(config.false_alarms_per_week)
        self._importance = importance
        self.windows = VersionWindows(config, version, comparison, segments)
        self._sequences = VersionSequences(config, self._budgets.sequential)
        self._errors: dict[str, ErrorWindows] = {}
        action = None if config.on_episode == "none" else config.on_episode
        self._episodes = Episodes(
            config.model,
            version,
            EpisodeParams(false_alarms_per_week=config.false_alarms_per_week, on_episode=action),
            importance.of,
        )
        self.last_ns: int | None = None
        # The last tick at which labels told something.
        self._labels_ns: int | None = None
        # Alarms of detectors that take value by value, since the last tick.
        self._found: list[Finding] = []
        # Of the first window that was over since the last tick: what importance is learned from.
        self._sample: RowSample | None = None
        self.evidence: list[Evidence] = []
        """Of the episodes that opened or grew with windows; whoever reads it clears it."""

    @property
    def open_episodes(self) -> Collection[str]:
        """Groups that have an open episode."""
        return self._episodes.open.keys()

    @property
    def heard_ns(self) -> int | None:
        """When predictions came last, or what labels tell of them."""
        times = (self.last_ns, self._labels_ns)
        return max((time for time in times if time is not None), default=None)

    def share(self, sharing: int) -> None:
        """Have a part of the model's budget, as each of so many versions has."""
        if sharing != self._sharing:
            self._sharing = sharing
            self._budgets = Budgets.of(self._config.false_alarms_per_week, sharing)
            self._sequences.spend(self._budgets.sequential)

    def take(
        self,
        rows: VersionRows,
        segment: NDArray[np.int32],
        closed: Callable[[ClosedWindow], None],
    ) -> list[Drift]:
        """Take rows up to the next tick; `closed` hears of the windows that are over with them."""
        self.last_ns = int(rows.ts[-1])
        begin = self._sequences.count(rows.ts)
        said = self._follow(self.windows.add(rows, segment), closed)
        for name, column in rows.columns().items():
            if self._sequences.wants(name) and column.rows is None:
                values = as_floats(column)[begin:]
                self._found += self._sequences.watch(name, rows.ts[begin:], values)
        return said

    def take_errors(self, evaluator: str, errors: Errors, kind: QualityKind, tick_ns: int) -> None:
        """Take errors that became known at a tick; of an evaluator, what it gave less of."""
        self._labels_ns = tick_ns
        values = -errors.values if evaluator else errors.values
        if not evaluator:
            self._found += self._sequences.watch(ERROR, errors.ts, values, kind)
        self._error_windows(evaluator).add(tick_ns, values, kind)

    def advance_to(
        self, tick_ns: int, closed: Callable[[ClosedWindow], None], more: Iterable[Finding] = ()
    ) -> list[Drift]:
        """Move on to a tick; `more` are findings of others about this version."""
        said = self._follow(self.windows.advance_to(tick_ns), closed)
        self._learn_importance()
        self._sequences.advance_to(tick_ns)
        of_labels = list(more)
        budget = self._budgets.quality
        for errors in self._errors.values():
            of_labels += errors.advance_to(tick_ns, budget, self._quality_tests)
        if of_labels:
            self._labels_ns = tick_ns
        found = [*self._found, *of_labels]
        self._found = []
        return said + (self._episodes.update(tick_ns, found) if found else [])

    def fall_silent(self, before_ns: int, tick_ns: int) -> list[Drift]:
        """Close what no window will say more of: nothing has come for it since some time."""
        groups = [group for group in self._episodes.open if self._heard_of(group) < before_ns]
        return self._episodes.end(tick_ns, "since the version has fallen silent", groups)

    def silent_from_ns(self) -> int | None:
        """When something came last for an open episode, of that for which it is longest ago."""
        return min(map(self._heard_of, self._episodes.open), default=None)

    def next_event_ns(self) -> int | None:
        """When a window is over; None if none is open."""
        ends = [self.windows.next_end_ns(), *(e.next_end_ns() for e in self._errors.values())]
        return min((end for end in ends if end is not None), default=None)

    def state(self, arrays: Arrays, prefix: str) -> dict[str, Any]:
        """Put copies of the arrays into `arrays`, and give the plain values."""
        if self._sample is not None:
            own = self._sample.arrays()
            arrays |= {f"{prefix}|sample|{name}": array.copy() for name, array in own.items()}
        return {
            "windows": self.windows.state(arrays, f"{prefix}|windows"),
            "sequences": self._sequences.state(arrays, f"{prefix}|sequences"),
            "errors": {name: errors.state() for name, errors in self._errors.items()},
            "episodes": msgspec.to_builtins(self._episodes.snapshot()),
            "found": msgspec.to_builtins(self._found),
            "last_ns": self.last_ns,
            "labels_ns": self._labels_ns,
            "has_sample": self._sample is not None,
        }

    def restore(
        self,
        arrays: Mapping[str, NDArray[Any]],
        plain: Mapping[str, Any],
        kind: QualityKind | None,
    ) -> Anew:
        """Take over what `state` gave, with the prefix taken off; say what begins anew."""
        anew = self.windows.restore(part(arrays, "windows"), plain["windows"])
        self._sequences.restore(part(arrays, "sequences"), plain["sequences"], kind)
        for name, state in plain["errors"].items():
            self._error_windows(name).restore(state)
        self._episodes.restore(msgspec.convert(plain["episodes"], EpisodesState))
        self._found = msgspec.convert(plain["found"], list[Finding])
        self.last_ns, self._labels_ns = plain["last_ns"], plain["labels_ns"]
        if plain["has_sample"]:
            self._sample = RowSample(SAMPLE_ROWS)
            self._sample.restore(part(arrays, "sample"))
        return anew

    def _error_windows(self, evaluator: str) -> ErrorWindows:
        if evaluator not in self._errors:
            self._errors[evaluator] = ErrorWindows(
                evaluator or ERROR,
                self._config.quality.slide_ns,
                self._config.rows_min,
                self._config.effect_min,
            )
        return self._errors[evaluator]

    def _heard_of(self, group: Group) -> int:
        """When something came last that episodes of a group follow from."""
        # Labels may tell of predictions long after there are no more of these.
        return (self.heard_ns if group == "quality" else self.last_ns) or 0

    def _follow(
        self, windows: Iterable[ClosedWindow], closed: Callable[[ClosedWindow], None]
    ) -> list[Drift]:
        """Let episodes follow from windows that are over, at the ticks that end them."""
        said: list[Drift] = []
        for window in windows:
            tick_ns = -(-window.end_ns // self._config.interval_ns) * self._config.interval_ns
            if self._sample is None:
                self._sample = copy(window.window_sample)
            closed(window)
            said += self._judge(window, tick_ns)
        return said

    def _learn_importance(self) -> None:
        """Learn at ticks alone: versions learn together, and rows of which may come first."""
        sample, self._sample = self._sample, None
        if sample is None:
            return
        features = sample.columns()
        prediction = features.pop(PREDICTION, None)
        target = features.pop(SCORE, prediction)
        if target is not None:
            self._importance.learn(features, as_floats(target), sample.hashes)

    def _judge(self, window: ClosedWindow, tick_ns: int) -> list[Drift]:
        """Let episodes follow from a window that is over."""
        tests = sum(
            not math.isnan(one.p_value) for _, drift in window.drifts for one in drift.statistics
        )
        if not tests:
            return []
        alpha = self._budgets.windows.alpha(tests, window.every_ns)
        found = [
            self._finding(segment, drift, one, window, alpha)
            for segment, drift in window.drifts
            for one in drift.statistics
            if not math.isnan(one.p_value)
        ]
        said = self._episodes.update(tick_ns, found)
        self.evidence += [
            Evidence(
                record.event, window.reference_sample.columns(), window.window_sample.columns()
            )
            for record in said
            if isinstance(record.event, DriftEvent) and record.event.status != "closed"
        ]
        return said

    def _finding(
        self,
        segment: str,
        drift: FeatureDrift,
        one: Statistic,
        window: ClosedWindow,
        alpha: float,
    ) -> Finding:
        effect, effect_min = one.score, self._config.effect_min
        if one.method == "chi_square":
            # A sum of squares of shares' differences: as a distance it goes from 0 to 1.
            effect = math.sqrt(max(0.0, one.score)) / 2.0
        kind: Any = "prediction" if drift.feature in (PREDICTION, SCORE) else "data"
        is_of_shares = one.method in _DATA_QUALITY
        if is_of_shares:
            kind, effect_min = "data_quality", SHARE_MIN
        elif one.method in _TOGETHER:
            effect_min = 0.0
        return Finding(
            kind=kind,
            segment=segment,
            feature=drift.feature,
            method=one.method,
            score=effect,
            p_value=one.p_value,
            alpha=alpha,
            significant=one.p_value <= alpha and abs(effect) >= effect_min,
            score_min=effect_min,
            window_begin_ns=window.begin_ns,
            window_end_ns=window.end_ns,
            rows=drift.rows,
            reference_rows=drift.reference_rows,
            direction=_direction(drift, one),
            moved=() if is_of_shares else drift.moved,
            picture=None if is_of_shares else drift.picture,
        )


def _direction(drift: FeatureDrift, one: Statistic) -> str:
    """Say in words what changed, where it is not the distribution."""
    if one.method not in _DATA_QUALITY:
        return ""
    share = drift.gauges.get(f"{one.method}_ratio", math.nan)
    return (
        f"{one.method.replace('_', ' ')} values {'up' if one.score > 0 else 'down'} "
        f"from {max(0.0, share - one.score):.3g} to {share:.3g} of the rows"
    )
