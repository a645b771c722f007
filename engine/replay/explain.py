"""Why an alert fired at a tick, or did not: what it saw, step by step, and what its state did."""

from collections.abc import Iterator
from dataclasses import replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine import __version__
from engine.config.schema import Config
from engine.detectors.protocol import SCORE_KINDS
from engine.errors import UsageError
from engine.events import ScoreBlock, number, rfc3339
from engine.pipeline.build import make_plan
from engine.pipeline.direct import DirectFlow
from engine.pipeline.sources import SourceOpener, list_partitions
from engine.promql.matrix import Labels, Matrix, Scalar
from engine.promql.parse import look_back_ns
from engine.promql.prepare import constant
from engine.promql.stored import Stored, query
from engine.promql.syntax import (
    MATRIX,
    STRING,
    Expression,
    MatrixSelector,
    VectorSelector,
    children,
    type_of,
    walk,
)
from engine.rules.alerting import AlertEvaluation
from engine.rules.lifecycle import FIRING, INACTIVE, PENDING
from engine.rules.plan import RulePlan
from engine.rules.recorded import Samples, series_of
from engine.series.columns import FLAG_FEEDBACK, FLAG_STALE, Columns
from engine.series.identity import Series
from engine.series.pieces import Batch
from engine.sources.journal import Journal
from engine.telemetry import Telemetry

SHOWN_MAX = 20
"""Results of a step, and samples of a window, that are shown."""

_STATES = {INACTIVE: "inactive", PENDING: "pending", FIRING: "firing"}
_Part = tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]


class AlertState(msgspec.Struct, frozen=True):
    """An alert of the rule; `value` is that of its last result."""

    labels: dict[str, str]
    state: str
    active_at: str
    value: float | str


class Result(msgspec.Struct, frozen=True):
    """One series of a result with its value, or of a window with its newest samples."""

    series: str
    value: float | str | None = None
    samples: tuple[tuple[str, float | str], ...] = ()


class Step(msgspec.Struct, frozen=True):
    """A part of the expression with what it gave; `more` further results are not shown."""

    expression: str
    depth: int
    results: tuple[Result, ...]
    more: int
    error: str


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """What one rule did at one tick."""

    rule: str
    file: str
    group: str
    tick: str
    for_s: float
    steps: tuple[Step, ...]
    before: tuple[AlertState, ...]
    after: tuple[AlertState, ...]
    error: str
    verdict: str


def explain(config: Config, alert: str, at_ns: int) -> list[Explanation]:
    """Play a configuration's recordings up to a time, and look at an alert's rules there.

    Parameters
    ----------
    config : Config
        Its sources are recordings.
    alert : str
        Name of the alert; each rule of this name is explained.
    at_ns : int
        The last tick at or before it is looked at.

    Raises
    ------
    UsageError
        No rule makes the alert.
    """
    plan = make_plan(config, tuple(list_partitions(config)))
    rules = list(plan.rules.rules)
    chosen = [rule for rule in rules if rule.rule.name == alert]
    if not chosen:
        names = ", ".join(sorted({rule.rule.name for rule in rules}))
        raise UsageError(f"no rule makes the alert {alert}; there are {names}")
    return [_Scene(config, rule, at_ns).explanation() for rule in chosen]


class _Scene:
    """One rule, and the flow that is played up to its tick."""

    def __init__(self, config: Config, rule: RulePlan, at_ns: int) -> None:
        self.rule = rule
        self.tick = at_ns // rule.interval_ns * rule.interval_ns
        self.partitions = list_partitions(config)
        plan = make_plan(config, tuple(self.partitions), keep_all=True)
        self.plan = replace(plan, emit="all")
        self.flow = DirectFlow(self.plan)
        self._series: dict[int, Series] = {}
        self._parts: dict[Labels, list[_Part]] = {}
        nodes = list(walk(rule.expression))
        self._selectors = {item.selector for item in nodes if isinstance(item, VectorSelector)}
        reach_ns = look_back_ns(rule.expression) + plan.lookback_ns
        self._keep_after = self.tick - reach_ns
        for lane in self.flow.lanes:
            lane.observe_samples = self._take_made

    def explanation(self) -> Explanation:
        """Play, and look at the rule before and after the tick."""
        before_ns = self.tick - self.rule.interval_ns
        last: dict[int, Batch] = {}
        for batch in self._batches():
            last[batch.progress.partition] = batch
            self._feed(self._until_tick(batch), min(batch.progress.claim, before_ns))
        for until_ns in (before_ns, self.tick):
            if until_ns == self.tick:
                before = _states(self._evaluation)
            for batch in last.values():
                said = replace(
                    batch, columns=Columns.empty(), definitions=[], population=[], place=None
                )
                self._feed(said, until_ns)
        evaluation = self._evaluation
        after = _states(evaluation)
        return Explanation(
            rule=evaluation.rule.name,
            file=evaluation.rule.file,
            group=evaluation.rule.group,
            tick=rfc3339(self.tick),
            for_s=evaluation.rule.for_ns / 1e9,
            steps=tuple(self._steps(self.rule.expression, self._stored(), 0)),
            before=before,
            after=after,
            error=evaluation.error,
            verdict=_verdict(evaluation, before, after),
        )

    @property
    def _evaluation(self) -> AlertEvaluation:
        return next(item for item in self.flow.alert_rules if item.plan.key == self.rule.key)

    def _batches(self) -> Iterator[Batch]:
        """Read all partitions until none has rows at or before the tick any more."""
        opener = SourceOpener(
            plan=self.plan,
            partitions=self.partitions,
            checkpoints=None,
            store=None,
            journal=Journal(None),
            telemetry=Telemetry(version=__version__),
            stopping=lambda: False,
            progress=lambda _: None,
            buffered_rows=lambda: 0,
        )
        readers = [open_reader(None) for open_reader in opener.openers().values()]
        while readers:
            for reader in list(readers):
                polled = reader.poll()
                if polled.batch is not None:
                    yield polled.batch
                said = None if polled.batch is None else polled.batch.progress
                # A file that has ended would wait for the others to end with it.
                if polled.end or (said and (said.ended or said.claim >= self.tick)):
                    reader.close()
                    readers.remove(reader)

    def _until_tick(self, batch: Batch) -> Batch:
        """Leave out what is later than the tick; keep what the rule may see."""
        chosen = batch.columns.ts <= self.tick
        columns = batch.columns.take(chosen)
        place = None if batch.place is None else batch.place[chosen]
        if len(batch.columns) and batch.columns.flags[0] & FLAG_FEEDBACK:
            judged = set(columns.fingerprint.tolist())
            meant = [item for item in batch.definitions if item.series.fingerprint in judged]
            return replace(batch, columns=columns, place=place, definitions=meant)
        for definition in batch.definitions:
            self._series[definition.series.fingerprint] = definition.series
        wanted = columns.take(columns.ts > self._keep_after)
        for fingerprint in np.unique(wanted.fingerprint).tolist():
            here = wanted.take(wanted.fingerprint == fingerprint)
            stale = (here.flags & FLAG_STALE) != 0
            self._keep(self._series[fingerprint], (here.ts, here.value, stale))
        return replace(batch, columns=columns, place=place)

    def _feed(self, batch: Batch, claim: int) -> None:
        """Let the flow handle a batch of a partition that promises to be so far."""
        progress = replace(batch.progress, claim=claim, newest=claim, ended=False, checkpoint=None)
        for output in self.flow.feed(replace(batch, progress=progress)):
            for block in output.scores:
                self._take_scores(block)

    def _take_made(self, samples: Samples) -> None:
        for place in np.unique(samples.index).tolist():
            here = (samples.index == place) & (samples.tick > self._keep_after)
            part = samples.tick[here], samples.value[here], samples.stale[here]
            self._keep(series_of(samples.labels[place]), part)

    def _take_scores(self, block: ScoreBlock) -> None:
        watches = [item for item in self.flow.shards[0].watches if item.spec.name == block.detector]
        for place, series in enumerate(block.series):
            here = (block.index == place) & (block.ts > self._keep_after)
            stale = np.zeros(int(here.sum()), np.bool_)
            for kind in SCORE_KINDS:
                part = block.ts[here], getattr(block, kind)[here], stale
                self._keep(watches[0].series(kind, series), part)

    def _keep(self, series: Series, part: _Part) -> None:
        if len(part[0]) and any(
            item.matches(series.name, dict(series.labels)) for item in self._selectors
        ):
            self._parts.setdefault(series.all_labels, []).append(part)

    def _stored(self) -> Stored:
        series = []
        for labels, parts in self._parts.items():
            ts, value, stale = (np.concatenate(column) for column in zip(*parts, strict=True))
            order = np.argsort(ts, kind="stable")
            series.append((labels, ts[order], value[order], stale[order]))
        return Stored(series, lookback_ns=self.plan.lookback_ns)

    def _steps(self, expression: Expression, source: Stored, depth: int) -> Iterator[Step]:
        """Give the expression and its parts, each with its results at the tick."""
        if constant(expression) is not None or type_of(expression) == STRING:
            return
        results: list[Result] = []
        error = ""
        if isinstance(expression, MatrixSelector):
            results = list(self._windows(expression, source))
        elif type_of(expression) != MATRIX:
            value, block = query(expression, source, np.array([self.tick]))
            error = block.errors.get(0, "")
            results = list(_results(value))
        shown = tuple(results[:SHOWN_MAX])
        yield Step(str(expression), depth, shown, len(results) - len(shown), error)
        if not isinstance(expression, MatrixSelector):
            for child in children(expression):
                yield from self._steps(child, source, depth + 1)

    def _windows(self, window: MatrixSelector, source: Stored) -> Iterator[Result]:
        vector = window.vector
        at = vector.at if isinstance(vector.at, int) else self.tick
        right = at - vector.offset_ns
        for labels, ts, value, stale in source.samples(vector.selector):
            here = (ts > right - window.range_ns) & (ts <= right) & ~stale
            pairs = zip(ts[here].tolist(), value[here].tolist(), strict=True)
            samples = tuple((rfc3339(when), number(what)) for when, what in pairs)
            yield Result(str(series_of(labels)), samples=samples[-SHOWN_MAX:])


def _results(value: object) -> Iterator[Result]:
    if isinstance(value, Scalar):
        yield Result("scalar", number(float(value.value[0])))
    elif isinstance(value, Matrix):
        for row in np.flatnonzero(value.present[:, 0]).tolist():
            series = str(series_of(value.table.labels[row])) or "{}"
            yield Result(series, number(float(value.value[row, 0])))


def _states(evaluation: AlertEvaluation) -> tuple[AlertState, ...]:
    """Give the alerts that are pending or firing."""
    alerts = evaluation.table.alerts
    found = []
    for place in np.flatnonzero(alerts["state"] != INACTIVE).tolist():
        identity = evaluation.table.identities[place]
        if identity is not None:
            state = _STATES[int(alerts["state"][place])]
            active_at = rfc3339(int(alerts["active_at"][place]))
            value = number(float(alerts["value"][place]))
            found.append(AlertState(dict(identity.labels), state, active_at, value))
    return tuple(sorted(found, key=lambda item: sorted(item.labels.items())))


def _verdict(
    evaluation: AlertEvaluation, before: tuple[AlertState, ...], after: tuple[AlertState, ...]
) -> str:
    """Say in a sentence what happened."""
    if evaluation.error:
        return f"the rule failed: {evaluation.error}; its alerts stay as they were"
    counts = {state: sum(item.state == state for item in after) for state in ("firing", "pending")}
    was_firing = {tuple(item.labels.items()) for item in before if item.state == "firing"}
    fires = {tuple(item.labels.items()) for item in after if item.state == "firing"}
    parts = [f"{count} {state}" for state, count in counts.items() if count]
    if fires - was_firing:
        parts.append(f"{len(fires - was_firing)} began to fire at this tick")
    if was_firing - fires:
        parts.append(f"{len(was_firing - fires)} resolved at this tick")
    if counts["pending"]:
        parts.append(f"pending ones fire after {evaluation.rule.for_ns / 1e9:g}s")
    return ", ".join(parts) or "nothing is pending or firing: the expression has no result"
