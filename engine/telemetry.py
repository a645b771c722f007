"""Self-metrics: declared here, all with the prefix ``streamgauge_``, served on ``/metrics``."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class Telemetry:
    """The metrics of one flow.

    Parameters
    ----------
    version : str
        Of the program, for the build information.
    """

    def __init__(self, version: str) -> None:
        self.registry = CollectorRegistry()
        build = Gauge("streamgauge_build_info", "Always 1.", ["version"], registry=self.registry)
        build.labels(version).set(1)
        self.messages_in = self._counter("messages_in", "Messages read.", "source")
        self.rows_in = self._counter("rows_in", "Samples decoded.", "source")
        self.bytes_in = self._counter("bytes_in", "Bytes of messages read.", "source")
        self.source_errors = self._counter(
            "source_errors", "Passing errors of a source; reading goes on.", "source"
        )
        self.rows_dropped = self._counter(
            "rows_dropped", "Samples left out as the configuration says, by its key.", "key"
        )
        self.dead_letters = self._counter(
            "dead_letters", "Messages and rows rejected, written or not.", "reason"
        )
        self.dead_letters_suppressed = self._counter(
            "dead_letters_suppressed", "Dead letters above the rate limit: counted, not written."
        )
        self.models = self._gauge("models", "Models watched.")
        self.open_predictions = self._gauge(
            "open_predictions", "Predictions and labels that wait for each other.", "place"
        )
        self.refused_values = Counter(
            "streamgauge_refused_values",
            "Values of features that could not be used; null in their rows.",
            ["model", "feature", "reason"],
            registry=self.registry,
        )
        self.rows_handled = self._counter("rows_handled", "Samples ordered and scored.")
        self.rows_repeated = self._counter(
            "rows_repeated", "Samples left out since their series has that timestamp.", "kind"
        )
        self.rows_out = self._counter("rows_out", "Records said.", "output")
        self.rule_failures = self._counter("rule_failures", "Ticks at which a rule failed.", "rule")
        self.window_samples_lost = self._counter(
            "window_samples_lost", "Samples that a full window of a rule lost."
        )
        self.lag = self._gauge("lag_records", "Records behind the end.", "partition")
        self.watermark = self._gauge("watermark_seconds", "Event time that is complete.")
        self.series = self._gauge("series", "Series known.")
        self.series_warming_up = self._gauge(
            "series_warming_up", "Series that have had no verdict of a detector yet.", "detector"
        )
        self.alerts = self._gauge("alerts", "Alerts by state.", "state")
        self.checkpoint_seconds = self._gauge(
            "checkpoint_seconds", "Time spent writing checkpoints, in total."
        )
        self.last_checkpoint = self._gauge(
            "last_checkpoint_seconds", "Wall time of the newest checkpoint."
        )
        self.models_suspended = self._counter(
            "models_suspended", "Series whose model failed too often to be asked again."
        )
        self.entity_series_left_out = self._counter(
            "entity_series_left_out", "Series beyond those that an entity is judged by."
        )
        self.verdicts = self._counter("verdicts", "Verdicts of users on alarms.", "outcome")
        self.detector_seconds = self._counter("detector_seconds", "Time spent in detectors.")
        self.watermark_delay = self._gauge(
            "watermark_delay_seconds", "Wall time minus the event time that is complete."
        )

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"streamgauge_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"streamgauge_{name}", text, labels, registry=self.registry)
