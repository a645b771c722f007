"""The configuration: one YAML file, typed, every mistake reported with its position."""

from engine.config.json_schema import config_json_schema
from engine.config.load import load_config, parse_config
from engine.config.reference import config_reference
from engine.config.schema import Config

__all__ = ["Config", "config_json_schema", "config_reference", "load_config", "parse_config"]
