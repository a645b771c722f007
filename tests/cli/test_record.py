"""``streamgauge record``: the command around the recorder."""

import json
from pathlib import Path

import pytest
from confluent_kafka import Producer

from engine.cli import main

BASE_MS = 1_760_000_000_000


@pytest.fixture
def config(tmp_path, monkeypatch, mock_cluster):
    """Make a configuration of a topic with two samples and one message that is none."""
    monkeypatch.chdir(tmp_path)
    producer = Producer({"bootstrap.servers": mock_cluster})
    for number in range(2):
        sample = {"ts": BASE_MS + number, "name": "cpu", "labels": {"n": str(number)}, "value": 1}
        producer.produce("t", json.dumps(sample), partition=0, timestamp=BASE_MS)
    producer.produce("t", b"junk", partition=0, timestamp=BASE_MS)
    assert producer.flush(30) == 0
    path = Path("c.yaml")
    path.write_text(f'sources: [{{kafka: {{brokers: "{mock_cluster}", topic: t}}}}]')
    return str(path)


def test_it_says_what_was_recorded_and_what_was_not(capsys, config):
    arguments = ["record", config, "--out", "rec", "--start", "earliest", "--until-end"]
    assert main(arguments) == 0
    assert capsys.readouterr().out.splitlines() == [
        "2 samples of 2 series from 4 partitions; the recording is in rec",
        "left out: 1 decode_error",
    ]
    assert [path.name for path in Path("rec").iterdir()] == ["t-0.parquet"]


def test_the_summary_is_json_on_request(capsys, config):
    arguments = ["record", config, "--out", "rec", "--start", "earliest", "--until-end", "--json"]
    assert main(arguments) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {
        "partitions": 4,
        "messages": 3,
        "samples": 2,
        "series": 2,
        "rejected": {"decode_error": 1},
        "advances": 0,
        "at_end": True,
    }
    assert captured.err == ""


def test_the_configurations_start_is_the_default(capsys, config):
    assert main(["record", config, "--out", "rec", "--until-end"]) == 0
    assert capsys.readouterr().out.startswith("0 samples of 0 series from 4 partitions; there is")


def test_it_ends_after_its_duration(capsys, config):
    arguments = ["record", config, "--out", "rec", "--duration", "1ms", "--json"]
    assert main(arguments) == 0
    # Whether the end was reached by then is for the machine to say; without a duration it would
    # read on for ever.
    assert json.loads(capsys.readouterr().out)["partitions"] == 4


def test_a_recording_is_not_overwritten(capsys, config):
    arguments = ["record", config, "--out", "rec", "--start", "earliest", "--until-end"]
    assert main(arguments) == 0
    assert main(arguments) == 2
    assert "rec: holds a recording already" in capsys.readouterr().err


def test_a_configuration_without_sources_is_refused(capsys, tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("time: {lateness: 1s}")
    assert main(["record", str(path), "--out", str(tmp_path / "rec")]) == 2
    assert "sources: is empty" in capsys.readouterr().err
