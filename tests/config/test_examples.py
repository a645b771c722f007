"""The examples load, and what they name exists."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from engine.cli import main
from engine.codecs.genai_calls import NUMBERS
from engine.codecs.llm_formats import llm_settings
from engine.config import load_config
from engine.rules.load import load_rule_file
from engine.sources.demo_fleet import DEMO_FOLDER
from engine.sources.demo_models import CALLS, LABELS, PREDICTIONS

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(scope="module")
def config():
    return load_config(EXAMPLES / "metrics.yaml", environment={}, need_sources=True)


@pytest.fixture(scope="module")
def groups(config):
    paths = [path for glob in config.rules.files for path in config.folder.glob(glob)]
    found = []
    for path in paths:
        found += load_rule_file(
            path,
            name=path.name,
            default_interval_ns=config.rules.interval_ns,
            max_window_ns=config.rules.max_window_ns,
        )
    return found


def test_the_brokers_come_from_the_environment(config):
    path = EXAMPLES / "metrics.yaml"
    other = load_config(path, environment={"KAFKA_BROKERS": "kafka:9092"})
    assert config.sources[0].kafka.brokers == "localhost:9092"
    assert other.sources[0].kafka.brokers == other.sinks[0].kafka.brokers == "kafka:9092"


def test_the_options_speak_of_alerts_that_exist(config, groups):
    names = {rule.name for group in groups for rule in group.rules}
    assert len(names) >= 3
    assert {option.alert for option in config.rule_options} <= names


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.name)
def test_the_check_finds_nothing_wrong(path, capsys):
    assert main(["check", "--strict", str(path)]) == 0
    assert "fine" in capsys.readouterr().out


def test_the_settings_of_the_llm_service_are_usable():
    config = load_config(EXAMPLES / "models.yaml", environment={}, need_sources=True)
    services = [source.model for source in config.sources if source.kind == "llm"]
    assert services
    for service in services:
        settings = llm_settings(service, config.model(service).llm)
        assert settings.names().attributes["my.prompt_tokens"] == NUMBERS["input_tokens"]
        assert set(config.model(service).segments) <= settings.tags.keys()


def test_the_demo_on_kafka_is_watched_as_the_bundled_one_is():
    live = load_config(EXAMPLES / "demo.yaml", environment={}, need_sources=True)
    bundled = load_config(DEMO_FOLDER / "config.yaml", environment={})
    topics = {source.kafka.topic for source in live.sources if source.kind != "metrics"}
    assert topics == {f"demo-{what}" for what in (PREDICTIONS, LABELS, CALLS)}
    assert live.time == bundled.time
    assert [replace(model, interval_ns=1) for model in live.models] == [
        replace(model, interval_ns=1) for model in bundled.models
    ]
