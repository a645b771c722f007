"""The score lane of a folder.

Aim: the file holds each score once, sorted, whatever the parts were, wherever runs end and resume.
Method: small parts by small limits; the rows expected are written out by plain Python.
"""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import SinkError
from engine.events import ScoreBlock
from engine.series.blocks import CheckpointId
from engine.series.identity import Series
from engine.sinks import score_file, score_parts
from engine.sinks.score_file import NUMBERS, SCHEMA, ScoreFileLane

SERIES = [
    Series.of("cpu", {"zone": "ü", "host": 'a"b'}),
    Series.of("cpu", {}),
    Series.of("memory", {"host": "a"}),
]


def never(captured):
    return None


def block(first, count, *, detector="default", step=1):
    """Rows `first` on: row i is of series i modulo 3, at i * step ns, with value i."""
    rows = np.arange(first, first + count)
    numbers = [rows + place / 10 for place in range(len(NUMBERS))]
    return ScoreBlock(detector, SERIES, rows % 3, rows * step, *numbers)


def values(folder):
    return pl.read_parquet(folder / "scores.parquet")["value"].cast(pl.Int64).to_list()


def in_parts(folder):
    paths = sorted((folder / "scores.parts").glob("part-*.parquet"))
    return [len(pl.read_parquet(path)) for path in paths]


def json_text(labels):
    return json.dumps(labels, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def expected_rows(blocks):
    rows = [
        (
            int(one.ts[i]),
            one.series[one.index[i]].name,
            json_text(dict(one.series[one.index[i]].labels)),
            *(float(getattr(one, name)[i]) for name in NUMBERS),
            one.detector,
            None,
        )
        for one in blocks
        for i in range(len(one))
    ]
    return sorted(rows, key=lambda row: (row[0], row[1], row[2], row[-2]))


@pytest.fixture
def parts_of(monkeypatch):
    """Limit the rows of a part and of a sort."""

    def limit(rows, *, sorted_rows=score_parts.ROWS_SORTED_MAX):
        monkeypatch.setattr(score_file, "ROWS_BUFFERED_MAX", rows)
        monkeypatch.setattr(score_parts, "ROWS_SORTED_MAX", sorted_rows)

    return limit


def test_without_scores_the_file_has_its_columns(tmp_path):
    lane = ScoreFileLane(tmp_path, None, never)
    lane.close()
    lane.close()
    written = pl.read_parquet(tmp_path / "scores.parquet")
    assert written.schema == SCHEMA
    assert len(written) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["scores.parquet"]


def test_the_file_has_each_row_once_sorted(tmp_path, parts_of):
    parts_of(10, sorted_rows=12)
    blocks = [block(20, 25), block(0, 4), block(0, 4, detector="another"), block(3, 0)]
    lane = ScoreFileLane(tmp_path, None, never)
    lane.write(blocks[:2])
    lane.write(blocks[2:])
    assert in_parts(tmp_path) == [25]
    lane.close()

    written = pl.read_parquet(tmp_path / "scores.parquet")

    assert written.schema == SCHEMA
    rows = written.with_columns(pl.col("ts").dt.timestamp("ns")).rows()
    assert rows == expected_rows(blocks)
    assert [path.name for path in tmp_path.iterdir()] == ["scores.parquet"]


def test_numbers_that_are_none_are_kept(tmp_path):
    one = block(0, 3)
    one.value[:] = [np.nan, np.inf, -np.inf]
    lane = ScoreFileLane(tmp_path, None, never)
    lane.write([one])
    lane.close()
    found = pl.read_parquet(tmp_path / "scores.parquet")["value"].to_numpy()
    np.testing.assert_array_equal(found, [np.nan, np.inf, -np.inf])


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(st.integers(0, 200), st.integers(1, 30)), max_size=12), st.integers(1, 60)
)
def test_slices_of_time_lose_and_repeat_nothing(tmp_path_factory, blocks, sorted_rows):
    folder = tmp_path_factory.mktemp("slices")
    parts = score_parts.ScoreParts(folder / "parts", 0)
    for number, (start, count) in enumerate(blocks):
        ts = pl.Series(range(start, start + count)).cast(pl.Datetime("ns", "UTC"))
        rows = {"ts": ts, "name": [str(number)] * count, "labels": ["{}"] * count}
        full = pl.DataFrame(rows, schema_overrides={"name": pl.String, "labels": pl.String})
        parts.append(full.with_columns(detector=pl.lit("d")))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(score_parts, "ROWS_SORTED_MAX", sorted_rows)
        parts.merge(folder / "all.parquet", pl.DataFrame(schema=SCHEMA))

    found = pl.read_parquet(folder / "all.parquet")
    assert sorted(path.name for path in folder.iterdir()) == ["all.parquet", "parts"]
    times = [
        (t, str(n)) for n, (start, count) in enumerate(blocks) for t in range(start, start + count)
    ]
    assert list(zip(found["ts"].dt.timestamp("ns"), found["name"], strict=True)) == sorted(times)


def test_texts_of_series_are_forgotten_and_met_again(tmp_path, parts_of):
    parts_of(2)  # fewer rows than series
    lane = ScoreFileLane(tmp_path, None, never)
    for first in range(0, 12, 3):
        lane.write([block(first, 3)])
        assert lane._texts._codes == {}
    lane.close()
    assert values(tmp_path) == list(range(12))


def test_a_new_run_replaces_what_an_older_one_left(tmp_path):
    older = ScoreFileLane(tmp_path, None, never)
    older.write([block(0, 5)])
    older.mark(CheckpointId(1, 1))
    older.close()
    newer = ScoreFileLane(tmp_path, None, never)
    assert not (tmp_path / "scores.parquet").exists()
    assert in_parts(tmp_path) == []
    newer.close()
    assert values(tmp_path) == []


def test_what_came_after_the_checkpoint_is_cut_off(tmp_path):
    first = ScoreFileLane(tmp_path, None, never)
    first.write([block(0, 5)])
    first.mark(CheckpointId(1, 1))
    first.write([block(5, 5)])
    first.mark(CheckpointId(1, 2))
    snapshot = first.snapshot()
    first.write([block(10, 5)])
    first.mark(CheckpointId(1, 3))
    first.write([block(15, 5)])

    second = ScoreFileLane(tmp_path, snapshot, lambda captured: captured[0])
    assert in_parts(tmp_path) == [5]
    second.write([block(5, 7)])
    second.close()

    assert values(tmp_path) == list(range(12))
    assert second.snapshot() == ((1, 1, 1),)


def test_a_run_that_ended_can_be_resumed_from_an_earlier_checkpoint(tmp_path):
    first = ScoreFileLane(tmp_path, None, never)
    for epoch in range(3):
        first.write([block(5 * epoch, 5)])
        first.mark(CheckpointId(1, epoch))
    first.close()
    assert values(tmp_path) == list(range(15))

    second = ScoreFileLane(tmp_path, first.snapshot(), lambda captured: captured[1])
    second.write([block(10, 2)])
    second.close()

    assert values(tmp_path) == list(range(12))


@pytest.mark.parametrize("lost", ["part-000000.parquet", "part-000001.parquet"])
def test_a_folder_that_lost_parts_is_refused(tmp_path, lost):
    first = ScoreFileLane(tmp_path, None, never)
    for epoch in range(2):
        first.write([block(5 * epoch, 5)])
        first.mark(CheckpointId(1, epoch))
    (tmp_path / "scores.parts" / lost).unlink()
    with pytest.raises(SinkError, match=r"scores\.parts: the parts do not end at number 2"):
        ScoreFileLane(tmp_path, first.snapshot(), max)


def test_the_number_of_parts_stays_small_and_the_last_checkpoints_resumable(tmp_path, monkeypatch):
    monkeypatch.setattr(score_parts, "SMALL_PARTS_MAX", 5)
    lane = ScoreFileLane(tmp_path, None, never)
    snapshots = []
    for epoch in range(60):
        lane.write([block(epoch, 1)])
        lane.mark(CheckpointId(1, epoch))
        snapshots.append(lane.snapshot())
        assert len(in_parts(tmp_path)) <= 5 + lane._positions.maxlen

    # The newest snapshots may be lost, and the flow resume from the oldest checkpoint of one.
    again = ScoreFileLane(tmp_path, snapshots[-5], min)
    again.close()
    assert values(tmp_path) == list(range(60 - 5 + 1 - 3))


def test_parts_of_full_size_are_not_merged_again(tmp_path, monkeypatch):
    monkeypatch.setattr(score_parts, "SMALL_PARTS_MAX", 2)
    monkeypatch.setattr(score_parts, "SMALL_BYTES", 1)
    parts = score_parts.ScoreParts(tmp_path, 0)
    for _ in range(4):
        parts.append(pl.DataFrame(schema=SCHEMA))
    parts.merge_small(4)
    assert len(list(tmp_path.iterdir())) == 4


def test_a_crash_in_the_middle_of_a_merge_repeats_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(score_parts, "SMALL_PARTS_MAX", 2)
    parts = score_parts.ScoreParts(tmp_path / "parts", 0)
    for number in range(4):
        parts.append(pl.DataFrame({"ts": [number]}))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", lambda path: pytest.fail("crash"))
        with pytest.raises(pytest.fail.Exception):
            parts.merge_small(3)
    assert len(list((tmp_path / "parts").iterdir())) == 5
    (tmp_path / "parts" / "part-000009.parquet.tmp").touch()

    score_parts.ScoreParts(tmp_path / "parts", 4)

    left = sorted(path.name for path in (tmp_path / "parts").iterdir())
    assert left == ["part-000000-000002.parquet", "part-000003.parquet"]


def test_a_checkpoint_inside_a_merged_part_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(score_parts, "SMALL_PARTS_MAX", 2)
    parts = score_parts.ScoreParts(tmp_path, 0)
    for number in range(3):
        parts.append(pl.DataFrame({"ts": [number]}))
    parts.merge_small(3)
    with pytest.raises(SinkError, match="do not end at number 2"):
        score_parts.ScoreParts(tmp_path, 2)


def test_a_part_that_cannot_be_written_is_named(tmp_path):
    lane = ScoreFileLane(tmp_path, None, never)
    (tmp_path / "scores.parts" / "part-000000.parquet.tmp").symlink_to("/dev/full")
    lane.write([block(0, 5)])
    with pytest.raises(SinkError, match=r"part-000000\.parquet: can't be written: .*No space left"):
        lane.close()


CRASH = st.tuples(st.integers(0, 4), st.integers(0, 4))  # snapshots lost, checkpoints not usable
STEPS = st.lists(st.integers(0, 7) | st.just("checkpoint") | CRASH, max_size=25)


@settings(deadline=None, max_examples=40)
@given(STEPS)
def test_any_crashes_and_resumes_leave_each_row_once(tmp_path_factory, steps):
    """Steps are rows written, a checkpoint with its snapshot, or a crash with a resume."""
    folder = tmp_path_factory.mktemp("crash")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(score_file, "ROWS_BUFFERED_MAX", 6)
        patch.setattr(score_parts, "SMALL_PARTS_MAX", 2)
        lane = ScoreFileLane(folder, None, never)
        said, said_at, snapshots = 0, {None: 0}, [(None, None)]  # with the one chosen on resume
        for number, step in enumerate(steps):
            if step == "checkpoint":
                lane.mark(CheckpointId(1, number))
                said_at[CheckpointId(1, number)] = said
                snapshots.append((lane.snapshot(), ()))
            elif isinstance(step, int):
                lane.write([block(said, step)])
                said += step
            else:
                lost, skipped = step
                del snapshots[max(1, len(snapshots) - lost) :]
                snapshot, chosen = snapshots[-1]
                if chosen == ():  # stays the same until there is another snapshot
                    epochs = [epoch for _, epoch, _ in snapshot]
                    chosen = (
                        CheckpointId(1, epochs[-1 - skipped]) if skipped < len(epochs) else None
                    )
                    snapshots = [(snapshot, chosen)]
                lane = ScoreFileLane(folder, snapshot, lambda _, chosen=chosen: chosen)
                said = said_at[chosen]
        lane.close()
    assert values(folder) == list(range(said))
