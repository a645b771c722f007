"""Plays a recording through the flow of a configuration into a folder."""

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from msgspec.structs import replace

from engine import __version__
from engine.config.connections import FolderSink, RecordingSource, Sink
from engine.config.schema import Config, HttpConfig
from engine.errors import SinkError
from engine.events import rfc3339
from engine.pipeline.runner import Run, Stop
from engine.pipeline.sources import recorded_feedback, recorded_sources
from engine.replay.episodes import Episode, Episodes


class Summary(msgspec.Struct, kw_only=True):
    """What a replay found, as in ``summary.json``."""

    version: str
    recording: str
    samples: int
    series: int
    predictions: int = 0
    labels: int = 0
    watermark: str | None
    records: dict[str, int]
    dead_letters: dict[str, int]
    warming_up: dict[str, int]
    unhealthy_rules: dict[str, int]
    rule_errors: dict[str, str]
    complete: bool
    episodes: list[Episode]


def replay(
    config: Config,
    recording: RecordingSource,
    out: Path,
    *,
    beside: Sequence[RecordingSource] = (),
    workers: int = 1,
    on_progress: Callable[[int], None] = lambda _: None,
    on_fired: Callable[[list[Episode]], None] = lambda _: None,
) -> Summary:
    """Play a recording as if it were live, as fast as it goes.

    The configuration's own sources and sinks, its state and its HTTP server are left out, but for
    sources that are files of feedback; what its sources rename and leave out, the recording does.

    Parameters
    ----------
    config : Config
    recording : RecordingSource
        Its path is relative to the working directory.
    out : Path
        Folder for ``alerts.jsonl`` and the other files; made if it is not there.
    beside : sequence of RecordingSource
        Further recordings to play in the same flow.
    workers : int
    on_progress : callable
        Told of rows as they are played.
    on_fired : callable
        Told of episodes as they begin to fire.

    Raises
    ------
    UsageError
        Sources differ in what they rename and leave out, and the recording can't do both.
    StreamgaugeError
        The recording can't be read or the folder can't be written.
    """
    config = replace(
        config,
        sources=(
            *(s for one in (recording, *beside) for s in recorded_sources(config, one)),
            *recorded_feedback(config),
        ),
        sinks=(Sink(folder=FolderSink(path=str(out))),),
        http=HttpConfig(listen=None),
    )
    episodes = Episodes()
    stop = Stop()
    run = Run(
        config=config,
        stateful=False,
        workers=workers,
        on_alerts=lambda alerts: on_fired(episodes.add(alerts)),
        on_progress=on_progress,
        stop=stop,
    )
    with stop.on_signals():
        run.execute()
    observer = run.observer
    summary = Summary(
        version=__version__,
        recording=recording.path,
        samples=observer.handled,
        series=observer.series,
        predictions=observer.predictions,
        labels=observer.labels,
        watermark=None if observer.watermark is None else rfc3339(observer.watermark),
        records=dict(sorted(observer.said.items())),
        dead_letters=observer.dead_letters(),
        warming_up=observer.warming_up(),
        unhealthy_rules=observer.unhealthy_rules,
        rule_errors=observer.rule_errors,
        complete=not stop(),
        episodes=episodes.fired(),
    )
    path = out / "summary.json"
    try:
        path.write_bytes(msgspec.json.format(msgspec.json.encode(summary), indent=2) + b"\n")
    except OSError as error:
        raise SinkError(f"{path} can't be written: {error.strerror}") from error
    return summary
