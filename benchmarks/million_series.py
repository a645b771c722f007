"""Memory and stalls of very many series: default detector on all, one rule on all, checkpoints on.

Messages of a fleet go through the JSON codec, the checks, the shards and the rule lanes as plain
calls, the shards of all in one process. A row of each series comes every ten minutes of event time,
so that some rounds lead through a day. After the middle and the last round a checkpoint is
captured as the flow does it, and written beside what follows; its stall is the time in which one
worker that has all the shards does nothing else. Times of batches are told with the processor time
of the thread that handles them, since on a shared machine the clock shows the neighbours, too.

Run: ``python benchmarks/million_series.py --help``
"""

import argparse
import gc
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
from load import METRICS, series_labels

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from engine.codecs.native_json import NativeJsonCodec
from engine.config.load import parse_config
from engine.pipeline.build import make_plan
from engine.pipeline.plan import FlowPlan
from engine.pipeline.series_shard import SeriesShard
from engine.rules.plan import LANES
from engine.series.blocks import CheckpointId, CheckpointStore
from engine.series.pieces import Batch, Progress, split
from engine.sources.intake import DeadLetterRate, Intake
from engine.sources.partition_clock import PartitionClock

BEGIN_NS = 1_760_000_400_000_000_000  # a whole hour
ROUND_NS = 600_000_000_000
DAY_NS = 86_400_000_000_000
LATENESS_NS = 1_000_000_000
BATCH_ROWS = 10_000
YOUNG_OBJECTS_MAX = 200_000  # as a run of the flow has it
RULES = """
groups:
- name: all
  rules:
  - {alert: Anomaly, expr: anomaly_onset > 1}
"""
PARTITION = "benchmark/0"
MEGABYTE = 1e6


class Flow:
    """A source partition, all shards and all rule lanes.

    Parameters
    ----------
    folder : Path
        Of the rule file and the checkpoints.
    """

    def __init__(self, folder: Path) -> None:
        (folder / "rules.yaml").write_text(RULES, encoding="utf-8")
        config = parse_config(
            "rules: {files: [rules.yaml]}\n", file="config.yaml", environment={}, folder=folder
        )
        self.plan: FlowPlan = make_plan(config, (PARTITION,))
        self.clock = PartitionClock(LATENESS_NS)
        self.codec = NativeJsonCodec()
        self.intake = Intake(
            self.clock,
            max_ahead_ns=0,
            detectors_of=self.plan.detectors_of,
            rate=DeadLetterRate(100),
        )
        self.shards = [SeriesShard(number, self.plan) for number in range(self.plan.shards)]
        self.lanes = [self.plan.make_lane(number) for number in range(LANES)]
        names = [f"shard-{number}" for number in range(self.plan.shards)]
        self.store = CheckpointStore(folder / "checkpoints", frozenset(names))
        self.names = names

    def feed(self, payloads: list[bytes]) -> None:
        """Take messages through the whole flow."""
        decoded = self.codec.decode(payloads)
        taken = self.intake.take(decoded.columns, decoded.new_series)
        said = Progress(0, self.clock.claim, self.clock.newest, caught_up=True)
        batch = Batch(said, taken.columns, taken.definitions, taken.population)
        pieces = split(batch, self.plan.shards)
        for shard, piece in zip(self.shards, pieces, strict=True):
            for number, closed in shard.handle([piece]).closed.items():
                self.lanes[number].handle([closed])

    def checkpoint(self, number: int) -> list[float]:
        """Capture a checkpoint; milliseconds that each shard took."""
        spent_ms = []
        for shard, name in zip(self.shards, self.names, strict=True):
            began = time.perf_counter()
            self.store.write(CheckpointId(1, number), name, *shard.state())
            spent_ms.append((time.perf_counter() - began) * 1e3)
        return spent_ms

    def bytes_by_array(self) -> Counter[str]:
        """Bytes of all shards' state, by array."""
        sizes: Counter[str] = Counter()
        for shard in self.shards:
            arrays, meta = shard.state()
            for key, array in arrays.items():
                sizes[key] += array.nbytes
            sizes["all that is no array"] += len(bytes(meta))
        return sizes


def memory_mb() -> tuple[float, float]:
    """Resident memory now and at its peak, MB."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    kilobytes = {
        name: float(value.split()[0])
        for name, _, value in (line.partition(":") for line in lines)
        if name in ("VmRSS", "VmHWM")
    }
    return kilobytes["VmRSS"] * 1024 / MEGABYTE, kilobytes["VmHWM"] * 1024 / MEGABYTE


def messages(these: range, series: int, number: int, generator: np.random.Generator) -> list[bytes]:
    """One message of each of `these` series in a round: noise on a daily rhythm, in time order."""
    begin_ns = BEGIN_NS + number * ROUND_NS
    rhythm = 50 + 20 * np.sin(2 * np.pi * (begin_ns % DAY_NS) / DAY_NS)
    values = generator.normal(rhythm, 5.0, len(these)).tolist()
    return [
        b'{"ts":%d,"name":"%b","labels":%b,"value":%.6f}'
        % (
            (begin_ns + item * ROUND_NS // series) // 1_000_000,
            METRICS[item % len(METRICS)].encode(),
            series_labels(item).encode(),
            value,
        )
        for item, value in zip(these, values, strict=True)
    ]


class Pauses:
    """The longest pause of the garbage collector."""

    def __init__(self) -> None:
        self.longest_s = 0.0
        self._began = 0.0
        gc.callbacks.append(self._hear)

    def _hear(self, phase: str, _: dict[str, int]) -> None:
        if phase == "start":
            self._began = time.perf_counter()
        else:
            self.longest_s = max(self.longest_s, time.perf_counter() - self._began)


def told(milliseconds: list[float]) -> str:
    """The usual and the longest time."""
    return f"{np.median(milliseconds):4.0f} ms, {max(milliseconds):4.0f} at most"


def run(flow: Flow, series: int, rounds: int) -> None:
    """Feed all rounds and print seconds and memory of each, and what each checkpoint took."""
    generator = np.random.default_rng(1)
    pauses = Pauses()
    for number in range(rounds):
        wall_ms: list[float] = []
        thread_ms: list[float] = []
        for first in range(0, series, BATCH_ROWS):
            # Made batch by batch, so that the benchmark itself holds next to nothing.
            these = range(first, min(first + BATCH_ROWS, series))
            payloads = messages(these, series, number, generator)
            before, thread_before = time.perf_counter(), time.thread_time()
            flow.feed(payloads)
            wall_ms.append((time.perf_counter() - before) * 1e3)
            thread_ms.append((time.thread_time() - thread_before) * 1e3)
        if number == 0:
            print(f"first batch, with what is loaded or compiled for it: {wall_ms[0]:.0f} ms")
            wall_ms, thread_ms = wall_ms[1:] or wall_ms, thread_ms[1:] or thread_ms
        now, peak = memory_mb()
        print(
            f"round {number:>3}: {sum(wall_ms) / 1e3:6.1f} s; a batch {told(wall_ms)}, of the "
            f"processor {told(thread_ms)}; {now:5.0f} MB now, {peak:5.0f} at the peak",
            flush=True,
        )
        if number in (rounds // 2, rounds - 1):
            thread_before = time.thread_time()
            spent_ms = flow.checkpoint(number)
            thread_spent_ms = (time.thread_time() - thread_before) * 1e3
            print(
                f"checkpoint: {sum(spent_ms):.0f} ms, of the processor {thread_spent_ms:.0f}; "
                f"a shard {max(spent_ms):.1f} ms at most",
                flush=True,
            )
    print(f"longest pause of the garbage collector: {pauses.longest_s * 1e3:.0f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--series", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    gc.set_threshold(YOUNG_OBJECTS_MAX, *gc.get_threshold()[1:])
    with tempfile.TemporaryDirectory() as name:
        flow = Flow(Path(name))
        now, _ = memory_mb()
        print(f"{arguments.series:,} series; {now:.0f} MB at the start")
        gc.collect()
        gc.freeze()
        run(flow, arguments.series, arguments.rounds)
        now, peak = memory_mb()
        held = sum(len(shard.slots) for shard in flow.shards)
        print(f"{held:,} series held")
        sizes = flow.bytes_by_array()
        for array, size in sizes.most_common():
            if size >= arguments.series:
                print(f"{array:<44}{size / arguments.series:9.1f} bytes per series")
        print(f"{'state':<44}{sizes.total() / arguments.series:9.1f} bytes per series")
        print(f"resident {now:.0f} MB, at the peak {peak:.0f} MB")
        flow.store.close()


if __name__ == "__main__":
    main()
