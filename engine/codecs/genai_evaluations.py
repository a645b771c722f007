"""Evaluations of answers as late labels, also such that name only the span of the call."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

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

    def put(self, evaluator: str, label: LabelRow) -> None:
        """Append a label."""
        self.by_evaluator.setdefault(evaluator, []).append(label)


class EvaluationJoin:
    """Finds the prediction id of every evaluation.

    That is its response id. An evaluation that names only a span has the id of that span's call if
    the call is among the last `spans_max`; else it waits for the call. What has to go because too
    many wait gets the span as its id, which is that of a call without a response id.

    Parameters
    ----------
    service : str
    evaluators : sequence of str
    spans_max, waiting_max : int
    """

    def __init__(
        self, service: str, evaluators: Sequence[str], *, spans_max: int, waiting_max: int
    ) -> None:
        self._service = service
        self._evaluators = frozenset(evaluators)
        self._spans_max, self._waiting_max = spans_max, waiting_max
        self._spans: dict[str, str] = {}
        self._waiting: list[tuple[str, str, LabelRow]] = []
        self._awaited: Counter[str] = Counter()

    def state(self) -> dict[str, Any]:
        """Give what a checkpoint keeps, as JSON values."""
        waiting = [[span, name, row.ts, row.label] for span, name, row in self._waiting]
        return {"spans": list(self._spans.items()), "waiting": waiting}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take what `state` gave."""
        self._spans = dict(state["spans"])
        self._waiting = [
            (span, name, LabelRow(0, ts, self._service, "", label))
            for span, name, ts, label in state["waiting"]
        ]
        self._awaited = Counter(span for span, _, _ in self._waiting)

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
                self._meet(calls[place], ids[place], found)
                place += 1
            try:
                self._take(row, found)
            except RejectedError as error:
                found.rejects.append(error.reject(row.message, _shortened(row)))
        for call, identity in zip(calls[place:], ids[place:], strict=True):
            self._meet(call, identity, found)
        return found

    def _meet(self, call: CallRow, identity: str, found: EvaluationLabels) -> None:
        """Remember a call's span, and let go of what has waited for it."""
        span = call.span_id
        if not span or not self._evaluators:
            return
        self._spans.pop(span, None)
        self._spans[span] = identity
        if len(self._spans) > self._spans_max:
            del self._spans[next(iter(self._spans))]
        if self._awaited.pop(span, 0):
            for waited, name, row in self._waiting:
                if waited == span:
                    row.message, row.id = call.message, identity
                    found.put(name, row)
            self._waiting = [held for held in self._waiting if held[0] != span]

    def _take(self, row: EvaluationRow, found: EvaluationLabels) -> None:
        name = row.attributes.get(_NAME)
        if not isinstance(name, str) or name not in self._evaluators:
            detail = f"{shown(name)} is none of {self._service}'s evaluators: add it to them"
            raise RejectedError("unsupported", detail)
        label = LabelRow(row.message, row.ts, self._service, "", _value(row))
        response = row.attributes.get(RESPONSE_ID)
        if isinstance(response, str) and response:
            label.id = response
        elif not row.span_id:
            raise RejectedError("schema_error", "the evaluation has no response id and no span")
        elif row.span_id in self._spans:
            label.id = self._spans[row.span_id]
        else:
            self._waiting.append((row.span_id, name, label))
            self._awaited[row.span_id] += 1
            if len(self._waiting) > self._waiting_max:
                self._give_up(row.message, found)
            return
        found.put(name, label)

    def _give_up(self, message: int, found: EvaluationLabels) -> None:
        """Let the oldest that waits go, with the span as its id."""
        span, name, row = self._waiting.pop(0)
        self._awaited[span] -= 1
        if not self._awaited[span]:
            del self._awaited[span]
        row.message, row.id = message, span
        found.put(name, row)


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
