"""The Alertmanager bridge: what it takes from records, and that Alertmanager understands it.

Aim: alert records post to Alertmanager unchanged, group, inhibit and resolve there, and none is
lost while it is away. Method: records are made by the code of rules and sinks; Alertmanager is a
real one on loopback; Kafka is librdkafka's mock cluster, with a web server that fails at first.
"""

import importlib.util
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import numpy as np
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from engine.config.durations import MINUTE_NS, parse_duration
from engine.promql.matrix import Block, Matrix, Table
from engine.promql.parse import Language, parse_condition
from engine.rules.alerting import AlertEvaluation
from engine.rules.model import AlertRule, RuleGroup
from engine.rules.plan import Options, plan_rules
from engine.rules.records import alert_records
from engine.rules.templates import Template
from engine.series.identity import Series
from engine.sinks.encode import alert_record

REPOSITORY = Path(__file__).resolve().parents[2]
SECOND_NS = 10**9
TICK_NS = 15 * SECOND_NS
TIMEOUT_S = 30
HOSTS = ("web-1", "web-2", "web-3")

CONFIG = """
route:
  receiver: nobody
  group_by: [alertname]
  group_wait: 100ms
  group_interval: 1s
receivers: [{name: nobody}]
inhibit_rules:
  - source_matchers: ['alertname = "Down"']
    target_matchers: ['alertname = "Hot"']
    equal: [host]
"""


def load_bridge():
    path = REPOSITORY / "examples" / "alertmanager_bridge.py"
    spec = importlib.util.spec_from_file_location("alertmanager_bridge", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


bridge = load_bridge()


class HotOrNot:
    """Results of a rule's one leaf: all hosts are too hot, or none is."""

    def __init__(self, hosts):
        self.table = Table(
            sorted(Series.of("temperature", {"host": host}).all_labels for host in hosts)
        )
        self.hot = False

    def leaf(self, leaf, block, parameters):
        del leaf, parameters
        shape = len(self.table), len(block.ticks)
        return Matrix(self.table, np.full(shape, 93.5), np.full(shape, self.hot))

    def contexts(self, leaf, interval_ns):
        del leaf, interval_ns
        return {}


class Episode:
    """A rule that is fed tick by tick; gives the values of its records for the topic."""

    def __init__(self, name, *, hold="0s", hosts=HOSTS):
        rule = AlertRule(
            file="r.yaml", group="g", name=name,
            expression=parse_condition("temperature > 80", Language(MINUTE_NS, 10**15)),
            for_ns=parse_duration(hold), keep_firing_for_ns=0,
            labels=(("severity", Template.parse("page")),),
            annotations=(("summary", Template.parse("{{ $labels.host }} is at {{ $value }} °C")),),
            line=1,
        )  # fmt: skip
        group = RuleGroup(file="r.yaml", name="g", interval_ns=TICK_NS, rules=(rule,))
        (plan,) = plan_rules([group], lambda _: Options()).rules
        self.evaluation = AlertEvaluation(plan, rule, limit=100, group_limit=0)
        self.source = HotOrNot(hosts)

    def values(self, tick, *, hot, ticks=1):
        """Say what the series were at some ticks in a row (ns): all too hot, or none."""
        self.source.hot = hot
        block = Block(tick + np.arange(ticks) * TICK_NS, TICK_NS)
        changes, context = self.evaluation.evaluate(block, self.source)
        alerts = alert_records(self.evaluation, changes, context, full_from=0)
        return [alert_record(alert).value for alert in alerts]


def tick_ago(seconds):
    """Give the last tick of event time that is some seconds old."""
    return (time.time_ns() - seconds * SECOND_NS) // TICK_NS * TICK_NS


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def get(url, path, **query):
    with urlopen(f"{url}/api/v2/{path}?{urlencode(query)}", timeout=TIMEOUT_S) as answer:
        return json.load(answer)


def until(condition):
    """Wait until a condition gives something, and give it."""
    end = time.monotonic() + TIMEOUT_S
    while not (found := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
    return found


def is_ready(url):
    try:
        with urlopen(f"{url}/-/ready", timeout=TIMEOUT_S):
            return True
    except URLError:
        return False


@pytest.fixture(scope="module")
def alertmanager(tmp_path_factory):
    """Address of a real Alertmanager; without one, tests are skipped, and fail in CI."""
    program = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    if program is None:
        reason = "no Alertmanager; it is Debian's package prometheus-alertmanager"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("alertmanager")
    (folder / "config.yaml").write_text(CONFIG)
    address = f"127.0.0.1:{free_port()}"
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={folder / 'config.yaml'}",
                f"--storage.path={folder / 'data'}",
                f"--web.listen-address={address}",
                "--cluster.listen-address=",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        url = f"http://{address}"
        until(lambda: process.poll() is not None or is_ready(url))
        assert process.poll() is None, (folder / "log").read_text()
        yield url
    finally:
        process.kill()
        process.wait()


def shown(url, name):
    """Alerts of a name that Alertmanager holds as active, by host."""
    found = get(url, "alerts", filter=f'alertname="{name}"')
    return {alert["labels"]["host"]: alert for alert in found}


def instant(text):
    """Read an RFC 3339 time as milliseconds, which is what Alertmanager shows."""
    return np.datetime64(text.rstrip("Z"), "ms")


def test_only_firing_and_resolved_records_go_on_with_exactly_what_alertmanager_takes():
    episode = Episode("Hot", hold="15s")
    values = episode.values(0, hot=True, ticks=2)
    values += episode.values(2 * TICK_NS, hot=False)
    statuses = [json.loads(value)["status"] for value in values]
    assert statuses == ["pending"] * 3 + ["firing"] * 3 + ["resolved"] * 3
    alerts = bridge.payload([*values, None])
    assert len(alerts) == 6
    assert alerts[0] == {
        "labels": {"alertname": "Hot", "host": "web-1", "severity": "page"},
        "annotations": {"summary": "web-1 is at 93.5 °C"},
        "startsAt": "1970-01-01T00:00:15Z",
        "endsAt": "1970-01-01T00:04:15Z",
        "generatorURL": "",
    }
    assert alerts[3] == {**alerts[0], "endsAt": "1970-01-01T00:00:30Z"}


def test_a_firing_alert_is_said_again_well_before_its_end():
    values = Episode("Hot", hosts=["web-1"]).values(0, hot=True, ticks=60)
    alerts = [json.loads(value) for value in values]
    firing = [alert for alert in alerts if alert["status"] == "firing"]
    assert len(firing) > 5
    for one, following in itertools.pairwise(firing):
        room = instant(one["endsAt"]) - instant(following["evaluatedAt"])
        assert room >= np.timedelta64(2, "m")


def test_alertmanager_groups_and_resolves_what_it_is_told(alertmanager):
    episodes = {name: Episode(name) for name in ("Hot-1", "Hot-2")}
    start = tick_ago(60)
    said = [value for each in episodes.values() for value in each.values(start, hot=True)]
    sent = bridge.payload(said)
    bridge.post(sent, alertmanager)

    def groups():
        found = get(alertmanager, "alerts/groups", filter='alertname=~"Hot-."')
        return found if sum(len(group["alerts"]) for group in found) == len(sent) else None

    found = until(groups)
    assert [group["labels"] for group in found] == [{"alertname": name} for name in episodes]
    assert all(len(group["alerts"]) == len(HOSTS) for group in found)
    for alert in sent:
        held = shown(alertmanager, alert["labels"]["alertname"])[alert["labels"]["host"]]
        assert held["labels"] == alert["labels"]
        assert held["annotations"] == alert["annotations"]
        assert held.get("generatorURL", "") == alert["generatorURL"]
        assert held["status"]["state"] == "active"
        assert instant(held["startsAt"]) == instant(alert["startsAt"])
        assert instant(held["endsAt"]) == instant(alert["endsAt"])

    bridge.post(bridge.payload(episodes["Hot-1"].values(start + TICK_NS, hot=False)), alertmanager)
    until(lambda: not shown(alertmanager, "Hot-1"))
    assert set(shown(alertmanager, "Hot-2")) == set(HOSTS)


def test_an_episode_in_one_batch_and_records_said_again_end_resolved(alertmanager):
    episode = Episode("Brief")
    start = tick_ago(90)
    values = episode.values(start, hot=True) + episode.values(start + TICK_NS, hot=False)
    for _ in range(2):
        bridge.post(bridge.payload(values), alertmanager)
    assert not shown(alertmanager, "Brief")
    bridge.post(bridge.payload(episode.values(start + 2 * TICK_NS, hot=True)), alertmanager)
    assert set(shown(alertmanager, "Brief")) == set(HOSTS)


def test_alerts_inhibit_each_other_by_their_labels(alertmanager):
    start = tick_ago(30)
    values = Episode("Hot").values(start, hot=True)
    values += Episode("Down", hosts=["web-2"]).values(start, hot=True)
    bridge.post(bridge.payload(values), alertmanager)

    def states():
        found = shown(alertmanager, "Hot")
        return {host: alert["status"]["state"] for host, alert in found.items()}

    expected = {"web-1": "active", "web-2": "suppressed", "web-3": "active"}
    until(lambda: states() == expected)


def test_what_alertmanager_calls_wrong_does_not_stop_the_others(alertmanager, capsys):
    (good, wrong, _) = bridge.payload(Episode("Mixed").values(tick_ago(30), hot=True))
    wrong["endsAt"] = "1970-01-01T00:00:00Z"
    bridge.post([wrong, good], alertmanager)
    assert "refused" in capsys.readouterr().err
    assert set(shown(alertmanager, "Mixed")) == {"web-1"}


class Unsteady(HTTPServer):
    """A server in Alertmanager's place that is away for its first requests."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), UnsteadyHandler)
        self.url = f"http://127.0.0.1:{self.server_port}/"
        self.failures = 2
        self.bodies = []
        self.committed_then = []
        self.committed = lambda: 0

    def answer(self, path, body):
        self.bodies.append((path, json.loads(body)))
        self.committed_then.append(self.committed())
        return 503 if len(self.bodies) <= self.failures else 200


class UnsteadyHandler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(self.server.answer(self.path, body))
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def unsteady():
    with Unsteady() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def produce(brokers, topic, values):
    producer = Producer({"bootstrap.servers": brokers})
    for value in values:
        producer.produce(topic, value, b"key")
    assert producer.flush(TIMEOUT_S) == 0


@contextmanager
def committed_in(brokers, topic, group, *, partitions):
    """Give what tells how many records a group has committed."""
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": group})
    places = [TopicPartition(topic, partition) for partition in range(partitions)]
    try:
        yield lambda: sum(max(0, at.offset) for at in consumer.committed(places, TIMEOUT_S))
    finally:
        consumer.close()


def test_records_are_committed_once_alertmanager_has_them(mock_cluster, unsteady, capsys):
    topic, group = f"{uuid.uuid4().hex}.alerts", "bridge"
    values = [*Episode("Hot").values(0, hot=True, ticks=9), None]
    produce(mock_cluster, topic, values)
    settings = {"bootstrap.servers": mock_cluster, "group.id": group, **bridge.CONFIG}
    consumer = Consumer(settings)
    consumer.subscribe([topic])
    try:
        with committed_in(mock_cluster, topic, group, partitions=4) as committed:
            unsteady.committed = committed
            until(lambda: bridge.step(consumer, unsteady.url, retry_s=0.01))
            assert unsteady.committed_then == [0, 0, 0]
            assert committed() == len(values)
    finally:
        consumer.close()
    assert capsys.readouterr().err.count("503") == 2
    assert unsteady.bodies == [("/api/v2/alerts", bridge.payload(values))] * 3


@contextmanager
def running(*arguments):
    """Run the bridge until the end of the block; a stop like Ctrl-C must end it well."""
    program = REPOSITORY / "examples" / "alertmanager_bridge.py"
    process = subprocess.Popen([sys.executable, program, *arguments])
    try:
        yield
        process.send_signal(signal.SIGINT)
        assert process.wait(TIMEOUT_S) == 0
    finally:
        process.kill()
        process.wait()


@pytest.mark.kafka
def test_the_program_loses_nothing_and_goes_on_where_it_was(kafka_brokers, kafka_topic, unsteady):
    topic, bodies = kafka_topic(partitions=2), unsteady.bodies
    unsteady.failures = 1
    values = Episode("Hot").values(0, hot=True, ticks=9)
    produce(kafka_brokers, topic, values)
    arguments = (kafka_brokers, topic, unsteady.url)
    group = f"alertmanager-bridge {unsteady.url}"
    with committed_in(kafka_brokers, topic, group, partitions=2) as committed:
        with running(*arguments):
            until(lambda: bodies)
        assert committed() == 0  # it was stopped before they were taken, so it says them again
        with running(*arguments):
            until(lambda: committed() == len(values))
    assert bodies == [("/api/v2/alerts", bridge.payload(values))] * 2
    produce(kafka_brokers, topic, values[-1:])
    with running(*arguments):
        until(lambda: len(bodies) > 2)
    assert bodies[2:] == [("/api/v2/alerts", bridge.payload(values[-1:]))]
