"""Episodes of drift, windows of quality and requests to retrain on their way out.

All three go to the output ``drift``; the field ``type`` tells them apart.
"""
# ruff: noqa: N815 - field names are the JSON form's, as Alertmanager writes them.

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import msgspec

from engine.events.alerts import Alert
from engine.events.forms import event_id, number, rfc3339

Group = Literal["drift", "data_quality", "quality"]
"""What an episode is of: distributions, the data's state, or the model's quality."""

Action = Literal["retrain", "roll_back", "review"]
"""What is asked of whoever runs the model; nothing is executed by us."""

ACTIONS: tuple[Action, ...] = get_args(Action)

TRIGGER_LABEL = "streamgauge_trigger"
"""Label of a rule whose alerts are requests, with an `Action` as its value."""

QUALITY = "(quality)"
"""Stands in the key of quality records where features stand in that of episodes."""


class DriftWindow(msgspec.Struct, frozen=True):
    """A window of event time that holds its begin, not its end, with its rows and the reference's.

    Rows are values that are no nulls.
    """

    begin: str
    end: str
    rows: int
    referenceRows: int


class DriftBudget(msgspec.Struct, frozen=True):
    """How sure a verdict is: false alarms that the model may raise, and the p-value they allow."""

    falseAlarmsPerWeek: float
    alpha: float | str


class MovedValue(msgspec.Struct, frozen=True):
    """A value or range of values, and its share of the reference's and of the window's rows."""

    value: str
    referenceShare: float
    windowShare: float


class SmallPicture(msgspec.Struct, frozen=True):
    """Both distributions in small: the share of the rows in each bin."""

    bins: tuple[str, ...]
    reference: tuple[float, ...]
    window: tuple[float, ...]


class DriftCause(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A feature of a segment that moved.

    `effect` is the score in units of the least one that counts; `share` is its part of effect
    times importance, summed over all that moved.
    """

    feature: str
    segment: str
    kind: str
    method: str
    score: float | str
    effect: float
    pValue: float | str
    importance: float
    share: float
    direction: str = ""
    moved: tuple[MovedValue, ...] = ()
    picture: SmallPicture | None = None


class DriftSegment(msgspec.Struct, frozen=True):
    """A segment in which features moved, the first the most; `share` is of all segments'."""

    segment: str
    share: float
    features: tuple[str, ...]


class DriftEvent(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    tag_field="type",
    tag="drift",
):
    """An episode that opens, grows or closes.

    `causes` are of `window`, which is the latest one, or the strongest one if the episode closes.
    """

    id: str
    episode: str
    status: Literal["open", "update", "closed"]
    seq: int
    model: str
    version: str
    group: Group
    severity: Literal["warning", "critical"]
    openedAt: str
    onsetAt: str
    evaluatedAt: str
    endsAt: str | None = None
    window: DriftWindow
    budget: DriftBudget
    causes: tuple[DriftCause, ...]
    segments: tuple[DriftSegment, ...]
    reason: str


class QualityWindow(msgspec.Struct, frozen=True):
    """A window of prediction time that holds its begin, not its end."""

    begin: str
    end: str


class QualityEvent(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    tag_field="type",
    tag="quality",
):
    """A window's quality as known at a tick; a higher revision takes the place of a lower one.

    `estimated` is what was estimated without labels. `labelLagSeconds` has quantiles of how long
    the labels took.
    """

    id: str
    model: str
    version: str
    segment: str
    evaluator: str
    window: QualityWindow
    revision: int
    final: bool
    knownAt: str
    coverage: float | str
    labelled: int
    predictions: int
    metrics: dict[str, float | str]
    estimated: dict[str, float | str] = {}
    labelLagSeconds: dict[str, float | str] = {}


class TriggerEvent(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    tag_field="type",
    tag="trigger",
):
    """A request to act on a model, because an episode opened or an alert fires."""

    id: str
    action: Action
    model: str
    version: str
    reason: str
    requestedAt: str
    episode: str | None = None
    alert: str | None = None
    window: DriftWindow | None = None


@dataclass(frozen=True, slots=True)
class Drift:
    """A record of the output ``drift`` on its way out.

    Attributes
    ----------
    model : str
    feature : str
        Of an episode the one that opened it, so that all its records have one key.
    tick : int
        Nanoseconds since the epoch.
    event : DriftEvent, QualityEvent or TriggerEvent
    """

    model: str
    feature: str
    tick: int
    event: DriftEvent | QualityEvent | TriggerEvent

    @property
    def key(self) -> str:
        """The record's key: what has the same one stays in order."""
        return f"{self.model}/{self.feature}"


def trigger_of(alert: Alert) -> Drift | None:
    """Give the request that an alert is, at the tick at which it begins to fire.

    It is one if its label `TRIGGER_LABEL` has an `Action`; labels ``model``, ``version`` and
    ``feature`` say of what.
    """
    event = alert.event
    # A refresh of an alert that fires is not another request.
    if event is None or event.status != "firing" or event.startsAt != event.evaluatedAt:
        return None
    asked = event.labels.get(TRIGGER_LABEL)
    action = next((known for known in ACTIONS if known == asked), None)
    if action is None:
        return None
    model = event.labels.get("model", "")
    trigger = TriggerEvent(
        id=event_id("trigger", event.fingerprint, event.startsAt, action),
        action=action,
        model=model,
        version=event.labels.get("version", ""),
        reason=event.reason,
        requestedAt=event.evaluatedAt,
        alert=event.fingerprint,
    )
    return Drift(model, event.labels.get("feature", event.rule.name), alert.tick, trigger)


def quality_record(
    *,
    model: str,
    version: str,
    segment: str,
    begin_ns: int,
    end_ns: int,
    revision: int,
    is_final: bool,
    known_at_ns: int,
    labelled: int,
    predictions: int,
    metrics: Mapping[str, float],
    estimated: Mapping[str, float] | None = None,
    lags_s: Mapping[float, float] | None = None,
    evaluator: str = "",
) -> Drift:
    """Make the record of a window's quality.

    Parameters
    ----------
    segment : str
        Empty: all together.
    labelled, predictions : int
        Predictions of the window with a label, and all; coverage is their ratio.
    metrics, estimated : mapping of str to float
        By metric: realised, and estimated without labels.
    lags_s : mapping of float to float
        By quantile, such as 0.5: seconds from a prediction to its label.
    evaluator : str
        Who judged, where it is not the label alone.
    """
    event = QualityEvent(
        id=event_id("quality", model, version, segment, evaluator, begin_ns, end_ns, revision),
        model=model,
        version=version,
        segment=segment,
        evaluator=evaluator,
        window=QualityWindow(rfc3339(begin_ns), rfc3339(end_ns)),
        revision=revision,
        final=is_final,
        knownAt=rfc3339(known_at_ns),
        coverage=labelled / predictions if predictions else "NaN",
        labelled=labelled,
        predictions=predictions,
        metrics=_numbers(metrics),
        estimated=_numbers(estimated or {}),
        labelLagSeconds=_numbers({f"{q:g}": lag for q, lag in (lags_s or {}).items()}),
    )
    return Drift(model, evaluator or QUALITY, known_at_ns, event)


def _numbers(values: Mapping[str, float]) -> dict[str, float | str]:
    return {name: number(values[name]) for name in sorted(values)}
