"""Prediction streams to measure with: one block of rows, over and over with later times."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from engine.codecs.predictions import Column, Kind, PredictionTable

BEGIN_NS = 1_760_000_400_000_000_000
MODEL = "credit"
CATEGORIES = 20
REGIONS = ("APAC", "EU", "LATAM", "US")
LABEL_DELAY_NS = 60_000_000_000

_ODD = 0x9E3779B97F4A7C15


@dataclass(frozen=True)
class Shape:
    """What a stream is like.

    Attributes
    ----------
    numeric, categorical : int
        Features; the first categorical one is the region, of four values.
    rows_per_s : float
        Events by seconds of event time.
    labels : bool
        Whether each prediction's label is known a minute later.
    """

    numeric: int = 10
    categorical: int = 5
    rows_per_s: float = 50.0
    labels: bool = True

    @property
    def features(self) -> int:
        """All features."""
        return self.numeric + self.categorical


def block_of(shape: Shape, rows: int, seed: int = 1) -> PredictionTable:
    """Make rows of one version in order of time, from `BEGIN_NS` on."""
    rng = np.random.default_rng(seed)
    names = [f"value {place}" for place in range(CATEGORIES)]
    features = {
        f"n{place}": Column(Kind.NUMERIC, rng.lognormal(size=rows))
        for place in range(shape.numeric)
    }
    for place in range(shape.categorical):
        known = REGIONS if place == 0 else names
        codes = rng.integers(0, len(known), rows, np.int32)
        name = "region" if place == 0 else f"c{place}"
        features[name] = Column(Kind.CATEGORICAL, codes, known)
    score = rng.random(rows)
    ts = BEGIN_NS + (np.arange(rows) * (1e9 / shape.rows_per_s)).astype(np.int64)
    hits = (rng.random(rows) < score).astype(float)
    return PredictionTable(
        model=MODEL,
        version="7",
        schema=1,
        message=np.zeros(rows, np.int32),
        ts=ts,
        ids=[""] * rows,
        key=rng.integers(1, 2**63, rows, np.uint64),
        prediction=Column(Kind.NUMERIC, (score > 0.5).astype(float)),
        score=score,
        label=Column(Kind.NUMERIC, hits) if shape.labels else None,
        label_ts=ts + LABEL_DELAY_NS if shape.labels else None,
        tags={},
        features=features,
    )


def later(block: PredictionTable, shape: Shape, number: int) -> PredictionTable:
    """The same rows as the `number`-th block of the stream: later, and with ids of their own."""
    by_ns = int(number * len(block) * (1e9 / shape.rows_per_s))
    return replace(
        block,
        ts=block.ts + by_ns,
        label_ts=None if block.label_ts is None else block.label_ts + by_ns,
        key=block.key ^ np.uint64(number * _ODD % 2**64),
    )


def write_recording(path: Path, shape: Shape, rows: int) -> None:
    """Write a stream as a recording of predictions, labels in their own column."""
    block = block_of(shape, rows)
    columns: dict[str, object] = {
        "ts": pl.Series(block.ts).cast(pl.Datetime("ns")),
        "model": pl.repeat(MODEL, rows, eager=True),
        "version": pl.repeat("7", rows, eager=True),
        "prediction_id": [f"{number:x}" for number in range(rows)],
        "prediction": block.prediction.values,
        "score": block.score,
    }
    if block.label is not None and block.label_ts is not None:
        columns["label"] = block.label.values
        columns["label_ts"] = pl.Series(block.label_ts).cast(pl.Datetime("ns"))
    for name, column in block.features.items():
        values = column.values
        if column.kind is Kind.CATEGORICAL:
            values = np.array(column.names)[values]
        columns[f"feature.{name}"] = values
    pl.DataFrame(columns).write_parquet(path)
