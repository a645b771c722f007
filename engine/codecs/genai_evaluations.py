"""Evaluations of answers as late labels, also such that name only the span of the call."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite

import msgspec

from engine.codecs.genai_calls import RESPONSE_ID, CallRow, EvaluationRow
from engine.codecs.json_documents import shown
from engine.codecs.predictions import LabelRow
from engine.codecs.samples import RejectedError
from engine.series.columns import Reject

_NAME, _SCORE, _LABEL = (
    f"gen_ai.evaluation.{part}" for part in ("name", "score.value", "score.label")
)
_VERDICTS: Mapping[str, float] = {
    **dict.fromkeys(("pass", "passed", "yes", "true", "correct", "ok", "good", "positive"), 1.0),
    **dict.fromkeys(("fail", "failed", "no", "false", "incorrect", "bad", "negative"), 0.0),
}


@dataclass(slots=True)
class EvaluationLabels:
    """The labels of some messages.

    Attributes
    ----------
    by_evaluator : dict of str to (list of LabelRow)
    rejects : list of Reject
    """

    by_evaluator: dict[str, list[LabelRow]] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)


class EvaluationJoin:
    """Finds the prediction id of every evaluation.

    That is its response id. An evaluation that names only a span has the id of that span's call if
    the call is among the last `spans_max`; else the span itself, which is the id of a call without
    a response id.

    Parameters
    ----------
    service : str
    evaluators : sequence of str
    spans_max : int
    """

    def __init__(self, service: str, evaluators: Sequence[str], spans_max: int) -> None:
        self._service = service
        self._evaluators = frozenset(evaluators)
        self._spans_max = spans_max
        self._spans: dict[str, str] = {}

    def state(self) -> dict[str, str]:
        """Give the ids of the last calls by span, for a checkpoint."""
        return dict(self._spans)

    def restore(self, state: Mapping[str, str]) -> None:
        """Take what `state` gave."""
        self._spans = dict(state)

    def labels(
        self, calls: Sequence[CallRow], ids: Sequence[str], evaluations: Sequence[EvaluationRow]
    ) -> EvaluationLabels:
        """Make the labels of some messages; of each, calls come before evaluations.

        Parameters
        ----------
        calls : sequence of CallRow, length n
        ids : sequence of str, length n
            Their prediction ids.
        evaluations : sequence of EvaluationRow
        """
        found = EvaluationLabels()
        place = 0
        for row in evaluations:
            while place < len(calls) and calls[place].message <= row.message:
                self._remember(calls[place], ids[place])
                place += 1
            try:
                self._take(row, found)
            except RejectedError as error:
                found.rejects.append(error.reject(row.message, _shortened(row)))
        for call, identity in zip(calls[place:], ids[place:], strict=True):
            self._remember(call, identity)
        return found

    def _remember(self, call: CallRow, identity: str) -> None:
        span = call.span_id
        if self._evaluators and span and span != identity:
            self._spans.pop(span, None)
            self._spans[span] = identity
            if len(self._spans) > self._spans_max:
                del self._spans[next(iter(self._spans))]

    def _take(self, row: EvaluationRow, found: EvaluationLabels) -> None:
        name = row.attributes.get(_NAME)
        if not isinstance(name, str) or name not in self._evaluators:
            detail = f"{shown(name)} is none of {self._service}'s evaluators: add it to them"
            raise RejectedError("unsupported", detail)
        value = _value(row)
        identity = row.attributes.get(RESPONSE_ID)
        if not isinstance(identity, str) or not identity:
            identity = self._spans.get(row.span_id, row.span_id)
        if not identity:
            raise RejectedError("schema_error", "the evaluation has no response id and no span")
        label = LabelRow(row.message, row.ts, self._service, identity, value)
        found.by_evaluator.setdefault(name, []).append(label)


def _value(row: EvaluationRow) -> float:
    """Give a score, or 1 and 0 for the labels that say as much."""
    score, label = row.attributes.get(_SCORE), row.attributes.get(_LABEL)
    if isinstance(score, int | float):
        try:
            value = float(score)
        except OverflowError:
            value = float("inf")
        if isfinite(value):
            return value
    if isinstance(label, bool):
        return float(label)
    if isinstance(label, str) and label.strip().casefold() in _VERDICTS:
        return _VERDICTS[label.strip().casefold()]
    detail = f"the score is {shown(score)}, no number, and the label {shown(label)} is none of "
    raise RejectedError("bad_value", detail + ", ".join(_VERDICTS))


def _shortened(row: EvaluationRow) -> bytes:
    parts = {name: row.attributes.get(name) for name in (_NAME, _SCORE, _LABEL, RESPONSE_ID)}
    plain = {name: shown(value)[:100] for name, value in parts.items() if value is not None}
    return msgspec.json.encode({**plain, "span_id": row.span_id[:100]})
