"""The dataflow of a configuration, for ``python -m bytewax.run``.

State is kept where ``-r`` points to the recovery folder inside of the configuration's state.dir::

    python -m bytewax.run "dataflows.metrics:flow('examples/metrics.yaml')" \
        -r var/state/recovery -s 1 -b 0
"""

import os

from bytewax.dataflow import Dataflow

from dataflows.building import built
from engine.config import load_config
from engine.pipeline.sinks import with_sinks


def flow(config_path: str) -> Dataflow:
    """Build the flow of a configuration.

    Raises
    ------
    ConfigError
        With all mistakes in the configuration and its rule files.
    SourceError, StateError
        A topic is missing, or the state folder is in use.
    """
    return built(with_sinks(load_config(config_path, environment=os.environ, need_sources=True)))
