"""What a flow goes on from: crashes at any row, ended files, slow and full disks."""

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

from engine.pipeline.runner import Run, Stop

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


def crash_after(config, rows: int, *, workers: int = 1) -> None:
    """Run until so many rows were played, then die without a word to anyone."""
    played = 0

    def progress(count: int) -> None:
        nonlocal played
        played += count
        if played >= rows:
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
    newest = []
    for _ in range(5):
        crash_after(config, int(rng.integers(300, 1800)), workers=workers)
        newest += whole_checkpoints(tmp_path / "state", SHARDS)[-1:]
    assert len(set(newest)) >= 3, "the runs took too few checkpoints to say anything"
    run_flow(config, workers=workers, stateful=True)
    said(tmp_path / "out").assert_equals(expected)
