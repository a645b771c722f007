"""Alerts on their way out."""

from dataclasses import dataclass

import msgspec


class RuleReference(msgspec.Struct, frozen=True):
    """Which rule made an alert."""

    file: str
    group: str
    name: str


class AlertEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A transition or refresh of an alert.

    `labels`, `annotations`, `startsAt`, `endsAt` and `generatorURL` are what Alertmanager's
    ``POST /api/v2/alerts`` takes. Times are RFC 3339 in event time.
    """

    id: str
    fingerprint: str
    status: str
    labels: dict[str, str]
    annotations: dict[str, str]
    startsAt: str  # noqa: N815
    endsAt: str  # noqa: N815
    generatorURL: str  # noqa: N815
    activeAt: str  # noqa: N815
    evaluatedAt: str  # noqa: N815
    value: float | str
    rule: RuleReference
    seq: int
    reason: str
    partial_window: bool = False


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert's record on its way out; `event` is None for a tombstone."""

    fingerprint: str
    tick: int
    event: AlertEvent | None
