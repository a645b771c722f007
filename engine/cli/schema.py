"""``streamgauge schema``: JSON Schema of the configuration and of the output records."""

import json
from typing import Literal

from engine.config.json_schema import config_json_schema
from engine.events import json_schemas

Of = Literal["config", "alerts", "scores", "drift", "dead_letters"]


def schema_command(of: Of = "config", /) -> None:
    """Print the JSON Schema of the configuration or of an output.

    Parameters
    ----------
    of
        The configuration, or an output whose records are meant.
    """
    schema = config_json_schema() if of == "config" else json_schemas()[of]
    print(json.dumps(schema, indent=2, ensure_ascii=False))
