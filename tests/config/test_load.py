"""The configuration file and what it becomes."""

import pickle
from pathlib import Path

import pytest

from engine.config import Config, load_config, parse_config
from engine.config.durations import DAY_NS, HOUR_NS, MILLISECOND_NS, MINUTE_NS, SECOND_NS
from engine.config.scalars import Address, Start
from engine.errors import ConfigError

FULL = """\
sources:
  - kafka:
      brokers: ${BROKERS}
      topic: metrics
      start: -1h
      group: g
      properties: {sasl.password: "${PASSWORD}", session.timeout.ms: 6000, enable.x: true}
      on_stale_offset: latest
  - recording: {path: a.csv, name: cpu, labels: {zone: 1}, exclude: [id], timestamp_unit: ms}
time: {lateness: 10s, max_ahead: 2m, max_skew: 1m}
detectors:
  - match: cpu{host=~"web$"}
    use: level
    false_alarms_per_day: 0.5
    params: {window: 3, text: a$$b, from: "${NUMBER}", deep: [{x: null}]}
    lookback: 2h
rules: {files: [a/*.yaml], interval: 15s, max_window: 6h, lookback: 1m, bundled: false}
rule_options:
  - {alert: A, gap_tolerance: 2, resolve_below: 0.8, on_absent: hold, hold_while: up == 0}
models: []
scores: {emit: all}
sinks:
  - kafka: {brokers: b, prefix: p, replication_factor: 3, partitions: 6, retention: 1d}
  - folder: {path: out}
state: {dir: s, checkpoint: 1m, shards: "${NUMBER}", epoch: 1s}
http: {listen: "0.0.0.0:80"}
limits: {series: 2e6, message_size: 2MiB, label_size: 2000}
batch: {rows: 100, age: 10ms}
"""
ENVIRONMENT = {"BROKERS": "a:9092,b:9092", "PASSWORD": "hunter2", "NUMBER": "7"}


def parse(text, **options):
    options = {"environment": ENVIRONMENT, "folder": Path("etc"), **options}
    return parse_config(text, file="c.yaml", **options)


def problems_of(text, **options):
    with pytest.raises(ConfigError) as caught:
        parse(text, **options)
    return [str(problem).removeprefix("c.yaml:") for problem in caught.value.problems]


def test_no_keys_give_the_defaults():
    for text in ("", "# nothing", "{}"):
        assert parse(text, folder=Path()) == Config(file="c.yaml")


def test_the_defaults_are_those_of_the_design():
    config = Config()
    assert config.sources == config.sinks == config.rule_options == ()
    assert config.time.lateness_ns == config.time.idle_timeout_ns == 5 * SECOND_NS
    assert (config.time.max_ahead_ns, config.time.max_skew_ns) == (MINUTE_NS, 5 * MINUTE_NS)
    (detector,) = config.detectors
    assert (detector.match, detector.use) == ('{__name__=~".+"}', "default")
    assert detector.false_alarms_per_day == 1.0
    assert (config.rules.interval_ns, config.rules.max_window_ns) == (MINUTE_NS, DAY_NS)
    assert (config.rules.lookback_ns, config.rules.bundled) == (5 * MINUTE_NS, True)
    assert (config.state.checkpoint_ns, config.state.shards) == (30 * SECOND_NS, 64)
    assert config.http.listen == Address("127.0.0.1", 9464)
    assert config.limits.message_size_bytes == 2**20


def test_every_key_arrives():
    config = parse(FULL)
    first, second = config.sources
    assert first.recording is second.kafka is None
    assert first.kafka.brokers == "a:9092,b:9092"
    assert first.kafka.start == Start("ago", HOUR_NS)
    assert first.kafka.properties == {
        "sasl.password": "hunter2",
        "session.timeout.ms": "6000",
        "enable.x": "true",
    }
    assert second.recording.labels == {"zone": "1"}
    assert second.recording.exclude == ("id",)
    assert config.time.idle_timeout_ns == config.time.lateness_ns == 10 * SECOND_NS
    (detector,) = config.detectors
    assert detector.match == 'cpu{host=~"web$"}'
    assert detector.lookback_ns == 2 * HOUR_NS
    assert detector.params == {"window": 3, "text": "a$b", "from": 7, "deep": ({"x": None},)}
    assert config.rules.files == ("a/*.yaml",)
    assert config.rules.bundled is False
    assert config.rule_options[0].hold_while == "up == 0"
    assert config.sinks[0].kafka.retention_ns == DAY_NS
    assert config.sinks[1].folder.path == "out"
    assert config.state.shards == 7
    assert config.http.listen == Address("0.0.0.0", 80)
    assert (config.limits.series, config.limits.message_size_bytes) == (2_000_000, 2**21)
    assert config.limits.label_size_bytes == 2000
    assert config.batch.age_ns == 10 * MILLISECOND_NS
    assert config.beside("a.csv") == Path("etc/a.csv")


def test_the_configuration_can_be_pickled_and_shows_no_secret():
    config = parse(FULL)
    assert pickle.loads(pickle.dumps(config)) == config
    assert "sasl.password" in repr(config)
    assert "hunter2" not in repr(config)


def test_a_heading_with_nothing_below_means_the_defaults():
    assert parse("time:\n  # lateness: 1s\nstate: ~\n", folder=Path()) == Config(file="c.yaml")


def test_an_empty_list_is_not_the_default():
    assert parse("detectors: []\n").detectors == ()


def test_a_model_has_its_entry_or_that_of_all_others_or_the_defaults():
    config = parse("models: [{model: a, rows_min: 20}, {model: '*', rows_min: 30}]\n")
    assert [config.model(name).rows_min for name in ("a", "b")] == [20, 30]
    assert config.model("b").model == "b"
    assert parse("models: []\n").model("b").rows_min == 50


@pytest.mark.parametrize("text", ["http: {listen: ''}", "http: {listen: null}"])
def test_the_server_can_be_turned_off(text):
    assert parse(text).http.listen is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", " sources: is empty"), ("sources: []", "1:1: sources: is empty")],
)
def test_sources_are_needed_only_where_they_are_asked_for(text, expected):
    assert parse(text).sources == ()
    (problem,) = problems_of(text, need_sources=True)
    assert problem.startswith(expected)


def test_a_file_is_read_with_its_folder(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_bytes("\ufeffrules: {files: [a.yaml]}".encode())
    config = load_config(path, environment={})
    assert config.folder == tmp_path
    assert config.rules.files == ("a.yaml",)


def test_a_file_that_cannot_be_read_is_a_problem_too(tmp_path):
    latin = tmp_path / "latin.yaml"
    latin.write_bytes("# gr\u00fcn".encode("latin-1"))
    for path, reason in ((tmp_path / "none.yaml", "No such file"), (latin, "isn't UTF-8 text")):
        with pytest.raises(ConfigError, match=f"{path.name}: .*{reason}"):
            load_config(path, environment={})
