"""The metrics dataflow, for ``python -m bytewax.run``.

State is kept where ``-r`` points to the recovery folder inside of the configuration's state.dir::

    python -m bytewax.run "dataflows.metrics:flow('examples/metrics.yaml')" \
        -r var/state/recovery -s 1 -b 0
"""

import atexit
import os
import sys
from contextlib import ExitStack

from bytewax.dataflow import Dataflow

from engine.config import load_config
from engine.pipeline.build import make_plan
from engine.pipeline.runner import Run, Stop, prepared
from engine.pipeline.serve import serve_http
from engine.pipeline.sinks import with_sinks
from engine.pipeline.sources import documents_among


def finish(run: Run, held: ExitStack) -> None:
    """Write what is left at the exit; a failure that Bytewax hid becomes the exit code."""
    held.close()
    error = run.failure.error
    if error is not None:
        sys.stderr.write(f"streamgauge: {error}\n")
        sys.stderr.flush()
        os._exit(1)


def flow(config_path: str) -> Dataflow:
    """Build the flow of a configuration.

    Raises
    ------
    ConfigError
        With all mistakes in the configuration and its rule files.
    SourceError, StateError
        A topic is missing, or the state folder is in use.
    """
    config = with_sinks(load_config(config_path, environment=os.environ, need_sources=True))
    stop = Stop()
    run = Run(config=config, stateful=True, stop=stop)
    open_until_exit = ExitStack()
    atexit.register(finish, run, open_until_exit)
    open_until_exit.enter_context(stop.on_signals())
    partitions = run.find_partitions()
    plan = make_plan(config, tuple(partitions), documents=documents_among(partitions))
    open_until_exit.enter_context(serve_http(config.http, run.observer))
    built, _ = open_until_exit.enter_context(prepared(run, plan, partitions))
    return built
