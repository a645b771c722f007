"""What the parts of a flow tell the self-metrics, the heartbeat and the progress bar."""

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import structlog

from engine.clock import now_ns
from engine.codecs.predictions import PredictionBatch
from engine.events import Alert, ScoreBlock
from engine.pipeline.model_shard import ModelShard, ModelShardOutput
from engine.pipeline.series_shard import SeriesShard
from engine.pipeline.shard_output import ShardOutput
from engine.pipeline.steps import ToSink
from engine.rules.lane import RuleLane
from engine.series.watermark import NOT_YET
from engine.telemetry import Telemetry

_SECOND_NS = 1_000_000_000
_REFUSALS = {
    "limit": "more series than limits.series: the newest are refused",
    "late": "rows refused: the watermark had passed them before their partition was read",
    "model_error": "samples that a detector's model could not score",
    "orphan_label": "verdicts of users on what is not there, see the dead letters",
}

_log = structlog.get_logger()


@dataclass
class Observer:
    """Counts what goes by; methods are called from worker threads.

    Attributes
    ----------
    on_alerts : callable
        Told of alerts as they are said.
    """

    telemetry: Telemetry
    on_alerts: Callable[[list[Alert]], None] = lambda _: None
    watermarks: dict[int, int] = field(default_factory=dict)
    said: dict[str, int] = field(default_factory=dict)
    handled: int = 0
    predictions: int = 0
    labels: int = 0
    _series: dict[int, int] = field(default_factory=dict)
    _shards: dict[int, SeriesShard] = field(default_factory=dict)
    _buffered: dict[int, int] = field(default_factory=dict)
    # Of each shard: models, and what waits for labels in memory and on disk.
    _model_shards: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    _models_buffered: dict[int, int] = field(default_factory=dict)
    _lost: dict[int, int] = field(default_factory=dict)
    _failures: dict[str, int] = field(default_factory=dict)
    _rule_errors: dict[int, dict[str, str]] = field(default_factory=dict)
    _states: dict[str, str] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    @property
    def watermark(self) -> int | None:
        """Event time that all shards have handled, nanoseconds; None before the first."""
        least = min(self.watermarks.values(), default=NOT_YET)
        return None if least == NOT_YET else least

    @property
    def series(self) -> int:
        """Series known in all shards."""
        return sum(self._series.values())

    def buffered_rows(self) -> int:
        """Rows that wait for their tick in all shards."""
        return sum(self._buffered.values()) + sum(self._models_buffered.values())

    def warming_up(self) -> dict[str, int]:
        """Series that have had no verdict of a detector yet, by its name."""
        counts: dict[str, int] = {}
        for shard in list(self._shards.values()):
            for watch in shard.watches:
                name = watch.spec.name
                counts[name] = counts.get(name, 0) + watch.warming_up()
        return counts

    @property
    def unhealthy_rules(self) -> dict[str, int]:
        """Rules that failed at some tick, with how many."""
        return dict(self._failures)

    @property
    def rule_errors(self) -> dict[str, str]:
        """What is wrong with the rules that failed at their last tick."""
        return {key: text for errors in self._rule_errors.values() for key, text in errors.items()}

    def alerts_by_state(self) -> dict[str, int]:
        """Alerts that are pending or firing, as last said."""
        counts = {"pending": 0, "firing": 0}
        for status in list(self._states.values()):
            counts[status] += 1
        return counts

    def dead_letters(self) -> dict[str, int]:
        """Messages and rows rejected so far, written or not, by reason."""
        return {
            sample.labels["reason"]: int(sample.value)
            for metric in self.telemetry.dead_letters.collect()
            for sample in metric.samples
            if sample.name.endswith("_total") and sample.value
        }

    def shard(self, shard: SeriesShard, output: ShardOutput) -> None:
        """Hear from a series shard."""
        telemetry = self.telemetry
        self.watermarks[shard.number] = shard.watermark.value
        self._series[shard.number] = len(shard.slots)
        self._shards[shard.number] = shard
        self._buffered[shard.number] = len(shard.pending)
        counts = output.counts
        if not counts:
            return
        with self._lock:
            self.handled += counts.get("handled_rows", 0)
        telemetry.rows_handled.inc(counts.get("handled_rows", 0))
        telemetry.detector_seconds.inc(output.detector_ns / _SECOND_NS)
        for kind in ("repeated", "conflicting"):
            if counts.get(f"{kind}_rows"):
                telemetry.rows_repeated.labels(kind).inc(counts[f"{kind}_rows"])
        for reason, text in _REFUSALS.items():
            if counts.get(f"{reason}_rows"):
                telemetry.dead_letters.labels(reason).inc(counts[f"{reason}_rows"])
                _log.warning(text)
        for outcome in ("applied", "repeated", "refused"):
            telemetry.verdicts.labels(outcome).inc(counts.get(f"verdicts_{outcome}", 0))
        if counts.get("suspended_models"):
            telemetry.models_suspended.inc(counts["suspended_models"])
            _log.warning("models suspended: too many failures in a row, see model_error letters")
        if counts.get("left_out_of_entities"):
            telemetry.entity_series_left_out.inc(counts["left_out_of_entities"])
            _log.warning("an entity has more series than are judged together; match fewer")
        telemetry.dead_letters_suppressed.inc(counts.get("suppressed_letters", 0))
        lost = shard.leaves.samples_lost
        telemetry.window_samples_lost.inc(lost - self._lost.get(shard.number, 0))
        self._lost[shard.number] = lost

    def documents(self, documents: PredictionBatch) -> None:
        """Hear of predictions and labels on their way to the model shards."""
        with self._lock:
            self.predictions += sum(map(len, documents.tables))
            self.labels += sum(map(len, documents.labels))
        for (model, feature, reason), count in documents.refused.items():
            self.telemetry.refused_values.labels(model, feature, reason).inc(count)

    def models(self, shard: ModelShard, output: ModelShardOutput) -> None:
        """Hear from a model shard."""
        self._models_buffered[shard.number] = shard.rows_waiting
        self._model_shards[shard.number] = shard.models, *shard.open_predictions
        for letter in output.letters:
            self.telemetry.dead_letters.labels(letter.reason.value).inc()

    def lane(self, lane: RuleLane) -> None:
        """Hear from a rule lane."""
        for rule, failures in lane.failures().items():
            new = failures - self._failures.get(rule, 0)
            if new:
                self.telemetry.rule_failures.labels(rule).inc(new)
                self._failures[rule] = failures
        errors = lane.errors()
        known = self._rule_errors.get(lane.number, {})
        for rule in errors.keys() - known.keys():
            _log.warning("rule failed", rule=rule, error=errors[rule])
        self._rule_errors[lane.number] = errors

    def sink(self, item: ToSink) -> None:
        """Hear of records that were written."""
        records: list[Any] = list(item.records)
        count = sum(len(r) if isinstance(r, ScoreBlock) else 1 for r in records)
        self.telemetry.rows_out.labels(item.output).inc(count)
        with self._lock:
            self.said[item.output] = self.said.get(item.output, 0) + count
        if item.output == "alerts":
            self._note(records)
            self.on_alerts(records)

    def publish(self) -> None:
        """Bring the gauges up to date."""
        telemetry = self.telemetry
        if self.watermark is not None:
            telemetry.watermark.set(self.watermark / _SECOND_NS)
            telemetry.watermark_delay.set((now_ns() - self.watermark) / _SECOND_NS)
        telemetry.series.set(self.series)
        models, memory, disk = map(sum, zip((0, 0, 0), *self._model_shards.values(), strict=True))
        telemetry.models.set(models)
        telemetry.open_predictions.labels("memory").set(memory)
        telemetry.open_predictions.labels("disk").set(disk)
        for detector, count in self.warming_up().items():
            telemetry.series_warming_up.labels(detector).set(count)
        for state, count in self.alerts_by_state().items():
            telemetry.alerts.labels(state).set(count)

    def _note(self, alerts: list[Alert]) -> None:
        for alert in alerts:
            event = alert.event
            if event is None or event.status == "resolved":
                self._states.pop(alert.fingerprint, None)
            else:
                self._states[alert.fingerprint] = event.status
