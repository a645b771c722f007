"""The how-tos: their configurations are ones, and what they name is there.

Aim: what is copied from a how-to works. Method: each YAML block that begins with `sources:` is
read as a configuration is; links are looked up; the program of a how-to runs.
"""

import json
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from confluent_kafka import Consumer, TopicPartition

from engine.config.load import parse_config

REPOSITORY = Path(__file__).resolve().parents[2]
HOW_TOS = sorted((REPOSITORY / "docs" / "how-to").glob("*.md"))
TIMEOUT_S = 30
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language):
    return [
        pytest.param(text, id=f"{path.stem}-{number}")
        for path in HOW_TOS
        for number, (of, text) in enumerate(BLOCK.findall(path.read_text(encoding="utf-8")))
        if of == language
    ]


CONFIGURATIONS = [block for block in blocks("yaml") if block.values[0].startswith("sources:")]


def test_there_are_how_tos():
    assert len(HOW_TOS) >= 4
    assert len(CONFIGURATIONS) >= 6


@pytest.mark.parametrize("text", CONFIGURATIONS)
def test_a_configuration_is_one(text):
    config = parse_config(
        text, file="how-to.yaml", environment={}, folder=REPOSITORY, need_sources=True
    )
    assert config.sources


@pytest.mark.parametrize("text", blocks("json"))
def test_a_message_is_json(text):
    assert isinstance(json.loads(text), dict)


@pytest.mark.parametrize("path", HOW_TOS, ids=lambda path: path.stem)
def test_what_a_how_to_links_to_is_there(path):
    for target in re.findall(r"\]\(([^)#]+)", path.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (path.parent / target).exists(), target


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def post(url, body):
    """Post a body once somebody listens."""
    end = time.monotonic() + TIMEOUT_S
    while True:
        try:
            with urlopen(url, body, timeout=TIMEOUT_S) as answer:
                return answer.status
        except URLError:
            assert time.monotonic() < end, "nobody listens"
            time.sleep(0.05)


def test_the_proxy_forwards_bodies_as_they_are(mock_cluster, tmp_path):
    [program] = blocks("python")
    file = tmp_path / "remote_write_proxy.py"
    file.write_text(program.values[0])
    port, body = free_port(), bytes(range(256)) * 100
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, file, mock_cluster, "bodies", str(port)], stdout=log, stderr=log
        )
    try:
        assert post(f"http://127.0.0.1:{port}/", body) == 204
    finally:
        process.kill()
        process.wait()
    consumer = Consumer({"bootstrap.servers": mock_cluster, "group.id": "unused"})
    try:
        consumer.assign([TopicPartition("bodies", partition, 0) for partition in range(4)])
        (message,) = consumer.consume(1, TIMEOUT_S)
    finally:
        consumer.close()
    assert message.error() is None
    assert message.value() == body
