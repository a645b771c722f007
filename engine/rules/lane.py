"""A rule lane: waits until all shards have closed a tick, then evaluates its groups."""

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.events import Alert
from engine.rules.evaluate import RuleEvaluation
from engine.rules.leaves import LeafRows
from engine.rules.plan import GroupPlan, RulesPlan
from engine.rules.records import alert_records
from engine.series.identity import Series

NOT_YET = -(2**63)


@dataclass(frozen=True, slots=True)
class Closed:
    """A shard's word that it has evaluated all ticks up to its watermark."""

    shard: int
    watermark: int
    results: list[LeafRows]


class RuleLane:
    """The groups of one lane.

    Parameters
    ----------
    number : int
    plan : RulesPlan
    shards : int
        How many shards must have closed a tick.
    alerts_max : int
        Most alerts of a rule.
    """

    def __init__(self, number: int, plan: RulesPlan, *, shards: int, alerts_max: int) -> None:
        self.plan = plan
        self.groups = [group for group in plan.groups if group.lane == number]
        self.rules = {
            rule.key: RuleEvaluation(rule, limit=alerts_max)
            for group in self.groups
            for rule in group.rules
        }
        self._watermarks = [NOT_YET] * shards
        self._done = {self._group_key(group): NOT_YET for group in self.groups}
        self._full_from: dict[str, int] = {}
        self._waiting: dict[int, list[LeafRows]] = {}

    @property
    def watermark(self) -> int:
        """How far all shards are."""
        return min(self._watermarks)

    def handle(self, closed: list[Closed]) -> list[Alert]:
        """Take in what shards say and evaluate the ticks that all of them have closed."""
        before = self.watermark
        for item in closed:
            self._watermarks[item.shard] = max(self._watermarks[item.shard], item.watermark)
            for block in item.results:
                self._waiting.setdefault(block.query, []).append(block)
        if self.watermark == before:
            return []
        alerts = [alert for group in self.groups for alert in self._evaluate(group)]
        self._drop_evaluated()
        alerts.sort(key=lambda alert: alert.tick)
        return alerts

    def failures(self) -> dict[str, int]:
        """Ticks that failed, by rule, for those that have any."""
        return {key: rule.failures for key, rule in self.rules.items() if rule.failures}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All state that is arrays, as copies."""
        arrays = {
            f"{key}|{name}": array.copy()
            for key, rule in self.rules.items()
            for name, array in rule.arrays().items()
        }
        for query, blocks in self._waiting.items():
            for number, block in enumerate(blocks):
                prefix = f"waiting|{self.plan.queries[query].key}|{number}"
                arrays[f"{prefix}|index"] = block.index
                arrays[f"{prefix}|tick"] = block.tick
                arrays[f"{prefix}|value"] = block.value
                if block.context is not None:
                    arrays[f"{prefix}|context"] = block.context
        return arrays

    def meta(self) -> dict[str, Any]:
        """All state that is text, as copies: it is written while the flow goes on."""
        return {
            "watermarks": list(self._watermarks),
            "done": dict(self._done),
            "full_from": dict(self._full_from),
            "reach": {key: self._reach_ns(rule) for key, rule in self.rules.items()},
            "rules": {key: rule.table.meta() for key, rule in self.rules.items()},
            "waiting": {
                self.plan.queries[query].key: [
                    [(series.name, series.labels) for series in block.series] for block in blocks
                ]
                for query, blocks in self._waiting.items()
            },
        }

    def restore(self, arrays: dict[str, NDArray[Any]], raw: msgspec.Raw) -> None:
        """Go on from a checkpoint; rules that are new start empty.

        What looks back further than before says so until its windows are full.
        """
        meta = msgspec.msgpack.decode(raw)
        self._watermarks = list(meta["watermarks"])
        for group in self.groups:
            key = self._group_key(group)
            self._done[key] = meta["done"].get(key, self.watermark)
        self._full_from = {
            key: full_from for key, full_from in meta["full_from"].items() if key in self.rules
        }
        for key, rule in self.rules.items():
            if key in meta["rules"]:
                held = {name: arrays[f"{key}|{name}"] for name in rule.arrays()}
                rule.table.restore(held, meta["rules"][key])
            if self._reach_ns(rule) > meta["reach"].get(key, -1):
                self._full_from[key] = self.watermark + self._reach_ns(rule)
        for number, query in enumerate(self.plan.queries):
            for place, series in enumerate(meta["waiting"].get(query.key, [])):
                prefix = f"waiting|{query.key}|{place}"
                block = LeafRows(
                    number,
                    [Series(name, tuple((k, v) for k, v in labels)) for name, labels in series],
                    arrays[f"{prefix}|index"],
                    arrays[f"{prefix}|tick"],
                    arrays[f"{prefix}|value"],
                    arrays.get(f"{prefix}|context"),
                )
                self._waiting.setdefault(number, []).append(block)

    def _reach_ns(self, rule: RuleEvaluation) -> int:
        """How far a rule looks back."""
        leaf = self.plan.queries[rule.plan.query].leaf
        return leaf.range_ns + leaf.offset_ns

    @staticmethod
    def _group_key(group: GroupPlan) -> str:
        return f"{group.file}|{group.name}|{group.interval_ns}"

    def _evaluate(self, group: GroupPlan) -> list[Alert]:
        key = self._group_key(group)
        interval = group.interval_ns
        last_tick = self.watermark // interval * interval
        first_tick = self._first_tick(group)
        if first_tick is None or first_tick > last_tick:
            return []
        alerts = []
        for rule in group.rules:
            evaluation = self.rules[rule.key]
            results = self._take(rule.query, first_tick, last_tick)
            holds = (
                [] if rule.hold_query is None
                else self._take(rule.hold_query, first_tick, last_tick)
            )  # fmt: skip
            changes, context = evaluation.evaluate(results, holds, first_tick, last_tick)
            alerts += alert_records(
                evaluation, changes, context, full_from=self._full_from.get(rule.key, NOT_YET)
            )
            evaluation.release(last_tick)
        self._done[key] = last_tick
        return alerts

    def _first_tick(self, group: GroupPlan) -> int | None:
        """First tick to evaluate: the one after the last, or where the first results are."""
        done = self._done[self._group_key(group)]
        if done != NOT_YET:
            return done // group.interval_ns * group.interval_ns + group.interval_ns
        wanted = {rule.query for rule in group.rules}
        ticks = [
            int(block.tick.min())
            for query in wanted
            for block in self._waiting.get(query, [])
            if len(block.tick)
        ]
        return min(ticks, default=None)

    def _take(self, query: int, first_tick: int, last_tick: int) -> list[LeafRows]:
        """Rows of a query at the ticks, blocks in a fixed order."""
        found = []
        for block in self._waiting.get(query, []):
            here = (block.tick >= first_tick) & (block.tick <= last_tick)
            if here.all():
                found.append(block)
            elif here.any():
                found.append(cut(block, here))
        return found

    def _drop_evaluated(self) -> None:
        for query in list(self._waiting):
            interval = self.plan.queries[query].interval_ns
            last_tick = self.watermark // interval * interval
            kept = []
            for block in self._waiting[query]:
                later = block.tick > last_tick
                if later.all():
                    kept.append(block)
                elif later.any():
                    kept.append(cut(block, later))
            if kept:
                self._waiting[query] = kept
            else:
                del self._waiting[query]


def cut(block: LeafRows, rows: NDArray[np.bool_]) -> LeafRows:
    """Some rows of a block, with only their series."""
    used, index = np.unique(block.index[rows], return_inverse=True)
    return LeafRows(
        block.query,
        [block.series[number] for number in used.tolist()],
        index.astype(np.int64),
        block.tick[rows],
        block.value[rows],
        None if block.context is None else block.context[rows],
    )
