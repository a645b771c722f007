"""Blocks come back as they were or not at all; a checkpoint counts when it is whole."""

import errno
import os
from pathlib import Path
from threading import Event

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from engine.errors import StateError
from engine.series.blocks import (
    FINAL_EPOCH,
    CheckpointId,
    CheckpointStore,
    decode_block,
    encode_block,
)
from engine.series.snapshot import Snapshots, Table

DTYPES = st.sampled_from([np.int64, np.float64, np.int32, np.uint8, np.bool_, np.uint64])
ARRAYS = st.dictionaries(
    st.text(max_size=12),
    DTYPES.flatmap(lambda dtype: hnp.arrays(dtype, hnp.array_shapes(max_dims=3, min_side=0))),
    max_size=4,
)
META = st.dictionaries(st.text(max_size=5), st.lists(st.integers(-(2**63), 2**63 - 1)), max_size=3)
PARTS = frozenset({"s0.12", "r/0"})


def encoded(arrays, meta):
    return b"".join(encode_block(arrays, meta))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(ARRAYS, META)
def test_what_is_written_is_read(arrays, meta):
    got, raw = decode_block(encoded(arrays, meta), "b")
    assert list(got) == list(arrays)
    for name, array in arrays.items():
        assert (got[name].dtype, got[name].shape) == (array.dtype, array.shape)
        assert got[name].tobytes() == array.tobytes()
        assert got[name].flags.writeable
    assert msgspec.msgpack.decode(raw) == meta


def test_a_view_with_strides_is_written_as_it_looks():
    array = np.arange(24).reshape(4, 6)[::2, 1::2]
    got, _ = decode_block(encoded({"a": array}, None), "b")
    np.testing.assert_array_equal(got["a"], array)


EXAMPLE = encoded({"a": np.arange(5), "b": np.array([0.5])}, {"series": ["x", "y"], "done": 7})


@pytest.mark.parametrize("place", range(len(EXAMPLE)))
def test_any_damaged_byte_is_noticed(place):
    damaged = bytearray(EXAMPLE)
    damaged[place] ^= 1
    with pytest.raises(StateError, match="state/x"):
        decode_block(bytes(damaged), "state/x")


@pytest.mark.parametrize("length", [0, 3, 8, 11, 12, 20, len(EXAMPLE) - 1])
def test_a_cut_block_is_noticed(length):
    with pytest.raises(StateError):
        decode_block(EXAMPLE[:length], "x")
    with pytest.raises(StateError):
        decode_block(EXAMPLE + b"\0", "x")


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.integers(0, 10**8 - 1), st.integers(0, FINAL_EPOCH))
def test_folder_names_read_back_and_sort_as_the_checkpoints_do(run, epoch):
    checkpoint = CheckpointId(run, epoch)
    assert CheckpointId.parse(str(checkpoint)) == checkpoint
    earlier = CheckpointId(run, max(0, epoch - 1))
    assert (str(earlier) < str(checkpoint)) == (earlier < checkpoint)


@pytest.mark.parametrize("text", ["", "1-2", "00000001-0000000002x", "lock"])
def test_other_folders_are_no_checkpoints(text):
    assert CheckpointId.parse(text) is None


def at(epoch):
    return CheckpointId(1, epoch)


def store_of(folder, keep=2):
    # The whole processor: no rests between the blocks of a test.
    return CheckpointStore(folder, PARTS, keep=keep, cpu_share=1.0)


def filled(folder, *epochs, parts=PARTS):
    store = store_of(folder)
    for epoch in epochs:
        for part in sorted(parts):
            store.write(at(epoch), part, {"epoch": np.array([epoch])}, {"part": part})
    store.close()
    return store


def folders(folder):
    return sorted(path.name for path in folder.iterdir())


def test_whole_checkpoints_are_read_back(tmp_path):
    filled(tmp_path / "deep" / "state", 1, 2)
    store = store_of(tmp_path / "deep" / "state")
    assert store.usable == {at(1), at(2)}
    for part in PARTS:
        arrays, meta = store.read(at(2), part)
        assert arrays["epoch"].tolist() == [2]
        assert msgspec.msgpack.decode(meta) == {"part": part}


def test_a_checkpoint_without_all_parts_is_not_used(tmp_path):
    filled(tmp_path, 1)
    filled(tmp_path, 2, parts={"r/0"})
    store = store_of(tmp_path)
    assert store.usable == {at(1)}
    assert store.newest_usable((at(1), at(2), at(3))) == at(1)
    assert store.newest_usable((at(2),)) is None
    assert store.newest_usable(()) is None
    with pytest.raises(StateError, match=r"s0\.12"):
        store.read(at(2), "s0.12")


def test_checkpoints_of_this_run_are_not_resumed_from(tmp_path):
    store = filled(tmp_path, 1)
    assert store.newest_usable((at(1),)) is None


def test_older_ones_go_only_when_newer_ones_are_whole(tmp_path):
    filled(tmp_path, 1, 2)
    filled(tmp_path, 3, 4, parts={"r/0"})
    assert folders(tmp_path) == [str(at(epoch)) for epoch in (1, 2, 3, 4)]
    filled(tmp_path, 5)
    # The two newest whole ones stay, with what lies between them.
    assert folders(tmp_path) == [str(at(epoch)) for epoch in (2, 3, 4, 5)]
    filled(tmp_path, 6)
    assert folders(tmp_path) == [str(at(epoch)) for epoch in (5, 6)]


def test_leftovers_of_a_crash_are_removed_and_never_read(tmp_path):
    filled(tmp_path, 1)
    leftover = tmp_path / str(at(2)) / "s0.12.tmp"
    leftover.parent.mkdir()
    leftover.write_bytes(EXAMPLE[:40])
    (tmp_path / "notes").mkdir()
    store = store_of(tmp_path)
    assert not leftover.exists()
    assert store.usable == {at(1)}


def no_space(*_arguments, **_options):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(("target", "name"), [(os, "fsync"), (Path, "open"), (Path, "replace")])
def test_a_full_disk_is_told_and_leaves_what_was_there(tmp_path, monkeypatch, target, name):
    filled(tmp_path, 1)
    store = store_of(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(target, name, no_space)
        store.write(at(2), "r/0", {"a": np.arange(3)}, None)
        with pytest.raises(StateError, match="No space left"):
            store.close()
    with pytest.raises(StateError, match="stays usable"):
        store.check()
    with pytest.raises(StateError):
        store.write(at(3), "r/0", {"a": np.arange(3)}, None)
    assert list(tmp_path.rglob("*.tmp")) == []
    after = store_of(tmp_path)
    assert after.usable == {at(1)}
    assert after.read(at(1), "s0.12")[0]["epoch"].tolist() == [1]


def test_a_block_that_was_written_over_is_the_new_one(tmp_path):
    filled(tmp_path, 1)
    store = store_of(tmp_path)
    store.write(at(1), "r/0", {"epoch": np.array([77])}, {"part": "r/0"})
    store.close()
    assert store_of(tmp_path).read(at(1), "r/0")[0]["epoch"].tolist() == [77]


def snapshot_of(values):
    snapshots = Snapshots()
    return snapshots, snapshots.take({"t": [Table({"v": values})]})


def test_a_snapshot_is_written_as_it_was(tmp_path):
    store, values = store_of(tmp_path), np.arange(2000.0)
    snapshots, arrays = snapshot_of(values)
    changed = np.arange(0, 2000, 3, dtype=np.int32)
    snapshots.keep(changed)
    values[changed] = -1.0
    plain = encoded({"t|v": np.arange(2000.0), "a": np.arange(3)}, {"x": 1})
    assert encoded(arrays | {"a": np.arange(3)}, {"x": 1}) == plain
    _, arrays = snapshot_of(values)
    for part in sorted(PARTS):
        store.write(at(1), part, arrays if part == "r/0" else {}, None)
    del arrays
    store.close()
    assert len(snapshots) == 0
    np.testing.assert_array_equal(store_of(tmp_path).read(at(1), "r/0")[0]["t|v"], values)


class Gate:
    """Holds the writer back until it is opened."""

    def __init__(self, store):
        self.event = Event()
        store._writer.submit(self.event.wait)

    def open(self):
        self.event.set()


def test_the_block_that_costs_most_memory_is_written_first(tmp_path, monkeypatch):
    written = []
    store_block = CheckpointStore._store
    monkeypatch.setattr(
        CheckpointStore,
        "_store",
        lambda store, block: (written.append((block.checkpoint, block.part)),
                              store_block(store, block)),
    )  # fmt: skip
    store = store_of(tmp_path)
    gate = Gate(store)
    values = np.zeros(100)
    for checkpoint, part, changes in ((1, "a", 0), (1, "b", 5), (1, "c", 9), (2, "d", 50)):
        snapshots, arrays = snapshot_of(values)
        snapshots.keep(np.arange(changes, dtype=np.int32))
        store.write(at(checkpoint), part, arrays, None)
    gate.open()
    store.close()
    assert written == [(at(1), "c"), (at(1), "b"), (at(1), "a"), (at(2), "d")]


def test_a_block_that_could_not_be_written_holds_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", no_space)
    store = store_of(tmp_path)
    gate = Gate(store)
    snapshots, arrays = snapshot_of(np.zeros(100))
    snapshot = arrays["t|v"].snapshot
    store.write(at(1), "r/0", arrays, None)
    snapshots.keep(np.arange(10, dtype=np.int32))
    assert snapshot.held_bytes == 80
    gate.open()
    with pytest.raises(StateError, match="No space left"):
        store.close()
    snapshots.keep(np.arange(20, dtype=np.int32))
    assert snapshot.held_bytes == 0
    assert snapshot.arrays() == {}


def test_the_more_memory_is_held_the_less_the_writer_rests(tmp_path, monkeypatch):
    rests = []
    now = iter(range(0, 10**12, 50_000_000))
    monkeypatch.setattr("engine.series.blocks.sleep", rests.append)
    monkeypatch.setattr("engine.series.blocks.elapsed_ns", lambda: next(now))
    store = CheckpointStore(tmp_path, PARTS, cpu_share=0.1, held_max_bytes=1600)
    gate = Gate(store)
    values = np.zeros(100)
    kept = []
    for part, changes in (("a", 100), ("b", 50)):
        snapshots, arrays = snapshot_of(values)
        snapshots.keep(np.arange(changes, dtype=np.int32))
        kept.append(arrays)
        store.write(at(1), part, arrays, None)
    gate.open()
    store._writer.submit(int).result()  # the only thread is through with the blocks
    store.close()
    # After "a" a quarter of the room is still held: a quarter of the processor. Then nothing is.
    assert sum(rests) == pytest.approx(0.05 * 3 + 0.05 * 9)


def test_writing_rests_in_proportion(tmp_path, monkeypatch):
    rests = []
    now = iter(range(0, 10**12, 50_000_000))
    monkeypatch.setattr("engine.series.blocks.sleep", rests.append)
    monkeypatch.setattr("engine.series.blocks.elapsed_ns", lambda: next(now))
    store = CheckpointStore(tmp_path, PARTS, cpu_share=0.1)
    store.write(at(1), "r/0", {}, None)
    store._writer.submit(int).result()  # the only thread is through with the block
    store.close()
    assert sum(rests) == pytest.approx(0.45)
    assert store.seconds_written == pytest.approx(0.05)


def test_a_flow_that_has_gained_parts_goes_on_from_what_is_whole(tmp_path):
    with_models = frozenset({*PARTS, "m/0"})
    filled(tmp_path, 1)
    store = CheckpointStore(tmp_path, with_models, cpu_share=1.0)
    assert store.usable == {at(1)}
    for part in sorted(PARTS):  # but not all that there are now
        store.write(at(2), part, {"epoch": np.array([2])}, {"part": part})
    store.close()
    assert store_of(tmp_path).usable == {at(1)}
