"""A rule that fails at a tick leaves its alerts as they were, says why, and hurts no other rule."""

import json

import pytest
from direct_flow import DirectFlow, Partition, plan_of

from engine.series.identity import Series

SECOND_NS = 10**9
MINUTE_NS = 60 * SECOND_NS
START_NS = 1_700_000_040 * SECOND_NS  # a whole minute
A_0, A_1 = (Series.of("a", {"i": str(i)}) for i in range(2))
B_X, B_Y = (Series.of("b", {"i": "0", "side": side}) for side in "xy")
RULES = """
groups:
- name: g
  interval: 1m
  rules:
  - {alert: Matched, expr: "a * on (i) b > 0", for: 2m}
  - {alert: Plain, expr: "a > 0"}
  - {record: product, expr: "a * on (i) b"}
  - {alert: Stepped, expr: "last_over_time((a * on (i) b)[3m:1m]) > 0"}
  - {alert: Read, expr: "product > 0"}
"""


class Fed:
    """A flow that is fed minute by minute; says alerts as (name, minute, status)."""

    def __init__(self, folder, rules, config=""):
        config = f"detectors: []\nstate: {{shards: 2}}\n{config}"
        self.plan = plan_of(folder, rules, config=config)
        self.flow, self.partition = DirectFlow(self.plan), Partition(self.plan, 0, lateness_ns=1)
        self.said = []

    def feed(self, minute, series, gone=()):
        """Feed a minute's series, and the ends of others."""
        ts = START_NS + minute * MINUTE_NS
        rows = [(item, ts, 1.0, 0) for item in series]
        rows += [(item, ts, 1.0, 1) for item in gone]
        self.flow.feed(self.partition.batch(rows, caught_up=True))

    def finish(self):
        """End the input."""
        self.flow.feed(self.partition.batch([], ended=True))
        self.flow.finish()
        self.collect()
        self.said.sort(key=lambda item: item[1])

    def restart(self):
        """Go on from the state."""
        self.collect()
        self.flow = DirectFlow(self.plan).restore(self.flow.state())

    def collect(self):
        """Take in what was said."""
        for alert in (item for alerts in self.flow.alerts.values() for item in alerts):
            minute, event = (alert.tick - START_NS) // MINUTE_NS, alert.event
            self.said.append((event and event.labels["alertname"], minute, event and event.status))

    def errors(self):
        """What is wrong, by the rule's name, or "record"."""
        found = [item for lane in self.flow.lanes for item in lane.errors().items()]
        return {key.split("|")[2]: text for key, text in found}

    def failures(self):
        """Ticks that failed, by the same."""
        found = [item for lane in self.flow.lanes for item in lane.failures().items()]
        return {key.split("|")[2]: number for key, number in found}


def run(folder, rules, minutes, *, restart_after=None):
    """Feed the series that are there at each minute; the others end, so that none is seen on."""
    fed = Fed(folder, rules)
    for minute, series in enumerate(minutes):
        fed.feed(minute, series, {A_0, A_1, B_X, B_Y} - set(series))
        if minute == restart_after:
            fed.restart()
    fed.finish()
    return fed


WELL, TWICE = (A_0, B_X), (A_0, B_X, B_Y)


def of(said, name):
    return [(minute, status) for alert, minute, status in said if alert == name]


@pytest.mark.parametrize("restart_after", [None, 2, 3])
def test_a_many_to_many_match_fails_its_rule_alone(tmp_path, restart_after):
    minutes = [WELL, WELL, TWICE, TWICE, WELL, WELL]
    fed = run(tmp_path, RULES, minutes, restart_after=restart_after)
    said = fed.said
    # It is neither dropped while the rule fails, nor does it fire before the rule is well again.
    assert of(said, "Matched") == [(0, "pending"), (4, "firing")]
    assert of(said, "Plain") == [(0, "firing"), (2, "firing"), (4, "firing")]
    # What fails inside of a window fails as long as the window reaches it.
    assert of(said, "Stepped") == [(0, "firing")]
    # Nothing is recorded and nothing ended, so that the last sample is seen on.
    assert of(said, "Read") == [(0, "firing"), (2, "firing"), (4, "firing")]
    assert all(name for name, _, _ in said)
    assert list(fed.errors()) == ["Stepped"]
    assert "found duplicate series for the match group" in fed.errors()["Stepped"]


def test_errors_name_the_rules_that_failed_at_their_last_tick(tmp_path):
    fed = run(tmp_path, RULES, [WELL, TWICE])
    rules = {"Matched", "record", "Stepped"}
    assert fed.errors().keys() == rules
    assert fed.failures() == dict.fromkeys(rules, 1)
    for text in fed.errors().values():
        assert "found duplicate series for the match group" in text


def test_a_firing_alert_stays_through_failed_ticks_and_ends_after(tmp_path):
    rules = RULES.replace(", for: 2m", "")
    nothing = (A_0,)
    fed = run(tmp_path, rules, [WELL, TWICE, TWICE, TWICE, nothing, nothing])
    assert of(fed.said, "Matched") == [(0, "firing"), (4, "resolved")]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"alert": "A", "expr": "a", "labels": {"i": "same"}},
         "vector contains metrics with the same labelset after applying alert labels"),
        ({"record": "r", "expr": "a", "labels": {"i": "same"}},
         "vector contains metrics with the same labelset after applying rule labels"),
        ({"alert": "A", "expr": '{__name__=~"a|b", side!="y"} * 1'},
         "vector cannot contain metrics with the same labelset"),
        ({"alert": "A", "expr": 'label_replace(a, "i", "same", "", "")'},
         "vector cannot contain metrics with the same labelset"),
    ],
)  # fmt: skip
def test_equal_labels_fail_a_tick(tmp_path, rule, message):
    rules = json.dumps({"groups": [{"name": "g", "interval": "1m", "rules": [rule]}]})
    fed = Fed(tmp_path, rules)
    fed.feed(0, [A_0, A_1, Series.of("b", {"i": "0"})])
    fed.finish()
    (text,) = fed.errors().values()
    assert message in text


def test_series_that_have_ended_fail_no_rule(tmp_path):
    """Three instances one after the other: their markers match a series twice, they do not."""
    rules = """
groups:
- name: g
  interval: 1m
  rules: [{alert: Looping, expr: "a * on (job) b > 0", labels: {pod: ""}}]
"""
    fed = Fed(tmp_path, rules, "rule_options: [{alert: Looping, gap_tolerance: 1}]\n")
    pods = [Series.of("a", {"job": "j", "pod": str(number)}) for number in range(3)]
    b = Series.of("b", {"job": "j"})
    for minute, pod in enumerate(pods):
        fed.feed(minute, [pod, b], pods[:minute])
    fed.feed(3, [b], pods)
    fed.feed(4, [b], pods)
    fed.finish()
    assert fed.failures() == {}
    assert of(fed.said, "Looping") == [(0, "firing"), (2, "firing"), (4, "resolved")]
