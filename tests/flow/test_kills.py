"""A run that is killed again and again says in the end what an uninterrupted one says."""

from pathlib import Path

import numpy as np
import pytest
from flow_tools import (
    config_of,
    killed_after,
    process,
    recorded,
    run_flow,
    run_number,
    said,
    settings,
    stream,
    wait_until,
    whole_checkpoints,
    write_recording,
)

KILLS = 20
KILLS_AT_START = 4
SHARDS = 8


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_killed_again_and_again(tmp_path: Path, workers):
    rng = np.random.default_rng(workers)
    rows = stream(seed=7, hosts=12, steps=4000)
    # Files of unlike length: one that has ended must not be played again.
    partition = np.where(rows["ts"] < rows["ts"].quantile(0.1), 0, rng.integers(1, 3, rows.height))
    recording = write_recording(rows, tmp_path / "recording", partition=partition, rng=rng)
    config = tmp_path / "config.yaml"
    # One row at a time is slow enough to be killed in the middle of.
    config.write_text(settings(tmp_path, source=recorded(recording), rows=1, shards=SHARDS))
    log = tmp_path / "log"
    state = tmp_path / "state"
    with_checkpoint = []
    for at_start in rng.permutation([True] * KILLS_AT_START + [False] * (KILLS - KILLS_AT_START)):
        before = run_number(state)
        with process(config, workers=workers, log=log) as run:
            if not at_start:
                wait_until(lambda n=before: run_number(state) > n, timeout_s=60, what="a start")
                # The first of these is slow enough for a checkpoint on any machine.
                wait_until(lambda: whole_checkpoints(state, SHARDS), timeout_s=60, what="one")
            delay_s = rng.uniform(0.05, 0.9) if at_start else rng.uniform(0.1, 1.6)
            assert killed_after(run, delay_s), f"ended before its kill: {log.read_text()[-2000:]}"
        with_checkpoint.append(bool(whole_checkpoints(state, SHARDS)))
    config.write_text(settings(tmp_path, source=recorded(recording), rows=500, shards=SHARDS))
    with process(config, workers=workers, log=log) as run:
        assert run.wait(120) == 0, log.read_text()[-2000:]
    assert sum(with_checkpoint) >= KILLS / 2
    expected = tmp_path / "expected"
    expected.mkdir()
    run_flow(config_of(settings(expected, source=recorded(recording), shards=SHARDS), expected))
    said(tmp_path / "out").assert_equals(said(expected / "out"))
