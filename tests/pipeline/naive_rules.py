"""Rules evaluated one by one at one tick after the other: the slow twin of shards and lanes.

Each rule sees all samples up to its tick, those that rules before it made included, as a query on
memory; that a query is right is for the oracles to say. The order of events is that of Prometheus'
``Group.Eval`` (rules/group.go).
"""

import math
from collections import defaultdict

import numpy as np
from rules.naive_lifecycle import NaiveRule

from engine.events import number, rfc3339
from engine.promql.leaf import passes
from engine.promql.matrix import Block, Matrix, Scalar
from engine.promql.stored import Stored, query
from engine.rules.alerting import REMEMBER_NS
from engine.rules.lifecycle import ENDED, FALSE, FIRE_ON_ABSENT, HOLDS, TRUE
from engine.rules.model import RecordingRule
from engine.rules.records import STATUS
from engine.rules.table import alert_labels
from engine.series.identity import NAME_LABEL, Series, fingerprint_of

SECOND_NS = 10**9
SAME_RULE_LABELS = "vector contains metrics with the same labelset after applying rule labels"
SAME_ALERT_LABELS = "vector contains metrics with the same labelset after applying alert labels"


class StoredFrom(Stored):
    """Series in memory of a flow that began at a time: subqueries have no steps before it."""

    def __init__(self, series, *, begun, lookback_ns):
        super().__init__(series, lookback_ns=lookback_ns)
        self.begun = begun

    def inner(self, subquery, block):
        """Leave the steps out that lie before the beginning."""
        inner, matrix = super().inner(subquery, block)
        late = inner.ticks >= self.begun
        kept = Block(inner.ticks[late], inner.interval_ns)
        skipped = int((~late).sum())
        kept.errors = {at - skipped: text for at, text in inner.errors.items() if at >= skipped}
        return kept, Matrix(matrix.table, matrix.value[:, late].copy(),
                            matrix.present[:, late].copy())  # fmt: skip


class Samples:
    """All samples there are, by their labels with the name."""

    def __init__(self, rows, lookback_ns):
        self.lookback_ns = lookback_ns
        self.raw = defaultdict(list)
        for series, ts, value, flags in sorted(rows, key=lambda row: row[1]):
            self.raw[series.all_labels].append((ts, value, bool(flags)))
        self.begun = min(row[1] for row in rows)
        self.columns = {
            labels: tuple(map(np.array, zip(*samples, strict=True)))
            for labels, samples in self.raw.items()
        }
        self.made = defaultdict(list)
        self._held = None

    def make(self, tick, samples, gone):
        """Put samples of rules in, and stale markers of series that are gone."""
        for labels, value in samples.items():
            self.made[labels].append((tick, value, False))
        for labels in gone:
            self.made[labels].append((tick, math.nan, True))
        if samples or gone:
            self._held = None

    def until(self, tick):
        """Give the source of all samples at or before a tick."""
        if self._held is None or self._held[0] != tick:
            series = []
            for labels, (ts, value, stale) in self.columns.items():
                end = int(np.searchsorted(ts, tick, side="right"))
                series.append((labels, ts[:end], value[:end], stale[:end]))
            for labels, samples in self.made.items():
                ts, value, stale = zip(*samples, strict=True)
                series.append((labels, np.array(ts), np.array(value, float), np.array(stale)))
            source = StoredFrom(series, begun=self.begun, lookback_ns=self.lookback_ns)
            self._held = tick, source
        return self._held[1]


class TickError(Exception):
    """A rule has an error at a tick; `said` is what it said of its alerts even so."""

    def __init__(self, message, said=()):
        super().__init__(message)
        self.said = list(said)


def results_at(expression, samples, tick):
    """Results of an expression at a tick, as (labels, value)."""
    value, block = query(expression, samples.until(tick), np.array([tick]))
    if block.failed[0]:
        raise TickError(block.errors[0])
    if isinstance(value, Scalar):
        return [((), float(value.value[0]))]
    return [
        (labels, float(value.value[row, 0]))
        for row, labels in enumerate(value.table.labels)
        if value.present[row, 0]
    ]


class NaiveEvaluation:
    """One rule; what it says of its alerts, and its errors."""

    def __init__(self, plan, group):
        self.plan, self.group, self.rule = plan, group, plan.rule
        self.errors = []
        self.last_error = ""

    def at(self, samples, tick):
        """Take the rule over a tick; gives what is said of its alerts."""
        self.last_error = ""
        try:
            return self.eval(samples, tick)
        except TickError as error:
            self.last_error = str(error)
            self.errors.append(self.last_error)
            return error.said


class NaiveRecording(NaiveEvaluation):
    """One recording rule."""

    def __init__(self, plan, group):
        super().__init__(plan, group)
        self.recorded = set()

    def eval(self, samples, tick):
        made = self.made(samples, tick)
        samples.make(tick, made, self.recorded - set(made))
        self.recorded = set(made)
        return []

    def made(self, samples, tick):
        made = {}
        for labels, value in results_at(self.plan.expression, samples, tick):
            given = dict(labels) | dict(self.rule.labels)
            given[NAME_LABEL] = self.rule.name
            name = tuple(sorted((key, text) for key, text in given.items() if text))
            if name in made:
                raise TickError(SAME_RULE_LABELS)
            made[name] = value
        if self.group.limit and len(made) > self.group.limit:
            raise TickError(f"exceeded limit of {self.group.limit} with {len(made)} series")
        return made


class NaiveAlerting(NaiveEvaluation):
    """One alert rule."""

    def __init__(self, plan, group):
        super().__init__(plan, group)
        options = plan.options
        self.life = NaiveRule(
            for_ns=self.rule.for_ns, keep_firing_for_ns=self.rule.keep_firing_for_ns,
            gap_tolerance=options.gap_tolerance, on_absent=options.on_absent,
            remember_ns=REMEMBER_NS, no_value=math.nan,
        )  # fmt: skip
        self.known = {}
        self.said = set()

    def eval(self, samples, tick):
        rows = self.rows(samples, tick)
        failures = self.life.failures
        changes = self.life.tick(tick, rows, list(self.known))
        if self.life.failures > failures:
            raise TickError(SAME_ALERT_LABELS)
        said = [record(change) for change in changes]
        active = sum(alert.state != "inactive" for alert in self.life.active.values())
        if self.group.limit and active > self.group.limit:
            said += [record(change) for change in self.life.end_all(tick)]
            raise TickError(f"exceeded limit of {self.group.limit} with {active} alerts", said)
        self.make(samples, tick)
        return said

    def rows(self, samples, tick):
        """What the expressions say, as (alert, condition, value)."""
        plan, rows = self.plan, []
        fires = plan.options.on_absent == FIRE_ON_ABSENT
        for expression, condition in (
            (plan.expression, TRUE), (plan.present, FALSE), (plan.ended, ENDED), (plan.hold, HOLDS),
        ):  # fmt: skip
            if expression is None:
                continue
            try:
                results = results_at(expression, samples, tick)
            except TickError:
                if condition != ENDED:
                    raise
                continue
            for labels, value in results:
                given = dict(labels)
                series = Series(given.pop(NAME_LABEL, ""), tuple(given.items()))
                alert = alert_labels(self.rule, series, value)
                means = condition
                resolve = plan.options.resolve
                if condition == FALSE and resolve and passes(np.array([value]), resolve)[0]:
                    means = HOLDS
                if condition == TRUE or (fires and condition != ENDED):
                    self.known[alert] = None
                if alert in self.known:
                    rows.append((alert, means, value))
        return rows

    def make(self, samples, tick):
        """Make ALERTS and ALERTS_FOR_STATE."""
        made = {}
        for labels, alert in self.life.active.items():
            if alert.state == "inactive":
                continue
            given = dict(labels)
            name = {**given, NAME_LABEL: "ALERTS", "alertstate": alert.state}
            made[tuple(sorted(name.items()))] = 1.0
            name = {**given, NAME_LABEL: "ALERTS_FOR_STATE"}
            made[tuple(sorted(name.items()))] = float(alert.active_at // SECOND_NS)
        samples.make(tick, made, self.said - set(made))
        self.said = set(made)


def record(change):
    """What a transition's record must say; only that it is over where it has none."""
    tick, labels, transition, value, active_at, fired_at, sequence = change
    status = STATUS.get(transition)
    fingerprint = f"{fingerprint_of(labels):016x}"
    if status is None:
        return fingerprint, tick, None
    since = rfc3339(active_at if fired_at is None else fired_at)
    shown = number(value)
    shown = shown if isinstance(shown, str) else float(shown).hex()
    return fingerprint, tick, (labels, status, shown, rfc3339(active_at), since, sequence)


def said_in(alerts):
    """What a flow's alerts say, in the form of `record`."""
    said = []
    for alert in alerts:
        event = alert.event
        if event is None:
            said.append((alert.fingerprint, alert.tick, None))
            continue
        shown = event.value if isinstance(event.value, str) else float(event.value).hex()
        labels = tuple(sorted(event.labels.items()))
        told = (labels, event.status, shown, event.activeAt, event.startsAt, event.seq)
        said.append((alert.fingerprint, alert.tick, told))
    return said


def naive_run(plan, groups, rows, watermark):
    """Evaluate all groups, given as (file, name) in order, up to a watermark.

    Gives what is said as a list of `record`, and the evaluations by the rules' keys.
    """
    samples = Samples(rows, plan.lookback_ns)
    of_name = {
        (group.file, group.name): (group, cluster.wait_ns)
        for cluster in plan.rules.clusters
        for group in cluster.groups
    }
    evaluations, due = [], defaultdict(list)
    for name in groups:
        group, wait_ns = of_name[name]
        first = -(-samples.begun // group.interval_ns) * group.interval_ns
        for tick in range(first, watermark - wait_ns + 1, group.interval_ns):
            due[tick].append(len(evaluations))
        evaluations.append([
            NaiveRecording(rule, group) if isinstance(rule.rule, RecordingRule)
            else NaiveAlerting(rule, group)
            for rule in group.rules
        ])  # fmt: skip
    said = []
    for tick in sorted(due):
        for place in due[tick]:
            for rule in evaluations[place]:
                said += rule.at(samples, tick)
    return said, {rule.plan.key: rule for rules in evaluations for rule in rules}
