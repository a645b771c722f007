"""Labelled drifts of models, and which of them the episodes and alerts of a run have found."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from engine.errors import UsageError
from engine.events import DriftEvent, QualityEvent, TriggerEvent
from engine.replay.episodes import Episode
from engine.replay.labels import fired_at

GRACE = timedelta(hours=6)
"""How long after a drift its episode may still open: windows look back."""

MIRROR = "ModelDrift"
"""The bundled alert that fires for each episode: it finds nothing that the episode does not."""

_QUALITY = "quality"
_decode = msgspec.json.Decoder(DriftEvent | QualityEvent | TriggerEvent).decode


class LabelledDrift(msgspec.Struct, frozen=True):
    """What changed for a model, as `engine.sources.demo_models.LabelledDrift` describes it."""

    kind: str
    model: str
    start: datetime
    end: datetime
    groups: tuple[str, ...]
    features: tuple[str, ...]
    alerts: tuple[str, ...]
    description: str


class Sign(msgspec.Struct, frozen=True):
    """Something that was said of a model.

    Attributes
    ----------
    name : str
        The alert's name, or the episode's group and its first cause.
    model : str
    at : datetime
        When it was said.
    onset : datetime or None
        Of an episode: when it probably began.
    reason : str
    """

    name: str
    model: str
    at: datetime
    onset: datetime | None
    reason: str


class DriftFinding(msgspec.Struct, frozen=True):
    """A labelled drift and the signs that are about it, first one first."""

    drift: LabelledDrift
    signs: tuple[Sign, ...]

    @property
    def delay(self) -> timedelta | None:
        """Time from its start to the first sign; None if it was missed."""
        return self.signs[0].at - self.drift.start if self.signs else None


def load_drifts(path: Path) -> list[LabelledDrift]:
    """Read labelled drifts from JSON.

    Raises
    ------
    UsageError
        The file is missing or of another form.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[LabelledDrift])
    except (OSError, msgspec.DecodeError) as error:
        raise UsageError(f"{path} holds no labelled drifts: {error}") from error


def opened_episodes(path: Path) -> Iterator[DriftEvent]:
    """Give the records of ``drift.jsonl`` with which episodes opened; none if it is not there."""
    if not path.exists():
        return
    with path.open("rb") as lines:
        for line in lines:
            event = _decode(line)
            if isinstance(event, DriftEvent) and event.status == "open":
                yield event


def compare_drifts(
    drifts: list[LabelledDrift], opened: list[DriftEvent], alerts: list[Episode]
) -> tuple[list[DriftFinding], list[Sign]]:
    """Match what was said of models with what is labelled, by model, time and what moved.

    Parameters
    ----------
    drifts : list of LabelledDrift
    opened : list of DriftEvent
        Records with which episodes opened.
    alerts : list of Episode
        Alerts that fired on models' series, those that mirror episodes among them.

    Returns
    -------
    findings : list of DriftFinding
        One for each labelled drift.
    others : list of Sign
        What no labelled drift explains, in order of time.
    """
    told = [(_sign_of(event), event) for event in opened]
    fired = [(_sign_of_alert(alert), alert) for alert in alerts if alert.alert != MIRROR]
    findings = []
    explained: set[int] = set()
    for drift in drifts:
        about = [sign for sign, event in told if _is_about(event, sign, drift)]
        about += [sign for sign, alert in fired if _tells_of(alert, sign, drift)]
        explained.update(map(id, about))
        findings.append(DriftFinding(drift, tuple(sorted(about, key=_when))))
    signs = [sign for sign, _ in (*told, *fired)]
    return findings, sorted((sign for sign in signs if id(sign) not in explained), key=_when)


def _when(sign: Sign) -> tuple[datetime, str]:
    return sign.at, sign.name


def _sign_of(event: DriftEvent) -> Sign:
    return Sign(
        f"{event.group}: {event.causes[0].feature}",
        event.model,
        datetime.fromisoformat(event.openedAt),
        datetime.fromisoformat(event.onsetAt),
        event.reason,
    )


def _sign_of_alert(alert: Episode) -> Sign:
    model = alert.labels.get("model", "")
    return Sign(alert.alert, model, fired_at(alert), None, alert.reason)


def _in_time(sign: Sign, drift: LabelledDrift) -> bool:
    return sign.model == drift.model and drift.start <= sign.at <= drift.end + GRACE


def _is_about(event: DriftEvent, sign: Sign, drift: LabelledDrift) -> bool:
    """Whether an episode opened during a drift, for what it moved."""
    if not _in_time(sign, drift) or event.group not in drift.groups:
        return False
    moved = {cause.feature for cause in event.causes}
    return event.group == _QUALITY or not drift.features or not moved.isdisjoint(drift.features)


def _tells_of(alert: Episode, sign: Sign, drift: LabelledDrift) -> bool:
    return _in_time(sign, drift) and alert.alert in drift.alerts
