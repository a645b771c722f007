"""The alerts of one rule: entries of the life cycle's table and what they are called."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.rules.lifecycle import ALERT, INACTIVE, NEVER, TIMES
from engine.rules.model import AlertRule
from engine.rules.queries import CONTEXT_WIDTH
from engine.rules.templates import NO_EXTERNAL, External
from engine.series.identity import NAME_LABEL, Series, fingerprint_of

Labels = tuple[tuple[str, str], ...]

_FIRST_CAPACITY = 8


@dataclass(frozen=True, slots=True)
class Identity:
    """Which alert: the series of its last result and its labels, sorted, with alertname."""

    series: Series
    labels: Labels

    @property
    def fingerprint(self) -> str:
        """16 hex digits over all labels."""
        return f"{fingerprint_of(self.labels):016x}"


def alert_labels(
    rule: AlertRule, series: Series, value: float, external: External = NO_EXTERNAL
) -> Labels:
    """Labels of the alert that a result makes: the series', the rule's over them, alertname."""
    labels = dict(series.labels)
    # In templates $labels has the metric's name, too, as in Prometheus.
    given = {NAME_LABEL: series.name, **labels}
    labels |= {
        name: template.expand(given, value, external=external) for name, template in rule.labels
    }
    labels["alertname"] = rule.name
    return tuple(sorted((name, text) for name, text in labels.items() if text))


class AlertTable:
    """Entries for the alerts of a rule.

    Parameters
    ----------
    limit : int
        Most entries; further alerts are refused and counted in `refused`, so that a firing one is
        never forgotten.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.refused = 0
        self.alerts = self._free_entries(_FIRST_CAPACITY)
        self.identities: list[Identity | None] = [None] * _FIRST_CAPACITY
        self.context = np.full((_FIRST_CAPACITY, CONTEXT_WIDTH), np.nan)
        self._by_labels: dict[Labels, int] = {}
        self._free = list(range(_FIRST_CAPACITY))

    def __len__(self) -> int:
        return len(self._by_labels)

    @property
    def in_use(self) -> bool:
        """Whether any entry is used."""
        return bool(self._by_labels)

    def find(self, labels: Labels) -> int:
        """Entry of an alert, -1 if there is none."""
        return self._by_labels.get(labels, -1)

    def entry(self, series: Series, labels: Labels) -> int:
        """Entry of an alert, made if need be; -1 beyond the limit."""
        held = self._by_labels.get(labels)
        if held is not None:
            return held
        if len(self._by_labels) >= self.limit:
            self.refused += 1
            return -1
        if not self._free:
            more = len(self.alerts)
            self._free = list(range(more, 2 * more))
            self.alerts = np.concatenate([self.alerts, self._free_entries(more)])
            self.context = np.concatenate([self.context, np.full((more, CONTEXT_WIDTH), np.nan)])
            self.identities += [None] * more
        number = self._free.pop()
        self.alerts[number] = self._free_entries(1)[0]
        self.alerts["used"][number] = True
        self.context[number] = np.nan
        self.identities[number] = Identity(series, labels)
        self._by_labels[labels] = number
        return number

    def series_of(self, number: int) -> Series:
        """The series of an entry's last result."""
        identity = self.identities[number]
        if identity is None:
            raise IndexError(f"entry {number} is free")
        return identity.series

    def said_by(self, number: int, series: Series) -> None:
        """Note the series of an entry's last result."""
        identity = self.identities[number]
        if identity is not None and identity.series is not series:
            self.identities[number] = Identity(series, identity.labels)

    def release(self, tick: int, remember_ns: int) -> None:
        """Free entries that nothing holds: inactive, not resolved lately, not remembered."""
        alerts = self.alerts
        idle = alerts["used"] & (alerts["state"] == INACTIVE) & (alerts["resolved_at"] == NEVER)
        if remember_ns:
            idle &= (alerts["last_seen"] == NEVER) | (tick - alerts["last_seen"] > remember_ns)
        for number in np.flatnonzero(idle).tolist():
            identity = self.identities[number]
            if identity is not None:
                del self._by_labels[identity.labels]
            self.identities[number] = None
            alerts["used"][number] = False
            self._free.append(number)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The live arrays."""
        return {"alerts": self.alerts.view(np.uint8), "context": self.context}

    def meta(self) -> list[Any]:
        """The identities of used entries as plain values."""
        return [
            (number, identity.series.name, identity.series.labels, identity.labels)
            for number, identity in enumerate(self.identities)
            if identity is not None
        ]

    def restore(self, arrays: dict[str, NDArray[Any]], meta: list[Any]) -> None:
        """Go on from a checkpoint."""
        self.alerts = arrays["alerts"].view(ALERT)
        self.context = arrays["context"]
        self.identities = [None] * len(self.alerts)
        self._by_labels = {}
        for number, name, series_labels, labels in meta:
            series = Series(name, tuple((key, text) for key, text in series_labels))
            identity = Identity(series, tuple((key, text) for key, text in labels))
            self.identities[number] = identity
            self._by_labels[identity.labels] = number
        self._free = [n for n, identity in enumerate(self.identities) if identity is None]

    @staticmethod
    def _free_entries(count: int) -> NDArray[np.void]:
        entries = np.zeros(count, ALERT)
        for field in TIMES:
            entries[field] = NEVER
        entries["value"] = np.nan
        return entries
