"""The shards and rule lanes of a flow as plain calls, without Bytewax."""

from collections.abc import Iterator

from engine.events import Alert
from engine.pipeline.plan import FlowPlan
from engine.pipeline.series_shard import SeriesShard
from engine.pipeline.shard_output import ShardOutput
from engine.rules.alerting import AlertEvaluation
from engine.rules.plan import LANES
from engine.series.pieces import Batch, split


class DirectFlow:
    """All shards and lanes of a plan, in one thread.

    Parameters
    ----------
    plan : FlowPlan

    Attributes
    ----------
    shards : list of SeriesShard
    lanes : list of RuleLane
    alerts : list of Alert
        What the lanes have said.
    """

    def __init__(self, plan: FlowPlan) -> None:
        self.plan = plan
        self.shards = [SeriesShard(number, plan) for number in range(plan.shards)]
        self.lanes = [plan.make_lane(number) for number in range(LANES)]
        self.alerts: list[Alert] = []

    def feed(self, batch: Batch, *, at_once: bool = True) -> Iterator[ShardOutput]:
        """Let all shards and lanes handle a batch; gives what the shards said beside.

        With `at_once` ticks that are due are not gathered.
        """
        pieces = split(batch, self.plan.shards)
        for shard, piece in zip(self.shards, pieces, strict=True):
            outputs = [shard.handle([piece]), *([shard.finish()] if at_once else [])]
            for output in outputs:
                for number, closed in output.closed.items():
                    self.alerts += self.lanes[number].handle([closed])
                yield output

    @property
    def alert_rules(self) -> Iterator[AlertEvaluation]:
        """All alert rules at work."""
        for lane in self.lanes:
            for rule in lane.rules.values():
                if isinstance(rule, AlertEvaluation):
                    yield rule
