"""Memory and delay while millions of series that nobody wants push in among a thousand good ones.

Messages go through the JSON codec, the checks and the shards as plain calls, the shards of all in
one process. Each batch has one row of every good series and for the rest rows of series never seen
before, far above `limits.series`. The good rows' delay is the time that their batch takes; it is
compared with that of batches of the same size whose rows are all of known series.

Run: ``python benchmarks/label_explosion.py --help``
"""

import argparse
import gc
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from engine.codecs.native_json import NativeJsonCodec
from engine.config.load import parse_config
from engine.pipeline.build import make_plan
from engine.pipeline.series_shard import SeriesShard
from engine.series.pieces import Batch, Progress, split
from engine.sources.intake import DeadLetterRate, Intake
from engine.sources.partition_clock import PartitionClock

BEGIN_MS = 1_760_000_400_000
STEP_MS = 1_000
LATENESS_NS = 60_000_000_000
QUIET_BATCHES = 50
REPORTS = 10
YOUNG_OBJECTS_MAX = 200_000  # as a run of the flow has it
RULES = """
groups:
- name: all
  rules:
  - {alert: High, expr: load > 50, for: 1m}
"""


class Flow:
    """A source partition and all shards.

    Parameters
    ----------
    folder : Path
        Of the rule file.
    series_max : int
        `limits.series`.
    remembered_max : int
        Of how many series codec and checks remember something.
    """

    def __init__(self, folder: Path, series_max: int, remembered_max: int) -> None:
        (folder / "rules.yaml").write_text(RULES, encoding="utf-8")
        text = f"rules: {{files: [rules.yaml]}}\nlimits: {{series: {series_max}}}\n"
        config = parse_config(text, file="config.yaml", environment={}, folder=folder)
        self.plan = make_plan(config, ("benchmark/0",))
        self.clock = PartitionClock(LATENESS_NS)
        self.codec = NativeJsonCodec(cache_entries=remembered_max)
        self.intake = Intake(
            self.clock,
            max_ahead_ns=0,
            detectors_of=self.plan.detectors_of,
            rate=DeadLetterRate(self.plan.limits.dead_letters_per_second),
            undefined_max=remembered_max,
            beginning_max=max(1 << 16, 2 * series_max),
        )
        self.shards = [SeriesShard(number, self.plan) for number in range(self.plan.shards)]
        self.counts: dict[str, int] = {}
        self.dead_letters = 0

    def feed(self, payloads: list[bytes]) -> float:
        """Take messages through; gives the milliseconds that it took."""
        began = time.perf_counter()
        decoded = self.codec.decode(payloads)
        taken = self.intake.take(decoded.columns, decoded.new_series)
        said = Progress(0, self.clock.claim, self.clock.newest, caught_up=True)
        batch = Batch(said, taken.columns, taken.definitions, taken.population)
        for shard, piece in zip(self.shards, split(batch, self.plan.shards), strict=True):
            output = shard.handle([piece])
            self.dead_letters += len(output.dead_letters)
            for name, count in output.counts.items():
                self.counts[name] = self.counts.get(name, 0) + count
        return (time.perf_counter() - began) * 1e3

    @property
    def known(self) -> int:
        """Series that the shards have taken in."""
        return sum(len(shard.slots) for shard in self.shards)


def quiet_batches(good: int, rows: int) -> Iterator[list[bytes]]:
    """Rows of the good series only; several of each, at different times."""
    for step in range(QUIET_BATCHES):
        yield [
            _row(BEGIN_MS + step * STEP_MS + row // good, "load", f"good-{row % good:06d}")
            for row in range(rows)
        ]


def attack_batches(good: int, rows: int, distinct: int) -> Iterator[list[bytes]]:
    """One row of each good series, among rows of series that were never there."""
    each = rows - good
    for number in range(-(-distinct // each)):
        ts_ms = BEGIN_MS + (QUIET_BATCHES + number) * STEP_MS
        payloads = [_row(ts_ms, "load", f"good-{host:06d}") for host in range(good)]
        first = number * each
        payloads += [
            _row(ts_ms, "load", f"wild-{host:09d}")
            for host in range(first, min(first + each, distinct))
        ]
        yield payloads


def _row(ts_ms: int, name: str, host: str) -> bytes:
    return b'{"ts":%d,"name":"%b","labels":{"host":"%b","region":"eu-west-1"},"value":1.5}' % (
        ts_ms, name.encode(), host.encode(),
    )  # fmt: skip


def memory_mb() -> float:
    """Resident memory, MB."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (line,) = (line for line in lines if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1e3


def main() -> None:
    """Run the attack and print what it did."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--distinct", type=int, default=10_000_000, help="series of the attack")
    parser.add_argument("--good", type=int, default=1_000, help="series that are wanted")
    parser.add_argument("--limit", type=int, default=10_000, help="limits.series")
    parser.add_argument("--remembered", type=int, default=1 << 20, help="entries of each cache")
    parser.add_argument("--rows", type=int, default=16_384, help="rows of a batch")
    arguments = parser.parse_args()
    gc.set_threshold(YOUNG_OBJECTS_MAX, 50, 100)
    with tempfile.TemporaryDirectory() as folder:
        flow = Flow(Path(folder), arguments.limit, arguments.remembered)
    quiet = [flow.feed(batch) for batch in quiet_batches(arguments.good, arguments.rows)]
    # The first batches compile.
    quiet_ms = statistics.median(quiet[QUIET_BATCHES // 2 :])
    print(f"quiet: {quiet_ms:.1f} ms a batch of {arguments.rows} rows, {memory_mb():.0f} MB")
    batches = -(-arguments.distinct // (arguments.rows - arguments.good))
    spent_ms: list[float] = []
    for number, batch in enumerate(
        attack_batches(arguments.good, arguments.rows, arguments.distinct), 1
    ):
        spent_ms.append(flow.feed(batch))
        if number % max(1, batches // REPORTS) == 0 or number == batches:
            last = spent_ms[-max(1, batches // REPORTS) :]
            print(
                f"{number * (arguments.rows - arguments.good):>10} new series: "
                f"{memory_mb():.0f} MB, good rows wait {statistics.median(last):.0f} ms, "
                f"at most {max(last):.0f} ms; {flow.known} series known"
            )
    per_series_us = (sum(spent_ms) - quiet_ms * len(spent_ms)) * 1e3 / arguments.distinct
    print(f"{per_series_us:.1f} us for a new series that is refused")
    print(f"{flow.counts.get('limit_rows', 0)} rows refused, {flow.dead_letters} dead letters")


if __name__ == "__main__":
    main()
