"""A rule lane: waits until all shards have closed a tick, then evaluates its groups."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.events import Alert
from engine.promql.matrix import Block, Labels
from engine.promql.operators import SubqueryOperator
from engine.rules.alerting import AlertEvaluation
from engine.rules.lane_rows import Cells, LaneRows
from engine.rules.lane_source import ALWAYS_SURE, NOT_YET, LaneSource, StepMemory
from engine.rules.model import AlertRule
from engine.rules.plan import Cluster, GroupPlan, RulePlan, RulesPlan
from engine.rules.queries import Closed
from engine.rules.reads import lag_of, look_back_of, queries_of, subqueries_of
from engine.rules.recorded import LimitError, Recorded, Samples
from engine.rules.recording import RecordingEvaluation
from engine.rules.records import alert_records
from engine.rules.templates import External

CELLS_MAX = 4_000_000
"""Results of one interval that are put together at once; more ticks are taken in several goes."""

Evaluation = AlertEvaluation | RecordingEvaluation
Arrays = dict[str, NDArray[Any]]


class RuleLane:
    """The groups of one lane.

    Parameters
    ----------
    number : int
    plan : RulesPlan
    shards : int
        How many shards must have closed a tick.
    alerts_max, series_max, samples_max : int
        Most alerts of a rule, recorded series, and samples of one of these in a window.
    lookback_ns : int
        How long a recorded sample is seen.
    """

    def __init__(
        self,
        number: int,
        plan: RulesPlan,
        *,
        shards: int,
        alerts_max: int,
        series_max: int,
        samples_max: int,
        lookback_ns: int,
    ) -> None:
        self.plan = plan
        self.number = number
        self.clusters = [cluster for cluster in plan.clusters if cluster.lane == number]
        self.rules: dict[str, Evaluation] = {
            rule.key: _evaluation(rule, group, alerts_max, plan.external)
            for group, rule in self._each_rule()
        }
        self.observe_samples: Callable[[Samples], None] | None = None
        """Is told of all that recording rules make."""
        self._watermarks = [NOT_YET] * shards
        self._begun = [NOT_YET] * shards
        self._done = {group.key: NOT_YET for group, _ in self._each_group()}
        self._full_from: dict[str, int] = {}
        self._rows = LaneRows(plan.queries, shards + 1)
        self._recorded = Recorded(
            plan.queries, self._rows, shards,
            lookback_ns=lookback_ns, samples_max=samples_max, series_max=series_max,
        )  # fmt: skip
        numbers = {query: number for number, query in enumerate(plan.queries)}
        self._source = LaneSource(numbers, self._rows, self._recorded)
        self._stepping: set[str] = set()
        """Groups with subqueries, by key."""
        self._readers: dict[int, set[str]] = {}
        """Groups that read results at an interval's ticks, by key."""
        for group, rule in self._each_rule():
            for item in self.rules[rule.key].operators:
                for query in queries_of(item, group.interval_ns):
                    self._readers.setdefault(query.interval_ns, set()).add(group.key)
                if any(True for _ in subqueries_of(item)):
                    self._stepping.add(group.key)
        self._source.memories = {subquery: StepMemory() for _, subquery in self._subqueries()}
        lags = [lag_of(item) for rule in self.rules.values() for item in rule.operators]
        # Subqueries may evaluate the last tick again, see `StepMemory`.
        is_unsure = bool(self._stepping) and any(item.by_ticks for item in self.clusters)
        self._lag_ns = max(lags, default=0) + is_unsure
        """How long what an evaluation has read must be kept for later ones."""

    @property
    def watermark(self) -> int:
        """How far all shards are."""
        return min(self._watermarks)

    def begin(self, tick: int) -> None:
        """Let `tick` be the first that is evaluated, whatever there is to see at it."""
        for group, _ in self._each_group():
            self._done[group.key] = tick - group.interval_ns

    def handle(self, closed: list[Closed]) -> list[Alert]:
        """Take in what shards say and evaluate the ticks that all of them have closed."""
        before = self.watermark
        for item in closed:
            self._watermarks[item.shard] = max(self._watermarks[item.shard], item.watermark)
            if self._begun[item.shard] == NOT_YET:
                self._begun[item.shard] = item.begun
            for rows in item.results:
                self._rows.take(rows)
        if self.watermark == before:
            return []
        alerts = [alert for cluster in self.clusters for alert in self._evaluate(cluster)]
        self._rows.drop_through(
            {interval: self._horizon(readers) for interval, readers in self._readers.items()}
        )
        self._recorded.end_block(self._horizon(self._done), self._horizon(self._stepping))
        alerts.sort(key=lambda alert: alert.tick)
        return alerts

    def _horizon(self, groups: Iterable[str]) -> int:
        """Through which tick some groups evaluate nothing any more, not even in subqueries."""
        done = min((self._done[key] for key in groups), default=ALWAYS_SURE)
        return done if done in (NOT_YET, ALWAYS_SURE) else done - self._lag_ns

    def failures(self) -> dict[str, int]:
        """Ticks that failed, by rule, for those that have any."""
        return {key: rule.failures for key, rule in self.rules.items() if rule.failures}

    def errors(self) -> dict[str, str]:
        """What is wrong with the rules that failed at their last tick."""
        return {key: rule.error for key, rule in self.rules.items() if rule.error}

    def arrays(self) -> Arrays:
        """All state that is arrays, as copies."""
        arrays = {
            f"{key}|{name}": array.copy()
            for key, rule in self.rules.items()
            if isinstance(rule, AlertEvaluation)
            for name, array in rule.arrays().items()
        }
        for name, array in self._recorded.arrays().items():
            arrays[f"recorded|{name}"] = array.copy()
        for key, memory in self._memories():
            arrays |= {f"{key}|{name}": array.copy() for name, array in memory.arrays().items()}
        for number, (_, _, cells) in enumerate(self._rows.waiting()):
            arrays[f"waiting|{number}|row"] = cells.row
            arrays[f"waiting|{number}|tick"] = cells.tick
            arrays[f"waiting|{number}|value"] = cells.value
            if cells.context is not None:
                arrays[f"waiting|{number}|context"] = cells.context
        return arrays

    def meta(self) -> dict[str, Any]:
        """All state that is text, as copies: it is written while the flow goes on."""
        return {
            "watermarks": list(self._watermarks),
            "begun": list(self._begun),
            "done": dict(self._done),
            "full_from": dict(self._full_from),
            "reach": {key: _reach_ns(rule) for key, rule in self.rules.items()},
            "rules": {key: rule.meta() for key, rule in self.rules.items()},
            "recorded": self._recorded.meta(),
            "memories": {key: memory.meta() for key, memory in self._memories()},
            "waiting": [
                (self.plan.queries[query].key, labels) for query, labels, _ in self._rows.waiting()
            ],
        }

    def restore(
        self, arrays: Arrays, raw: msgspec.Raw, others: Sequence[tuple[Arrays, msgspec.Raw]] = ()
    ) -> None:
        """Go on from a checkpoint; rules that are new start empty.

        What looks back further than before says so until its windows are full.

        Parameters
        ----------
        arrays, raw
            What `arrays` and `meta` of this lane gave.
        others
            The same of the other lanes: groups move there and here if what they read changes.
        """
        meta = msgspec.msgpack.decode(raw)
        self._full_from = {}
        self._begun = list(meta["begun"])
        self._recorded.restore(_part(arrays, "recorded|"), meta["recorded"])
        known = [(arrays, meta), *((its, msgspec.msgpack.decode(text)) for its, text in others)]
        # A lane that had no groups has heard of nothing.
        heard = [item["watermarks"] for _, item in known]
        self._watermarks = [max(column) for column in zip(*heard, strict=True)]
        for group, _ in self._each_group():
            self._done[group.key] = next(
                (item["done"][group.key] for _, item in known if group.key in item["done"]),
                self._last_tick(group),
            )
        for key, rule in self.rules.items():
            self._restore_rule(key, rule, known)
        self._restore_memories(known)
        for its_arrays, its_meta in known:
            self._restore_waiting(its_arrays, its_meta["waiting"])

    def _last_tick(self, group: GroupPlan) -> int:
        """The last tick of a group that is new."""
        now = self.watermark
        return now if now == NOT_YET else now // group.interval_ns * group.interval_ns

    def _restore_rule(
        self, key: str, rule: Evaluation, known: Sequence[tuple[Arrays, Any]]
    ) -> None:
        """Restore a rule from the lane that had it; the first of the lanes is this one."""
        reach_ns = _reach_ns(rule)
        for place, (arrays, meta) in enumerate(known):
            if key not in meta["rules"]:
                continue
            if isinstance(rule, RecordingEvaluation):
                rule.restore(meta["rules"][key])
            else:
                held = {name: arrays[f"{key}|{name}"] for name in rule.arrays()}
                rule.restore(held, meta["rules"][key])
            if key in meta["full_from"]:
                self._full_from[key] = meta["full_from"][key]
            # What a lane recorded does not move with the groups.
            if place == 0 and reach_ns <= meta["reach"][key]:
                return
            break
        self._full_from[key] = self.watermark + reach_ns

    def _restore_waiting(self, arrays: Arrays, waiting: Any) -> None:
        numbers = {query.key: number for number, query in enumerate(self.plan.queries)}
        for place, (key, plain) in enumerate(waiting):
            if key not in numbers:
                continue
            labels: list[Labels] = [tuple((name, text) for name, text in item) for item in plain]
            part = _part(arrays, f"waiting|{place}|")
            cells = Cells(part["row"], part["tick"], part["value"], part.get("context"))
            if self.number in self.plan.lanes_of[numbers[key]]:
                self._rows.restore(numbers[key], labels, cells)

    def _restore_memories(self, known: Sequence[tuple[Arrays, Any]]) -> None:
        for key, subquery in self._subqueries():
            memory = self._source.memories[subquery]
            memory.begun = self.watermark + 1
            for arrays, meta in known:
                if key in meta["memories"]:
                    memory.restore(_part(arrays, f"{key}|"), meta["memories"][key])

    def _subqueries(self) -> Iterator[tuple[str, SubqueryOperator]]:
        """Subqueries of all rules, with names that last as long as their text."""
        for key, rule in self.rules.items():
            found = [item for operator in rule.operators for item in subqueries_of(operator)]
            for place, subquery in enumerate(found):
                yield f"memory|{key}|{place}|{subquery.subquery}", subquery

    def _memories(self) -> Iterator[tuple[str, StepMemory]]:
        for key, subquery in self._subqueries():
            yield key, self._source.memories[subquery]

    def _each_group(self) -> Iterator[tuple[GroupPlan, Cluster]]:
        for cluster in self.clusters:
            for group in cluster.groups:
                yield group, cluster

    def _each_rule(self) -> Iterator[tuple[GroupPlan, RulePlan]]:
        for group, _ in self._each_group():
            for rule in group.rules:
                yield group, rule

    def _evaluate(self, cluster: Cluster) -> list[Alert]:
        """Evaluate a cluster's groups at all ticks that have become due."""
        due = {group.key: self._due(group, cluster.wait_ns) for group in cluster.groups}
        alerts: list[Alert] = []
        if not cluster.by_ticks:
            self._source.unsure_from = ALWAYS_SURE
            for group in cluster.groups:
                alerts += self._evaluate_group(group, due[group.key])
        else:
            for tick in sorted(set().union(*due.values())):
                self._source.unsure_from = tick
                for group in cluster.groups:
                    if tick in due[group.key]:
                        here = range(tick, tick + 1, group.interval_ns)
                        alerts += self._evaluate_group(group, here)
        return alerts

    def _due(self, group: GroupPlan, wait_ns: int) -> range:
        """Ticks of a group that have become due."""
        interval = group.interval_ns
        done = self._done[group.key]
        if done == NOT_YET:
            begun = self._first_sample()
            if begun == NOT_YET:
                return range(0)
            done = -(-begun // interval) * interval - interval
        return range(done + interval, self.watermark - wait_ns + 1, interval)

    def _first_sample(self) -> int:
        """When the first of all series began; `NOT_YET` before."""
        return min((at for at in self._begun if at != NOT_YET), default=NOT_YET)

    def _evaluate_group(self, group: GroupPlan, due: range) -> list[Alert]:
        alerts: list[Alert] = []
        interval = group.interval_ns
        at_once = max(1, CELLS_MAX // max(1, self._rows.rows(interval)))
        self._source.begun = self._first_sample()
        for begin in range(0, len(due), at_once):
            ticks = due[begin : begin + at_once]
            self._rows.put_together(interval, ticks.start, len(ticks))
            for rule in group.rules:
                block = Block(np.array(ticks, np.int64), interval)
                alerts += self._evaluate_rule(self.rules[rule.key], block)
            self._done[group.key] = ticks[-1]
        return alerts

    def _evaluate_rule(self, rule: Evaluation, block: Block) -> list[Alert]:
        if isinstance(rule, RecordingEvaluation):
            samples = rule.evaluate(block, self._source)
            self._keep([samples] if samples is not None else [], rule)
            return []
        changes, context = rule.evaluate(block, self._source)
        alerts = []
        if len(changes):
            full_from = self._full_from.get(rule.plan.key, NOT_YET)
            alerts = alert_records(rule, changes, context, full_from=full_from)
        self._keep(rule.made, rule)
        rule.release(int(block.ticks[-1]))
        return alerts

    def _keep(self, made: list[Samples], rule: Evaluation) -> None:
        """Let rules see what a rule has made."""
        for samples in made:
            if self.observe_samples is not None:
                self.observe_samples(samples)
            if not rule.plan.is_read:
                continue
            try:
                self._recorded.add(samples)
            except LimitError as error:
                rule.failures += 1
                rule.error = str(error)


def _evaluation(
    plan: RulePlan, group: GroupPlan, alerts_max: int, external: External
) -> Evaluation:
    rule = plan.rule
    if isinstance(rule, AlertRule):
        return AlertEvaluation(
            plan, rule, limit=alerts_max, group_limit=group.limit, external=external
        )
    return RecordingEvaluation(plan, rule, group_limit=group.limit)


def _reach_ns(rule: Evaluation) -> int:
    """How far a rule looks back."""
    return max(look_back_of(operator) for operator in rule.operators)


def _part(arrays: Arrays, prefix: str) -> Arrays:
    return {
        key.removeprefix(prefix): array for key, array in arrays.items() if key.startswith(prefix)
    }
