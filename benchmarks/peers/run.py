"""The same job done by streamgauge's peers, in turns on the same rows of one Kafka: one table.

Fast programs read ``--rows`` rows, slow ones the first ``--rows-slow`` of them in a topic of their
own. Rates are of wall time from the first rows to the last, without start-up. What can't run is
shown with its reason.

Run: ``python benchmarks/peers/run.py --help``
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from kafka_throughput import measure_streamgauge  # noqa: E402
from load import PARTITIONS, delete_topics, make_topic  # noqa: E402
from meter import OUTPUT  # noqa: E402
from topic import alerts_expected, fill, values  # noqa: E402

OWN = "streamgauge"


@dataclass(frozen=True)
class Peer:
    """A program: file, end of its alerts' topic, whether slow, whether in the other interpreter."""

    file: str
    output: str
    slow: bool = True
    apart: bool = True


PEERS = {
    "msgspec loop": Peer("loop_msgspec.py", "msgspec", slow=False, apart=False),
    "river loop": Peer("loop_river.py", "river", slow=False, apart=False),
    "bytewax items": Peer("bytewax_items.py", "bytewax", apart=False),
    "quix streams": Peer("quix.py", "quix"),
    "csp": Peer("csp_job.py", "csp"),
    "pathway": Peer("pathway_job.py", "pathway"),
}


class NotRunError(Exception):
    """Why a program gave no numbers."""


@dataclass(frozen=True)
class Run:
    """What one run showed; streamgauge's own detector is no match for the job's alerts."""

    rows: int
    wall_s: float
    cpu_s: float
    alerts: int | None = None


def run_peer(peer: Peer, given: argparse.Namespace, topic: str, rows: int) -> Run:
    """Run a peer in a process of its own and read its line."""
    python = given.peers_python if peer.apart else sys.executable
    if python is None:
        raise NotRunError("needs --peers-python")
    command = [python, str(HERE / peer.file), "--brokers", given.brokers]
    command += ["--topic", topic, "--rows", str(rows)]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    try:
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            env=environment,
            timeout=given.patience,
        )
    except subprocess.TimeoutExpired:
        raise NotRunError(f"not done after {given.patience:.0f} s") from None
    except OSError as error:
        raise NotRunError(str(error)) from None
    lines = [line for line in done.stdout.splitlines() if line.startswith('{"rows"')]
    if done.returncode or not lines:
        said = (done.stderr.strip() or done.stdout.strip() or "no line printed").splitlines()
        raise NotRunError(said[-1][:90])
    return Run(**json.loads(lines[-1]))


def run_one(name: str, given: argparse.Namespace, topics: dict[bool, tuple[str, int]]) -> Run:
    if name != OWN:
        return run_peer(PEERS[name], given, *topics[PEERS[name].slow])
    try:
        seen = measure_streamgauge(given.brokers, *topics[False], given.series, "5s")
    except SystemExit as error:
        raise NotRunError(str(error)) from None
    return Run(seen.rows, seen.wall_s, seen.cpu_s)


def table(runs: dict[str, list[Run]], reasons: dict[str, str]) -> None:
    print(f"{'':<14}{'rows':>11}{'k rows/s':>10}{'CPU s/M':>9}{'alerts':>8}  runs, k rows/s")
    for name, each in runs.items():
        if name in reasons:
            print(f"{name:<14}  not run: {reasons[name]}")
            continue
        rates = [run.rows / run.wall_s / 1e3 for run in each]
        cpu = statistics.median(run.cpu_s / run.rows * 1e6 for run in each)
        alerts = "-" if each[0].alerts is None else each[0].alerts
        spread = " ".join(f"{rate:.0f}" for rate in rates)
        rate = statistics.median(rates)
        print(f"{name:<14}{each[0].rows:>11,}{rate:>10.0f}{cpu:>9.2f}{alerts:>8}  {spread}")


def check_alerts(runs: dict[str, list[Run]], given: argparse.Namespace) -> bool:
    """Compare all alerts with those that the job has in these rows."""
    value = values(given.rows, given.series)
    expected = {
        rows: alerts_expected(value[:rows], given.series) for rows in (given.rows, given.rows_slow)
    }
    wrong = [
        f"{name} {run.alerts} of {expected[run.rows]}"
        for name, each in runs.items()
        for run in each
        if run.alerts is not None and run.alerts != expected.get(run.rows)
    ]
    if not any(run.alerts is not None for each in runs.values() for run in each):
        print("no alerts to compare")
        return True
    print("alerts equal" if not wrong else f"ALERTS DIFFER: {', '.join(wrong)}")
    return not wrong


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--brokers", default=os.environ.get("KAFKA_BROKERS", "localhost:9092"))
    parser.add_argument("--rows", type=int, default=12_000_000)
    parser.add_argument("--rows-slow", type=int, default=300_000, help="rows for slow programs")
    parser.add_argument("--series", type=int, default=50_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--patience", type=float, default=300.0, help="seconds for one run")
    parser.add_argument("--only", action="append", choices=[OWN, *PEERS], help="may repeat")
    parser.add_argument("--peers-python", help="an interpreter that has requirements.txt")
    given = parser.parse_args()
    if given.rows % PARTITIONS or given.rows_slow % PARTITIONS or given.series % PARTITIONS:
        parser.error(f"rows and series must be multiples of {PARTITIONS}")
    if given.rows_slow > given.rows:
        parser.error("--rows-slow exceeds --rows")
    return given


def main() -> None:
    given = options()
    topics = {
        slow: (fill(given.brokers, rows, given.series), rows)
        for slow, rows in ((False, given.rows), (True, given.rows_slow))
    }
    # A broker need not make topics by itself: flushing the alerts would never end.
    delete_topics(given.brokers, f"{OUTPUT}.")
    for peer in PEERS.values():
        make_topic(given.brokers, f"{OUTPUT}.{peer.output}", config={})
    runs: dict[str, list[Run]] = {name: [] for name in given.only or [OWN, *PEERS]}
    reasons: dict[str, str] = {}
    for _ in range(given.repeat):
        for name, each in runs.items():
            if name in reasons:
                continue
            try:
                each.append(run_one(name, given, topics))
            except NotRunError as error:
                reasons[name] = str(error)
    delete_topics(given.brokers, f"{OUTPUT}.")
    table(runs, reasons)
    if not check_alerts(runs, given):
        sys.exit(1)


if __name__ == "__main__":
    main()
