"""``streamgauge run``: watch the streams of a configuration."""

import os
from pathlib import Path
from typing import Annotated

import structlog
from cyclopts import Parameter

from engine.config.load import load_config
from engine.config.schema import Config
from engine.errors import UsageError
from engine.pipeline.runner import Run, Stop
from engine.pipeline.sinks import with_sinks

_log = structlog.get_logger()


def run_command(
    config: Path,
    *,
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

    settings = load()
    stop = Stop()
    run = Run(config=settings, stateful=True, workers=workers, stop=stop)
    _log.info("starting", config=str(config), workers=workers, state=settings.state.dir)
    with stop.on_signals(reload):
        run.execute()
    _log.info("stopped", records_said=run.observer.said, rows_handled=run.observer.handled)
