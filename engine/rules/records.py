"""From transitions to output records: labels, annotations, times, id and the reason."""

import math

import numpy as np
from numpy.typing import NDArray

from engine.config.durations import MILLISECOND_NS, format_duration
from engine.detectors.signals import named
from engine.events import (
    Alert,
    AlertEvent,
    RuleReference,
    event_id,
    number,
    rfc3339,
    weekday_and_time,
)
from engine.promql.leaf import Leaf
from engine.promql.prepare import constant, leaf_of
from engine.promql.syntax import Binary, Expression
from engine.rules.alerting import AlertEvaluation
from engine.rules.humanize import humanize
from engine.rules.lifecycle import (
    ABSENT,
    BECAME_FIRING,
    BECAME_PENDING,
    BECAME_RESOLVED,
    DROPPED,
    ENDED,
    FORGOTTEN,
    NEVER,
    REFRESH,
    RESEND_DELAY_NS,
)
from engine.rules.model import AlertRule
from engine.rules.reads import comparison_of
from engine.rules.table import Identity
from engine.series.identity import Series

STATUS = {
    BECAME_PENDING: "pending",
    BECAME_FIRING: "firing",
    REFRESH: "firing",
    BECAME_RESOLVED: "resolved",
}

_LARGE = 1e4
_TRANSITIONS_WITHOUT_RECORD = (DROPPED, FORGOTTEN)


def alert_records(
    evaluation: AlertEvaluation,
    changes: NDArray[np.void],
    context: NDArray[np.float64],
    *,
    full_from: int,
) -> list[Alert]:
    """Make the records of a rule's transitions, by tick and then by the alerts' labels.

    Before `full_from` (ns) the rule's windows did not have all their samples: the record says so.
    """
    records = []
    for change, its_context, series in zip(changes, context, evaluation.change_series, strict=True):
        identity = evaluation.table.identities[int(change["alert"])]
        if identity is None:
            continue
        identity = Identity(series, identity.labels)
        record = _record(evaluation, identity, change, its_context, full_from)
        records.append((int(change["tick"]), identity.labels, record))
    records.sort(key=lambda item: item[:2])
    return [record for _, _, record in records]


def _record(
    evaluation: AlertEvaluation,
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
    plan, rule = evaluation.plan, evaluation.rule
    value = float(change["value"])
    active_at = int(change["active_at"])
    # Alertmanager's start of an alert is when it fired, as in Prometheus.
    fired_at = int(change["fired_at"])
    status = STATUS[transition]
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
        annotations=evaluation.annotations(identity.series, value),
        startsAt=rfc3339(active_at if fired_at == NEVER else fired_at),
        endsAt=rfc3339(ends_at),
        generatorURL="",
        activeAt=rfc3339(active_at),
        evaluatedAt=rfc3339(tick),
        value=number(value),
        rule=RuleReference(rule.file, rule.group, rule.name),
        seq=int(change["sequence"]),
        reason=_reason(rule, identity.series, change, context),
        partial_window=tick < full_from,
    )
    return Alert(fingerprint, tick, event)


def _reason(rule: AlertRule, series: Series, change: np.void, context: NDArray[np.float64]) -> str:
    """Say why in a sentence: what was seen, against what."""
    comparison = comparison_of(rule.expression)
    seen = rule.expression
    if comparison is not None and isinstance(seen, Binary):
        seen = seen.left if constant(seen.left) is None else seen.right
    leaf = leaf_of(seen)
    if leaf is not None and leaf.selector.name is not None:
        # A function has taken the name off.
        series = Series(leaf.selector.name, series.labels)
    if change["condition"] == ENDED:
        return f"{str(series) or str(seen)} was ended by its source (stale marker)"
    if change["condition"] == ABSENT and change["last_seen"] != NEVER:
        what = str(series) or str(seen)
        return f"{what} has had no data since {rfc3339(int(change['last_seen']))}"
    if not math.isnan(context[0]):
        return _anomaly_reason(series, context)
    asked = f" {comparison.op} {_digits(comparison.number)}" if comparison else ""
    since = rfc3339(int(change["active_at"]))
    return (
        f"{_seen_as(seen, leaf, series)} is {_digits(float(change['value']))}{asked} since {since}"
    )


def _seen_as(seen: Expression, leaf: Leaf | None, series: Series) -> str:
    """Name what has the value."""
    if leaf is None or leaf.parameters:
        of_labels = str(Series("", series.labels))
        return f"{seen} of {of_labels}" if of_labels else str(seen)
    if leaf.function is None:
        return str(series)
    window = f"[{format_duration(leaf.range_ns)}]" if leaf.range_ns else ""
    return f"{leaf.function}({series}{window})"


def _anomaly_reason(series: Series, context: NDArray[np.float64]) -> str:
    """Say what the sample was and what was expected."""
    labels = dict(series.labels)
    metric = labels.pop("metric", series.name)
    labels.pop("detector", None)
    seen = Series.of(metric, labels)
    at, value, expected, lower, upper, mask, moved = context.tolist()
    moment = rfc3339(int(at) * MILLISECOND_NS)
    text = f"{seen} was {_digits(value)} at {moment}"
    if not math.isnan(expected):
        usual = f"{_digits(expected)} ({_digits(lower)} to {_digits(upper)})"
        text = f"{text}, expected {usual} for {weekday_and_time(int(at) * MILLISECOND_NS)}"
    signals = named(mask)
    if signals:
        text = f"{text}; {_listed(signals)} broke"
    return text if moved == 1.0 else f"{text}; boundary x{moved:.2f} by feedback"


def _listed(names: list[str]) -> str:
    """Join names as a sentence does."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _digits(value: float) -> str:
    """Write a number with four digits; large ones with a prefix."""
    return humanize(value) if abs(value) >= _LARGE else f"{value:.4g}"
