"""References as files.

Aim: what is read is what was written, bit for bit, and no other file is taken for one. Method:
write, read, compare; then damage the file in every way that its reader must notice.
"""

import json

import numpy as np
import pytest

from engine.codecs.predictions import Column, Kind
from engine.drift.grid import Grid
from engine.drift.reference_file import FORMAT, read_reference, write_reference
from engine.drift.summary import Summary
from engine.errors import UsageError

NAMES = {"colour": ("rouge", "bleu é")}
KINDS = {"number": Kind.NUMERIC, "colour": Kind.CATEGORICAL, "flag": Kind.BOOLEAN}


def summary():
    rng = np.random.default_rng(1)
    columns = {
        "number": Column(Kind.NUMERIC, rng.lognormal(size=3_000)),
        "colour": Column(Kind.CATEGORICAL, rng.integers(-1, 2, 3_000, np.int32), NAMES["colour"]),
        "flag": Column(Kind.BOOLEAN, rng.integers(-1, 2, 3_000, np.int8)),
    }
    made = Summary(Grid.learn(columns))
    made.add(columns)
    return made


def test_a_reference_comes_back_bit_for_bit(tmp_path):
    path, made = tmp_path / "credit.json", summary()
    path.write_text("what was here before")
    write_reference(path, made, NAMES, {"model": "credit", "version": "3"})
    back = read_reference(path)
    assert back.summary.grid.same_as(made.grid)
    own, others = made.arrays(), back.summary.arrays()
    for name in own:
        assert own[name].tobytes() == others[name].tobytes()
        assert own[name].dtype == others[name].dtype
    assert back.names == NAMES
    assert back.about == {"model": "credit", "version": "3"}
    back.summary.merge(made)
    assert back.summary.rows == 6_000
    assert [one.name for one in tmp_path.iterdir()] == ["credit.json"]


def test_the_same_reference_is_the_same_file(tmp_path):
    for name in ("a", "b"):
        write_reference(tmp_path / name, summary(), NAMES)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def without(content, name):
    del content["arrays"][name]


def shorter(content, name):
    content["arrays"][name]["data"] = content["arrays"][name]["data"][:-8]


def not_base_64(content, name):
    content["arrays"][name]["data"] = "!" + content["arrays"][name]["data"][1:]


def of_objects(content, name):
    content["arrays"][name]["dtype"] = "|O"


@pytest.mark.parametrize("damage", [without, shorter, not_base_64, of_objects])
@pytest.mark.parametrize("name", ["grid.edges", "grid.features", "summary.counts"])
def test_a_damaged_file_is_refused(tmp_path, damage, name):
    path = tmp_path / "x.json"
    write_reference(path, summary())
    content = json.loads(path.read_bytes())
    damage(content, name)
    path.write_text(json.dumps(content))
    with pytest.raises(UsageError, match=r"x\.json is damaged"):
        read_reference(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "can't be read: No such file"),
        ("", "is empty"),
        ("{", "damaged or no reference"),
        ('{"rows": 5}', "damaged or no reference"),
        ('{"format": "other 2", "about": {}, "names": {}, "arrays": {}}', "is 'other 2', not"),
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


def test_a_reference_without_rows_is_refused(tmp_path):
    path = tmp_path / "x.json"
    write_reference(path, Summary(summary().grid))
    with pytest.raises(UsageError, match="has no rows"):
        read_reference(path)


def test_features_must_be_those_of_the_model(tmp_path):
    path = tmp_path / "x.json"
    write_reference(path, summary())
    reference = read_reference(path)
    reference.check_against(KINDS | {"vector": Kind.EMBEDDING})
    wanted = {"number": Kind.TEXT, "colour": Kind.CATEGORICAL, "amount": Kind.NUMERIC}
    with pytest.raises(UsageError) as caught:
        reference.check_against(wanted)
    assert str(caught.value) == (
        f"reference {path}: features differ; missing: amount; not expected: flag; "
        "of another kind: number (numeric, not text)"
    )
