"""The series that models make: their values now, and the samples of a tick."""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    "evidently_score": "evidently_score",
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
Key = tuple[str, Labels]
"""A series by name and labels."""

_WINDOW, _QUALITY = "window ", "quality "
MEAN_LABEL = "mean_label"


@dataclass(slots=True)
class _Gauge:
    """A series, its value now, and whether it has been announced in this run."""

    series: Series
    value: float
    is_defined: bool = False


class ModelGauges:
    """The current value of each series of one model, told again at every tick.

    Rules see a value for `lookback` only, and windows may be longer than that. A model that has
    fallen silent for longer than `quiet_ns` is not told of any more, nor is what the last window
    of a version said that has.

    Parameters
    ----------
    model : str
    quiet_ns : int
    """

    def __init__(self, model: str, quiet_ns: int) -> None:
        self._model = model
        self._quiet_ns = quiet_ns
        self._gauges: dict[Key, _Gauge] = {}
        # What is told together: gauges that are not told again with the others are taken away.
        self._sets: dict[str, dict[Key, None]] = {}
        self._fingerprints: NDArray[np.uint64] | None = None
        self._totals: dict[tuple[str, ...], int] = {}
        self._groups: dict[str, set[str]] = {}
        self._heard: dict[str, int] = {}
        # Predictions since the last tick, and the time of the last one, by version.
        self._since: dict[str, tuple[int, int]] = {}
        self.heard_ns: int | None = None

    def put_window(self, version: str, window: ClosedWindow) -> None:
        """Set what a window says that is over."""
        told: dict[Key, float] = {}
        told[WINDOW_ROWS, self._labels(version=version)] = window.rows
        for segment, drift in window.drifts:
            place = {"version": version, "segment": segment, "feature": drift.feature}
            for one in drift.statistics:
                labels = self._labels(**place, method=one.method)
                told[DRIFT_SCORE, labels] = one.score
                told[DRIFT_P_VALUE, labels] = one.p_value
            labels = self._labels(**place)
            for name, value in drift.gauges.items():
                told[GAUGES[name], labels] = value
        self._put_set(_WINDOW + version, told)

    def put_quality(self, quality: ModelQuality, news: QualityNews) -> list[Drift]:
        """Set what is known of quality at a tick; give the records of windows that changed."""
        evaluator = quality.evaluator
        told: dict[Key, float] = {}
        for (version, segment), summary in news.known.items():
            place = {"version": version, "segment": segment, "evaluator": evaluator}
            labels = self._labels(**place)
            for name, value in _metrics(summary, only_mean=bool(evaluator)):
                told[name, labels] = value
            for quantile in LAG_QUANTILES:
                lag_s = summary.label_lag_ns(quantile) / SECOND_NS
                told[LABEL_LAG, self._labels(**place, quantile=f"{quantile:g}")] = lag_s
        self._put_set(_QUALITY + evaluator, told)
        for version, count in news.duplicates.items():
            self._count(DUPLICATES_TOTAL, count, version)
        return [
            _record(self._model, evaluator, version, segment, window)
            for version, segment, window in news.windows
        ]

    def forget_window(self, version: str) -> None:
        """Take away what the last window of a version has said."""
        self._put_set(_WINDOW + version, {})

    def forget_version(self, version: str) -> None:
        """Take away all that is told of a version itself; if it comes back, counts begin anew."""
        self.forget_window(version)
        for name in (REFERENCE_ROWS, RATE, LAST_PREDICTION):
            self._put((name, self._labels(version=version)), math.nan)
        for name in (PREDICTIONS_TOTAL, DUPLICATES_TOTAL):
            self._totals.pop((name, version), None)
            self._put((name, self._labels(version=version)), math.nan)
        for group in self._groups.pop(version, ()):
            self._put((EPISODE_OPEN, self._labels(version=version, group=group)), math.nan)
        self._heard.pop(version, None)

    def forget_quality(self, evaluator: str) -> None:
        """Take away what is known of quality by an evaluator."""
        self._put_set(_QUALITY + evaluator, {})

    def put_version(self, version: str, reference_rows: int, is_open: Collection[str]) -> None:
        """Say how large a reference is, and which groups have an open episode.

        Groups that have none are told as 0 once they had one.
        """
        self._put((REFERENCE_ROWS, self._labels(version=version)), reference_rows)
        known = self._groups.setdefault(version, set())
        known.update(is_open)
        for group in sorted(known):
            labels = self._labels(version=version, group=group)
            self._put((EPISODE_OPEN, labels), float(group in is_open))

    def hear(self, rows: VersionRows) -> None:
        """Count predictions since the last tick."""
        count, _ = self._since.get(rows.version, (0, 0))
        self._since[rows.version] = count + len(rows), int(rows.ts[-1])

    def put_rates(self, tick_ns: int, seconds: float) -> None:
        """Set how many predictions there were since the tick before, `seconds` ago."""
        counts = dict.fromkeys(self._heard, 0)
        for version, (count, last_ns) in sorted(self._since.items()):
            counts[version] = count
            self._put((LAST_PREDICTION, self._labels(version=version)), last_ns / SECOND_NS)
            self._heard[version] = tick_ns
        for version, count in counts.items():
            self._put((RATE, self._labels(version=version)), count / seconds)
            self._count(PREDICTIONS_TOTAL, count, version)
        for version, heard_ns in list(self._heard.items()):
            if tick_ns - heard_ns > self._quiet_ns:
                self.forget_window(version)
                self._put((RATE, self._labels(version=version)), math.nan)
                del self._heard[version]
        if self._since:
            self.heard_ns = tick_ns
        self._since = {}

    def put_series(self, series: Iterable[Series], values: Iterable[float]) -> None:
        """Set values of series that are made elsewhere."""
        for made, value in zip(series, values, strict=True):
            self._put((made.name, made.labels), value, made)

    def is_due(self, tick_ns: int) -> bool:
        """Whether the model has said something lately."""
        return self.heard_ns is not None and tick_ns - self.heard_ns <= self._quiet_ns

    def sample(self, tick_ns: int) -> tuple[Columns, list[Series]]:
        """Give all values as samples of a tick, and the series that are new in this run."""
        gauges = self._gauges.values()
        new: list[Series] = []
        if self._fingerprints is None:
            self._fingerprints = np.array([one.series.fingerprint for one in gauges], np.uint64)
            for one in gauges:
                if not one.is_defined:
                    new.append(one.series)
                    one.is_defined = True
        columns = Columns(
            self._fingerprints,
            np.full(len(gauges), tick_ns, np.int64),
            np.fromiter((one.value for one in gauges), np.float64, len(gauges)),
            np.zeros(len(gauges), np.uint8),
        )
        return columns, new

    def state(self) -> dict[str, Any]:
        """Give all of it as plain values."""
        return {
            "heard_ns": self.heard_ns,
            "heard": dict(self._heard),
            "since": dict(self._since),
            "totals": [(list(key), count) for key, count in self._totals.items()],
            "groups": {version: sorted(groups) for version, groups in self._groups.items()},
            "values": [(*key, gauge.value) for key, gauge in self._gauges.items()],
            "sets": {name: list(keys) for name, keys in self._sets.items()},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave."""
        self.heard_ns = state["heard_ns"]
        self._heard = dict(state["heard"])
        self._since = {version: (count, last) for version, (count, last) in state["since"].items()}
        self._totals = {tuple(key): count for key, count in state["totals"]}
        self._groups = {version: set(groups) for version, groups in state["groups"].items()}
        for name, labels, value in state["values"]:
            self._put(_key(name, labels), value)
        self._sets = {
            name: dict.fromkeys(_key(*key) for key in keys) for name, keys in state["sets"].items()
        }

    def _labels(self, **labels: str) -> Labels:
        """A series' labels, those without a value left out."""
        labels["model"] = self._model
        return tuple(sorted((name, text) for name, text in labels.items() if text))

    def _put(self, key: Key, value: float, series: Series | None = None) -> None:
        """Set a value; NaN takes the series away."""
        gauge = self._gauges.get(key)
        if math.isnan(value):
            if gauge is not None:
                del self._gauges[key]
                self._fingerprints = None
        elif gauge is not None:
            gauge.value = value
        else:
            self._gauges[key] = _Gauge(series or Series(*key), value)
            self._fingerprints = None

    def _put_set(self, name: str, told: Mapping[Key, float]) -> None:
        """Set values that are told together, and take away what is not told any more."""
        for key in self._sets.get(name, ()):
            if key not in told:
                self._put(key, math.nan)
        for key, value in told.items():
            self._put(key, value)
        self._sets[name] = dict.fromkeys(told)
        if not told:
            del self._sets[name]

    def _count(self, name: str, more: int, version: str) -> None:
        total = self._totals[name, version] = self._totals.get((name, version), 0) + more
        self._put((name, self._labels(version=version)), float(total))


def _key(name: str, labels: Iterable[Sequence[str]]) -> Key:
    return name, tuple((label, text) for label, text in labels)


def _metrics(summary: QualitySummary, *, only_mean: bool) -> Iterator[tuple[str, float]]:
    """Give what is known of quality, by the names of series."""
    yield COVERAGE, summary.coverage
    realised = summary.metrics()
    if only_mean:
        realised = {name: value for name, value in realised.items() if name == MEAN_LABEL}
    expected = summary.estimated_metrics(of_labelled=True)
    for name, value in realised.items():
        yield f"model_{name}", value
        if name in expected:
            yield f"model_{name}{GAP}", value - expected[name]
    if expected:
        for prefix, metrics in (
            (ESTIMATED, summary.estimated_metrics()), (HYBRID, summary.hybrid_metrics()),
        ):  # fmt: skip
            for name, value in metrics.items():
                yield f"model_{prefix}{name}", value


def _record(model: str, evaluator: str, version: str, segment: str, window: WindowQuality) -> Drift:
    quality = window.quality
    lags = {q: quality.label_lag_ns(q) / SECOND_NS for q in LAG_QUANTILES}
    metrics = quality.metrics()
    if evaluator:
        metrics = {name: value for name, value in metrics.items() if name == MEAN_LABEL}
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
