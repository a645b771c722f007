"""References out of state folders and files of rows.

Aim: the newest whole checkpoint is read, whatever else lies in the folder, and what can't be had is
told. Method: checkpoints written as a flow writes them, of small models.
"""

import shutil

import numpy as np
import polars as pl
import pytest

from engine.codecs.prediction_columns import PredictionTables
from engine.codecs.predictions import Kind, PredictionLimits, PredictionRow
from engine.config.models import ModelConfig, QualityConfig
from engine.config.scalars import ReferencePlace
from engine.drift.frozen_reference import FrozenReference
from engine.drift.model_monitor import ModelMonitor
from engine.drift.reference_file import write_reference
from engine.errors import StateError, UsageError
from engine.pipeline import stored_reference as module
from engine.pipeline.flow import part_names
from engine.pipeline.stored_reference import learned_reference, stored_reference
from engine.series.blocks import CheckpointId, CheckpointStore

SECONDS = 10**9
MODELS = sorted(part_names(1, with_models=True) - part_names(1))


def monitor_of(folder, versions, rows=60):
    """A model that has frozen the first `rows` rows of each version."""
    config = ModelConfig(
        model="m",
        reference=ReferencePlace("rows", rows=rows),
        quality=QualityConfig(kind="none"),
    )
    monitor = ModelMonitor(config, folder)
    tables = PredictionTables(PredictionLimits(), {"m": {"age": Kind.NUMERIC}})
    given = [
        PredictionRow(0, second * SECONDS, "m", version, "", {"age": float(second)}, prediction=1)
        for second in range(1, 101)
        for version in versions
    ]
    monitor.add(tables.build((given, [], [])).tables, [])
    monitor.advance_to(600 * SECONDS)
    return monitor


def write(folder, monitor, epoch=1, *, parts=None):
    """Write a checkpoint with a model, of all parts that have to be there."""
    parts = {"s0.0", *MODELS} if parts is None else parts
    store = CheckpointStore(folder / "checkpoints", frozenset({"s0.0", *MODELS}))
    arrays, plain = monitor.state()
    for name in sorted(parts):
        checkpoint = CheckpointId(1, epoch)
        if name == MODELS[2]:
            held = {f"0|{key}": array for key, array in arrays.items()}
            store.write(checkpoint, name, held, {"models": {"m": plain}})
        else:
            store.write(checkpoint, name, {}, {"models": {}} if name in MODELS else [1, 2])
    store.close()
    return folder / "checkpoints" / str(CheckpointId(1, epoch))


def test_the_newest_whole_checkpoint_is_read(tmp_path):
    write(tmp_path, monitor_of(tmp_path, ["1"], 40))
    write(tmp_path, monitor_of(tmp_path, ["1"], 50), 2)
    write(tmp_path, monitor_of(tmp_path, ["1"], 60), 3, parts=MODELS)
    (tmp_path / "checkpoints" / "notes").mkdir()
    (tmp_path / "checkpoints" / str(CheckpointId(7, 7))).mkdir()
    found = stored_reference(tmp_path, "m", None)
    assert found.rows == 50
    assert found.about == {
        "model": "m",
        "version": "1",
        "rows": "50",
        "as_of": "1970-01-01T00:10:00Z",
    }
    assert found.kinds == {"age": Kind.NUMERIC, "(prediction)": Kind.NUMERIC}


def test_a_checkpoint_that_vanishes_is_read_no_more(tmp_path, monkeypatch):
    write(tmp_path, monitor_of(tmp_path, ["1"], 40))
    newest = write(tmp_path, monitor_of(tmp_path, ["1"], 50), 2)
    find = module._newest_whole

    def find_and_lose(folder):
        found = find(folder)
        if found == newest:
            shutil.rmtree(newest)
        return found

    monkeypatch.setattr(module, "_newest_whole", find_and_lose)
    assert stored_reference(tmp_path, "m", "1").rows == 40


def test_versions_are_told_apart(tmp_path):
    write(tmp_path, monitor_of(tmp_path, ["1", "2"]))
    assert stored_reference(tmp_path, "m", "2").about["version"] == "2"
    with pytest.raises(UsageError, match=r"'m' has versions '1', '2'; name one with --version"):
        stored_reference(tmp_path, "m", None)
    with pytest.raises(UsageError, match=r"model 'm', version '3': no version '3'; there are '1'"):
        stored_reference(tmp_path, "m", "3")
    with pytest.raises(UsageError, match=r"the state has no model 'n'; there are 'm'"):
        stored_reference(tmp_path, "n", None)


def test_too_few_rows_are_told(tmp_path):
    write(tmp_path, monitor_of(tmp_path, ["1"], 500))
    with pytest.raises(UsageError, match="version '1': its reference is still being collected"):
        stored_reference(tmp_path, "m", None)


def test_what_can_not_be_read_is_told(tmp_path):
    with pytest.raises(StateError, match="has no whole checkpoint"):
        stored_reference(tmp_path, "m", None)
    newest = write(tmp_path, monitor_of(tmp_path, ["1"]))
    block = newest / f"{MODELS[2]}.block"
    raw = bytearray(block.read_bytes())
    raw[len(raw) // 2] ^= 1
    block.write_bytes(raw)
    with pytest.raises(StateError, match="is damaged"):
        stored_reference(tmp_path, "m", None)


def rows(path, **more):
    rng = np.random.default_rng(2)
    score = rng.random(400)
    held = {
        "feature.age": rng.normal(size=400),
        "feature.region": rng.choice(["EU", "US"], 400),
        "score": score,
        "prediction": (score > 0.5).astype(int),
        "label": (rng.random(400) < score).astype(int),
    }
    pl.DataFrame(held | more).write_parquet(path)
    return path


@pytest.mark.parametrize("mode", ["sketch", "exact"])
def test_rows_with_labels_estimate_quality_elsewhere_too(mode, tmp_path):
    path = rows(tmp_path / "r.parquet")
    found = learned_reference(path, ModelConfig(model="m", mode=mode), None)
    assert found.about == {"model": "m", "version": "", "rows": "400"}
    assert found.names == {"region": found.names["region"]}
    assert set(found.names["region"]) == {"EU", "US"}
    write_reference(tmp_path / "r.json", found)
    back = FrozenReference.read(tmp_path / "r.json", ModelConfig(model="other"))
    assert back.labelled_rows == 400
    assert back.estimator.bounds == found.estimator.bounds
    some = np.linspace(0.01, 0.99, 50)
    assert np.array_equal(back.estimator.probabilities(some), found.estimator.probabilities(some))


def test_rows_of_versions_are_told_apart(tmp_path):
    path = rows(tmp_path / "r.parquet", version=["1"] * 100 + ["2"] * 300)
    assert learned_reference(path, ModelConfig(model="m"), "2").rows == 300
    with pytest.raises(UsageError, match="has no rows of version '3'"):
        learned_reference(path, ModelConfig(model="m"), "3")
    with pytest.raises(UsageError, match="without a version; name one with --version"):
        learned_reference(path, ModelConfig(model="m"), None)


def test_a_reference_is_not_learned_from_one(tmp_path):
    path = tmp_path / "r.json"
    write_reference(
        path, learned_reference(rows(tmp_path / "r.parquet"), ModelConfig(model="m"), None)
    )
    with pytest.raises(UsageError, match="is such a reference already"):
        learned_reference(path, ModelConfig(model="m"), None)
