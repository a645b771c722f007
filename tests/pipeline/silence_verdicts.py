"""What the alerts should have been, what they were, and what an evaluation by wall clock makes.

The right verdict is the slow twin's, in event time, on all that truly happened; the wall clock's is
the same twin's on what had arrived at each tick. Neither knows of the flow.
"""

import math
from collections import defaultdict
from dataclasses import dataclass, replace

import numpy as np
from direct_flow import plan_of
from naive_rules import NaiveAlerting
from silence_world import BEGIN_NS, SECOND_NS

from engine.promql.stored import Stored

TICK_S = 15
SLACK_S = 180
"""So much later than it was right an alert may come and still be the same one."""

RULES = """
groups:
- name: silences
  interval: 15s
  rules:
  - {alert: LoadHigh, expr: load > 80, for: 1m}
  - {alert: Errors, expr: 'rate(errors_total[1m]) > 3', for: 1m}
  - {alert: ErrorsKept, expr: 'rate(errors_total[1m]) > 3', for: 1m, keep_firing_for: 1m}
  - {alert: HostSilent, expr: 'absent_over_time(load{host="a"}[30s])'}
  - {alert: HostGone, expr: 'absent(load{host="a"})', for: 30s}
- name: silences with options
  interval: 15s
  rules:
  - {alert: LoadTolerant, expr: load > 80, for: 2m}
  - {alert: ErrorsTolerant, expr: 'rate(errors_total[1m]) > 3', for: 2m}
  - {alert: LoadHeld, expr: load > 80, for: 1m}
  - {alert: LoadMissing, expr: load > 80, for: 1m}
  - {alert: LoadSteady, expr: load > 80, for: 1m}
"""
OPTIONS = """
rule_options:
- {alert: LoadTolerant, gap_tolerance: 2}
- {alert: ErrorsTolerant, gap_tolerance: 6}
- {alert: LoadHeld, on_absent: hold}
- {alert: LoadMissing, on_absent: fire}
- {alert: LoadSteady, resolve_below: 60}
"""
NO_DETECTORS = "detectors: []\nstate: {shards: 2}\n"
PLAIN = ("LoadHigh", "Errors", "ErrorsKept", "HostSilent", "HostGone")
WITH_OPTIONS = ("LoadTolerant", "ErrorsTolerant", "LoadHeld", "LoadMissing", "LoadSteady")


def plans(folder, partitions):
    """The plan of all rules, and the same without the options that Prometheus lacks."""
    names = [f"p{number}" for number in range(partitions)]
    return tuple(
        plan_of(folder, RULES, config=NO_DETECTORS + options, partitions=names)
        for options in (OPTIONS, "")
    )


class Known:
    """Samples that are known so far, as the slow twin asks for them."""

    def __init__(self):
        self._samples = defaultdict(dict)
        self._held = None

    def add(self, row):
        """Learn of a row; of two of one time the larger stays, and a number before a marker."""
        series, ts, value, flags = row.sample
        samples = self._samples[series.all_labels]
        new = (not flags, value if not flags else 0.0)
        samples[ts] = max(samples.get(ts, new), new)
        self._held = None

    def until(self, tick):
        """The source of all that is known with a time at or before a tick."""
        if self._held is None:
            self._held = Stored(_columns(*item) for item in self._samples.items())
        return self._held

    def make(self, tick, made, gone):
        """Nothing reads what alerts make here."""


def _columns(labels, samples):
    times = sorted(samples)
    return (
        labels,
        np.array(times, np.int64),
        np.array([samples[ts][1] for ts in times], np.float64),
        np.array([not samples[ts][0] for ts in times], np.bool_),
    )


class Twin:
    """All rules of a plan, tick by tick."""

    def __init__(self, plan):
        self._rules = [
            NaiveAlerting(rule, group)
            for cluster in plan.rules.clusters
            for group in cluster.groups
            for rule in group.rules
        ]

    def at(self, tick_s, known):
        """Yield what is said at a tick: (second, rule, host, status)."""
        tick = BEGIN_NS + tick_s * SECOND_NS
        for rule in self._rules:
            for _, _, told in rule.eval(known, tick):
                if told is not None:
                    labels = dict(told[0])
                    yield tick_s, rule.rule.name, labels.get("host", ""), told[1]


@dataclass(frozen=True)
class Span:
    """An alert that fired: from when until when, and when that was said; all in seconds."""

    fired: float
    fired_said: float
    resolved: float = math.inf
    resolved_said: float = math.inf

    @property
    def times(self):
        """Event time of both."""
        return self.fired, self.resolved

    def __str__(self):
        return f"{_clock(self.fired)}-{_clock(self.resolved)}"


def _clock(second):
    return "" if second == math.inf else f"{int(second) // 60}:{int(second) % 60:02}"


def spans_of(changes):
    """Put (second, rule, host, status, said) together to spans by ``rule host``."""
    spans = defaultdict(list)
    for second, rule, host, status, said in sorted(changes):
        found = spans[f"{rule} {host}"]
        is_open = bool(found) and found[-1].resolved == math.inf
        if status == "firing" and not is_open:
            found.append(Span(second, said))
        elif status == "resolved":
            found[-1] = replace(found[-1], resolved=second, resolved_said=said)
    return {alert: found for alert, found in spans.items() if found}


def right_spans(plan, rows, until_s):
    """What is right: all that truly happened, seen in event time."""
    known = Known()
    for row in rows:
        if row.true:
            known.add(row)
    twin = Twin(plan)
    return spans_of(
        (*change, change[0])
        for tick_s in ticks_of(rows, until_s)
        for change in twin.at(tick_s, known)
    )


def wall_clock_spans(plan, arrived, until_s):
    """What an evaluation by wall clock says, on what has arrived at each tick.

    At its best: it takes samples in any order, and has no missed evaluations.
    """
    known, twin, changes = Known(), Twin(plan), []
    waiting = sorted(arrived, key=lambda item: item[0])
    for tick_s in ticks_of([row for _, row in arrived], until_s):
        while waiting and waiting[0][0] <= tick_s:
            known.add(waiting.pop(0)[1])
        changes += [(*change, change[0]) for change in twin.at(tick_s, known)]
    return spans_of(changes)


def flow_spans(world, until_s):
    """What the flow has said of ticks up to a time."""
    return spans_of(
        (tick_s, alert.event.rule.name, alert.event.labels.get("host", ""), alert.event.status, now)
        for now, alert in world.said.values()
        if alert.event is not None and (tick_s := (alert.tick - BEGIN_NS) // SECOND_NS) <= until_s
    )


def ticks_of(rows, until_s):
    """Ticks from the first sample on."""
    first = min(row.ts for row in rows)
    return range(int(-(-first // TICK_S)) * TICK_S, until_s + 1, TICK_S)


@dataclass(frozen=True)
class Faults:
    """What is wrong with spans.

    A false resolve is one while the alert should fire; a refire begins an alert anew that fires
    already; a false alarm stands for nothing. `late_s` is how long after its tick a beginning or an
    end was said, at most.
    """

    false_resolves: int = 0
    refires: int = 0
    false_alarms: int = 0
    missed: int = 0
    late_s: int = 0

    @property
    def counts(self):
        """All but how late it is."""
        return self.false_resolves, self.refires, self.false_alarms, self.missed

    def __str__(self):
        names = ("false resolve", "refire", "false alarm", "missed alert")
        found = [
            f"{number} {name}{'s' * (number > 1)}"
            for number, name in zip(self.counts, names, strict=True)
            if number
        ]
        return ", ".join(found) or "right"


def faults(spans, right, rules):
    """Compare spans with the right ones, for some rules."""
    found = [
        _faults_of(spans.get(alert, []), right.get(alert, []))
        for alert in {*spans, *right}
        if alert.split(" ")[0] in rules
    ]
    sums = [sum(column) for column in zip(*(item.counts for item in found), strict=True)]
    return Faults(*sums, max((item.late_s for item in found), default=0))


def _faults_of(spans, right):
    matched = defaultdict(list)
    alarms = resolves = late_s = 0
    for span in spans:
        resolves += any(true.fired <= span.resolved < true.resolved for true in right)
        begun = [true for true in right if true.fired <= span.fired < true.resolved + SLACK_S]
        if begun:
            matched[begun[-1]].append(span)
        else:
            alarms += 1
    for true, found in matched.items():
        late_s = max(late_s, found[0].fired_said - true.fired)
        if math.inf not in (true.resolved, found[-1].resolved):
            late_s = max(late_s, found[-1].resolved_said - true.resolved)
    refires = sum(len(found) - 1 for found in matched.values())
    missed = sum(true not in matched for true in right)
    return Faults(resolves, refires, alarms, missed, int(late_s))
