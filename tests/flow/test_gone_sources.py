"""A source that is taken out of the configuration, and put back: the state goes on without it."""

import numpy as np
from flow_tools import (
    by_host,
    config_of,
    recorded,
    run_flow,
    said,
    settings,
    stream,
    write_recording,
)


def test_a_source_may_be_taken_out_and_put_back(tmp_path):
    rows = stream(seed=4, hosts=4, steps=200)
    host = by_host(rows, 2)
    first = write_recording(
        rows.filter(host == 0), tmp_path / "a", partition=np.zeros(sum(host == 0))
    )
    second = write_recording(
        rows.filter(host == 1), tmp_path / "b", partition=np.zeros(sum(host == 1))
    )
    only = settings(tmp_path, source=recorded(first), rows=10, shards=2)
    both = settings(
        tmp_path, source=f"{recorded(first)}}}, {{{recorded(second)}", rows=10, shards=2
    )
    played = 0

    def run(text, *, stop_after=None):
        nonlocal played
        ran = run_flow(config_of(text, tmp_path), stateful=True, stop_after=stop_after)
        registry = ran.telemetry.registry
        counts = [
            registry.get_sample_value("streamgauge_rows_in_total", {"source": name})
            for name in ("a", "b")
        ]
        return [int(count or 0) for count in counts]

    begun = run(both, stop_after=rows.height // 3)
    alone = run(only)
    assert alone == [sum(host == 0) - begun[0], 0]
    rest = run(both)
    assert rest == [0, sum(host == 1) - begun[1]]  # where it was
    said(tmp_path / "out")
