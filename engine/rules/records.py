"""From transitions to output records: labels, annotations, times, id and the reason."""

import math

import numpy as np
from numpy.typing import NDArray

from engine.events import Alert, AlertEvent, RuleReference, event_id, number, rfc3339
from engine.rules.evaluate import RuleEvaluation
from engine.rules.humanize import humanize
from engine.rules.lifecycle import (
    BECAME_FIRING,
    BECAME_PENDING,
    BECAME_RESOLVED,
    DROPPED,
    FORGOTTEN,
    NEVER,
    REFRESH,
    RESEND_DELAY_NS,
)
from engine.rules.plan import RulePlan
from engine.rules.table import Identity
from engine.series.identity import NAME_LABEL, Series

STATUS = {
    BECAME_PENDING: "pending",
    BECAME_FIRING: "firing",
    REFRESH: "firing",
    BECAME_RESOLVED: "resolved",
}

MILLISECOND_NS = 1_000_000
_TRANSITIONS_WITHOUT_RECORD = (DROPPED, FORGOTTEN)


def alert_records(
    evaluation: RuleEvaluation,
    changes: NDArray[np.void],
    context: NDArray[np.float64],
    *,
    full_from: int,
) -> list[Alert]:
    """Make the records of a rule's transitions, by tick and then by the alerts' labels.

    Before `full_from` (ns) the rule's windows did not have all their samples: the record says so.
    """
    records = []
    for change, its_context in zip(changes, context, strict=True):
        identity = evaluation.table.identities[int(change["alert"])]
        if identity is None:
            continue
        record = _record(evaluation.plan, identity, change, its_context, full_from)
        records.append((int(change["tick"]), identity.labels, record))
    records.sort(key=lambda item: item[:2])
    return [record for _, _, record in records]


def _record(
    plan: RulePlan,
    identity: Identity,
    change: np.void,
    context: NDArray[np.float64],
    full_from: int,
) -> Alert:
    fingerprint = identity.fingerprint
    tick = int(change["tick"])
    transition = int(change["transition"])
    if transition in _TRANSITIONS_WITHOUT_RECORD:
        return Alert(fingerprint, tick, None)
    rule = plan.rule
    value = float(change["value"])
    active_at = int(change["active_at"])
    # Alertmanager's start of an alert is when it fired, as in Prometheus.
    fired_at = int(change["fired_at"])
    status = STATUS[transition]
    given = {NAME_LABEL: identity.series.name, **dict(identity.series.labels)}
    # Prometheus' end of a firing alert: four times the longer of interval and resend delay.
    ends_at = tick if transition == BECAME_RESOLVED else (
        tick + 4 * max(plan.interval_ns, RESEND_DELAY_NS)
    )  # fmt: skip
    event = AlertEvent(
        id=event_id(
            "alert", rule.file, rule.group, rule.name, fingerprint, active_at, status, tick
        ),
        fingerprint=fingerprint,
        status=status,
        labels=dict(identity.labels),
        annotations={name: template.expand(given, value) for name, template in rule.annotations},
        startsAt=rfc3339(active_at if fired_at == NEVER else fired_at),
        endsAt=rfc3339(ends_at),
        generatorURL="",
        activeAt=rfc3339(active_at),
        evaluatedAt=rfc3339(tick),
        value=number(value),
        rule=RuleReference(rule.file, rule.group, rule.name),
        seq=int(change["sequence"]),
        reason=_reason(plan, identity.series, value, active_at, context),
        partial_window=tick < full_from,
    )
    return Alert(fingerprint, tick, event)


def _reason(
    plan: RulePlan,
    series: Series,
    value: float,
    active_at: int,
    context: NDArray[np.float64],
) -> str:
    """Say why in a sentence: what was seen, against what."""
    if not math.isnan(context[0]):
        labels = dict(series.labels)
        metric = labels.pop("metric", series.name)
        labels.pop("detector", None)
        seen = Series.of(metric, labels)
        at, value, expected, lower, upper = context.tolist()
        text = f"{seen} was {humanize(value)} at {rfc3339(int(at) * MILLISECOND_NS)}"
        if math.isnan(expected):
            return text
        return (
            f"{text}, expected {humanize(expected)} ({humanize(lower)} to {humanize(upper)})"
        )
    leaf = plan.rule.expression.leaf
    seen_as = f"{leaf.function}({series})" if leaf.function else str(series)
    comparison = plan.rule.expression.comparison
    asked = f" {comparison.op} {humanize(comparison.number)}" if comparison else ""
    return f"{seen_as} is {humanize(value)}{asked} since {rfc3339(active_at)}"
