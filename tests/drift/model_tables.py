"""Makes long streams of predictions with labels, hour by hour, as tables."""

import numpy as np
from model_feed import MODEL, START_NS

from engine.codecs.predictions import Column, Kind, PredictionTable
from engine.config.durations import HOUR_NS

REGIONS = ("EU", "US", "APAC")
ENVS = ("prod", "canary")


class Stream:
    """Columns of predictions of a classifier whose scores are right, to be changed by a test.

    Attributes
    ----------
    hour : float64[rows]
        Since the begin.
    """

    def __init__(self, seed, hours, per_hour):
        rng = self.rng = np.random.default_rng(seed)
        rows = self.rows = hours * per_hour
        self.hour = np.sort(rng.random(rows)) * hours
        self.age = rng.normal(40, 10, rows)
        self.income = rng.lognormal(10, 0.5, rows)
        self.region = rng.choice(3, rows, p=[0.5, 0.3, 0.2])
        self.active = rng.random(rows) < 0.3
        self.env = rng.choice(2, rows, p=[0.7, 0.3])
        drive = (self.age - 40) / 10 + 2 * np.log(self.income / np.exp(10))
        self.score = 1 / (1 + np.exp(-drive))
        self.label = (rng.random(rows) < self.score).astype(float)
        self.features = {}
        self.regions, self.envs = REGIONS, ENVS

    def table(self, version="7", begin_ns=START_NS):
        """Give all rows."""
        ts = begin_ns + (self.hour * HOUR_NS).astype(np.int64)
        lag = self.rng.integers(0, HOUR_NS, self.rows)
        features = {
            "age": Column(Kind.NUMERIC, self.age),
            "income": Column(Kind.NUMERIC, self.income),
            "region": Column(Kind.CATEGORICAL, self.region.astype(np.int32), self.regions),
            "active": Column(Kind.BOOLEAN, self.active.astype(np.int8)),
        }
        return PredictionTable(
            model=MODEL,
            version=version,
            schema=1,
            message=np.zeros(self.rows, np.int32),
            ts=ts,
            ids=[""] * self.rows,
            key=np.arange(1, self.rows + 1, dtype=np.uint64),
            prediction=Column(Kind.NUMERIC, (self.score > 0.5).astype(float)),
            score=self.score,
            label=Column(Kind.NUMERIC, self.label),
            label_ts=ts + lag,
            tags={"env": Column(Kind.CATEGORICAL, self.env.astype(np.int32), self.envs)},
            features=features | self.features,
        )
