"""The dataflow of a configuration with models, for ``python -m bytewax.run``.

One configuration builds one flow, so that rules see metrics and models alike; this one asks for a
source of predictions, labels or LLM calls::

    python -m bytewax.run "dataflows.predictions:flow('examples/models.yaml')" \
        -r var/state/recovery -s 1 -b 0
"""

import os

from bytewax.dataflow import Dataflow

from dataflows.building import built
from engine.config import load_config
from engine.config.connections import DOCUMENT_KINDS
from engine.errors import UsageError
from engine.pipeline.sinks import with_sinks


def flow(config_path: str) -> Dataflow:
    """Build the flow of a configuration.

    Raises
    ------
    UsageError
        It has no source of predictions, labels or LLM calls.
    ConfigError
        With all mistakes in the configuration and its rule files.
    SourceError, StateError
        A topic is missing, or the state folder is in use.
    """
    config = with_sinks(load_config(config_path, environment=os.environ, need_sources=True))
    if not config.has_documents:
        kinds = ", ".join(sorted(DOCUMENT_KINDS))
        raise UsageError(f"{config_path}: no source of kind {kinds}; add one, or use metrics:flow")
    return built(config)
