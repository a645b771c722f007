"""References that were frozen elsewhere.

Aim: a model that begins with another one's reference says of the same windows what that one said,
to the last bit; what can't be taken, or is not enough, is refused. Method: one monitor collects its
first rows and goes on; another one begins with its file and has the rows that follow only.
"""

import msgspec
import numpy as np
import pytest
from model_feed import START_NS, Said, add, config_of, end_of, play, rows_of, tables

from engine.codecs.predictions import PredictionRow
from engine.config.durations import DAY_NS, MINUTE_NS
from engine.config.models import QualityConfig
from engine.config.scalars import ReferencePlace
from engine.drift.frozen_reference import FrozenReference, reference_of_state
from engine.drift.model_monitor import ModelMonitor
from engine.drift.reference_file import write_reference
from engine.errors import StateError, UsageError

UNTIL_NS = START_NS + 60 * MINUTE_NS
METHODS = ("mmd", "pca", "domain_classifier")
SERIES = ("drift_score", "drift_pvalue", "model_reference_rows", "missing_ratio")


def rows(versions=("1",)):
    """Predictions whose age moves and that have new regions after an hour."""
    found = [
        row
        for row in rows_of(np.random.default_rng(7), 4_000, versions=versions)
        if isinstance(row, PredictionRow)
    ]
    for place, row in enumerate(found):
        if row.ts > UNTIL_NS + 30 * MINUTE_NS:
            row.features["region"] = f"new{place % 90}"
            row.features["age"] = 55.0 + place % 20
    return found


def before_and_after(found):
    return (
        [row for row in found if row.ts <= UNTIL_NS],
        [row for row in found if row.ts > UNTIL_NS],
    )


def first_config(found, **changes):
    number = len(before_and_after(found)[0])
    given = {
        "reference": ReferencePlace("rows", rows=number),
        "multivariate": METHODS,
        "quality": QualityConfig(kind="none"),
    }
    return config_of(**(given | changes))


def second_config(**changes):
    place = ReferencePlace("file", path="r.json")
    given = {"reference": place, "multivariate": METHODS, "quality": QualityConfig(kind="none")}
    return config_of(**(given | changes))


def state_of(config, folder, said, until_ns):
    """What a checkpoint keeps of a monitor that has heard some rows."""
    monitor = ModelMonitor(config, folder)
    add(monitor, tables(), said)
    monitor.advance_to(until_ns)
    arrays, plain = monitor.state()
    return msgspec.msgpack.decode(msgspec.msgpack.encode(plain), strict=False), arrays


def exported(config, folder, said, version="1"):
    """Write the reference of a monitor that has heard some rows."""
    plain, arrays = state_of(config, folder / "first", said, end_of(config, said))
    path = folder / "r.json"
    write_reference(path, reference_of_state(plain, arrays, version))
    return path


def values(said, name, **labels):
    """Give a series' samples, but for those of 'not enough data'."""
    return sorted(
        (ts, tuple(sorted(which.items())), np.float64(value).tobytes())
        for ts, which, value in said.values(name, **labels)
    )


def test_a_model_that_begins_with_it_says_the_same(tmp_path):
    found = rows()
    config = first_config(found)
    path = exported(config, tmp_path, found)
    first = play(config, tmp_path / "again", found)
    second = second_config()
    reference = FrozenReference.read(path, second)
    after = before_and_after(found)[1]
    said = play(second, tmp_path / "second", after, reference=reference)
    begin_ns = min(ts for ts, _, _ in said.values("drift_score"))
    assert len({ts for ts, _, _ in said.values("drift_score")}) > 5
    features = {labels["feature"] for _, labels, _ in said.values("drift_score")}
    assert {"age", "region", "active", "vector", "(score)", "(prediction)"} <= features
    methods = {labels["method"] for _, labels, _ in said.values("drift_score")}
    assert {*METHODS, "unseen"} <= methods
    assert {"", "env=prod", "env=test"} <= {
        labels.get("segment", "") for _, labels, _ in said.values("drift_score")
    }
    for name in SERIES:
        expected = [item for item in values(first, name) if item[0] >= begin_ns]
        assert expected
        assert [item for item in values(said, name) if item[0] >= begin_ns] == expected


def test_what_is_written_does_not_depend_on_when(tmp_path):
    found = rows()
    config = first_config(found)
    files = []
    for name, said in (("early", [r for r in found if r.ts <= UNTIL_NS + MINUTE_NS]), ("x", found)):
        folder = tmp_path / name
        folder.mkdir()
        files.append(exported(config, folder, said).read_bytes())
    assert files[0] == files[1]


def test_kept_rows_are_counted(tmp_path):
    found = rows()
    files = []
    for mode in ("sketch", "exact"):
        folder = tmp_path / mode
        folder.mkdir()
        files.append(exported(first_config(found, mode=mode), folder, found).read_bytes())
    assert files[0] == files[1]
    with pytest.raises(UsageError, match="rows and keeps 100, which is not all"):
        exported(first_config(found, mode="exact", rows_max=100), tmp_path, found)


def test_all_versions_begin_with_it(tmp_path):
    path = exported(first_config(rows()), tmp_path, rows())
    config = second_config()
    after = before_and_after(rows(versions=("8", "9")))[1]
    said = play(config, tmp_path / "x", after, reference=FrozenReference.read(path, config))
    held = {
        version: {value for _, _, value in said.values("model_reference_rows", version=version)}
        for version in ("8", "9")
    }
    assert held["8"] == held["9"]
    assert len(held["8"]) == 1
    assert {version for version in ("8", "9") if said.values("drift_score", version=version)} == {
        "8",
        "9",
    }


def test_segments_beyond_the_limit_are_one(tmp_path):
    path = exported(first_config(rows()), tmp_path, rows())
    config = second_config(segments_max=1)
    reference = FrozenReference.read(path, config)
    after = before_and_after(rows())[1]
    monitor = ModelMonitor(config, tmp_path / "x", reference)
    add(monitor, tables(), after)
    monitor.advance_to(end_of(config, after))
    arrays, plain = monitor.state()
    stored = reference_of_state(plain, arrays, "1")
    assert len(stored.segments) == 2  # one of its own, and the others'
    assert "(other)" in stored.segments
    assert stored.rows == len(before_and_after(rows())[0])


@pytest.mark.parametrize("methods", [(), ("pca",), ("mmd", "domain_classifier")])
def test_methods_may_be_left_out(methods, tmp_path):
    found = rows()
    path = exported(first_config(found), tmp_path, found)
    config = second_config(multivariate=methods)
    reference = FrozenReference.read(path, config)
    after = before_and_after(found)[1]
    said = play(config, tmp_path / "x", after, reference=reference)
    held = {labels["method"] for _, labels, _ in said.values("drift_score")}
    assert held & set(METHODS) >= set(methods)
    assert not {"pca", "domain_classifier"} - set(methods) & held


def test_what_goes_on_from_a_checkpoint_says_the_same(tmp_path):
    found = rows()
    path = exported(first_config(found), tmp_path, found)
    config = second_config()
    after = before_and_after(found)[1]
    whole = play(config, tmp_path / "a", after, reference=FrozenReference.read(path, config))
    monitor = ModelMonitor(config, tmp_path / "b", FrozenReference.read(path, config))
    until_ns = UNTIL_NS + 35 * MINUTE_NS
    add(monitor, tables(), [row for row in after if row.ts <= until_ns])
    monitor.advance_to(until_ns)
    arrays, plain = monitor.state()
    resumed = ModelMonitor(config, tmp_path / "b", FrozenReference.read(path, config))
    resumed.restore(arrays, msgspec.msgpack.decode(msgspec.msgpack.encode(plain), strict=False))
    add(resumed, tables(), [row for row in after if row.ts > until_ns])
    said = Said()
    said.take(resumed.advance_to(end_of(config, after)))
    expected = [item for item in values(whole, "drift_score") if item[0] > until_ns]
    assert expected
    assert values(said, "drift_score") == expected


def test_a_state_with_other_codes_is_refused(tmp_path):
    found = rows()
    path = exported(first_config(found), tmp_path, found)
    config = second_config()
    reference = FrozenReference.read(path, config)
    swapped = {"EU": "US", "US": "EU"}
    for row in found:
        region = row.features.get("region")
        row.features["region"] = swapped.get(region, region)
    plain, arrays = state_of(first_config(found), tmp_path / "x", found, end_of(config, found))
    with pytest.raises(StateError, match="other kinds or categories of region than"):
        ModelMonitor(config, tmp_path / "y", reference).restore(arrays, plain)


def test_a_state_of_its_own_may_begin_with_it(tmp_path):
    found = rows()
    first = first_config(found)
    path = exported(first, tmp_path, found)
    plain, arrays = state_of(first, tmp_path / "x", before_and_after(found)[0], UNTIL_NS)
    config = second_config()
    monitor = ModelMonitor(config, tmp_path / "y", FrozenReference.read(path, config))
    monitor.restore(arrays, plain)
    after = before_and_after(found)[1]
    add(monitor, tables(), after)
    said = Said()
    said.take(monitor.advance_to(end_of(config, found)))
    expected = values(play(first, tmp_path / "z", found), "drift_score")
    assert len(expected) > 100
    assert values(said, "drift_score") == expected


def test_what_can_not_be_taken_is_told(tmp_path):
    found = rows()
    collecting = first_config(found, reference=ReferencePlace("rows", rows=100_000))
    plain, arrays = state_of(collecting, tmp_path / "a", found, end_of(collecting, found))
    with pytest.raises(UsageError, match=f"still being collected: {len(found):,} rows so far"):
        reference_of_state(plain, arrays, "1")
    with pytest.raises(UsageError, match="no version '2'; there are '1'"):
        reference_of_state(plain, arrays, "2")


def test_a_trailing_one_stays_where_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr("engine.drift.version_windows.GRID_ROWS", 300)
    found = rows()
    config = first_config(found, reference=ReferencePlace("trailing", ns=DAY_NS))
    for until_ns in (START_NS + 15 * MINUTE_NS, end_of(config, found)):
        said = [row for row in found if row.ts <= until_ns]
        plain, arrays = state_of(config, tmp_path / str(until_ns), said, until_ns)
        with pytest.raises(UsageError, match="is a trailing one"):
            reference_of_state(plain, arrays, "1")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mode": "exact"}, "has counts and no rows, which `mode: exact` compares with"),
        (
            {"features": {"age": "categorical", "height": "numeric", "width": "numeric"}},
            "has of another kind: age (numeric, not categorical); it has others: active, region",
        ),
        ({"multivariate": METHODS}, "was not made for domain_classifier; make it again, or set "),
    ],
)
def test_what_is_not_enough_is_refused(changes, message, tmp_path):
    found = rows()
    path = exported(first_config(found, multivariate=("mmd", "pca")), tmp_path, found)
    with pytest.raises(UsageError) as caught:
        FrozenReference.read(path, second_config(**({"multivariate": ("mmd",)} | changes)))
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    declared = {"age": "numeric", "region": "categorical", "vector": "embedding"}
    assert FrozenReference.read(path, second_config(multivariate=("mmd",), features=declared))
