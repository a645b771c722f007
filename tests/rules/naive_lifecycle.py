"""The life of a rule's alerts in plain words: the slow twin of `engine.rules.lifecycle`.

`NaiveRule.eval` transcribes Prometheus' `AlertingRule.Eval` and `needsSending` (rules/alerting.go)
for one tick; `is_result` adds what Prometheus can't express.
"""

from dataclasses import dataclass, field

from engine.rules.lifecycle import (
    ABSENT,
    BECAME_FIRING,
    BECAME_PENDING,
    BECAME_RESOLVED,
    DROPPED,
    ENDED,
    FALSE,
    FIRE_ON_ABSENT,
    FORGOTTEN,
    HOLD_ON_ABSENT,
    HOLDS,
    REFRESH,
    TRUE,
)

MINUTE = 60_000_000_000


@dataclass
class NaiveAlert:
    active_at: int
    value: float
    state: str = "pending"
    fired_at: int | None = None
    keep_since: int | None = None
    resolved_at: int | None = None
    last_sent: int | None = None
    sequence: int = 0


@dataclass
class NaiveRule:
    for_ns: int = 0
    keep_firing_for_ns: int = 0
    gap_tolerance: int = 0
    on_absent: int = 0
    remember_ns: int = 0
    no_value: float = 0.0
    active: dict = field(default_factory=dict)
    seen_at: dict = field(default_factory=dict)
    missing: dict = field(default_factory=dict)
    ended: set = field(default_factory=set)
    values: dict = field(default_factory=dict)
    failures: int = 0

    def tick(self, ts, rows, alerts):
        """Rows are (alert, condition, value); gives (ts, alert, transition, value, times, seq)."""
        true = [alert for alert, condition, _ in rows if condition == TRUE]
        if len(true) != len(set(true)):
            self.failures += 1
            return []
        results = {}
        for alert in alerts:
            conditions = [condition for at, condition, _ in rows if at == alert]
            condition = max(conditions, default=ABSENT)
            if condition == TRUE:
                self.values[alert] = next(v for at, c, v in rows if at == alert and c == TRUE)
            if self.is_result(ts, alert, condition):
                results[alert] = self.values.get(alert, self.no_value)
        return self.eval(ts, results, alerts)

    def is_result(self, ts, alert, condition):
        if condition in (ABSENT, ENDED):
            self.missing[alert] = self.missing.get(alert, 0) + 1
            if condition == ENDED:
                self.ended.add(alert)
        else:
            self.missing[alert], self.seen_at[alert] = 0, ts
            self.ended.discard(alert)
        state = self.active[alert].state if alert in self.active else "inactive"
        if condition == HOLDS:
            return state == "firing"
        if condition in (TRUE, FALSE):
            return condition == TRUE
        is_tolerated = state != "inactive" and self.missing[alert] <= self.gap_tolerance
        if alert in self.ended:
            return is_tolerated
        if self.on_absent == FIRE_ON_ABSENT:
            return alert in self.seen_at and ts - self.seen_at[alert] <= self.remember_ns
        return is_tolerated or (state == "firing" and self.on_absent == HOLD_ON_ABSENT)

    def end_all(self, ts):
        """End all alerts at once: what fires is resolved, what is pending is dropped."""
        changes = []
        for number, alert in list(self.active.items()):
            if alert.state == "inactive":
                continue
            transition = BECAME_RESOLVED if alert.state == "firing" else DROPPED
            changes.append(
                (ts, number, transition, alert.value, alert.active_at, alert.fired_at,
                 alert.sequence)
            )  # fmt: skip
            if alert.state == "pending":
                del self.active[number]
                continue
            alert.state, alert.resolved_at, alert.keep_since = "inactive", ts, None
            alert.sequence += 1
        return changes

    def eval(self, ts, results, alerts):
        changes = []
        for number in alerts:
            before = self.active.get(number)
            was = before.state if before else "inactive"
            transition = self.eval_one(ts, number, results, was)
            if transition is None:
                continue
            alert = self.active.get(number, before)
            alert.last_sent = ts
            changes.append(
                (ts, number, transition, alert.value, alert.active_at, alert.fired_at,
                 alert.sequence)
            )  # fmt: skip
            alert.sequence += 1
        return changes

    def eval_one(self, ts, number, results, was):
        if number in results:
            if was != "inactive":
                self.active[number].value = results[number]
            else:
                self.active[number] = NaiveAlert(active_at=ts, value=results[number])
        alert = self.active.get(number)
        if alert is None:
            return None
        if number not in results:
            keep = False
            if alert.state == "firing" and self.keep_firing_for_ns > 0:
                if alert.keep_since is None:
                    alert.keep_since = ts
                keep = ts - alert.keep_since < self.keep_firing_for_ns
            if alert.state == "pending" or (
                alert.resolved_at is not None and ts - alert.resolved_at > 15 * MINUTE
            ):
                del self.active[number]
                return DROPPED if was == "pending" else FORGOTTEN
            if alert.state != "inactive" and not keep:
                alert.state, alert.resolved_at, alert.keep_since = "inactive", ts, None
                return BECAME_RESOLVED
            if not keep:
                return None
        else:
            alert.keep_since = None
        if alert.state == "pending" and ts - alert.active_at >= self.for_ns:
            alert.state, alert.fired_at = "firing", ts
        elif alert.state == "firing" and ts - alert.active_at < self.for_ns:
            alert.state, alert.fired_at, alert.keep_since = "pending", None, None
        if alert.state != was:
            return BECAME_FIRING if alert.state == "firing" else BECAME_PENDING
        if alert.state == "firing" and alert.last_sent + MINUTE < ts:
            return REFRESH
        return None
