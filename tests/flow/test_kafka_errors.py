"""What can go wrong between a flow and its broker, and what is said and done then."""

import base64
import json
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions
from flow_tools import config_of, process, wait_until

from engine.events import rfc3339
from engine.pipeline import serve
from engine.pipeline.runner import Run, Stop
from engine.pipeline.state_folder import StateFolder
from engine.sources.kafka import KafkaReader

pytestmark = pytest.mark.kafka

RULES = """
groups:
  - name: g
    interval: 10s
    rules:
      - {alert: High, expr: cpu > 0.9}
"""
MINUTE_MS = 60_000


def config_text(
    folder: Path, brokers: str, topic: str, *, kafka: str = "", idle_timeout: str = "300ms"
) -> str:
    (folder / "rules.yaml").write_text(RULES)
    return f"""
sources:
  - kafka: {{brokers: "{brokers}", topic: {topic}, start: earliest, group: {topic}{kafka}}}
sinks: [{{folder: {{path: {folder / "out"}}}}}]
time: {{lateness: 5s, idle_timeout: {idle_timeout}}}
detectors: []
rules: {{files: [rules.yaml], lookback: 30s}}
limits: {{message_size: 2KiB}}
http: {{listen: ""}}
state: {{dir: {folder / "state"}, checkpoint: 200ms, epoch: 50ms, shards: 2}}
"""


def write_config(folder: Path, brokers: str, topic: str, **options: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(config_text(folder, brokers, topic, **options))
    return path


def lines_of(folder: Path, output: str) -> list[dict]:
    path = folder / "out" / f"{output}.jsonl"
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [msgspec.json.decode(line) for line in lines]


def sample(ts_ms: int, value: float, host: str = "a") -> bytes:
    return json.dumps(
        {"ts": ts_ms, "name": "cpu", "labels": {"host": host}, "value": value}
    ).encode()


def send(brokers: str, topic: str, values: list[bytes], partition: int = 0) -> None:
    producer = Producer({"bootstrap.servers": brokers})
    for value in values:
        producer.produce(topic, value, partition=partition)
    assert producer.flush(30) == 0


def drive(run: Run, script: Callable[[], None]) -> None:
    """Run in this thread while the script goes on in another; its end ends the run."""
    failures: list[BaseException] = []

    def play() -> None:
        try:
            script()
        except BaseException as error:  # noqa: BLE001  # raised again below
            failures.append(error)
        finally:
            run.stop.set()

    thread = threading.Thread(target=play)
    thread.start()
    try:
        run.execute()
    finally:
        thread.join()
    if failures:
        raise failures[0]


def live(folder: Path, text: str) -> Run:
    return Run(config=config_of(text, folder), stateful=True, stop=Stop())


def now_ms() -> int:
    """Now, at a full minute, so that ticks fall alike in each run of a test."""
    return int(time.time() * 1000) // MINUTE_MS * MINUTE_MS


class Proxy:
    """Passes TCP connections on to a broker, once told to listen."""

    def __init__(self, brokers: str) -> None:
        host, _, port = brokers.split(",", maxsplit=1)[0].partition(":")
        self._target = host, int(port)
        self._server = socket.socket()
        self._server.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._server.getsockname()[1]}"

    def listen(self) -> None:
        self._server.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            broker = socket.create_connection(self._target)
            for pair in ((client, broker), (broker, client)):
                threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    @staticmethod
    def _pass_on(source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65_536):
                target.sendall(data)
        except OSError:
            return
        finally:
            source.close()
            target.close()


def test_an_unreachable_broker_is_said_and_tried_again(kafka_brokers, kafka_topic, tmp_path: Path):
    topic = kafka_topic()
    begin = now_ms() - MINUTE_MS
    send(kafka_brokers, topic, [sample(begin + 1000 * i, 0.95) for i in range(30)])
    proxy = Proxy(kafka_brokers)
    log = tmp_path / "log"
    with process(write_config(tmp_path, proxy.address, topic), log=log) as run:
        wait_until(
            lambda: "broker unreachable" in log.read_text(), timeout_s=10, what="the warning"
        )
        assert proxy.address in log.read_text()
        proxy.listen()
        wait_until(lambda: lines_of(tmp_path, "alerts"), timeout_s=30, what="an alert")
        run.terminate()
        assert run.wait(30) == 0
    proxy.close()


def test_a_missing_topic_is_named_with_those_that_exist(kafka_brokers, kafka_topic, tmp_path: Path):
    kafka_topic()
    log = tmp_path / "log"
    with process(write_config(tmp_path, kafka_brokers, "no-such-topic"), log=log) as run:
        assert run.wait(30) == 1
    said = log.read_text()
    assert "topic no-such-topic isn't on" in said
    named = said.partition("there are: ")[2].strip().split(", ")
    metadata = AdminClient({"bootstrap.servers": kafka_brokers}).list_topics(timeout=10)
    assert named
    assert len(set(named) & set(metadata.topics)) >= len(named) / 2  # others make and delete some
    assert "Traceback" not in said


def test_a_locked_state_folder_is_refused(kafka_brokers, kafka_topic, tmp_path: Path):
    topic = kafka_topic()
    log = tmp_path / "log"
    held = StateFolder(tmp_path / "state", shards=2, lanes=8, parts=frozenset({"a"}))
    try:
        with process(write_config(tmp_path, kafka_brokers, topic), log=log) as run:
            assert run.wait(30) == 1
    finally:
        held.close()
    assert "is used by process" in log.read_text()
    assert "Traceback" not in log.read_text()


def test_a_stale_offset_is_an_error_unless_accepted(kafka_brokers, kafka_topic, tmp_path: Path):
    topic = kafka_topic()
    begin = now_ms() - 3 * MINUTE_MS
    send(kafka_brokers, topic, [sample(begin + 1000 * i, 0.95) for i in range(30)])
    log = tmp_path / "log"
    config = write_config(tmp_path, kafka_brokers, topic)
    with process(config, log=log) as run:
        wait_until(lambda: lines_of(tmp_path, "alerts"), timeout_s=30, what="an alert")
        run.terminate()
        assert run.wait(30) == 0
    before = len(lines_of(tmp_path, "alerts"))
    send(kafka_brokers, topic, [sample(begin + 1000 * i, 0.95, "b") for i in range(60, 120)])
    admin = AdminClient({"bootstrap.servers": kafka_brokers})
    place = TopicPartition(topic, 0, 50)
    admin.delete_records([place])[place].result(30)
    with process(config, log=log) as run:
        assert run.wait(30) == 1
    assert f"stored offset 30 of {topic}/0 is not in 50..90" in log.read_text()
    assert "on_stale_offset" in log.read_text()
    config = write_config(tmp_path, kafka_brokers, topic, kafka=", on_stale_offset: earliest")
    with process(config, log=log) as run:
        wait_until(lambda: len(lines_of(tmp_path, "alerts")) > before, timeout_s=30, what="more")
        run.terminate()
        assert run.wait(30) == 0
    labels = {alert["labels"]["host"] for alert in lines_of(tmp_path, "alerts")}
    assert labels == {"a", "b"}


def test_what_cannot_be_used_becomes_a_dead_letter(kafka_brokers, kafka_topic, tmp_path: Path):
    topic = kafka_topic(partitions=2)
    now = int(time.time() * 1000)
    begin = now - 2 * MINUTE_MS
    good = [sample(begin + 1000 * i, 0.95) for i in range(60)]
    bad = {
        "decode_error": b"\xff no JSON",
        "schema_error": b'{"ts": 1, "labels": {}, "value": 1}',
        "bad_value": json.dumps({"ts": begin, "name": "cpu", "value": "high"}).encode(),
        "too_large": sample(begin, 0.5, "x" * 4096),
        # Were it believed, all that follows would be late.
        "bad_timestamp": sample(now + 10 * MINUTE_MS, 0.5),
    }
    late = sample(begin + 1000, 0.5)
    send(kafka_brokers, topic, [*bad.values(), *good, late])
    # The same time is not late on another partition, which is only there yet.
    send(kafka_brokers, topic, [sample(begin + 1000 * i, 0.95, "b") for i in range(60)], 1)
    run = live(tmp_path, config_text(tmp_path, kafka_brokers, topic))

    def script() -> None:
        wait_until(
            lambda: (
                len(lines_of(tmp_path, "dead_letters")) >= len(bad) + 1
                and {a["labels"]["host"] for a in lines_of(tmp_path, "alerts")} == {"a", "b"}
            ),
            timeout_s=30,
            what="dead letters and alerts",
        )

    drive(run, script)
    letters = {letter["reason"]: letter for letter in lines_of(tmp_path, "dead_letters")}
    assert letters.keys() == {*bad, "late"}
    assert len(lines_of(tmp_path, "dead_letters")) == len(letters)
    for offset, (reason, value) in enumerate(bad.items()):
        letter = letters[reason]
        assert (letter["source"], letter["partition"], letter["offset"]) == (topic, 0, offset)
        assert letter["detail"]
        if reason == "decode_error":
            assert base64.b64decode(letter["value"]) == value
        elif reason == "bad_timestamp":
            assert json.loads(letter["value"]) == json.loads(value)
    assert letters["late"]["offset"] == len(bad) + len(good)
    assert json.loads(letters["late"]["value"]) == json.loads(late)


def test_new_partitions_are_noticed(kafka_brokers, kafka_topic, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(serve, "_PARTITIONS_S", 0.5)
    topic = kafka_topic(partitions=1)
    begin = now_ms() - 3 * MINUTE_MS
    send(kafka_brokers, topic, [sample(begin + 1000 * i, 0.95) for i in range(30)])
    run = live(tmp_path, config_text(tmp_path, kafka_brokers, topic))

    def hosts() -> set[str]:
        return {alert["labels"]["host"] for alert in lines_of(tmp_path, "alerts")}

    def script() -> None:
        wait_until(lambda: hosts() == {"a"}, timeout_s=30, what="an alert")
        admin = AdminClient({"bootstrap.servers": kafka_brokers})
        admin.create_partitions([NewPartitions(topic, 2)])[topic].result(30)
        later = [sample(begin + 1000 * i, 0.95, "b") for i in range(60, 120)]
        send(kafka_brokers, topic, later, 1)
        wait_until(lambda: hosts() == {"a", "b"}, timeout_s=30, what="an alert of the new one")
        send(kafka_brokers, topic, [sample(begin + 1000 * i, 0.1) for i in range(120, 180)], 0)

    drive(run, script)
    alerts = lines_of(tmp_path, "alerts")
    assert len({alert["id"] for alert in alerts}) == len(alerts)
    assert lines_of(tmp_path, "dead_letters") == []


def test_lag_holds_the_watermark_and_idleness_does_not(
    kafka_brokers, kafka_topic, tmp_path: Path, monkeypatch
):
    """A stuck partition's firing alert is not resolved because its samples are on their way."""
    topic = kafka_topic(partitions=3)  # the third one stays empty: idle from the start
    begin = now_ms() - 10 * MINUTE_MS
    stuck = threading.Event()
    fetch = KafkaReader._fetch

    def fetch_unless_stuck(reader: KafkaReader) -> None:
        if stuck.is_set() and reader.of.partition == 0:
            reader._at_end = False  # as it is while the client hands out records
        else:
            fetch(reader)

    monkeypatch.setattr(KafkaReader, "_fetch", fetch_unless_stuck)
    run = live(tmp_path, config_text(tmp_path, kafka_brokers, topic, idle_timeout="1s"))

    def statuses() -> list[tuple[str, str]]:
        return [(a["labels"]["host"], a["status"]) for a in lines_of(tmp_path, "alerts")]

    def both(first: int, last: int) -> None:
        for partition, host in ((0, "a"), (1, "b")):
            rows = [sample(begin + 1000 * i, 0.95, host) for i in range(first, last)]
            send(kafka_brokers, topic, rows, partition)

    def script() -> None:
        both(0, 60)
        wait_until(
            lambda: {("a", "firing"), ("b", "firing")} <= set(statuses()),
            timeout_s=30,
            what="alerts in spite of an idle partition",
        )
        stuck.set()
        both(60, 240)
        time.sleep(4)  # far beyond the idle timeout
        assert ("a", "resolved") not in statuses()
        stuck.clear()
        send(
            kafka_brokers, topic, [sample(begin + 240_000 + 1000 * i, 0.1, "a") for i in range(60)]
        )
        wait_until(lambda: ("a", "resolved") in statuses(), timeout_s=30, what="the true end")

    drive(run, script)
    alerts = lines_of(tmp_path, "alerts")
    resolved = [
        a["evaluatedAt"] for a in alerts if (a["labels"]["host"], a["status"]) == ("a", "resolved")
    ]
    # At the tick of its first low sample, not a lookback after it fell silent for us.
    assert resolved == [rfc3339((begin + 240_000) * 1_000_000)]
