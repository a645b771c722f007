"""Lag and silence of a real topic: a process that stands resolves nothing, a dead source does.

The situations of tests/pipeline/test_silences.py that need a broker to be believed.
"""

import signal
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from subprocess import Popen

import msgspec
import pytest
from confluent_kafka import Producer
from flow_tools import process, wait_until

pytestmark = pytest.mark.kafka

RULES = """
groups:
- name: silent
  interval: 1s
  rules:
  - {alert: LoadHigh, expr: load > 80, for: 1s}
  - {alert: LoadHeld, expr: load > 80, for: 1s}
  - {alert: HostGone, expr: 'absent(load{host="a"})'}
  - {alert: Done, expr: done > 0}
"""
LOOKBACK_S = 3
STEP_S = 0.2
HOSTS = ("a", "b")  # each has a partition


@pytest.fixture
def topic(kafka_topic) -> str:
    """A topic with a partition for each host."""
    return kafka_topic(partitions=len(HOSTS))


def write_config(folder: Path, brokers: str, topic: str) -> Path:
    """Write a flow from the topic to the folder."""
    folder.mkdir()
    (folder / "rules.yaml").write_text(RULES)
    path = folder / "config.yaml"
    path.write_text(f"""
sources: [{{kafka: {{brokers: "{brokers}", topic: {topic}, start: earliest}}}}]
sinks: [{{folder: {{path: {folder / "out"}}}}}]
time: {{lateness: 500ms, idle_timeout: 1s}}
detectors: []
rules: {{files: [rules.yaml], lookback: {LOOKBACK_S}s}}
rule_options: [{{alert: LoadHeld, on_absent: hold}}]
http: {{listen: ""}}
state: {{dir: {folder / "state"}, epoch: 100ms, shards: 2}}
""")
    return path


class Fleet:
    """Sends what hosts say, at their pace; all are high from the beginning on."""

    def __init__(self, brokers: str, topic: str) -> None:
        self._producer = Producer({"bootstrap.servers": brokers, "linger.ms": 5})
        self._topic = topic
        self.last_ms: dict[str, int] = {}

    def say(self, name: str, host: str, ts_ms: int) -> None:
        """Send one sample."""
        row = {"ts": ts_ms, "name": name, "labels": {"host": host}, "value": 90}
        self._producer.produce(
            self._topic, msgspec.json.encode(row), partition=HOSTS.index(host), timestamp=ts_ms
        )
        self.last_ms[host] = ts_ms

    def go_on(self, duration_s: float, hosts: tuple[str, ...] = HOSTS) -> None:
        """Let some hosts speak for a while."""
        end = time.monotonic() + duration_s
        while time.monotonic() < end:
            for host in hosts:
                self.say("load", host, int(time.time() * 1000))
            self._producer.poll(STEP_S)
        assert self._producer.flush(30) == 0

    def end(self, hosts: tuple[str, ...] = HOSTS) -> None:
        """Say that all is said, and let time go on until that is seen."""
        for host in hosts:
            self.say("done", host, int(time.time() * 1000))
        self.go_on(2, hosts)


def alerts_in(folder: Path) -> list[dict]:
    """All alerts in the folder, whole lines only."""
    path = folder / "out" / "alerts.jsonl"
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [msgspec.json.decode(line) for line in lines]


def said(folder: Path) -> list[dict]:
    """Alerts in the folder before the first that says that all is said."""
    alerts = alerts_in(folder)
    done = [alert["evaluatedAt"] for alert in alerts if alert["rule"]["name"] == "Done"]
    return [alert for alert in alerts if done and alert["evaluatedAt"] < min(done)]


def of(alerts: list[dict], rule: str, host: str | None = None) -> list[dict]:
    """An alert's transitions, without what only says it again."""
    found: list[dict] = []
    for alert in alerts:
        if (alert["rule"]["name"], alert["labels"].get("host")) != (rule, host):
            continue
        if not found or found[-1]["status"] != alert["status"]:
            found.append(alert)
    return found


def statuses(alerts: list[dict], rule: str, host: str | None = None) -> list[str]:
    """Of each transition of an alert, what it became."""
    return [alert["status"] for alert in of(alerts, rule, host)]


def run(config: Path, during: Callable[[Popen], None] = lambda _: None) -> list[dict]:
    """Run a flow until all is said; give what it said."""
    log = config.parent / "log"
    with process(config, log=log) as started:
        during(started)
        wait_until(
            lambda: bool(said(config.parent)) or started.poll() is not None,
            timeout_s=60,
            what="all is said",
        )
        started.send_signal(signal.SIGTERM)
        assert started.wait(30) == 0, log.read_text()[-2000:]
    return said(config.parent)


def by_id(alerts: list[dict]) -> dict[str, dict]:
    """Alerts by their ids."""
    return {alert["id"]: alert for alert in alerts}


def test_a_process_that_stands_resolves_nothing(kafka_brokers, topic, tmp_path: Path):
    fleet = Fleet(kafka_brokers, topic)
    config = write_config(tmp_path / "live", kafka_brokers, topic)

    def during(started: Popen) -> None:
        while not alerts_in(config.parent) and started.poll() is None:
            fleet.go_on(1)
        started.send_signal(signal.SIGSTOP)
        fleet.go_on(2 * LOOKBACK_S)
        started.send_signal(signal.SIGCONT)
        fleet.go_on(1)
        fleet.end()

    live = run(config, during)
    for host in HOSTS:
        assert statuses(live, "LoadHigh", host) == ["pending", "firing"]
    assert statuses(live, "HostGone", "a") == []
    backlog = run(write_config(tmp_path / "backlog", kafka_brokers, topic))
    assert by_id(backlog) == by_id(live)


def test_a_dead_source_is_absent_after_the_lookback(kafka_brokers, topic, tmp_path: Path):
    fleet = Fleet(kafka_brokers, topic)
    config = write_config(tmp_path / "live", kafka_brokers, topic)

    def during(_: Popen) -> None:
        fleet.go_on(3)
        fleet.go_on(2 * LOOKBACK_S, ("b",))
        fleet.end(("b",))

    live = run(config, during)
    # The left side of the lookback is open: the sample is seen until just before its end.
    gone_s = -(-(fleet.last_ms["a"] + 1000 * LOOKBACK_S) // 1000)
    assert statuses(live, "LoadHigh", "a") == ["pending", "firing", "resolved"]
    assert statuses(live, "LoadHigh", "b") == ["pending", "firing"]
    assert statuses(live, "LoadHeld", "a") == ["pending", "firing"]
    (gone,) = of(live, "HostGone", "a")
    assert gone["status"] == "firing"
    assert datetime.fromisoformat(gone["evaluatedAt"]).timestamp() == gone_s
    assert of(live, "LoadHigh", "a")[-1]["evaluatedAt"] == gone["evaluatedAt"]
    backlog = run(write_config(tmp_path / "backlog", kafka_brokers, topic))
    assert by_id(backlog) == by_id(live)
