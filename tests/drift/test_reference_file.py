"""References as files.

Aim: what is read is what was written, bit for bit, and no other file is taken for one. Method:
write, read, compare; then damage the file in every way that its reader must notice.
"""

import json
from dataclasses import replace

import numpy as np
import pytest

from engine.codecs.predictions import Column, Kind
from engine.drift.cbpe import Cbpe
from engine.drift.grid import Grid
from engine.drift.multivariate import Multivariate
from engine.drift.reference_file import FORMAT, StoredReference, read_reference, write_reference
from engine.drift.row_sample import RowSample
from engine.drift.summary import Summary
from engine.drift.together import SAMPLE_ROWS
from engine.errors import UsageError

NAMES = {"colour": ("rouge", "bleu é")}
ROWS = 3_000


def reference():
    rng = np.random.default_rng(1)
    columns = {
        "number": Column(Kind.NUMERIC, rng.lognormal(size=ROWS)),
        "colour": Column(Kind.CATEGORICAL, rng.integers(-1, 2, ROWS, np.int32), NAMES["colour"]),
        "flag": Column(Kind.BOOLEAN, rng.integers(-1, 2, ROWS, np.int8)),
        "vector": Column(
            Kind.EMBEDDING, rng.normal(size=(ROWS, 3)).astype(np.float32), (), np.arange(ROWS)
        ),
    }
    grid = Grid.learn(columns)
    segments = {"env=prod": Summary(grid), "env=tést": Summary(grid)}
    segments["env=prod"].add(columns, slice(0, 1_000))
    segments["env=tést"].add(columns, slice(1_000, None))
    keys = np.arange(ROWS, dtype=np.uint64)
    methods = ("mmd", "pca", "domain_classifier")
    sample = RowSample(SAMPLE_ROWS)
    sample.add(columns, keys=keys)
    score = rng.random(ROWS)
    labels = (rng.random(ROWS) < score).astype(float)
    return StoredReference(
        grid,
        segments,
        NAMES,
        {"model": "credit", "version": "3"},
        Multivariate.fit(columns, ROWS, methods, keys),
        sample,
        Cbpe.fit(score, np.round(score), labels),
        ROWS,
    )


def assert_same_bits(one, other):
    assert list(one) == list(other)
    for name, array in one.items():
        assert array.tobytes() == other[name].tobytes()
        assert (array.dtype, array.shape) == (other[name].dtype, other[name].shape)


def test_a_reference_comes_back_bit_for_bit(tmp_path):
    path, made = tmp_path / "credit.json", reference()
    path.write_text("what was here before")
    write_reference(path, made)
    back = read_reference(path)
    assert_same_bits(back.arrays(), made.arrays())
    assert back.names == NAMES
    assert back.about == {"model": "credit", "version": "3"}
    assert list(back.segments) == ["env=prod", "env=tést"]
    assert back.labelled_rows == back.rows == ROWS
    assert back.kinds == {
        "number": Kind.NUMERIC,
        "colour": Kind.CATEGORICAL,
        "flag": Kind.BOOLEAN,
        "vector": Kind.EMBEDDING,
    }
    assert [one.name for one in tmp_path.iterdir()] == ["credit.json"]


def test_what_is_read_merges_with_what_was_written(tmp_path):
    path, made = tmp_path / "credit.json", reference()
    write_reference(path, made)
    back = read_reference(path).segments["env=prod"]
    back.merge(made.segments["env=prod"])
    assert back.rows == 2_000


def test_parts_may_be_left_out(tmp_path):
    whole = reference()
    path, made = tmp_path / "x.json", StoredReference(whole.grid, whole.segments, NAMES)
    write_reference(path, made)
    back = read_reference(path)
    assert (back.multivariate, back.estimator, back.sample.rows) == (None, None, 0)
    assert_same_bits(back.arrays(), made.arrays())


def test_the_same_reference_is_the_same_file(tmp_path):
    for name in ("a", "b"):
        write_reference(tmp_path / name, reference())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def without(content, name):
    del content["arrays"][name]


def shorter(content, name):
    content["arrays"][name]["data"] = content["arrays"][name]["data"][:-8]


def not_base_64(content, name):
    content["arrays"][name]["data"] = "!" + content["arrays"][name]["data"][1:]


def of_objects(content, name):
    content["arrays"][name]["dtype"] = "|O"


def one_bit(content, name):
    data = content["arrays"][name]["data"]
    content["arrays"][name]["data"] = ("B" if data[0] == "A" else "A") + data[1:]


@pytest.mark.parametrize("damage", [without, shorter, not_base_64, of_objects, one_bit])
@pytest.mark.parametrize("name", ["grid|edges", "grid|features", "segment|0|counts"])
def test_a_damaged_file_is_refused(tmp_path, damage, name):
    path = tmp_path / "x.json"
    write_reference(path, reference())
    content = json.loads(path.read_bytes())
    damage(content, name)
    path.write_text(json.dumps(content))
    with pytest.raises(UsageError, match=r"x\.json is damaged"):
        read_reference(path)


def test_half_a_file_is_refused(tmp_path):
    path = tmp_path / "x.json"
    write_reference(path, reference())
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UsageError, match=r"x\.json is damaged"):
        read_reference(path)


def test_categories_without_names_are_refused(tmp_path):
    path = tmp_path / "x.json"
    write_reference(path, replace(reference(), names={"colour": ("rouge",)}))
    with pytest.raises(UsageError, match="colour has 2 categories"):
        read_reference(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "is missing"),
        ("", "is empty"),
        ("{", "damaged or no reference"),
        ('{"rows": 5}', "damaged or no reference"),
        ('{"format": "other 2"}', "is 'other 2', not"),
        (f'{{"format": "{FORMAT}", "about": {{}}, "names": {{}}, "arrays": {{}}}}', "damaged"),
    ],
)
def test_other_files_are_refused(tmp_path, content, message):
    path = tmp_path / "x.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UsageError, match=message) as caught:
        read_reference(path)
    assert str(path) in str(caught.value)


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(UsageError, match="can't be read"):
        read_reference(tmp_path)
    with pytest.raises(UsageError, match="can't be written"):
        write_reference(tmp_path / "none" / "x.json", reference())


def test_a_reference_without_rows_is_refused(tmp_path):
    path, whole = tmp_path / "x.json", reference()
    write_reference(path, StoredReference(whole.grid, {"": Summary(whole.grid)}, NAMES))
    with pytest.raises(UsageError, match="has no rows"):
        read_reference(path)
