"""Series of models.

Aim: names and labels are those that are documented, values are told at every tick while the model
speaks and not after, and what is not true any more is not told. Method: streams that end, versions
and segments that come and go.
"""

import msgspec
import numpy as np
from model_feed import MODEL, START_NS, Said, add, config_of, play, rows_of, tables
from model_tables import Stream

from engine.codecs.predictions import PredictionRow
from engine.config.durations import HOUR_NS, MINUTE_NS
from engine.config.models import LlmConfig
from engine.drift.findings import FeatureDrift, Statistic
from engine.drift.model_gauges import MODEL_SERIES, ModelGauges
from engine.drift.model_monitor import ModelMonitor
from engine.drift.model_reference import ModelReference
from engine.drift.row_sample import RowSample
from engine.drift.version_windows import ClosedWindow


def window_of(*places):
    sample = RowSample(0)
    drifts = [
        (
            segment,
            FeatureDrift(feature, None, 9, 9, (Statistic("ks", 0.5, 0.1),), {"missing_ratio": 0.2}),
        )
        for segment, feature in places
    ]
    return ClosedWindow(0, 1, 1, 9, 9, drifts, sample, sample)


def told(gauges, tick_ns=0):
    known = {}
    columns, _ = gauges.sample(tick_ns)
    for key, gauge in zip(gauges.state()["values"], columns.value.tolist(), strict=True):
        known[key[0], tuple(text for _, text in key[1])] = gauge
    return known


def test_names_and_labels(tmp_path):
    rows = rows_of(np.random.default_rng(1), 1000, span_ns=80 * MINUTE_NS, versions=("1", "2"))
    said = play(config_of(), tmp_path, rows)
    names = {series.name for series in said.names.values()}
    assert names <= MODEL_SERIES
    assert {"drift_score", "drift_pvalue", "prediction_rate", "model_accuracy"} <= names
    for _, labels, value in said.values("drift_pvalue"):
        assert labels.keys() - {"segment"} == {"model", "version", "feature", "method"}
        assert 0 <= value <= 1
    segments = {labels.get("segment", "") for _, labels, _ in said.values("drift_pvalue")}
    assert segments >= {"", "env=prod"}


def test_estimates_have_names_of_their_own(tmp_path):
    stream, before = Stream(1, 4, 300), Stream(2, 10, 300)
    reference = ModelReference([before.table()], tmp_path)
    monitor, said = ModelMonitor(config_of(), tmp_path, reference), Said()
    monitor.add([stream.table()], [])
    said.take(monitor.advance_to(START_NS + 6 * HOUR_NS))
    names = {series.name for series in said.names.values()}
    assert names <= MODEL_SERIES
    assert {"model_estimated_accuracy", "model_hybrid_accuracy", "model_accuracy_gap"} <= names


def test_counters_of_calls_are_told_beside(tmp_path):
    rows = rows_of(np.random.default_rng(1), 300, span_ns=20 * MINUTE_NS, calls=True)
    said = play(config_of(llm=LlmConfig()), tmp_path, rows)
    others = {series.name for series in said.names.values()} - MODEL_SERIES
    assert any("token" in name for name in others)


def test_told_at_every_tick_until_the_model_is_silent(tmp_path):
    rows = rows_of(np.random.default_rng(2), 400, span_ns=40 * MINUTE_NS)
    said = play(config_of(), tmp_path, rows, until_ns=START_NS + 600 * MINUTE_NS)
    ticks = [ts for ts, *_ in said.values("model_predictions_total")]
    assert np.diff(ticks).tolist() == [MINUTE_NS] * (len(ticks) - 1)
    last = max(row.ts for row in rows if isinstance(row, PredictionRow))
    assert HOUR_NS <= ticks[-1] - last <= HOUR_NS + MINUTE_NS
    rates = [value for *_, value in said.values("prediction_rate")]
    counted = sum(isinstance(row, PredictionRow) for row in rows)
    assert round(sum(rates) * 60) == counted
    assert said.values("model_predictions_total")[-1][2] == counted


def test_a_segment_that_a_window_lacks_is_not_told_any_more():
    gauges = ModelGauges(MODEL, HOUR_NS)
    gauges.put_window("1", window_of(("", "age"), ("env=test", "age")))
    gauges.put_window("2", window_of(("env=test", "age")))
    gauges.put_window("1", window_of(("", "age")))
    scores = {labels for name, labels in told(gauges) if name == "drift_score"}
    assert scores == {
        ("age", "ks", MODEL, "1"),
        ("age", "ks", MODEL, "env=test", "2"),
    }


def test_a_silent_version_has_no_window_any_more(tmp_path):
    monitor, said = ModelMonitor(config_of(), tmp_path), Said()
    rows = rows_of(np.random.default_rng(3), 900, span_ns=60 * MINUTE_NS)
    for hour in range(4):
        for row in rows_of(np.random.default_rng(4), 60, span_ns=60 * MINUTE_NS, versions=("2",)):
            rows.append(msgspec.structs.replace(row, ts=row.ts + hour * HOUR_NS, id=""))
    rows = [row for row in rows if isinstance(row, PredictionRow)]
    add(monitor, tables(), rows)
    said.take(monitor.advance_to(START_NS + 4 * HOUR_NS))
    last = max(ts for ts, *_ in said.values("drift_score", version="1"))
    assert last - START_NS < 3 * HOUR_NS
    assert max(ts for ts, *_ in said.values("prediction_rate", version="1")) <= last + MINUTE_NS
    assert said.values("prediction_rate", version="2")[-1][0] == START_NS + 4 * HOUR_NS
    # What has been counted is counted.
    assert said.values("model_predictions_total", version="1")[-1][0] == START_NS + 4 * HOUR_NS


def test_state_comes_back_and_series_are_announced_once_a_run():
    gauges, again = ModelGauges(MODEL, HOUR_NS), ModelGauges(MODEL, HOUR_NS)
    gauges.put_window("1", window_of(("", "age"), ("env=test", "age")))
    gauges.put_version("1", 500, {"drift"})
    _, first = gauges.sample(0)
    assert not gauges.sample(1)[1]
    again.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(gauges.state())))
    _, restored = again.sample(1)
    assert first == restored
    for one in (gauges, again):
        one.put_window("1", window_of(("", "age")))
        one.put_version("1", 500, set())
    assert told(again) == told(gauges)
    assert told(gauges)["drift_episode", ("drift", MODEL, "1")] == 0
