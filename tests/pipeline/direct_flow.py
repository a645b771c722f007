"""The flow without Bytewax: sources, shards and lanes as plain calls, cut wherever a test likes."""

import msgspec
import numpy as np

from engine.config.load import parse_config
from engine.pipeline.build import make_plan
from engine.pipeline.series_shard import SeriesShard
from engine.rules.plan import LANES
from engine.series.blocks import decode_block, encode_block
from engine.series.columns import Columns
from engine.series.pieces import Batch, Progress, split
from engine.sources.intake import DeadLetterRate, Intake
from engine.sources.partition_clock import PartitionClock

SCORES = ("ts", "value", "onset", "state", "expected", "lower", "upper")


def plan_of(folder, rules, *, config="", partitions=("p0",)):
    """Plan a flow from the texts of a rule file and of a configuration without `rules`."""
    (folder / "rules.yaml").write_text(rules)
    text = f"rules: {{files: [rules.yaml]}}\n{config}"
    return make_plan(
        parse_config(text, file="config.yaml", environment={}, folder=folder), partitions
    )


class Partition:
    """A source partition: rows (series, ts, value, flags) in log order become batches."""

    def __init__(self, plan, number, *, lateness_ns):
        self.number = number
        self.clock = PartitionClock(lateness_ns)
        self._known = set()
        self._intake = Intake(
            self.clock,
            max_ahead_ns=0,
            detectors_of=plan.detectors_of,
            place_of=plan.place_of,
            rate=DeadLetterRate(10**9),
        )

    def batch(self, rows, **progress):
        """Give the batch of the next rows; `progress` says more of the partition."""
        series = list(dict.fromkeys(row[0] for row in rows))
        columns = Columns(
            np.array([row[0].fingerprint for row in rows], np.uint64),
            np.array([row[1] for row in rows], np.int64),
            np.array([row[2] for row in rows], np.float64),
            np.array([row[3] for row in rows], np.uint8),
        )
        new = [item for item in series if item not in self._known]
        self._known |= set(new)
        taken = self._intake.take(columns, new)
        said = Progress(self.number, self.clock.claim, self.clock.newest, **progress)
        return Batch(said, taken.columns, taken.definitions, taken.population, taken.place)


class DirectFlow:
    """All shards and lanes of a plan."""

    def __init__(self, plan):
        self.plan = plan
        self.shards = [SeriesShard(number, plan) for number in range(plan.shards)]
        self.lanes = [plan.make_lane(number) for number in range(LANES)]
        self.alerts = {number: [] for number in range(LANES)}
        self.scores = []
        self.blocks = []
        self.dead_letters = []
        self.counts = {}

    def feed(self, *batches):
        """Let every shard handle its pieces of the batches in one call."""
        pieces = [split(batch, self.plan.shards) for batch in batches]
        for shard, mine in zip(self.shards, zip(*pieces, strict=True), strict=True):
            self._take(shard.handle(list(mine)))

    def finish(self):
        """Handle the rest."""
        for shard in self.shards:
            self._take(shard.finish())

    def said(self):
        """All that was said, to the bit: alerts by lane in order, scores in a fixed order."""
        alerts = {
            number: [(item.fingerprint, item.tick, msgspec.json.encode(item.event))
                     for item in items]
            for number, items in self.alerts.items()
        }  # fmt: skip
        return alerts, sorted(self.scores)

    def state(self):
        """The state of every part, as blocks."""
        shards = [b"".join(encode_block(*shard.state())) for shard in self.shards]
        lanes = [b"".join(encode_block(lane.arrays(), lane.meta())) for lane in self.lanes]
        return shards, lanes

    def restore(self, state):
        """Go on from what `state` gave."""
        for parts, blocks in zip((self.shards, self.lanes), state, strict=True):
            for part, block in zip(parts, blocks, strict=True):
                part.restore(*decode_block(block, "block"))
        return self

    def _take(self, output):
        for number, closed in output.closed.items():
            self.alerts[number] += self.lanes[number].handle([closed])
        self.blocks += output.scores
        for block in output.scores:
            columns = [getattr(block, name).tolist() for name in SCORES]
            for index, *values in zip(block.index.tolist(), *columns, strict=True):
                self.scores.append((str(block.series[index]), *map(float.hex, map(float, values))))
        self.dead_letters += output.dead_letters
        for name, number in output.counts.items():
            self.counts[name] = self.counts.get(name, 0) + number
