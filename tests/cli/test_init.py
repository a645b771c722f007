"""``streamgauge init``: what it proposes is what was seen, and passes the check."""

import json
from pathlib import Path

import polars as pl
import pytest
from confluent_kafka import Producer

from engine.cli import main
from engine.cli.proposal import Proposal, kafka_lines, quoted, suggested_lateness_ns
from engine.config import load_config, parse_config
from engine.config.durations import HOUR_NS, MINUTE_NS, SECOND_NS

BASE_MS = 1_760_000_000_000


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def proposal(**changes):
    fields = {
        "file": "streamgauge.yaml",
        "source": kafka_lines("a:9092", "topic: t"),
        "sink": kafka_lines("a:9092", "prefix: p"),
        "seen": (("topic", "t"),),
        "metrics": ("cpu",),
        "interval_ns": 15 * SECOND_NS,
        "out_of_order_ns": 0,
    }
    return Proposal(**(fields | changes))


def parsed(text):
    return parse_config(text, file="c.yaml", environment={}, folder=Path(), need_sources=True)


def recording(path="metrics.csv", interval_s=60, rows=20, behind_s=0):
    ts = [BASE_MS + row * interval_s * 1000 for row in range(rows)]
    if behind_s:
        ts.append(ts[-1] - behind_s * 1000)
    frame = pl.DataFrame({"timestamp": ts, "cpu": [0.5] * len(ts), "mem": [1.0] * len(ts)})
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    frame.write_csv(path)
    return path


def send(brokers, topic, samples, *, key=b"k"):
    producer = Producer({"bootstrap.servers": brokers})
    for partition, ts_ms, name, host in samples:
        row = {"ts": ts_ms, "name": name, "labels": {"host": host}, "value": 1.5}
        producer.produce(
            topic, json.dumps(row).encode(), key=key, partition=partition, timestamp=BASE_MS
        )
    assert producer.flush(30) == 0


def test_a_recording_makes_a_configuration_that_passes_the_check(capsys):
    path = recording("data/metrics.csv")
    assert main(["init", "--recording", path, "--out", "conf/streamgauge.yaml"]) == 0
    out = capsys.readouterr().out
    assert "cpu, mem" in out
    assert "1m" in out
    assert "wrote conf/streamgauge.yaml" in out
    assert main(["check", "conf/streamgauge.yaml"]) == 0
    config = load_config("conf/streamgauge.yaml", environment={}, need_sources=True)
    assert config.sources[0].recording.path == "../data/metrics.csv"
    assert config.beside(config.sources[0].recording.path).resolve() == Path(path).resolve()
    assert config.sinks[0].folder.path == "out"


def test_an_absolute_path_stays(capsys, folder):
    path = recording(str(folder / "metrics.csv"))
    assert main(["init", "--recording", path, "--out", "c.yaml"]) == 0
    assert load_config("c.yaml", environment={}).sources[0].recording.path == path


def test_rare_samples_count_until_the_next_one(capsys):
    path = recording(interval_s=3600)
    assert main(["init", "--recording", path]) == 0
    config = load_config("streamgauge.yaml", environment={})
    assert config.detectors[0].lookback_ns == config.rules.lookback_ns == 3 * HOUR_NS


def test_the_disorder_that_was_seen_sets_the_lateness(capsys):
    path = recording(interval_s=10, behind_s=30)
    assert main(["init", "--recording", path]) == 0
    assert "up to 30s" in capsys.readouterr().out
    assert load_config("streamgauge.yaml", environment={}).time.lateness_ns == MINUTE_NS


def test_an_existing_file_is_kept_unless_forced(capsys):
    path = recording()
    Path("streamgauge.yaml").write_text("mine")
    assert main(["init", "--recording", path]) == 2
    assert "streamgauge.yaml is there already" in capsys.readouterr().err
    assert Path("streamgauge.yaml").read_text() == "mine"
    assert main(["init", "--recording", path, "--force"]) == 0
    assert Path("streamgauge.yaml").read_text() != "mine"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name what to look at"),
        (["--topic", "a", "--recording", "b"], "name what to look at"),
        (["--topic", "a b"], "can't be a topic"),
        (["--recording", "nowhere"], "no such file or folder"),
    ],
)
def test_what_can_not_be_looked_at_is_refused(capsys, arguments, message):
    assert main(["init", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not Path("streamgauge.yaml").exists()


def test_a_topic_makes_a_configuration_that_passes_the_check(capsys, mock_cluster):
    steps = range(0, 40_000, 10_000)
    samples = [(0, BASE_MS + at, name, "h") for at in steps for name in ("cpu", "mem")]
    samples.append((0, BASE_MS + 10_000, "cpu", "late"))
    send(mock_cluster, "metrics", samples)
    assert main(["init", "--topic", "metrics", "--brokers", mock_cluster]) == 0
    out = capsys.readouterr().out
    assert f"metrics on {mock_cluster}, 4 partitions" in out
    assert "9 looked at, keyed" in out
    assert "2: cpu, mem" in out
    assert "up to 20s in partition 0" in out
    assert main(["check", "streamgauge.yaml"]) == 0
    config = load_config("streamgauge.yaml", environment={}, need_sources=True)
    source, sink = config.sources[0].kafka, config.sinks[0].kafka
    assert (source.brokers, source.topic, sink.brokers) == (mock_cluster, "metrics", mock_cluster)
    assert config.time.lateness_ns == MINUTE_NS
    assert "a sample" not in out


def test_a_topic_of_something_else_is_refused_with_the_reason(capsys, mock_cluster):
    producer = Producer({"bootstrap.servers": mock_cluster})
    producer.produce("other", b"<xml/>", partition=0)
    assert producer.flush(30) == 0
    assert main(["init", "--topic", "other", "--brokers", mock_cluster]) == 2
    assert "none of 1 message of other is a metric in a known format" in capsys.readouterr().err


def test_a_missing_topic_names_those_that_are_there(capsys, mock_cluster):
    send(mock_cluster, "metrics", [(0, BASE_MS, "cpu", "h")])
    assert main(["init", "--topic", "metrisc", "--brokers", mock_cluster]) == 1
    assert "there are: metrics" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("out_of_order_ns", "lateness_ns"),
    [
        (0, 5 * SECOND_NS),
        (3 * SECOND_NS, 5 * SECOND_NS),
        (4 * SECOND_NS, 10 * SECOND_NS),
        (20 * SECOND_NS, MINUTE_NS),
        (2 * MINUTE_NS, 5 * MINUTE_NS),
        (5 * HOUR_NS, 5 * MINUTE_NS),
    ],
)
def test_the_suggested_lateness(out_of_order_ns, lateness_ns):
    assert suggested_lateness_ns(out_of_order_ns) == lateness_ns


def test_what_the_lateness_loses_is_said():
    assert "up to 5h late: they are lost" in proposal(out_of_order_ns=5 * HOUR_NS).text()
    assert "they are lost" not in proposal(out_of_order_ns=20 * SECOND_NS).text()


@pytest.mark.parametrize("text", ["null", "${HOME}", 'a"b', "a: b # c", "é$x", "tab\tnew\nline"])
def test_any_text_comes_back_as_it_was(text):
    config = parsed(proposal(source=kafka_lines(text, "topic: t")).text())
    assert config.sources[0].kafka.brokers == text


def test_a_topic_that_yaml_takes_for_something_else_is_quoted():
    config = parsed(proposal(source=kafka_lines("a", f"topic: {quoted('null')}")).text())
    assert config.sources[0].kafka.topic == "null"


def test_odd_names_stay_in_their_comments():
    names = ("cpu.usage\nsources: []",)
    text = proposal(metrics=names, seen=(("metrics", names[0]),), file="a\nb").text()
    assert len(parsed(text).sources) == 1


@pytest.mark.parametrize("name", ["cpu", "cpu.usage", 'a"b', "a\nb", "é"])
def test_the_example_of_a_rule_file_works(tmp_path, name, capsys):
    lines = proposal(metrics=(name,)).text().splitlines()
    begin = next(i for i, line in enumerate(lines) if line.endswith("#   groups:"))
    example = [line[line.index("#   ") + 4 :] for line in lines[begin : begin + 6]]
    Path("rules.yaml").write_text("\n".join(example), encoding="utf-8")
    assert main(["check", "rules.yaml"]) == 0
    assert capsys.readouterr().out == "1 file, 1 rule: fine\n"
