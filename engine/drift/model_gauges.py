"""The series that models make: their values now, and the samples of a tick."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from engine.config.durations import SECOND_NS
from engine.drift.model_quality import LAG_QUANTILES, ModelQuality, QualityNews
from engine.drift.quality import WindowQuality
from engine.drift.quality_metrics import QualitySummary
from engine.drift.version_rows import VersionRows
from engine.drift.version_windows import ClosedWindow
from engine.events import Drift, quality_record
from engine.series.columns import Columns
from engine.series.identity import Series

QUALITY_METRICS = (
    "accuracy", "precision", "recall", "specificity", "f1", "precision_macro", "recall_macro",
    "f1_macro", "roc_auc", "roc_auc_error", "log_loss", "brier", "calibration_error", "mae", "rmse",
    "r2", "quantile_loss", "mean_label", "precision_at_k", "recall_at_k", "ndcg_at_k",
)  # fmt: skip
ESTIMATED, GAP = "estimated_", "_gap"
DRIFT_SCORE, DRIFT_P_VALUE = "drift_score", "drift_pvalue"
EPISODE_OPEN = "drift_episode"
GAUGES = {
    "missing_ratio": "missing_ratio",
    "unseen_ratio": "unseen_ratio",
    "out_of_range_ratio": "out_of_range_ratio",
    "changed_ratio": "type_changed_ratio",
    "distinct_values": "distinct_values",
    "mean": "feature_mean",
    "evidently_drifted": "evidently_drifted",
    "exact_ratio": "exact_ratio",
}
"""Series by the name of a drift's gauge."""

RATE, LAST_PREDICTION = "prediction_rate", "model_last_prediction_timestamp_seconds"
PREDICTIONS_TOTAL, DUPLICATES_TOTAL = "model_predictions_total", "model_duplicates_total"
REFERENCE_ROWS, WINDOW_ROWS = "model_reference_rows", "model_window_rows"
COVERAGE, LABEL_LAG = "model_label_coverage", "model_label_lag_seconds"
HYBRID = "hybrid_"

_FIXED = (
    DRIFT_SCORE, DRIFT_P_VALUE, EPISODE_OPEN, *GAUGES.values(), RATE, LAST_PREDICTION,
    PREDICTIONS_TOTAL, DUPLICATES_TOTAL, REFERENCE_ROWS, WINDOW_ROWS, COVERAGE, LABEL_LAG,
)  # fmt: skip
MODEL_SERIES = frozenset(_FIXED) | {
    f"model_{prefix}{metric}{suffix}"
    for metric in QUALITY_METRICS
    for prefix, suffix in (("", ""), (ESTIMATED, ""), (HYBRID, ""), ("", GAP))
}
"""Names of series that are made of models; detectors do not watch series called so."""

Labels = tuple[tuple[str, str], ...]


class ModelGauges:
    """The current value of each series of one model, told again at every tick.

    Rules see a value for `lookback` only, and windows may be longer than that. A model that has
    fallen silent for longer than `quiet_ns` is not told of any more.

    Parameters
    ----------
    model : str
    quiet_ns : int
    """

    def __init__(self, model: str, quiet_ns: int) -> None:
        self._model = model
        self._quiet_ns = quiet_ns
        self._values: dict[Series, float] = {}
        self._named: dict[tuple[str, Labels], Series] = {}
        self._defined: set[Series] = set()
        self._totals: dict[tuple[str, ...], int] = {}
        self._groups: dict[str, set[str]] = {}
        self._versions: dict[str, None] = {}
        self.heard_ns: int | None = None

    def put(self, name: str, value: float, labels: Mapping[str, str]) -> None:
        """Set a value; NaN takes the series away, and labels without a value are left out."""
        own = tuple(sorted((key, text) for key, text in labels.items() if text))
        series = self._named.get((name, own))
        if series is None:
            series = Series.of(name, {**dict(own), "model": self._model})
            self._named[name, own] = series
        if np.isnan(value):
            self._values.pop(series, None)
        else:
            self._values[series] = value

    def put_window(self, version: str, window: ClosedWindow) -> None:
        """Set what a window says that is over."""
        of_version = {"version": version}
        self.put(REFERENCE_ROWS, window.reference_rows, of_version)
        self.put(WINDOW_ROWS, window.rows, of_version)
        for segment, drift in window.drifts:
            labels = {**of_version, "segment": segment, "feature": drift.feature}
            for one in drift.statistics:
                by_method = {**labels, "method": one.method}
                self.put(DRIFT_SCORE, one.score, by_method)
                self.put(DRIFT_P_VALUE, one.p_value, by_method)
            for name, value in drift.gauges.items():
                self.put(GAUGES.get(name, name), value, labels)

    def put_quality(self, quality: ModelQuality, news: QualityNews) -> list[Drift]:
        """Set what is known of quality at a tick; give the records of windows that changed."""
        for (version, segment), summary in news.known.items():
            labels = {"version": version, "segment": segment, "evaluator": quality.evaluator}
            self._put_metrics(summary, labels, only_mean=bool(quality.evaluator))
        for version, count in news.duplicates.items():
            self._count(DUPLICATES_TOTAL, count, {"version": version})
        return [
            _record(self._model, quality.evaluator, version, segment, window)
            for version, segment, window in news.windows
        ]

    def put_episodes(self, version: str, is_open: Mapping[str, str]) -> None:
        """Say which groups have an open episode: 1, and 0 once they had one."""
        known = self._groups.setdefault(version, set())
        known |= set(is_open)
        for group in known:
            value = float(group in is_open)
            self.put(EPISODE_OPEN, value, {"version": version, "group": group})

    def put_rates(self, rows: Sequence[VersionRows], tick_ns: int, seconds: float) -> None:
        """Set how many predictions there were since the tick before, `seconds` ago."""
        counts: dict[str, int] = dict.fromkeys(self._versions, 0)
        for part in rows:
            counts[part.version] = counts.get(part.version, 0) + len(part)
            last_s = int(part.ts[-1]) / SECOND_NS
            self.put(LAST_PREDICTION, last_s, {"version": part.version})
        self._versions |= dict.fromkeys(counts)
        for version, count in counts.items():
            labels = {"version": version}
            self.put(RATE, count / seconds, labels)
            self._count(PREDICTIONS_TOTAL, count, labels)
        if rows:
            self.heard_ns = tick_ns

    def put_series(self, series: Iterable[Series], values: Iterable[float]) -> None:
        """Set values of series that are made elsewhere."""
        self._values |= dict(zip(series, values, strict=True))

    def _count(self, name: str, more: int, labels: Mapping[str, str]) -> None:
        key = name, *sorted(labels.values())
        self._totals[key] = self._totals.get(key, 0) + more
        self.put(name, float(self._totals[key]), labels)

    def _put_metrics(
        self, summary: QualitySummary, labels: Mapping[str, str], *, only_mean: bool
    ) -> None:
        self.put(COVERAGE, summary.coverage, labels)
        for quantile in LAG_QUANTILES:
            lag_s = summary.label_lag_ns(quantile) / SECOND_NS
            self.put(LABEL_LAG, lag_s, {**labels, "quantile": f"{quantile:g}"})
        realised = summary.metrics()
        if only_mean:
            realised = {name: value for name, value in realised.items() if name == "mean_label"}
        expected = summary.estimated_metrics(of_labelled=True)
        for name in QUALITY_METRICS:
            value = realised.get(name, math.nan)
            self.put(f"model_{name}", value, labels)
            if expected:
                self.put(f"model_{name}{GAP}", value - expected.get(name, math.nan), labels)
        for prefix, metrics in (
            (ESTIMATED, summary.estimated_metrics()), (HYBRID, summary.hybrid_metrics()),
        ):  # fmt: skip
            for name, value in metrics.items():
                self.put(f"model_{prefix}{name}", value, labels)

    def is_due(self, tick_ns: int) -> bool:
        """Whether the model has said something lately."""
        return self.heard_ns is not None and tick_ns - self.heard_ns <= self._quiet_ns

    def sample(self, tick_ns: int) -> tuple[Columns, list[Series]]:
        """Give all values as samples of a tick, and the series that are new in this run."""
        known = list(self._values)
        new = [series for series in known if series not in self._defined]
        self._defined.update(new)
        columns = Columns(
            np.array([series.fingerprint for series in known], np.uint64),
            np.full(len(known), tick_ns, np.int64),
            np.fromiter(self._values.values(), np.float64, len(known)),
            np.zeros(len(known), np.uint8),
        )
        return columns, new

    def state(self) -> dict[str, Any]:
        """Give all of it as plain values."""
        return {
            "heard_ns": self.heard_ns,
            "totals": [(list(key), count) for key, count in self._totals.items()],
            "groups": {version: sorted(groups) for version, groups in self._groups.items()},
            "versions": list(self._versions),
            "values": [
                (series.name, series.labels, value) for series, value in self._values.items()
            ],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave."""
        self.heard_ns = state["heard_ns"]
        self._totals = {tuple(key): count for key, count in state["totals"]}
        self._groups = {version: set(groups) for version, groups in state["groups"].items()}
        self._versions = dict.fromkeys(state["versions"])
        for name, labels, value in state["values"]:
            series = Series(name, tuple((key, text) for key, text in labels))
            self._values[series] = value


def _record(model: str, evaluator: str, version: str, segment: str, window: WindowQuality) -> Drift:
    quality = window.quality
    lags = {q: quality.label_lag_ns(q) / SECOND_NS for q in LAG_QUANTILES}
    metrics = quality.metrics()
    if evaluator:
        metrics = {name: value for name, value in metrics.items() if name == "mean_label"}
    return quality_record(
        model=model,
        version=version,
        segment=segment,
        begin_ns=window.begin_ns,
        end_ns=window.end_ns,
        revision=window.revision,
        is_final=window.is_final,
        known_at_ns=window.known_at_ns,
        labelled=quality.labelled,
        predictions=quality.predictions,
        metrics=metrics,
        estimated=quality.estimated_metrics(),
        lags_s={q: lag for q, lag in lags.items() if not math.isnan(lag)},
        evaluator=evaluator,
    )
