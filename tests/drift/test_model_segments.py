"""Segments of rows.

Aim: every row is in the one that its tags name, and there are not too many. Method: small tables,
and a naming row by row.
"""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.codecs.predictions import Column, Kind
from engine.drift.model_segments import ALL, NONE, Segments
from engine.drift.version_rows import VersionRows

ENVS, REGIONS = ("prod", "test"), ("EU", "US", "APAC")


def rows_with(tags=None, features=None, rows=0, version="1"):
    nothing = np.zeros(rows, np.uint64)
    score = np.full(rows, np.nan)
    ts = np.arange(rows, dtype=np.int64)
    return VersionRows(version, ts, nothing, None, score, tags or {}, features or {})


def coded(codes, names):
    return Column(Kind.CATEGORICAL, np.array(codes, np.int32), names)


def names_of(segments, rows):
    return [segments.places[number] for number in segments.numbers_of(rows).tolist()]


codes = st.lists(st.tuples(st.integers(-1, 1), st.integers(-1, 2)), min_size=1, max_size=30)


@settings(max_examples=60, deadline=None)
@given(codes)
def test_names_row_by_row(pairs):
    env, region = ([pair[place] for pair in pairs] for place in range(2))
    rows = rows_with({"env": coded(env, ENVS)}, {"region": coded(region, REGIONS)}, len(pairs))
    segments = Segments(("region", "env"), 100)
    expected = [
        ",".join([f"region={REGIONS[r]}"] * (r >= 0) + [f"env={ENVS[e]}"] * (e >= 0)) or NONE
        for e, r in pairs
    ]
    assert names_of(segments, rows) == [("1", name) for name in expected]
    assert [name for _, name in segments.places] == list(dict.fromkeys(expected))


def test_without_tags_there_is_one():
    assert names_of(Segments((), 5), rows_with(rows=3)) == [("1", ALL)] * 3


def test_rows_without_any_of_the_tags():
    assert names_of(Segments(("env",), 5), rows_with(rows=2)) == [("1", NONE)] * 2


def test_truth_values_make_segments():
    active = Column(Kind.BOOLEAN, np.array([1, 0, -1], np.int8))
    found = names_of(Segments(("active",), 5), rows_with({}, {"active": active}, 3))
    assert [name for _, name in found] == ["active=true", "active=false", NONE]


def test_a_tag_comes_before_a_feature_row_by_row():
    tag, feature = coded([0, -1, -1], REGIONS), coded([1, 1, -1], REGIONS)
    segments = Segments(("region",), 5)
    rows = rows_with({"region": tag}, {"region": feature}, 3)
    assert [name for _, name in names_of(segments, rows)] == ["region=EU", "region=US", NONE]
    alone = rows_with({}, {"region": feature}, 3)
    assert [name for _, name in names_of(segments, alone)] == ["region=US", "region=US", NONE]


def test_the_bound_holds_for_each_version():
    segments = Segments(("region",), 2)
    for version in ("1", "2"):
        rows = rows_with({"region": coded([0, 1, 2, 0, -1], REGIONS)}, rows=5, version=version)
        found = [name for _, name in names_of(segments, rows)]
        assert found == ["region=EU", "region=US", "(other)", "region=EU", "(other)"]
    assert len(segments.places) == 6


def test_state_comes_back():
    segments, again = Segments(("region",), 2), Segments(("region",), 2)
    rows = rows_with({"region": coded([2, 1, 0], REGIONS)}, rows=3)
    numbers = segments.numbers_of(rows).tolist()
    again.restore([list(place) for place in segments.state()])
    assert again.numbers_of(rows).tolist() == numbers
    assert again.places == segments.places


def test_room_for_segments_of_other_tags_stays_after_another_restart():
    tags = {"env": coded([0, 1], ENVS), "region": coded([0, 1], REGIONS)}
    before = Segments(("env",), 2)
    before.numbers_of(rows_with(tags, rows=2))
    after, again = Segments(("region",), 2), Segments(("region",), 2)
    after.restore(before.state(), ("env",), before.used())
    after.numbers_of(rows_with({"region": coded([0], REGIONS)}, rows=1))
    again.restore(after.state(), ("region",), after.used())
    names = names_of(again, rows_with({"region": coded([1, 2], REGIONS)}, rows=2))
    assert [name for _, name in names] == ["region=US", "(other)"]
