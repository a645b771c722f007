"""JSON-lines lanes of a folder.

Aim: a file has each line once and whole, wherever a run ends and resumes. Method: runs that are cut
off at any write and go on from any checkpoint, against the lines of one run without a crash.
"""

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.config.connections import FolderSink
from engine.errors import SinkError
from engine.events import (
    Alert,
    AlertEvent,
    DeadLetter,
    QualityEvent,
    Reason,
    RuleReference,
    quality_record,
)
from engine.series.blocks import CheckpointId
from engine.sinks.folder import FolderLanes


def never(captured):
    return None


def alert(number, *, tombstone=False):
    event = AlertEvent(
        id=f"{number:032x}",
        fingerprint="f" * 16,
        status="firing",
        labels={"alertname": "A\n"},
        annotations={},
        startsAt="2026-01-01T00:00:00Z",
        endsAt="2026-01-01T00:04:00Z",
        generatorURL="",
        activeAt="2026-01-01T00:00:00Z",
        evaluatedAt="2026-01-01T00:00:00Z",
        value="NaN",
        rule=RuleReference("rules.yaml", "g", "A"),
        seq=number,
        reason="",
    )
    return Alert("f" * 16, number, None if tombstone else event)


def letter(value):
    return DeadLetter("metrics", 3, 17, Reason.DECODE_ERROR, "why", b"key", value, 0)


def lane(folder, name="alerts", resume=None, usable=never):
    return FolderLanes(FolderSink(path=str(folder))).make_lane(name, resume, usable)


def numbers(path):
    return [json.loads(line)["seq"] for line in path.read_text().splitlines()]


def test_an_alert_is_a_line_and_a_tombstone_is_none(tmp_path):
    alerts = lane(tmp_path)
    alerts.write([alert(1), alert(2, tombstone=True), alert(3)])

    lines = (tmp_path / "alerts.jsonl").read_bytes().split(b"\n")  # before close: at once

    assert lines[2:] == [b""]
    assert [msgspec.json.decode(line, type=AlertEvent) for line in lines[:2]] == [
        alert(1).event,
        alert(3).event,
    ]
    alerts.close()


def test_a_dead_letter_is_a_line_whatever_its_bytes(tmp_path):
    letters = lane(tmp_path, "dead_letters")
    letters.write([letter(b'{"a":\n1}'), letter(b"\xff")])
    letters.close()

    text, binary = map(json.loads, (tmp_path / "dead_letters.jsonl").read_text().splitlines())

    assert (text["value"], text.get("encoding", "utf-8")) == ('{"a":\n1}', "utf-8")
    assert (binary["value"], binary["encoding"]) == ("/w==", "base64")
    assert (text["source"], text["partition"], text["offset"]) == ("metrics", 3, 17)
    assert (text["reason"], text["detail"]) == ("decode_error", "why")


def test_what_is_said_of_drift_is_a_line(tmp_path):
    said = [
        quality_record(
            model="m", version="1", segment="a\nb", begin_ns=0, end_ns=9, revision=revision,
            is_final=False, known_at_ns=9, labelled=1, predictions=2, metrics={"f1": 0.5},
        )
        for revision in (1, 2)
    ]  # fmt: skip
    drift = lane(tmp_path, "drift")
    drift.write(said)
    drift.close()

    lines = (tmp_path / "drift.jsonl").read_bytes().splitlines()

    assert [json.loads(line)["type"] for line in lines] == ["quality", "quality"]
    assert [msgspec.json.decode(line, type=QualityEvent) for line in lines] == [
        record.event for record in said
    ]


@pytest.mark.parametrize("name", ["alerts", "drift", "dead_letters"])
def test_a_new_run_begins_with_an_empty_file_at_once(tmp_path, name):
    path = tmp_path / "new" / f"{name}.jsonl"
    path.parent.mkdir()
    path.write_text("from an earlier run\n")
    one = lane(path.parent, name)
    assert path.read_bytes() == b""
    one.close()
    assert path.read_bytes() == b""


def test_all_outputs_have_a_lane(tmp_path):
    sink = FolderLanes(FolderSink(path=str(tmp_path / "out")))
    for name in sink.lanes:
        sink.make_lane(name, None, never).close()
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == ["alerts.jsonl", "dead_letters.jsonl", "drift.jsonl", "scores.parquet"]


def test_closing_twice_is_harmless(tmp_path):
    one = lane(tmp_path)
    one.close()
    one.close()


def test_what_came_after_the_checkpoint_is_cut_off(tmp_path):
    first = lane(tmp_path)
    first.write([alert(1)])
    first.mark(CheckpointId(1, 1))
    first.write([alert(2)])
    first.mark(CheckpointId(1, 2))
    snapshot = first.snapshot()
    first.write([alert(3)])
    with (tmp_path / "alerts.jsonl").open("ab") as file:
        file.write(b'{"torn')

    second = lane(tmp_path, resume=snapshot, usable=lambda captured: captured[0])
    assert numbers(tmp_path / "alerts.jsonl") == [1]
    second.write([alert(2)])
    second.close()

    assert numbers(tmp_path / "alerts.jsonl") == [1, 2]
    assert second.snapshot() == ((1, 1, snapshot[0][2]),)
    first.close()


def test_without_a_usable_checkpoint_the_file_starts_over(tmp_path):
    first = lane(tmp_path)
    first.write([alert(1)])
    first.mark(CheckpointId(1, 1))
    first.close()
    lane(tmp_path, resume=first.snapshot(), usable=never).close()
    assert numbers(tmp_path / "alerts.jsonl") == []


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"{}")])
def test_a_file_that_lost_lines_is_refused(tmp_path, damage):
    first = lane(tmp_path)
    first.write([alert(1)])
    first.mark(CheckpointId(1, 1))
    first.close()
    damage(tmp_path / "alerts.jsonl")
    with pytest.raises(SinkError, match=r"alerts\.jsonl: \d+ bytes .* are missing"):
        lane(tmp_path, resume=first.snapshot(), usable=max)


def test_a_full_disk_is_named(tmp_path):
    (tmp_path / "alerts.jsonl").symlink_to("/dev/full")
    full = lane(tmp_path)
    with pytest.raises(SinkError, match=r"alerts\.jsonl: can't be written: No space left"):
        full.write([alert(1)])
    with pytest.raises(SinkError, match="can't be written"):
        full.close()


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SinkError, match="can't be written: Not a directory"):
        lane(tmp_path / "file" / "out")


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.lists(st.integers(1, 3), max_size=6),  # alerts of each write of the run
            st.lists(st.booleans(), min_size=6, max_size=6),  # a checkpoint after it
            st.integers(0, 5),  # the write after which the last snapshot was taken
            st.integers(0, 4),  # how many checkpoints before its last one is usable, if any
        ),
        min_size=1,
        max_size=4,
    )
)
def test_any_crashes_and_resumes_leave_each_line_once(tmp_path_factory, runs):
    folder = tmp_path_factory.mktemp("crash")
    snapshot, counts = None, {None: 0}  # alerts said up to each checkpoint
    usable_back = 0  # the same as long as the snapshot is

    for run, (writes, checkpoints, snapshot_at, back) in enumerate(runs):
        chosen = None

        def usable(captured, skip=usable_back):
            nonlocal chosen
            chosen = captured[-1 - skip] if skip < len(captured) else None
            return chosen

        one = lane(folder, resume=snapshot, usable=usable)
        said = counts[chosen]
        assert numbers(folder / "alerts.jsonl") == list(range(said))
        for number, count in enumerate(writes):
            one.write([alert(said + i) for i in range(count)])
            said += count
            if checkpoints[number]:
                one.mark(CheckpointId(run, number))
                counts[CheckpointId(run, number)] = said
            if number == snapshot_at:
                snapshot, usable_back = one.snapshot(), back
        assert numbers(folder / "alerts.jsonl") == list(range(said))
        one.close()  # writes nothing more: what a crash leaves
