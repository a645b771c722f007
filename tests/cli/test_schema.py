"""``streamgauge schema``."""

import json
from typing import get_args

import jsonschema
import pytest

from engine.cli import main
from engine.cli.schema import Of
from engine.config import config_json_schema
from engine.events import json_schemas


def test_without_a_name_it_is_the_configurations(capsys):
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == config_json_schema()


@pytest.mark.parametrize("name", json_schemas())
def test_each_output_has_one(capsys, name):
    assert main(["schema", name]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema == json_schemas()[name]
    jsonschema.Draft202012Validator.check_schema(schema)


def test_the_names_are_those_of_the_outputs():
    assert set(get_args(Of)) == {"config", *json_schemas()}
