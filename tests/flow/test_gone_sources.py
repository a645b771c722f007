"""A source that is taken out of the configuration, and put back: the state goes on without it."""

import numpy as np
from flow_tools import by_host, config_of, recorded, said, settings, stream, write_recording

from engine.pipeline.runner import Run, Stop


def rows_played(text, folder, *, stop_after=None):
    """Run to the end, or until so many rows were played; give their number."""
    stop, played = Stop(), 0

    def progress(rows):
        nonlocal played
        played += rows
        if stop_after is not None and played >= stop_after:
            stop.set()

    config = config_of(text, folder)
    Run(config=config, stateful=True, stop=stop, on_progress=progress).execute()
    return played


def test_a_source_may_be_taken_out_and_put_back(tmp_path):
    rows = stream(seed=4, hosts=4, steps=200)
    host = by_host(rows, 2)
    sources = []
    for number, name in enumerate("ab"):
        own = rows.filter(host == number)
        sources.append(
            recorded(write_recording(own, tmp_path / name, partition=np.zeros(own.height)))
        )
    only = settings(tmp_path, source=sources[0], rows=10, shards=2)
    both = settings(tmp_path, source="}, {".join(sources), rows=10, shards=2)
    begun = rows_played(both, tmp_path, stop_after=rows.height // 3)
    assert 0 < begun < rows.height
    alone = rows_played(only, tmp_path)
    assert 0 < alone < np.count_nonzero(host == 0)  # no row of it again, and none of the other
    rest = rows_played(both, tmp_path)
    assert begun + alone + rest == rows.height  # the other one goes on from where it was
    said(tmp_path / "out")
