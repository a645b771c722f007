"""Spilled rows: what is written comes back once, from whichever segment, and survives restarts.

Method: a dictionary of rows is the twin of a spill under random writes, takes, merges, restarts.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.drift.label_rows import ROW
from engine.drift.spill import SEGMENTS_MAX, Spill
from engine.drift.spill_kernels import KEYS_PER_WORD, may_hold, remember
from engine.drift.spill_segment import CHUNK_ROWS
from engine.errors import StateError


def rows_of(keys, numbers):
    rows = np.zeros(len(keys), ROW)
    rows["key"], rows["ts"] = keys, numbers
    return rows


def pairs(rows):
    return sorted(zip(rows["key"].tolist(), rows["ts"].tolist(), strict=True))


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["write", "take", "restart", "close"]),
        st.lists(st.integers(0, 30), max_size=12),
        st.integers(0, 3),
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(steps=STEPS)
def test_a_spill_is_a_dictionary_on_disk(tmp_path_factory, steps):
    folder = tmp_path_factory.mktemp("spill")
    spill, twin, number = Spill(folder), {}, 0
    for what, keys, stretch in steps:
        if what == "write":
            fresh = sorted(set(keys) - twin.keys()) * 2  # a key's rows share a segment
            numbers = range(number, number + len(fresh))
            number += len(fresh)
            spill.write(rows_of(fresh, list(numbers)), np.full(len(fresh), stretch))
            for key, its in zip(fresh, numbers, strict=True):
                twin.setdefault(key, (stretch, []))[1].append(its)
        elif what == "take":
            taken = [(key, n) for key in set(keys) & twin.keys() for n in twin.pop(key)[1]]
            assert pairs(spill.take(np.array(keys, np.uint64))) == sorted(taken)
        elif what == "restart":
            arrays, meta = spill.snapshot()
            spill = Spill(folder)
            spill.restore(arrays, meta)
            assert {path.name for path in folder.iterdir()} == set(spill.files)
        else:
            over = [key for key, (its, _) in twin.items() if its < stretch]
            closed = [(key, n) for key in over for n in twin.pop(key)[1]]
            pieces = list(spill.take_before(stretch))
            assert sorted(pair for piece in pieces for pair in pairs(piece)) == sorted(closed)
        assert len(spill) == sum(len(numbers) for _, numbers in twin.values())


def test_many_segments_of_a_stretch_become_one(tmp_path):
    spill = Spill(tmp_path)
    rng = np.random.default_rng(4)
    keys = rng.integers(0, 2**64, 3 * CHUNK_ROWS, dtype=np.uint64)
    for part in np.array_split(keys, SEGMENTS_MAX):
        spill.write(rows_of(part, np.arange(len(part))), np.zeros(len(part), np.int64))
    gone = keys[:1000]
    assert len(spill.take(gone)) == 1000
    assert len(spill.files) == SEGMENTS_MAX
    spill.write(rows_of(np.array([7], np.uint64), [1]), np.zeros(1, np.int64))
    assert len(spill.files) == 1
    assert len(spill) == len(keys) - 999
    assert len(spill.take(gone)) == 0
    assert sorted(spill.take(keys)["key"].tolist()) == sorted(keys[1000:].tolist())


def test_files_stay_until_no_checkpoint_names_them(tmp_path):
    spill = Spill(tmp_path)
    spill.write(rows_of([1], [1]), np.zeros(1, np.int64))
    arrays, meta = spill.snapshot()
    named = spill.files
    assert len(spill.take(np.array([1], np.uint64))) == 1
    spill.remove_unused(named)
    assert (tmp_path / named[0]).exists()
    again = Spill(tmp_path)
    again.restore(arrays, meta)
    assert len(again) == 1
    spill.remove_unused(())
    assert not (tmp_path / named[0]).exists()


def test_what_a_run_without_a_checkpoint_left_is_removed(tmp_path):
    for file in ("0000000001.rows", "0000000002.rows", "0000000003.rows.part"):
        (tmp_path / file).write_bytes(b"left")
    spill = Spill(tmp_path)
    spill.write(rows_of([1], [1]), np.zeros(1, np.int64))
    spill.remove_unused(())
    assert [path.name for path in tmp_path.iterdir()] == list(spill.files)
    assert len(spill.take(np.array([1], np.uint64))) == 1


def test_sync_takes_files_that_are_gone_meanwhile(tmp_path):
    spill = Spill(tmp_path)
    spill.write(rows_of([1, 2], [1, 2]), np.array([0, 1]))
    spill.take(np.array([1], np.uint64))
    spill.remove_unused(())
    spill.sync()
    arrays, meta = spill.snapshot()
    again = Spill(tmp_path)
    again.restore(arrays, meta)
    assert pairs(again.take(np.array([2], np.uint64))) == [(2, 2)]


@pytest.mark.parametrize("harm", ["missing", "empty", "short", "changed", "another"])
def test_harm_is_found_at_restore(tmp_path, harm):
    spill = Spill(tmp_path)
    spill.write(rows_of([1, 2], [1, 2]), np.zeros(2, np.int64))
    snapshot = spill.snapshot()
    path = tmp_path / spill.files[0]
    raw = bytearray(path.read_bytes())
    if harm == "missing":
        path.unlink()
    elif harm == "empty":
        path.write_bytes(b"")
    elif harm == "short":
        path.write_bytes(raw[:-60])
    elif harm == "another":
        with path.open("wb") as stream:
            np.save(stream, np.zeros(2))
    else:
        raw[-20] ^= 1
        path.write_bytes(raw)
    with pytest.raises(StateError, match="remove the state folder"):
        Spill(tmp_path).restore(*snapshot)


def test_a_filter_misses_nothing_and_passes_few_others():
    rng = np.random.default_rng(9)
    keys = rng.integers(0, 2**64, 20_000, dtype=np.uint64)
    words = np.zeros(len(keys) // KEYS_PER_WORD, np.uint64)
    remember(words, keys)
    passes = np.empty(len(keys), np.bool_)
    assert may_hold(words, keys, passes) == len(keys)
    others = rng.integers(0, 2**64, len(keys), dtype=np.uint64)
    assert may_hold(words, others, passes) < 0.05 * len(others)
