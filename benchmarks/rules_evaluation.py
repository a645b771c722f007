"""One evaluation of a thousand public rules: streamgauge and Prometheus on the same samples.

Every series has a sample every 15 s, at its own time in the interval; all rules are evaluated
every 15 s. Half an hour of samples goes through shards and rule lanes as plain calls on one core. A
tick's cost begins with the pieces that close it and ends when the last lane is done: ordering (into
the reorder buffer and out of it), leaves (windows and comparisons beside the series, samples kept),
and rules (joins, aggregations, alerts). Medians over the ticks after the warm-up, CPU time.

Prometheus gets the same samples and the same rule file, see `rules_prometheus`.

Run: ``python benchmarks/rules_evaluation.py --help``
"""

import argparse
import cProfile
import gc
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rules_folding import folded
from rules_load import RULES_FOLDER, Load, choose, make_load, public_rules, rule_file_text
from rules_prometheus import Measured, Server, measure, write_requests

from engine.config.load import parse_config
from engine.pipeline.build import make_plan
from engine.pipeline.series_shard import SeriesShard
from engine.rules.alerting import AlertEvaluation
from engine.rules.lifecycle import INACTIVE
from engine.rules.plan import LANES
from engine.series.columns import Columns
from engine.series.pieces import Batch, Definition, Progress, split

INTERVAL_S = 15
INTERVAL_NS = INTERVAL_S * 1_000_000_000
HISTORY_STEPS = 120
FUTURE_STEPS = 36
WARM_UP_TICKS = 84
CONFIG = "rules: {{files: [rules.yaml], max_window: 40d}}\nstate: {{shards: {shards}}}\n"
WRITE_HEADERS = {
    "Content-Encoding": "snappy",
    "Content-Type": "application/x-protobuf",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}

P = ParamSpec("P")
R = TypeVar("R")


@dataclass
class Spent:
    """CPU seconds of one tick."""

    shards: float = 0.0
    leaves: float = 0.0
    rules: float = 0.0

    @property
    def ordering(self) -> float:
        """What shards do besides evaluating leaves."""
        return self.shards - self.leaves

    @property
    def total(self) -> float:
        """All of it."""
        return self.shards + self.rules


class Flow:
    """All shards and rule lanes of a plan, with a clock beside them."""

    def __init__(self, folder: Path, load: Load, shards: int) -> None:
        text = CONFIG.format(shards=shards)
        config = parse_config(text, file="config.yaml", environment={}, folder=folder)
        self.plan = make_plan(config, ("benchmark/0",))
        self.load = load
        self.shards = [SeriesShard(number, self.plan) for number in range(self.plan.shards)]
        self.lanes = [self.plan.make_lane(number) for number in range(LANES)]
        self.spent = Spent()
        for shard in self.shards:
            shard.leaves.evaluate = self._timed(shard.leaves.evaluate)  # type: ignore[method-assign]
        self._fingerprint = np.array([item.fingerprint for item in load.series], np.uint64)
        self._order = np.argsort(load.offset_ms, kind="stable")

    def tick(self, tick_ns: int, value: NDArray[np.float64]) -> Spent:
        """Feed one interval's samples, float64[series], and evaluate the tick at its end."""
        self.spent = Spent()
        for piece in split(self._batch(tick_ns, value), self.plan.shards):
            began = time.process_time()
            output = self.shards[piece.shard].handle([piece])
            handled = time.process_time()
            for number, closed in output.closed.items():
                self.lanes[number].handle([closed])
            self.spent.shards += handled - began
            self.spent.rules += time.process_time() - handled
        return self.spent

    def alerts(self) -> int:
        """Pending and firing alerts."""
        rules = [rule for lane in self.lanes for rule in lane.rules.values()]
        tables = [rule.table for rule in rules if isinstance(rule, AlertEvaluation)]
        return sum(int((table.alerts["state"] != INACTIVE).sum()) for table in tables)

    def _batch(self, tick_ns: int, value: NDArray[np.float64]) -> Batch:
        order = self._order
        ts = tick_ns - INTERVAL_NS + 1_000_000 * (self.load.offset_ms[order] + 1)
        columns = Columns(
            self._fingerprint[order], ts, value[order], np.zeros(len(order), np.uint8)
        )
        new = [] if self.shards[0].slots else self.load.series
        definitions = [Definition(item, int(ts[0]), 0) for item in new]
        said = Progress(0, tick_ns, tick_ns, caught_up=True)
        return Batch(said, columns, definitions, [])

    def _timed(self, call: Callable[P, R]) -> Callable[P, R]:
        def timed(*args: P.args, **kwargs: P.kwargs) -> R:
            began = time.process_time()
            result = call(*args, **kwargs)
            self.spent.leaves += time.process_time() - began
            return result

        return timed


def run_ours(
    folder: Path, load: Load, values: NDArray[np.float64], begin_ns: int, shards: int, profile: bool
) -> None:
    """Print what a tick costs."""
    began = time.process_time()
    flow = Flow(folder, load, shards)
    planned_s = time.process_time() - began
    spent = []
    profiler = cProfile.Profile()
    for step in range(values.shape[1]):
        if profile and step == WARM_UP_TICKS:
            profiler.enable()
        spent.append(flow.tick(begin_ns + (step + 1) * INTERVAL_NS, values[:, step]))
    profiler.disable()
    counted = spent[WARM_UP_TICKS:]
    parts = {
        part: 1e3 * float(np.median([getattr(item, part) for item in counted]))
        for part in ("total", "ordering", "leaves", "rules")
    }
    print(
        f"streamgauge, {shards} shards: {parts['total']:.0f} ms CPU (ordering "
        f"{parts['ordering']:.0f}, leaves {parts['leaves']:.0f}, rules {parts['rules']:.0f}; "
        f"slowest {1e3 * max(item.total for item in counted):.0f}), {flow.alerts()} alerts; "
        f"planned in {planned_s:.1f} s, first tick {spent[0].total:.1f} s",
        flush=True,
    )
    if profile:
        profiler.print_stats("tottime")


def run_prometheus(
    binary: Path, folder: Path, load: Load, begin_ns: int, readings: int
) -> Measured:
    """Let Prometheus evaluate the rules at the same samples and some minutes more."""
    steps = HISTORY_STEPS + FUTURE_STEPS
    first_ms = begin_ns // 1_000_000 + load.offset_ms[:, None] + 1
    ts_ms = first_ms + 1000 * INTERVAL_S * np.arange(steps)
    server = Server(binary, folder)
    try:
        server.wait()
        for body in write_requests(load.series, load.values(steps), ts_ms):
            server.post("/api/v1/write", body, WRITE_HEADERS)
        return measure(server, folder / "rules.yaml", readings=readings, interval_s=INTERVAL_S)
    finally:
        server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rules-dir", type=Path, default=RULES_FOLDER)
    parser.add_argument("--rules", type=int, default=1000)
    parser.add_argument("--prometheus", type=Path, default=os.environ.get("PROMETHEUS"))
    parser.add_argument("--readings", type=int, default=6, help="evaluations of Prometheus")
    parser.add_argument("--unfolded", action="store_true", help="leave all metrics as they are")
    parser.add_argument("--nameless", action="store_true", help="also rules that read every series")
    parser.add_argument("--profile", action="store_true")
    arguments = parser.parse_args()
    if not arguments.rules_dir.is_dir():
        raise SystemExit(f"no rule files in {arguments.rules_dir}; name a folder with --rules-dir")
    found = public_rules(arguments.rules_dir)
    rules = choose(found, arguments.rules, nameless=arguments.nameless)
    now_s = int(time.time()) // INTERVAL_S * INTERVAL_S
    begin_ns = (now_s - HISTORY_STEPS * INTERVAL_S) * 1_000_000_000
    if not arguments.unfolded:
        rules = folded(rules)
    load = make_load(rules, now_s)
    enough, pairs = load.selected()
    print(
        f"{len(rules)} rules, {len(load.series)} series; {enough} rules select 50 series or more "
        f"with each of their selectors, {pairs} series in all"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = rule_file_text(rules, f"{INTERVAL_S}s")
        (folder / "rules.yaml").write_text(text, encoding="utf-8")
        gc.collect()
        gc.freeze()
        for shards in (64, 1):
            values = load.values(HISTORY_STEPS)
            run_ours(folder, load, values, begin_ns, shards, arguments.profile)
        if arguments.prometheus is None:
            print("Prometheus: skipped; name its program with --prometheus or PROMETHEUS")
            return
        theirs = run_prometheus(
            Path(arguments.prometheus), folder, load, begin_ns, arguments.readings
        )
        durations_ms = [1e3 * seconds for seconds in theirs.durations_s]
        print(
            f"Prometheus {theirs.version}: {1e3 * theirs.cpu_s:.0f} ms CPU, groups' durations "
            f"{min(durations_ms):.0f} to {max(durations_ms):.0f} ms, {theirs.alerts} alerts, "
            f"{theirs.failing} rules fail"
        )


if __name__ == "__main__":
    main()
