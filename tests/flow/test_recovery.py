"""What a flow goes on from: crashes at any row, ended files, slow and full disks."""

import errno
import os
import time
from pathlib import Path

import numpy as np
import pytest
from flow_tools import (
    by_host,
    config_of,
    recorded,
    run_flow,
    said,
    settings,
    stream,
    whole_checkpoints,
    write_recording,
)

from engine.errors import StateError
from engine.pipeline.flow import part_names
from engine.pipeline.runner import Run, Stop
from engine.series import blocks

SHARDS = 8


class CrashError(Exception):
    """What no part of the flow catches."""


@pytest.fixture(scope="module")
def rows():
    return stream(seed=3, hosts=9, steps=500)


@pytest.fixture(scope="module")
def expected(rows, tmp_path_factory):
    folder = tmp_path_factory.mktemp("expected")
    recording = write_recording(rows, folder / "recording", partition=np.zeros(rows.height))
    run_flow(config_of(settings(folder, source=recorded(recording), shards=SHARDS), folder))
    return said(folder / "out")


def crash_after(config, rows: int, *, state: Path, workers: int = 1) -> None:
    """Run until so many rows were played and a new checkpoint is whole; then die without a word."""
    played = 0
    before = set(whole_checkpoints(state, SHARDS))

    def progress(count: int) -> None:
        nonlocal played
        played += count
        time.sleep(0.003)  # so that checkpoints have time to be written
        if played >= rows and set(whole_checkpoints(state, SHARDS)) - before:
            raise CrashError

    run = Run(config=config, stateful=True, workers=workers, stop=Stop(), on_progress=progress)
    with pytest.raises(BaseException) as raised:
        run.execute()
    causes = []
    error = raised.value
    while error is not None:
        causes.append(type(error))
        error = error.__cause__ or error.__context__
    assert CrashError in causes


@pytest.mark.parametrize("workers", [1, 2])
def test_crashes_between_checkpoints(rows, expected, tmp_path: Path, workers):
    rng = np.random.default_rng(workers)
    # The first file ends early; it must not be played again after a crash.
    partition = np.where(rows["ts"] < rows["ts"].quantile(0.2), 0, 1 + by_host(rows, 2))
    recording = write_recording(rows, tmp_path / "recording", partition=partition, rng=rng)
    text = settings(
        tmp_path,
        source=recorded(recording),
        rows=3,
        shards=SHARDS,
        checkpoint="100ms",
        epoch="50ms",
    )
    config = config_of(text, tmp_path)
    for _ in range(4):
        rows_min = int(rng.integers(10, 300))
        crash_after(config, rows_min, state=tmp_path / "state", workers=workers)
    run_flow(config, workers=workers, stateful=True)
    said(tmp_path / "out").assert_equals(expected)


def test_a_full_disk_is_said_and_the_state_before_stays_usable(
    rows, expected, tmp_path: Path, monkeypatch
):
    recording = write_recording(rows, tmp_path / "recording", partition=by_host(rows, 2))
    text = settings(tmp_path, source=recorded(recording), rows=20, shards=SHARDS)
    config = config_of(text, tmp_path)
    run_flow(config, stateful=True, stop_after=rows.height // 3)
    assert whole_checkpoints(tmp_path / "state", SHARDS)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(blocks, "encode_block", full)
        with pytest.raises(StateError, match="can't be written: No space left on device"):
            run_flow(config, stateful=True)
    run_flow(config, stateful=True)
    said(tmp_path / "out").assert_equals(expected)


def test_on_a_slow_disk_checkpoints_are_rarer_and_still_resumed_from(
    rows, expected, tmp_path: Path, monkeypatch
):
    """Blocks that take longer than the time between checkpoints must not pile up."""
    recording = write_recording(rows, tmp_path / "recording", partition=by_host(rows, 2))
    text = settings(
        tmp_path,
        source=recorded(recording),
        rows=4,
        shards=SHARDS,
        checkpoint="50ms",
        epoch="50ms",
    )
    config = config_of(text, tmp_path)
    encode = blocks.encode_block
    waiting: list[int] = []
    check = blocks.CheckpointStore.check

    def slow(*arguments: object) -> list:
        time.sleep(0.02)
        return encode(*arguments)

    def counting(store: blocks.CheckpointStore) -> None:
        check(store)
        waiting.append(len(store._failures))

    monkeypatch.setattr(blocks, "encode_block", slow)
    monkeypatch.setattr(blocks.CheckpointStore, "check", counting)
    crash_after(config, rows.height // 2, state=tmp_path / "state")
    # All blocks of one checkpoint and those of the final one are the most that may wait.
    assert 0 < max(waiting) <= 2 * len(part_names(SHARDS))
    taken = whole_checkpoints(tmp_path / "state", SHARDS)
    assert taken
    played: list[int] = []
    run = Run(config=config, stateful=True, stop=Stop(), on_progress=played.append)
    run.execute()
    assert sum(played) < rows.height, "the run began anew"
    said(tmp_path / "out").assert_equals(expected)
