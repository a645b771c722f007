"""Says in a sentence for a person what an episode is about."""

from engine.drift.episode_ranking import Ranking
from engine.events import (
    DriftBudget,
    DriftCause,
    DriftEvent,
    DriftWindow,
    Group,
    MovedValue,
    rfc3339,
)

CAUSES_SAID = 3

_SUBJECTS: dict[Group, str] = {
    "drift": "Drift",
    "data_quality": "Data quality",
    "quality": "Quality",
}


def reason_of_open(
    subject: str, ranking: Ranking, window: DriftWindow, budget: DriftBudget, onset_ns: int
) -> str:
    """Say what moved, since when, and how sure that is."""
    return (
        f"{subject}, probably since {rfc3339(onset_ns)}: {_said(ranking)}; {_sure(window, budget)}."
    )


def reason_of_update(
    subject: str, changes: list[str], ranking: Ranking, window: DriftWindow, budget: DriftBudget
) -> str:
    """Say what is new, and what moved in this window."""
    return f"{subject} grew ({', '.join(changes)}): {_said(ranking)}; {_sure(window, budget)}."


def reason_of_close(subject: str, why: str, onset_ns: int, end_ns: int, worst: DriftCause) -> str:
    """Say why it is over, when it was, and what was its strongest cause."""
    return (
        f"{subject} is over, {why}; it was from {rfc3339(onset_ns)} to {rfc3339(end_ns)}, at its "
        f"strongest: {_cause(worst)}."
    )


def subject_of(group: Group, model: str, version: str) -> str:
    """Name what an episode is of."""
    return f"{_SUBJECTS[group]} of {f'{model} {version}'.strip()}"


def reason_of_trigger(action: str, event: DriftEvent) -> str:
    """Say why something is asked for."""
    return f"{action.replace('_', ' ').capitalize()}: {event.reason}"


def _said(ranking: Ranking) -> str:
    said = "; ".join(_cause(cause) for cause in ranking.causes[:CAUSES_SAID])
    rest = len(ranking.causes) + ranking.causes_left_out - CAUSES_SAID
    return f"{said}; and {rest} more" if rest > 0 else said


def _cause(cause: DriftCause) -> str:
    name = f"{cause.feature} in {cause.segment}" if cause.segment else cause.feature
    changes = [cause.direction] if cause.direction else []
    if cause.moved:
        changes.append(_moved(cause.moved[0]))
    measured = cause.method
    if cause.score != "NaN":
        measured += f" {_short(cause.score)}"
    if cause.pValue != "NaN":
        measured += f", p = {_short(cause.pValue)}"
    return f"{name} {', '.join(changes)} ({measured})" if changes else f"{name} ({measured})"


def _moved(moved: MovedValue) -> str:
    return (
        f"{moved.value} from {_percent(moved.referenceShare)} to {_percent(moved.windowShare)} of "
        "the rows"
    )


def _sure(window: DriftWindow, budget: DriftBudget) -> str:
    if not window.rows:  # found value by value, in no window
        return f"within a budget of {budget.falseAlarmsPerWeek:g} per week for false alarms"
    rows = f"{window.rows} rows against {window.referenceRows}"
    budgeted = f"a budget of {budget.falseAlarmsPerWeek:g} per week for false alarms"
    if budget.alpha == "NaN":
        return f"{rows}, with {budgeted}"
    return f"{rows}, p-values up to {_short(budget.alpha)} count with {budgeted}"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _short(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.3g}"
