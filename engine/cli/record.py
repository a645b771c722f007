"""``streamgauge record``: what a configuration's topics hold, as a recording."""

import os
from pathlib import Path

from engine.cli.arguments import DurationArgument, StartArgument
from engine.cli.console import Console, count_text
from engine.config.load import load_config
from engine.pipeline.runner import Stop
from engine.replay.recorder import record


def record_command(
    config: Path,
    *,
    out: Path,
    duration: DurationArgument | None = None,
    until_end: bool = False,
    start: StartArgument | None = None,
    json: bool = False,
) -> None:
    """Write what a configuration's topics hold as a recording.

    A replay of it says what a run on the same messages said. Late samples are in it, too. While a
    run with the same `state.dir` goes on beside it, so is what that run decided in silences. Ctrl-C
    or SIGTERM ends the recording.

    Parameters
    ----------
    config
        The configuration.
    out
        Folder for the recording: Parquet files of metrics, JSON Lines of predictions and calls.
    duration
        How long to record.
    until_end
        Stop once the ends of all partitions are reached.
    start
        Where to begin, instead of what the sources say: latest, earliest, -1h (a time ago) or
        2026-01-31T12:00:00Z.
    json
        Print the summary as JSON.
    """
    settings = load_config(config, environment=os.environ, need_sources=True)
    console = Console(json=json)
    stop = Stop()
    with stop.on_signals(), console.progress("recording") as bar:
        summary = record(
            settings,
            out,
            start=start,
            duration_ns=duration,
            until_end=until_end,
            stopping=stop,
            on_progress=bar.advance,
        )
    if json:
        console.print_json(summary)
        return
    result = f"the recording is in {out}" if summary.samples else "there is no recording"
    console.line(
        f"{count_text(summary.samples, 'sample')} of {count_text(summary.series, 'series')} from "
        f"{count_text(summary.partitions, 'partition')}; {result}"
    )
    for reason, count in sorted(summary.rejected.items()):
        console.line(f"left out: {count:,} {reason}")
