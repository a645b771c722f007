"""Compiles every kernel into Numba's cache, so that the first real run starts at once.

``python -m engine.cli.warm`` plays a small recording that meets all of them.
"""

import tempfile
from pathlib import Path
from typing import cast

import cramjam
import numpy as np
import polars as pl
from opentelemetry.proto.metrics.v1.metrics_pb2 import MetricsData

from engine.codecs.formats import make_codec
from engine.config.connections import Format, KafkaSource, RecordingSource, Source
from engine.config.load import parse_config
from engine.config.relabel import RelabelConfig
from engine.config.schema import LimitsConfig
from engine.replay.player import replay
from engine.sources.librdkafka import NativeClient, lengths_of, library, take_over
from engine.sources.sieve import Sieve

_RULES = """
groups:
  - name: warm
    interval: 1m
    rules:
      - {alert: Plain, expr: warm > 1}
      - {alert: Ranged, expr: "avg_over_time(warm[5m]) > 1", for: 1m}
      - {alert: Behind, expr: "warm offset 1m > 1"}
"""
_ROWS = 400


_RELABEL = RelabelConfig(action="labeldrop", regex="pod")


def _otlp() -> bytes:
    data = MetricsData()
    metric = data.resource_metrics.add().scope_metrics.add().metrics.add(name="warm")
    metric.gauge.data_points.add(time_unix_nano=1, as_double=0.5).attributes.add(key="host")
    return bytes(data.SerializeToString())


def _messages() -> dict[str, list[bytes]]:
    """Some messages of each format that has compiled code, a bad one among them."""
    labels = b"\x0a\x10\x0a\x08__name__\x12\x04warm"
    sample = b"\x12\x0b\x09" + bytes(8) + b"\x10\x01"
    second = b"\x22\x00\x22\x08__name__\x22\x04warm\x2a\x11\x0a\x02\x01\x02" + sample
    bodies = (b"\x0a" + bytes((len(labels + sample),)) + labels + sample, second, b"\xff")
    return {
        "json": [b'{"ts": 0, "name": "warm", "labels": {"host": "a"}, "value": 0.5}', b"bad"],
        "influx": [b"warm,host=a value=0.5,count=1i,up=t 1", b"bad"],
        "otlp_proto": [_otlp(), b"bad"],
        "remote_write": [bytes(cramjam.snappy.compress_raw(body)) for body in bodies],
    }


def _warm_codecs() -> None:
    sieve = Sieve(Source(relabel=(_RELABEL,)), entries_max=1)
    for name, messages in _messages().items():
        settings = KafkaSource(brokers="none", topic="none", format=cast("Format", name))
        codec = make_codec(settings, LimitsConfig())
        decoded = codec.decode(messages)
        sieve.sift(decoded.columns, decoded.new_series)
        codec.decode(messages)  # now the series are known


def _warm_clients() -> None:
    functions = library()
    if functions is not None:
        settings = {"bootstrap.servers": "127.0.0.1:1", "group.id": "none", "log_level": 0}
        client = NativeClient(functions, settings, "none", 0, 0)
        client.fetch(1)
        client.close()
    nothing, found = np.empty(0, np.int64), np.empty(0, np.uint8)
    lengths_of(nothing, nothing, nothing, np.empty(0, np.bool_))
    take_over(nothing, nothing, nothing, found, found, nothing, nothing, 0, 0, 0)


def _warm_models(folder: Path) -> None:
    rows = pl.int_range(3 * _ROWS, eager=True)
    seconds = pl.Series("ts", rows * 10)
    pl.DataFrame({"ts": pl.from_epoch(seconds, time_unit="s")}).with_columns(
        pl.lit("warm").alias("model"),
        rows.cast(pl.String).alias("prediction_id"),
        (rows % 2).alias("prediction"),
        (rows % 100 / 100).alias("score"),
        (rows % 3 % 2).alias("label"),
        (rows * 1.7 % 13).alias("feature.number"),
        (rows % 5).cast(pl.String).alias("feature.category"),
        (rows % 3 == 0).alias("feature.truth"),
    ).write_parquet(folder / "predictions.parquet")
    for mode in ("sketch", "exact"):
        text = (
            f"models: [{{model: warm, mode: {mode}, reference: first {_ROWS} rows, "
            "window: 200 rows, sequential: [{on: error}, {on: number, use: level}], "
            "quality: {window: 1h, slide: 1h}}]\n"
        )
        config = parse_config(text, file="warm", environment={}, folder=folder)
        replay(config, RecordingSource(path=str(folder / "predictions.parquet")), folder / mode)


def warm() -> None:
    """Fill the cache."""
    _warm_codecs()
    _warm_clients()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "rules.yaml").write_text(_RULES)
        rows = pl.DataFrame(
            {
                "timestamp": range(_ROWS),
                "warm": [float(row % 7) if row < _ROWS - 10 else 1e3 for row in range(_ROWS)],
            }
        ).with_columns(pl.from_epoch(pl.col("timestamp") * 60, time_unit="s"))
        rows.write_parquet(folder / "warm.parquet")
        text = "rules: {files: [rules.yaml]}\nscores: {emit: all}\n"
        config = parse_config(text, file="warm", environment={}, folder=folder)
        recording = RecordingSource(path=str(folder / "warm.parquet"))
        replay(config, recording, folder / "out")
        _warm_models(folder)


if __name__ == "__main__":
    warm()
