"""Compiles every kernel into Numba's cache, so that the first real run starts at once.

``python -m engine.cli.warm`` plays a small recording that meets all of them.
"""

import tempfile
from pathlib import Path

import polars as pl

from engine.codecs.native_json import NativeJsonCodec
from engine.config.connections import RecordingSource
from engine.config.load import parse_config
from engine.replay.player import replay

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


def warm() -> None:
    """Fill the cache."""
    codec = NativeJsonCodec()
    codec.decode([b'{"ts": 0, "name": "warm", "labels": {"host": "a"}, "value": 0.5}', b"no JSON"])
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


if __name__ == "__main__":
    warm()
