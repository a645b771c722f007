"""``streamgauge run``: watch the streams of a configuration."""

import os
from pathlib import Path
from typing import Annotated

import structlog
from cyclopts import Parameter

from engine.cli.console import Console
from engine.config.connections import RecordingSource
from engine.config.load import load_config
from engine.config.schema import Config
from engine.errors import UsageError
from engine.pipeline.plan import FlowPlan
from engine.pipeline.runner import Run, Stop
from engine.pipeline.series_shard import SeriesShard
from engine.pipeline.sinks import with_sinks
from engine.pipeline.warm_start import warm_shards

_log = structlog.get_logger()


def run_command(
    config: Path,
    *,
    warm_from: Path | None = None,
    workers: Annotated[int, Parameter(name=["--workers", "-w"])] = 1,
) -> None:
    """Watch the streams of a configuration until SIGTERM or Ctrl-C.

    State is kept in state.dir: after a stop or a crash the run goes on where it was. SIGHUP reads
    the configuration and its rule files anew; a rule of the same group, name and labels keeps its
    alerts.

    Parameters
    ----------
    config
        The configuration.
    warm_from
        A recording, file or folder, that detectors learn from before they see the streams. A run
        that goes on from its own state does without.
    workers
        Bytewax workers in this process.
    """

    def load() -> Config:
        return with_sinks(load_config(config, environment=os.environ, need_sources=True))

    def reload() -> None:
        try:
            run.reload(load())
        except UsageError as error:
            _log.error("the new configuration can't be used, going on as before", error=str(error))

    def warm(plan: FlowPlan) -> dict[int, SeriesShard]:
        _log.info("warming up", recording=str(warm_from))
        recording = RecordingSource(path=str(warm_from))
        with Console().progress("warming up") as bar:
            return warm_shards(plan, recording, stopping=stop, on_progress=bar.advance)

    settings = load()
    stop = Stop()
    run = Run(
        config=settings,
        stateful=True,
        workers=workers,
        warm=None if warm_from is None else warm,
        stop=stop,
    )
    _log.info("starting", config=str(config), workers=workers, state=settings.state.dir)
    with stop.on_signals(reload):
        run.execute()
    _log.info("stopped", records_said=run.observer.said, rows_handled=run.observer.handled)
