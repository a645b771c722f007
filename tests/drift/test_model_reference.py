"""Reference files of models.

Aim: a file in any of the forms is read, is that of its versions, and is refused with what is wrong
with it. Method: small files.
"""

import numpy as np
import polars as pl
import pytest

from engine.codecs.predictions import Kind
from engine.drift.model_reference import ModelReference
from engine.drift.vocabulary import Vocabulary
from engine.errors import UsageError

KINDS = {"age": Kind.NUMERIC, "region": Kind.CATEGORICAL}
ROWS = 40


def frame(**more):
    return pl.DataFrame(
        {
            "feature.age": np.arange(ROWS, dtype=float),
            "feature.region": ["EU", "US"] * (ROWS // 2),
            **more,
        }
    )


def read(path, kinds=KINDS):
    return ModelReference.read(path, "credit", kinds)


def written(folder, table, suffix=".parquet"):
    path = folder / f"reference{suffix}"
    write = {".parquet": table.write_parquet, ".csv": table.write_csv, ".jsonl": table.write_ndjson}
    write[suffix](path)
    return path


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
def test_forms(suffix, tmp_path):
    rows = read(written(tmp_path, frame(), suffix)).of("7", Vocabulary(100))
    assert rows.version == "7"
    assert rows.features["age"].values.tolist() == list(range(ROWS))
    region = rows.features["region"]
    assert [region.names[code] for code in region.values.tolist()] == ["EU", "US"] * (ROWS // 2)


def test_plain_columns_are_features(tmp_path):
    table = frame(score=np.linspace(0, 1, ROWS), prediction=[0, 1] * (ROWS // 2))
    plain = table.rename({"feature.age": "age", "feature.region": "region"})
    rows = read(written(tmp_path, plain)).of("7", Vocabulary(100))
    assert set(rows.columns()) == {"age", "region", "(score)", "(prediction)"}


def test_rows_of_versions(tmp_path):
    reference = read(written(tmp_path, frame(version=["1"] * 10 + ["2"] * 30)))
    assert len(reference.of("1", Vocabulary(100))) == 10
    assert len(reference.of("2", Vocabulary(100))) == 30
    assert reference.of("3", Vocabulary(100)) is None


def test_rows_without_version_are_of_all_others(tmp_path):
    reference = read(written(tmp_path, frame(version=["1"] * 10 + [None] * 30)))
    assert len(reference.of("1", Vocabulary(100))) == 10
    assert len(reference.of("3", Vocabulary(100))) == 30


def test_labels_make_an_estimator(tmp_path):
    scores = np.linspace(0.01, 0.99, ROWS)
    predicted = (scores > 0.5).astype(int)
    labels = np.where(np.arange(ROWS) % 5 == 0, 1 - predicted, predicted)
    with_labels = frame(score=scores, prediction=predicted, label=labels)
    assert read(written(tmp_path, with_labels)).estimator is not None
    assert read(written(tmp_path, with_labels.drop("label"))).estimator is None
    names = with_labels.with_columns(label=pl.Series(["yes", "no"] * (ROWS // 2)))
    with pytest.raises(UsageError, match="row 1: label is 'yes'"):
        read(written(tmp_path, names))


def test_what_is_refused(tmp_path):
    with pytest.raises(UsageError, match="is missing; write it"):
        read(tmp_path / "none.parquet")
    with pytest.raises(UsageError, match="is empty"):
        read(written(tmp_path, frame().head(0)))
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(UsageError, match="can't be read"):
        read(tmp_path / "broken.parquet")
    with pytest.raises(UsageError, match="lacks features: region, and has others: colour"):
        read(written(tmp_path, frame().rename({"feature.region": "feature.colour"})))
    with pytest.raises(UsageError, match="has no features"):
        read(written(tmp_path, pl.DataFrame({"score": [0.5]})), {})
    wrong = frame().with_columns(pl.Series("feature.age", ["old"] * ROWS))
    with pytest.raises(UsageError, match=r"row 1: .*age"):
        read(written(tmp_path, wrong))
