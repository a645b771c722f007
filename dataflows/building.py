"""Builds the flow of a configuration for ``python -m bytewax.run``, which runs it."""

import atexit
import os
import sys
from contextlib import ExitStack

from bytewax.dataflow import Dataflow

from engine.config.schema import Config
from engine.pipeline.build import make_plan
from engine.pipeline.runner import Run, Stop, prepared
from engine.pipeline.serve import serve_http
from engine.pipeline.sources import documents_among


def finish(run: Run, held: ExitStack) -> None:
    """Write what is left at the exit; a failure that Bytewax hid becomes the exit code."""
    held.close()
    error = run.failure.error
    if error is not None:
        sys.stderr.write(f"streamgauge: {error}\n")
        sys.stderr.flush()
        os._exit(1)


def built(config: Config) -> Dataflow:
    """Build a flow, with all that it needs held open until the exit.

    Raises
    ------
    ConfigError
        With all mistakes in names and rule files.
    SourceError, StateError
        A topic is missing, or the state folder is in use.
    """
    stop = Stop()
    run = Run(config=config, stateful=True, stop=stop)
    open_until_exit = ExitStack()
    atexit.register(finish, run, open_until_exit)
    open_until_exit.enter_context(stop.on_signals())
    partitions = run.find_partitions()
    plan = make_plan(config, tuple(partitions), documents=documents_among(partitions))
    open_until_exit.enter_context(serve_http(config.http, run.observer))
    flow, _ = open_until_exit.enter_context(prepared(run, plan, partitions))
    return flow
