"""A model, watched: rows go in as they come, and ticks say what is to be said of it.

A tick knows all rows up to it and none after, in event-time order, so that what it says depends on
the logs alone. Many rows are taken before their tick, as far as no earlier ones can come: so the
tick has little left to do, and neither how many nor when shows in what is said. Ticks at which
nothing can have changed are passed over.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import structlog
from numpy.typing import NDArray

from engine.codecs.prediction_rows import model_key
from engine.codecs.predictions import OTHER, LabelTable, PredictionTable
from engine.config.durations import HOUR_NS, SECOND_NS
from engine.config.models import ModelConfig
from engine.drift.concept_gap import concept_gap
from engine.drift.early_labels import EarlyLabels
from engine.drift.episode_findings import Finding
from engine.drift.importance import Importance, ImportanceState
from engine.drift.llm_counters import LlmCounters
from engine.drift.model_gauges import ModelGauges
from engine.drift.model_quality import ModelQuality, QualityKind, kind_of
from engine.drift.model_reference import AnyReference
from engine.drift.model_segments import Segments
from engine.drift.panes import Arrays, part
from engine.drift.version_monitor import Budgets, Evidence, VersionMonitor
from engine.drift.version_rows import LabelRows, VersionRows, WaitingTables
from engine.drift.version_windows import ClosedWindow
from engine.drift.vocabulary import Vocabulary
from engine.drift.waiting_state import state_of, tables_of
from engine.drift.window_comparison import Comparison
from engine.events import DeadLetter, Drift
from engine.series.columns import Columns
from engine.series.identity import Series

TAKEN_AHEAD = 4096
"""So many waiting rows are taken before their tick."""

CATEGORIES_MAX = 1000
"""Categories of a feature with codes of their own."""

_log = structlog.get_logger()


@dataclass(slots=True)
class ModelOutput:
    """What a model says between two watermarks.

    Attributes
    ----------
    columns : list of Columns
        Samples of the model's series, by tick.
    series : list of Series
        Those that are new in this run.
    records : list of Drift
    letters : list of DeadLetter
    evidence : list of Evidence
    """

    columns: list[Columns] = field(default_factory=list)
    series: list[Series] = field(default_factory=list)
    records: list[Drift] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)


class ModelMonitor:
    """All that is watched of one model.

    Parameters
    ----------
    config : ModelConfig
    folder : Path
        For what is spilled to disk; no other model may use it.
    reference : AnyReference or None
        The reference file, as it was read at the start.
    versions_max : int
        Versions that are watched at a time; predictions of further ones count as version
        ``(other)``. Silent ones make room.
    """

    def __init__(
        self,
        config: ModelConfig,
        folder: Path,
        reference: AnyReference | None = None,
        versions_max: int = 20,
    ) -> None:
        self.config = config
        self._folder = folder
        self._reference = reference
        self._versions_max = versions_max
        self._vocabulary = Vocabulary(CATEGORIES_MAX)
        self._waiting = WaitingTables(self._vocabulary, config.label_delay_ns)
        self._segments = Segments(config.segments, config.segments_max)
        self._importance = Importance(config.importance or None)
        self._versions: dict[str, VersionMonitor] = {}
        self._quality: dict[str, ModelQuality] = {}
        self._kind: QualityKind | None = None
        self._evaluators = (config.llm.evaluators if config.llm is not None else ()) or ("",)
        has_estimates = reference is not None and reference.estimator is not None
        self._quality_tests = len(self._evaluators) + has_estimates
        # Versions among which the budget has been divided since the last tick.
        self._sharing = 1
        self._early = EarlyLabels(config.model, config.label_delay_ns, config.open_predictions)
        self._quiet_ns = max(HOUR_NS, 2 * (config.window.ns or HOUR_NS))
        self._gauges = ModelGauges(config.model, self._quiet_ns)
        self._counters = LlmCounters() if config.llm is not None else None
        self._tick_ns: int | None = None
        # Time of the first row that was taken since the last tick.
        self._first_taken_ns: int | None = None
        if reference is not None:
            reference.teach(self._vocabulary)
        kind = config.quality.kind
        if self._evaluators != ("",) and kind != "none":
            self._begin_quality("regression")  # judgements are numbers
        elif kind != "auto" and kind != "none":  # noqa: PLR1714 - the type follows from it
            self._begin_quality(kind)

    @property
    def rows_waiting(self) -> int:
        """Rows after the last tick."""
        return len(self._waiting)

    @property
    def open_predictions(self) -> tuple[int, int]:
        """Predictions and labels that wait for each other: in memory, and on disk."""
        joins = [quality.monitor.join for quality in self._quality.values()]
        return sum(j.rows_in_memory for j in joins), sum(len(j.spill) for j in joins)

    def add(self, tables: Sequence[PredictionTable], labels: Sequence[LabelTable]) -> None:
        """Let predictions and labels wait for their tick."""
        for table in tables:
            self._waiting.add_predictions(table)
        for late in labels:
            self._waiting.add_labels(late)

    def advance_to(self, watermark_ns: int) -> ModelOutput:
        """Handle the ticks up to a watermark; there must be no rows left that come before it."""
        output = ModelOutput()
        while (tick := self._next_tick()) is not None and tick <= watermark_ns:
            self._handle(tick, output)
        # What the first predictions are is told by all of a tick's.
        knows_kind = self._kind is not None or self.config.quality.kind != "auto"
        if knows_kind and len(self._waiting) >= TAKEN_AHEAD:
            self._take_through(watermark_ns, output)
        return output

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        """Give copies of the arrays, and plain values."""
        arrays: Arrays = {}
        plain: dict[str, Any] = {
            "tick_ns": self._tick_ns,
            "first_taken_ns": self._first_taken_ns,
            "sharing": self._sharing,
            "kind": self._kind,
            "vocabulary": self._vocabulary.state(),
            "segments": self._segments.state(),
            "segmented_by": list(self.config.segments),
            "segments_used": self._segments.used(),
            "gauges": self._gauges.state(),
            "importance": msgspec.to_builtins(self._importance.snapshot()),
            "early": self._early.state(arrays, "early"),
            "waiting": state_of(self._waiting.tables(), arrays, "waiting"),
            "versions": {},
            "quality": {},
        }
        for number, (version, monitor) in enumerate(self._versions.items()):
            plain["versions"][version] = monitor.state(arrays, f"v{number}")
        for number, (evaluator, quality) in enumerate(self._quality.items()):
            own, plain["quality"][evaluator] = quality.state()
            arrays |= {f"q{number}|{name}": array for name, array in own.items()}
        if self._counters is not None:
            own, plain["counters"] = self._counters.snapshot()
            arrays |= {f"llm|{name}": array for name, array in own.items()}
        return arrays, plain

    def restore(self, arrays: Mapping[str, NDArray[Any]], plain: Mapping[str, Any]) -> None:
        """Take over what `state` gave, before anything was added."""
        self._tick_ns, self._first_taken_ns = plain["tick_ns"], plain["first_taken_ns"]
        self._sharing = plain["sharing"]
        self._vocabulary.restore(plain["vocabulary"])
        if self._reference is not None:
            self._reference.check_words(self._vocabulary)
        self._segments.restore(plain["segments"], plain["segmented_by"], plain["segments_used"])
        self._gauges.restore(plain["gauges"])
        self._importance.restore(msgspec.convert(plain["importance"], ImportanceState))
        self.add(*tables_of(plain["waiting"], arrays, "waiting"))
        self._early.restore(part(arrays, "early"), plain["early"])
        for number, (version, own) in enumerate(plain["versions"].items()):
            self._versions[version] = monitor = self._made(version)
            anew = monitor.restore(part(arrays, f"v{number}"), own, plain["kind"])
            if anew != "nothing":
                self._say_anew(anew, version)
                self._gauges.forget_window(version)
            if monitor.windows.reference_rows == 0:
                self._begin_reference(monitor)
        is_watched = self.config.quality.kind != "none"
        if self._kind is None and plain["kind"] is not None and is_watched:
            self._begin_quality(plain["kind"])
        for number, (evaluator, own) in enumerate(plain["quality"].items()):
            quality = self._quality.get(evaluator)
            if quality is None:
                self._gauges.forget_quality(evaluator)
            elif quality.kind != own["kind"]:
                self._say_anew("quality")
            elif not quality.restore(part(arrays, f"q{number}"), own):
                self._say_anew("windows of quality")
        if self._counters is not None and "counters" in plain:
            self._counters.restore(part(arrays, "llm"), plain["counters"])

    def _next_tick(self) -> int | None:
        """The next tick at which anything can happen."""
        interval_ns = self.config.interval_ns
        if self._tick_ns is not None and self._gauges.is_due(self._tick_ns + interval_ns):
            return self._tick_ns + interval_ns
        times = [self._first_taken_ns, self._waiting.first_ns(), self._early.next_event_ns()]
        times += [monitor.next_event_ns() for monitor in self._versions.values()]
        times += [quality.next_event_ns() for quality in self._quality.values()]
        times += [
            silent_ns + self._quiet_ns + 1
            for monitor in self._versions.values()
            if (silent_ns := monitor.silent_from_ns()) is not None
        ]
        first = min((time for time in times if time is not None), default=None)
        if first is None:
            return None
        tick = -(-first // interval_ns) * interval_ns
        return tick if self._tick_ns is None else max(tick, self._tick_ns + interval_ns)

    def _handle(self, tick_ns: int, output: ModelOutput) -> None:
        self._take_through(tick_ns, output)
        output.letters += self._early.advance_to(tick_ns)
        has_rows, self._first_taken_ns = self._first_taken_ns is not None, None
        self._advance_quality(tick_ns, has_rows, output)
        more = self._concept_gaps(tick_ns)
        for version, monitor in self._versions.items():
            hear = self._hearing(version)
            output.records += monitor.advance_to(tick_ns, hear, more.get(version, ()))
            output.evidence += monitor.evidence
            monitor.evidence = []
            output.records += monitor.fall_silent(tick_ns - self._quiet_ns, tick_ns)
            self._gauges.put_version(version, monitor.windows.reference_rows, monitor.open_episodes)
        output.records += self._retire(tick_ns)
        self._share_budget(tick_ns)
        since_ns = tick_ns - (self._tick_ns or tick_ns - self.config.interval_ns)
        self._gauges.put_rates(tick_ns, since_ns / SECOND_NS)
        if self._counters is not None and has_rows:
            self._gauges.put_series(*self._counters.series(self._llm_labels))
        self._tick_ns = tick_ns
        if self._gauges.is_due(tick_ns):
            columns, new = self._gauges.sample(tick_ns)
            output.columns.append(columns)
            output.series += new

    def _is_silent(self, last_ns: int | None, tick_ns: int) -> bool:
        return last_ns is not None and tick_ns - last_ns > self._quiet_ns

    def _retire(self, tick_ns: int) -> list[Drift]:
        """Forget silent versions where room gets scarce: those that come back begin anew."""
        said: list[Drift] = []
        if 2 * len(self._versions) > self._versions_max:
            for version, monitor in list(self._versions.items()):
                if self._is_silent(monitor.last_ns, tick_ns):
                    said += monitor.fall_silent(tick_ns + 1, tick_ns)
                    self._gauges.forget_version(version)
                    del self._versions[version]
        return said

    def _share_budget(self, tick_ns: int) -> None:
        """Divide the budget, which is the model's, among the versions that are heard lately."""
        heard = [monitor.heard_ns for monitor in self._versions.values()]
        self._sharing = max(1, sum(not self._is_silent(last_ns, tick_ns) for last_ns in heard))
        for monitor in self._versions.values():
            monitor.share(self._sharing)

    def _take_through(self, until_ns: int, output: ModelOutput) -> None:
        """Take what waits up to a time that is not after the next tick."""
        first_ns = self._waiting.first_ns()
        if first_ns is None or first_ns > until_ns:
            return
        if self._first_taken_ns is None:
            self._first_taken_ns = first_ns
        predictions, labels = self._waiting.take_through(until_ns, self._version_of)
        for rows in predictions:
            output.records += self._take(rows)
        output.letters += self._take_labels(labels)
        for quality in self._quality.values():
            quality.take_ahead(until_ns)

    def _say_anew(self, what: str, version: str = "") -> None:
        _log.warning(
            "settings have changed: begun anew", what=what, model=self.config.model, version=version
        )

    def _version_of(self, name: str) -> str:
        """What a version is watched as; one that is new, from now on."""
        if name not in self._versions:
            if len(self._versions) >= self._versions_max:
                name = OTHER
            if name not in self._versions:
                self._versions[name] = self._made(name)
                self._begin_reference(self._versions[name])
        return name

    def _take(self, rows: VersionRows) -> list[Drift]:
        segment = self._segments.numbers_of(rows)
        if self._kind is None and self.config.quality.kind == "auto":
            kind = kind_of(rows)
            if kind is not None:
                self._begin_quality(kind)
        for quality in self._quality.values():
            quality.add(rows, segment)
        if self._counters is not None:
            self._counters.add(rows.version, segment, rows.features)
        self._gauges.hear(rows)
        return self._versions[rows.version].take(rows, segment, self._hearing(rows.version))

    def _take_labels(self, labels: Sequence[LabelRows]) -> list[DeadLetter]:
        letters: list[DeadLetter] = []
        for late in labels:
            if late.evaluator in self._quality:
                self._quality[late.evaluator].add_labels(late.labels)
            elif late.evaluator in self._evaluators and self.config.quality.kind != "none":
                letters += self._early.add(late)
        return letters

    def _advance_quality(self, tick_ns: int, has_rows: bool, output: ModelOutput) -> None:
        for evaluator, quality in self._quality.items():
            moves = tick_ns % self.config.quality.slide_ns == 0
            if not (has_rows or moves):
                due_ns = quality.next_event_ns()
                if due_ns is None or due_ns > tick_ns:
                    continue
            news = quality.advance_to(tick_ns)
            output.letters += news.letters
            output.records += self._gauges.put_quality(quality, news)
            for version, errors in news.errors.items():
                if version in self._versions:
                    self._versions[version].take_errors(evaluator, errors, quality.kind, tick_ns)

    def _concept_gaps(self, tick_ns: int) -> dict[str, list[Finding]]:
        """Give what labels say that scores did not foresee, by version."""
        quality, reference = self._quality.get(""), self._reference
        if quality is None or reference is None or tick_ns % self.config.quality.slide_ns:
            return {}
        whole = Budgets.of(self.config.false_alarms_per_week).quality
        budget = whole.part(1 / self._quality_tests)
        return concept_gap(quality, reference.labelled_rows, tick_ns, budget)

    def _hearing(self, version: str) -> Callable[[ClosedWindow], None]:
        return lambda window: self._gauges.put_window(version, window)

    def _made(self, version: str) -> VersionMonitor:
        comparison = Comparison(self.config, self._vocabulary.names)
        own = self.config, version, comparison, self._segments, self._importance
        monitor = VersionMonitor(*own, self._quality_tests)
        monitor.share(self._sharing)
        return monitor

    def _begin_reference(self, monitor: VersionMonitor) -> None:
        if self._reference is not None:
            self._reference.begin(monitor.windows, self._segments, self._vocabulary)

    def _begin_quality(self, kind: QualityKind) -> None:
        self._kind = kind
        for evaluator in self._evaluators:
            estimator = None
            if not evaluator and self._reference is not None:
                estimator = self._reference.estimator
            self._quality[evaluator] = ModelQuality(
                self.config,
                evaluator,
                kind,
                self._folder / f"join-{model_key(evaluator):016x}",
                self._segments,
                estimator,
            )
        for late in self._early.take():
            self._quality[late.evaluator].add_labels(late.labels)

    def _llm_labels(self, version: str, segment: int) -> dict[str, str]:
        places = self._segments.places
        name = places[segment][1] if 0 <= segment < len(places) else OTHER
        return {"model": self.config.model, "version": version, "segment": name}
