"""Feeds a model monitor in any order, with cuts and restarts, and keeps what it says."""

from dataclasses import dataclass, field, replace

import msgspec
import numpy as np

from engine.codecs.prediction_columns import PredictionTables
from engine.codecs.predictions import Kind, LabelRow, PredictionLimits, PredictionRow
from engine.config.durations import MINUTE_NS
from engine.config.models import ModelConfig, QualityConfig, SequentialConfig
from engine.config.scalars import ReferencePlace, WindowSize
from engine.drift.model_monitor import ModelMonitor

MODEL = "credit"
KINDS = {
    "age": Kind.NUMERIC,
    "region": Kind.CATEGORICAL,
    "active": Kind.BOOLEAN,
    "vector": Kind.EMBEDDING,
}
START_NS = 1_760_000_400 * 10**9
"""A whole ten minutes."""

TEN_MINUTES = WindowSize(10 * MINUTE_NS, 0)


def config_of(**changes):
    """Give the configuration of a model with small windows."""
    given = {
        "model": MODEL,
        "reference": ReferencePlace("rows", rows=300),
        "segments": ("env",),
        "window": TEN_MINUTES,
        "slide": TEN_MINUTES,
        "multivariate": (),
        "sequential": (SequentialConfig(),),
        "quality": QualityConfig(
            window_ns=30 * MINUTE_NS, slide_ns=10 * MINUTE_NS, correct_every_ns=10 * MINUTE_NS
        ),
        "label_delay_ns": 30 * MINUTE_NS,
    }
    return ModelConfig(**{**given, **changes})


def rows_of(
    rng, number, *, span_ns=180 * MINUTE_NS, versions=("1",), lag_ns=20 * MINUTE_NS, calls=False
):
    """Make predictions and late labels, some with the same time, some without id, some the same.

    `calls`: with features that calls of language models have.
    """
    seconds = np.sort(rng.integers(0, span_ns // 10**9, number))
    rows = []
    for place, second in enumerate(seconds.tolist()):
        score = float(rng.random())
        features = {"age": round(float(rng.normal(40, 10)), 3), "active": bool(rng.random() < 0.3)}
        if rng.random() < 0.95:
            features["region"] = ("EU", "US", "APAC", "MEA")[int(rng.integers(0, 4))]
        if rng.random() < 0.1:
            del features["age"]
        if calls:
            features |= {"input_tokens": place % 900, "finish_reason": "stop" if place % 9 else "x"}
        if rng.random() < 0.3:
            features["vector"] = [float(value) for value in rng.normal(size=3)]
        ts = START_NS + second * 10**9
        identity = f"p{place}" if rng.random() < 0.9 else ""
        row = PredictionRow(
            0,
            ts,
            MODEL,
            versions[int(rng.integers(0, len(versions)))],
            identity,
            features,
            prediction=int(score > 0.5),
            score=score,
            tags={"env": "prod" if rng.random() < 0.8 else "test"} if rng.random() < 0.95 else {},
        )
        label, known_ns = int(rng.random() < score), ts + int(rng.integers(1, 20 * MINUTE_NS))
        if identity and rng.random() < 0.2:
            row.label, row.label_ts = label, known_ns
        elif identity and rng.random() < 0.9:
            rows.append(LabelRow(0, known_ns, MODEL, identity, label))
        rows.append(row)
        if rng.random() < 0.02:  # said twice, and once more with the same id and time
            rows.append(row)
            rows.append(msgspec.structs.replace(row, features={"age": float(place)}))
    rows += [
        LabelRow(0, START_NS + k * 10**9, MODEL, f"nobody{k}", 1) for k in range(0, 900, 300)
    ]  # no prediction has it
    return sorted(rows, key=lambda row: row.ts)


@dataclass
class Said:
    """What a monitor said, in its order."""

    columns: list = field(default_factory=list)
    records: list = field(default_factory=list)
    letters: list = field(default_factory=list)
    names: dict = field(default_factory=dict)

    def take(self, output):
        """Keep an output."""
        self.names |= {series.fingerprint: series for series in output.series}
        self.columns += output.columns
        self.records += [
            (record.tick, record.feature, msgspec.json.encode(record.event))
            for record in output.records
        ]
        self.letters += [(letter.reason, letter.ts, letter.value) for letter in output.letters]

    @property
    def samples(self):
        """Bytes of all samples, by tick and series."""
        return [
            tuple(column[np.argsort(part.fingerprint)].tobytes() for column in _arrays(part))
            for part in self.columns
        ]

    def values(self, name, **labels):
        """Give (tick, labels, value) of a series' name."""
        known = {
            fingerprint: dict(series.labels)
            for fingerprint, series in self.names.items()
            if series.name == name and labels.items() <= dict(series.labels).items()
        }
        return [
            (ts, known[fingerprint], value)
            for part in self.columns
            for fingerprint, ts, value in zip(*(c.tolist() for c in _arrays(part)), strict=True)
            if fingerprint in known
        ]

    def episodes(self, *groups):
        """Give the records of episodes, decoded."""
        events = [msgspec.json.decode(event) for _, _, event in self.records]
        return [event for event in events if event["type"] == "drift" and event["group"] in groups]


def _arrays(columns):
    return columns.fingerprint, columns.ts, columns.value


def tables():
    """A partition's schemas, which number categories as it meets them."""
    return PredictionTables(PredictionLimits(), {MODEL: KINDS})


def add(monitor, partition, rows):
    """Let a monitor have rows of a partition."""
    predictions = [row for row in rows if isinstance(row, PredictionRow)]
    labels = [row for row in rows if isinstance(row, LabelRow)]
    batch = partition.build((predictions, labels, []))
    assert not batch.rejects
    late, llm = batch.labels, monitor.config.llm
    if llm is not None and llm.evaluators:
        late = [replace(table, evaluator=llm.evaluators[0]) for table in late]
    monitor.add(batch.tables, late)


def play(config, folder, rows, *, reference=None, versions_max=20, until_ns=0):
    """Say all rows at once, in order of time."""
    monitor = ModelMonitor(config, folder, reference, versions_max)
    add(monitor, tables(), rows)
    said = Said()
    said.take(monitor.advance_to(max(until_ns, end_of(config, rows))))
    return said


def end_of(config, rows):
    """When everything has been said."""
    return max(row.ts for row in rows) + config.label_delay_ns + 20 * MINUTE_NS


def play_shuffled(config, folder, rows, rng, *, restarts=0.0, partitions=3, versions_max=20):
    """Say rows in another order, in random batches of some partitions, restarted now and then.

    Each partition is ahead of or behind time by up to some minutes, and the watermark is as far as
    the first row that is yet to come.
    """
    monitor = ModelMonitor(config, folder / "0", None, versions_max)
    said, kept = Said(), [tables() for _ in range(partitions)]
    late = rng.integers(0, 5 * MINUTE_NS, len(rows))
    order = np.argsort([row.ts + jitter for row, jitter in zip(rows, late.tolist(), strict=True)])
    times = np.array([rows[place].ts for place in order.tolist()])
    left = np.minimum.accumulate(times[::-1])[::-1]
    begin = 0
    while begin < len(order):
        end = min(len(order), begin + int(rng.integers(1, len(rows) // 8)))
        batch = [rows[place] for place in order[begin:end].tolist()]
        whose = rng.integers(0, partitions, len(batch))
        for number, partition in enumerate(kept):
            own = [row for row, who in zip(batch, whose.tolist(), strict=True) if who == number]
            add(monitor, partition, own)
        begin = end
        if begin < len(order) and rng.random() < 0.8:
            said.take(monitor.advance_to(int(left[begin]) - 1))
        if rng.random() < restarts:
            monitor = restarted(monitor, folder / "0", versions_max)
        elif rng.random() < restarts:
            arrays, _ = monitor.state()
            for array in arrays.values():  # they are copies: nobody minds
                array.view(np.uint8)[...] = 170
    said.take(monitor.advance_to(end_of(config, rows)))
    return said


def restarted(monitor, folder, versions_max=20):
    """Give a new monitor with what a checkpoint kept of another."""
    arrays, plain = monitor.state()
    kept = {name: array.copy() for name, array in arrays.items()}
    packed = msgspec.msgpack.encode(plain)
    for array in kept.values():
        array.setflags(write=False)
    fresh = ModelMonitor(monitor.config, folder, None, versions_max)
    fresh.restore(kept, msgspec.msgpack.decode(packed, strict=False))
    return fresh
