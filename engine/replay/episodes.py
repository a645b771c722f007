"""Episodes: what the alert records of a run add up to, for people to read."""

from dataclasses import dataclass, field

import msgspec

from engine.events import Alert, AlertEvent


class Episode(msgspec.Struct, kw_only=True):
    """One alert from when it became active to when it resolved, if it did."""

    fingerprint: str
    alert: str
    labels: dict[str, str]
    active_at: str
    fired_at: str | None = None
    resolved_at: str | None = None
    value: float | str
    reason: str


@dataclass
class Episodes:
    """Gathers records, in any order of alerts; each alert's own come in order of its ticks."""

    found: dict[tuple[str, str], Episode] = field(default_factory=dict)

    def add(self, alerts: list[Alert]) -> list[Episode]:
        """Take records in; gives the episodes that have begun to fire with them."""
        fired = []
        for alert in alerts:
            event = alert.event
            if event is None:
                continue
            key = event.fingerprint, event.activeAt
            episode = self.found.get(key)
            if episode is None:
                episode = self.found[key] = _begin(event)
            if event.status == "firing" and episode.fired_at is None:
                episode.fired_at = event.evaluatedAt
                episode.value, episode.reason = event.value, event.reason
                fired.append(episode)
            if event.status == "resolved":
                episode.resolved_at = event.evaluatedAt
        return fired

    def fired(self) -> list[Episode]:
        """Episodes that fired, by the time they did and their labels."""
        return sorted(
            (episode for episode in self.found.values() if episode.fired_at is not None),
            key=lambda episode: (episode.fired_at or "", episode.alert, *episode.labels.items()),
        )


def _begin(event: AlertEvent) -> Episode:
    return Episode(
        fingerprint=event.fingerprint,
        alert=event.labels["alertname"],
        labels={name: text for name, text in event.labels.items() if name != "alertname"},
        active_at=event.activeAt,
        value=event.value,
        reason=event.reason,
    )
