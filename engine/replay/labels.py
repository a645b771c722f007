"""Labelled incidents of a recording, and which of them the alerts have found."""

from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from engine.errors import UsageError
from engine.promql.selector import parse_selector
from engine.replay.episodes import Episode

GRACE = timedelta(minutes=30)
"""How long after an incident its alert may still begin to fire: windows look back."""


class Incident(msgspec.Struct, frozen=True):
    """Something that went wrong in a recording.

    `alerts` names the rules that are meant to tell; `series` are the canonical texts of those
    that it shows in.
    """

    kind: str
    start: datetime
    end: datetime
    series: tuple[str, ...]
    alerts: tuple[str, ...]
    description: str


class Finding(msgspec.Struct, frozen=True):
    """An incident and the episodes that are about it, first one first."""

    incident: Incident
    episodes: tuple[Episode, ...]

    @property
    def delay(self) -> timedelta | None:
        """Time from its start to the first alert; None if it was missed."""
        if not self.episodes:
            return None
        return max(fired_at(self.episodes[0]) - self.incident.start, timedelta())


def load_incidents(path: Path) -> list[Incident]:
    """Read labelled incidents from JSON.

    Raises
    ------
    UsageError
        The file is missing or of another form.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[Incident])
    except (OSError, msgspec.DecodeError) as error:
        raise UsageError(f"{path} holds no labelled incidents: {error}") from error


def compare(
    incidents: list[Incident], episodes: list[Episode]
) -> tuple[list[Finding], list[Episode]]:
    """Match episodes that fired with incidents, by series and time.

    Returns
    -------
    findings : list of Finding
        One for each incident.
    others : list of Episode
        Episodes that no incident explains.
    """
    found = [
        Finding(
            incident,
            tuple(episode for episode in episodes if is_about(episode, incident)),
        )
        for incident in incidents
    ]
    explained = {id(episode) for finding in found for episode in finding.episodes}
    return found, [episode for episode in episodes if id(episode) not in explained]


def is_about(episode: Episode, incident: Incident) -> bool:
    """Whether an alert fired during an incident, on one of its series."""
    if not incident.start <= fired_at(episode) <= incident.end + GRACE:
        return False
    for text in incident.series:
        selector = parse_selector(text)
        named = episode.alert in incident.alerts or episode.labels.get("metric") == selector.name
        if named and all(matcher.matches(episode.labels.get(matcher.name, ""))
                         for matcher in selector.matchers):  # fmt: skip
            return True
    return False


def fired_at(episode: Episode) -> datetime:
    """When an episode that fired did so."""
    return datetime.fromisoformat(episode.fired_at or episode.active_at)
