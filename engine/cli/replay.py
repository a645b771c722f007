"""``streamgauge replay``: play a recording through a configuration."""

import os
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from engine.cli.console import Console, count_text
from engine.config.connections import RecordingSource
from engine.config.load import load_config
from engine.config.schema import Config
from engine.errors import UsageError
from engine.replay.player import replay


def replay_command(
    recording: Path,
    *,
    config: Path | None = None,
    out: Path,
    name: str | None = None,
    label: tuple[str, ...] = (),
    exclude: tuple[str, ...] = (),
    timestamp_unit: Literal["auto", "s", "ms", "us", "ns"] = "auto",
    emit: Literal["anomalous", "all", "none"] | None = None,
    workers: Annotated[int, Parameter(name=["--workers", "-w"])] = 1,
    json: bool = False,
) -> None:
    """Play a recording through a configuration, as if it were live, as fast as it goes.

    Writes alerts.jsonl, drift.jsonl, dead_letters.jsonl, scores.parquet and summary.json. They
    say exactly what a live run on the same data would have said.

    Parameters
    ----------
    recording
        File or folder of Parquet, CSV or JSON Lines.
    config
        The configuration; its sources but for files of feedback and its sinks are left out.
        Without one: the defaults.
    out
        Folder for the results.
    name
        Metric name where the only column of a wide file is `value`.
    label
        key=value, added to every series.
    exclude
        Column of a wide recording to leave out.
    timestamp_unit
        Unit of numeric timestamps.
    emit
        Which scores to write, instead of what the configuration says.
    workers
        Bytewax workers.
    json
        Print the summary as JSON.
    """
    from msgspec.structs import replace

    settings = load_config(config, environment=os.environ) if config else Config()
    if emit is not None:
        settings = replace(settings, scores=replace(settings.scores, emit=emit))
    source = RecordingSource(
        path=str(recording),
        name=name,
        labels=_labels(label),
        exclude=exclude,
        timestamp_unit=timestamp_unit,
    )
    console = Console(json=json)
    with console.progress("playing") as bar:
        summary = replay(settings, source, out, workers=workers, on_progress=bar.advance)
    if json:
        console.print_json(summary)
        return
    console.episodes(summary.episodes)
    said = f"{count_text(summary.samples, 'sample')} of {count_text(summary.series, 'series')}"
    if summary.predictions:
        # Labels may stand in the predictions' rows: these are the ones that came later.
        labels = count_text(summary.labels, "later label")
        said = f"{count_text(summary.predictions, 'prediction')} and {labels}, {said}"
    console.line(f"{said} up to {summary.watermark}; results are in {out}")


def _labels(pairs: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not (key and equals):
            raise UsageError(f"--label takes key=value, not {pair}")
        found[key] = value
    return found
