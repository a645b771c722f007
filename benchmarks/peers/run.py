"""One job done by streamgauge and its peers, in turns on the same rows of one Kafka: one table.

Fast programs read ``--rows`` rows, slow ones the first ``--rows-slow`` of them in a topic of their
own. Rates are of wall time from the first rows to the last, without start-up. What each wrote as
alerts is compared with those that the job has in these rows. What can't run is shown with its
reason.

Run: ``python benchmarks/peers/run.py --help``
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from alerts import (  # noqa: E402
    Alerts,
    alert_of,
    alerts_expected,
    begin_of,
    difference,
    ends_of,
    values_since,
)
from kafka_throughput import measure_loop  # noqa: E402
from load import INTERVAL_MS, PARTITIONS, delete_topics, make_topic  # noqa: E402
from meter import OUTPUT  # noqa: E402
from own import JOB, WHOLE, reachable_rows, run_own  # noqa: E402
from programs import PEERS, Interpreters, NotRunError, Peer  # noqa: E402
from topic import fill, values  # noqa: E402

DRAIN = "drain"
OWN_JOB = "streamgauge, the job"
OWN_WHOLE = "streamgauge"
BASE = "msgspec loop"
NAMES = (DRAIN, OWN_JOB, OWN_WHOLE, *PEERS)


@dataclass(frozen=True)
class Run:
    """What one run showed; `differs` says how its alerts do, and is None where there are none."""

    rows: int
    wall_s: float
    cpu_s: float
    alerts: int = 0
    differs: str | None = None


@dataclass(frozen=True)
class Topic:
    """A filled topic and the alerts in it."""

    name: str
    rows: int
    begin_ms: int
    alerts: Alerts = field(repr=False)


@dataclass(frozen=True)
class Bench:
    """What all runs share."""

    given: argparse.Namespace
    interpreters: Interpreters
    fast: Topic
    slow: Topic

    def run(self, name: str) -> Run:
        """Run a program once.

        Raises
        ------
        NotRunError
            If it gave no numbers.
        """
        special: dict[str, Callable[[], Run]] = {
            DRAIN: self._drain,
            OWN_JOB: lambda: self._own(is_job=True),
            OWN_WHOLE: lambda: self._own(is_job=False),
        }
        return special[name]() if name in special else self._peer(PEERS[name])

    def _drain(self) -> Run:
        seen = measure_loop("drain", self.given.brokers, self.fast.name, self.fast.rows)
        return Run(seen.rows, seen.wall_s, seen.cpu_s)

    def _own(self, *, is_job: bool) -> Run:
        topic, series = self.fast, self.given.series
        extra = JOB if is_job else WHOLE
        try:
            begin, end, found = run_own(self.given.brokers, topic.name, topic.rows, series, extra)
        except SystemExit as error:
            raise NotRunError(str(error)) from None
        run = Run(end.handled - begin.read, end.wall_s - begin.wall_s, end.cpu_s - begin.cpu_s)
        if not is_job:
            return run
        # The last rows wait for later ones: nothing passes the watermark over them.
        reached_ms = topic.begin_ms + reachable_rows(topic.rows, series) * INTERVAL_MS // series
        differs = difference(found, topic.alerts, before_ms=reached_ms)
        return Run(run.rows, run.wall_s, run.cpu_s, len(found), differs)

    def _peer(self, peer: Peer) -> Run:
        """Run a peer in a process of its own, read its line and what it wrote."""
        topic = self.slow if peer.slow else self.fast
        brokers = self.given.brokers
        command = peer.command(self.interpreters)
        command += ["--brokers", brokers, "--topic", topic.name, "--rows", str(topic.rows)]
        output = f"{OUTPUT}.{peer.output}"
        begins = ends_of(brokers, output)
        seen = json.loads(measured_line(command, self.given.patience))
        texts = values_since(brokers, output, begins)
        lines = [line for text in texts for line in text.split(b"\n")]
        found = dict(alert_of(line) for line in lines if line)
        differs = difference(found, topic.alerts)
        if seen["alerts"] != len(found) and not differs:
            differs = f"{seen['alerts']:,} said, {len(found):,} written"
        return Run(seen["rows"], seen["wall_s"], seen["cpu_s"], len(found), differs)


def measured_line(command: list[str], patience_s: float) -> str:
    """Run a program and give the line with its measures.

    Raises
    ------
    NotRunError
        If it printed none, failed or took too long.
    """
    environment = {**os.environ, "PYTHONPATH": f"{HERE}{os.pathsep}{HERE.parent}"}
    try:
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            env=environment,
            timeout=patience_s,
        )
    except subprocess.TimeoutExpired:
        raise NotRunError(f"not done after {patience_s:.0f} s") from None
    except OSError as error:
        raise NotRunError(str(error)) from None
    lines = [line for line in done.stdout.splitlines() if line.startswith('{"rows"')]
    if done.returncode or not lines:
        said = (done.stderr.strip() or done.stdout.strip() or "no line printed").splitlines()
        raise NotRunError(said[-1][:90])
    return lines[-1]


def table(runs: dict[str, list[Run]], reasons: dict[str, str]) -> None:
    """Print medians, the rate to the loop's, and all rates."""
    rates = {name: [run.rows / run.wall_s / 1e3 for run in each] for name, each in runs.items()}
    base = statistics.median(rates[BASE]) if rates.get(BASE) else 0.0
    heads = f"{'rows':>12}{'k rows/s':>10}{'to loop':>9}{'CPU s/M':>9}{'alerts':>8}"
    print(f"{'':<21}{heads}  runs, k rows/s")
    for name, each in runs.items():
        if name in reasons:
            print(f"{name:<21}  not run: {reasons[name]}")
            continue
        rate = statistics.median(rates[name])
        to_loop = f"{rate / base:.2f}" if base else "-"
        cpu = statistics.median(run.cpu_s / run.rows * 1e6 for run in each)
        alerts = "-" if each[0].differs is None else f"{each[0].alerts:,}"
        spread = " ".join(f"{one:.0f}" for one in rates[name])
        numbers = f"{each[0].rows:>12,}{rate:>10.0f}{to_loop:>9}{cpu:>9.2f}{alerts:>8}"
        print(f"{name:<21}{numbers}  {spread}")


def alerts_agree(runs: dict[str, list[Run]]) -> bool:
    """Say whether all alerts are those of the job."""
    all_runs = [(name, run) for name, each in runs.items() for run in each]
    compared = [(name, run) for name, run in all_runs if run.differs is not None]
    wrong = [f"{name}: {run.differs}" for name, run in compared if run.differs]
    if not compared:
        print("no alerts to compare")
    else:
        print(f"ALERTS DIFFER: {'; '.join(wrong)}" if wrong else "alerts equal")
    return not wrong


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--brokers", default=os.environ.get("KAFKA_BROKERS", "localhost:9092"))
    parser.add_argument("--rows", type=int, default=12_000_000)
    parser.add_argument("--rows-slow", type=int, default=300_000, help="rows for slow programs")
    parser.add_argument("--series", type=int, default=50_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--patience", type=float, default=300.0, help="seconds for one run")
    parser.add_argument("--only", action="append", choices=NAMES, help="may repeat")
    parser.add_argument("--peers-python", help="an interpreter that has requirements.txt")
    parser.add_argument("--flink-python", help="an interpreter that has requirements-flink.txt")
    given = parser.parse_args()
    if given.rows % PARTITIONS or given.rows_slow % PARTITIONS or given.series % PARTITIONS:
        parser.error(f"rows and series must be multiples of {PARTITIONS}")
    if given.rows_slow > given.rows:
        parser.error("--rows-slow exceeds --rows")
    return given


def make_bench(given: argparse.Namespace) -> Bench:
    """Fill the topics and find their alerts; make those that the peers write to."""
    value = values(given.rows, given.series)

    def filled(rows: int) -> Topic:
        name = fill(given.brokers, rows, given.series)
        begin_ms = begin_of(given.brokers, name)
        return Topic(
            name, rows, begin_ms, alerts_expected(value[:rows], given.series, begin_ms=begin_ms)
        )

    fast, slow = filled(given.rows), filled(given.rows_slow)
    # A broker need not make topics by itself: flushing the alerts would never end.
    delete_topics(given.brokers, f"{OUTPUT}.")
    for peer in PEERS.values():
        make_topic(given.brokers, f"{OUTPUT}.{peer.output}", config={})
    interpreters = Interpreters(sys.executable, given.peers_python, given.flink_python)
    return Bench(given, interpreters, fast, slow)


def main() -> None:
    given = options()
    bench = make_bench(given)
    runs: dict[str, list[Run]] = {name: [] for name in given.only or NAMES}
    reasons: dict[str, str] = {}
    for _ in range(given.repeat):
        for name, each in runs.items():
            if name in reasons:
                continue
            try:
                each.append(bench.run(name))
            except NotRunError as error:
                reasons[name] = str(error)
    delete_topics(given.brokers, f"{OUTPUT}.")
    table(runs, reasons)
    if not alerts_agree(runs):
        sys.exit(1)


if __name__ == "__main__":
    main()
