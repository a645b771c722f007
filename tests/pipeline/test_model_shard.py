"""Model shards.

Aim: a shard says the same however its models' rows come and whatever checkpoints it goes on from,
and refuses what it can't watch. Method: batches of made predictions, in order and not.
"""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from engine.codecs.prediction_columns import PredictionTables
from engine.codecs.predictions import LabelRow, PredictionRow
from engine.config.durations import MINUTE_NS
from engine.config.load import parse_config
from engine.events import Reason
from engine.pipeline.build import make_plan
from engine.pipeline.model_shard import ModelShard, split_documents
from engine.pipeline.observe import Observer
from engine.pipeline.plan import MODEL_SHARDS
from engine.series.blocks import decode_block, encode_block
from engine.series.columns import Columns
from engine.series.pieces import Batch, Progress
from engine.telemetry import Telemetry

START_NS = 1_760_000_400 * 10**9
MODELS = ("credit", "churn", "fraud")
CONFIG = """
limits: {models: 3}
models:
- model: "*"
  reference: first 100 rows
  window: 10m
  multivariate: []
  quality: {window: 30m, slide: 10m, correct_every: 10m}
  label_delay: 20m
"""


def plan(folder, config=CONFIG):
    parsed = parse_config(config, file="config.yaml", environment={}, folder=folder)
    return make_plan(parsed, ["p0", "p1"], documents=["p0", "p1"])


def rows_of(seed=1, number=900, models=MODELS):
    rng = np.random.default_rng(seed)
    rows = []
    for place in range(number):
        ts = START_NS + int(rng.integers(0, 60 * MINUTE_NS))
        score = float(rng.random())
        row = PredictionRow(
            0, ts, models[place % len(models)], "1", f"p{place}", {"age": float(rng.normal())}
        )
        row.prediction, row.score = int(score > 0.5), score
        rows.append(row)
        if place % 3:
            label = int(rng.random() < score)
            known_ns = ts + int(rng.integers(0, 10 * MINUTE_NS))
            rows.append(LabelRow(0, known_ns, row.model, row.id, label))
    return sorted(rows, key=lambda row: row.ts)


def batch_of(partition, rows, number, claim, *, ended=False):
    predictions = [row for row in rows if isinstance(row, PredictionRow)]
    labels = [row for row in rows if isinstance(row, LabelRow)]
    documents = partition.build((predictions, labels, []))
    newest = max((row.ts for row in rows), default=claim)
    progress = Progress(number, claim, newest, ended)
    return Batch(progress, Columns.empty(), [], [], None, documents)


class Shards:
    """All model shards of a plan, and what they say."""

    def __init__(self, made, folder):
        self.plan, self.folder = made, folder
        self.shards = [self._made(number) for number in range(MODEL_SHARDS)]
        self.columns, self.records, self.letters = [], [], []

    def _made(self, number):
        return ModelShard(number, self.plan, self.folder / str(number))

    def handle(self, batch):
        pieces = split_documents(batch, MODEL_SHARDS)
        for shard, piece in zip(self.shards, pieces, strict=True):
            assert piece.shard == shard.number
            self._take(shard, shard.handle([piece]))

    def finish(self):
        for shard in self.shards:
            self._take(shard, shard.finish())

    def restart(self):
        for place, shard in enumerate(self.shards):
            arrays, meta = decode_block(b"".join(encode_block(*shard.state())), "models")
            self.shards[place] = self._made(shard.number)
            self.shards[place].restore(arrays, meta)

    def said(self):
        return sorted(self.columns), sorted(self.records), sorted(self.letters)

    def _take(self, shard, output):
        if output.batch is not None:
            columns = output.batch.columns
            assert (columns.ts <= output.batch.progress.claim).all()
            assert output.batch.progress == replace(
                shard.progress(), caught_up=output.batch.progress.caught_up
            )
            arrays = (columns.ts, columns.fingerprint, columns.value)
            self.columns += zip(*(array.tolist() for array in arrays), strict=True)
        self.records += [(r.tick, r.model, msgspec.json.encode(r.event)) for r in output.records]
        self.letters += [(letter.reason, letter.ts, letter.value) for letter in output.letters]


def in_order(made, folder, rows):
    shards = Shards(made, folder)
    shards.handle(batch_of(PredictionTables(), [], 1, START_NS, ended=True))
    shards.handle(batch_of(PredictionTables(), rows, 0, START_NS - 1, ended=True))
    shards.finish()
    return shards


@pytest.mark.parametrize("restarts", [0.0, 0.5])
def test_what_is_said_depends_on_the_rows_alone(restarts, tmp_path):
    made, rows = plan(tmp_path), rows_of()
    expected = in_order(made, tmp_path / "whole", rows).said()
    assert len(expected[0]) > 1000
    assert expected[1]
    rng = np.random.default_rng(3)
    shards = Shards(made, tmp_path / "cut")
    partitions = [PredictionTables(), PredictionTables()]
    whose = rng.integers(0, 2, len(rows)).tolist()
    logs = [[row for row, who in zip(rows, whose, strict=True) if who == n] for n in range(2)]
    while any(logs):
        number = int(rng.integers(0, 2))
        take = int(rng.integers(1, 120))
        log = logs[number]
        part, logs[number] = log[:take], log[take:]
        claim = logs[number][0].ts - 1 if logs[number] else rows[-1].ts
        shards.handle(batch_of(partitions[number], part, number, claim))
        if rng.random() < restarts:
            shards.restart()
    for number in range(2):
        shards.handle(batch_of(partitions[number], [], number, rows[-1].ts, ended=True))
    shards.finish()
    assert shards.said() == expected


def test_more_models_than_the_limit(tmp_path):
    text = CONFIG.replace("models: 3", "models: 1")
    made = plan(tmp_path, text)
    shards = in_order(made, tmp_path, rows_of(number=60, models=tuple("abcdefgh")))
    limited = [letter for letter in shards.letters if letter[0] == Reason.LIMIT]
    watched = {model for _, model, _ in shards.records}
    refused = {msgspec.json.decode(value)["model"] for *_, value in limited}
    assert refused
    assert not refused & watched
    assert len(set("abcdefgh") - refused) <= MODEL_SHARDS


def test_late_rows_and_labels_without_prediction(tmp_path):
    made, rows = plan(tmp_path), rows_of(number=90, models=("credit",))
    shards = Shards(made, tmp_path)
    orphan = LabelRow(0, START_NS, "credit", "nobody", 1)
    shards.handle(batch_of(PredictionTables(), [], 1, START_NS, ended=True))
    shards.handle(batch_of(PredictionTables(), [orphan, *rows], 0, rows[-1].ts))
    late = msgspec.structs.replace(rows[0], id="late")
    shards.handle(batch_of(PredictionTables(), [late], 0, rows[-1].ts + 40 * MINUTE_NS))
    found = {reason: msgspec.json.decode(value) for reason, _, value in shards.letters}
    assert found.keys() == {Reason.LATE, Reason.ORPHAN_LABEL}
    assert len(shards.letters) == 2
    assert found[Reason.LATE]["prediction_id"] == "late"


def test_predictions_without_id_are_watched(tmp_path):
    made = plan(tmp_path)
    rows = [row for row in rows_of(models=("credit",)) if isinstance(row, PredictionRow)]
    for row in rows:
        row.id = ""
    shards = in_order(made, tmp_path, rows)
    assert not shards.letters
    assert len({value for *_, value in shards.columns}) > 50


def test_shards_without_rows_tell_how_far_they_are(tmp_path):
    made = plan(tmp_path)
    shard = ModelShard(2, made, tmp_path)
    for number in range(2):
        batch = batch_of(PredictionTables(), [], number, START_NS)
        output = shard.handle([split_documents(batch, MODEL_SHARDS)[2]])
    assert output.batch.progress.claim == START_NS
    assert output.batch.progress.partition == made.partition_of_models(2)
    assert not len(output.batch.columns)


def test_what_is_watched_and_waits_is_measured(tmp_path):
    observer = Observer(Telemetry("0"))
    shard = ModelShard(0, plan(tmp_path), tmp_path / "spill")
    batch = batch_of(PredictionTables(), rows_of(), 0, START_NS + 20 * MINUTE_NS)
    observer.documents(batch.documents)
    (piece,) = split_documents(batch, 1)
    idle = Progress(1, START_NS + 20 * MINUTE_NS, START_NS)
    observer.models(
        shard, shard.handle([piece, replace(piece, progress=idle, tables=[], labels=[])])
    )
    observer.publish()
    registry = observer.telemetry.registry
    assert observer.predictions == 900
    assert registry.get_sample_value("streamgauge_models") == len(MODELS)
    waiting = registry.get_sample_value("streamgauge_open_predictions", {"place": "memory"})
    assert 100 < waiting < 900
