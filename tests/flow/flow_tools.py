"""Shared by the suites of whole flows: a generated stream, configurations, runs, outputs."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import polars as pl

from engine.config import parse_config
from engine.config.schema import Config
from engine.events import Alert
from engine.pipeline.flow import part_names
from engine.pipeline.runner import Run, Stop
from engine.series.blocks import CheckpointId
from engine.sinks.score_parts import ORDER

REPOSITORY = Path(__file__).resolve().parents[2]
BEGIN_MS = 1_760_000_000_000
LATENESS_MS = 20_000
STEP_MS = 15_000
QUIET = {"STREAMGAUGE_LOG": "warning"}

RULES = """
groups:
  - name: thresholds
    interval: 30s
    rules:
      - alert: High
        expr: load > 80
        for: 1m
        labels: {severity: critical}
        annotations: {summary: "{{ $labels.host }} at {{ $value | humanize }}"}
      - alert: SlowOnAverage
        expr: avg_over_time(latency[3m]) > 50
        keep_firing_for: 1m
  - name: odd
    interval: 50s
    rules:
      - {alert: Unsteady, expr: "stddev_over_time(latency[2m]) > 15"}
"""


def stream(*, seed: int, hosts: int, steps: int) -> pl.DataFrame:
    """Samples in time order: ts (ms), name, labels (JSON text), value.

    Two metrics for each host, with spikes, excursions over the rules' thresholds, gaps, hosts
    that begin later, and some samples that are said twice with different values.
    """
    rng = np.random.default_rng(seed)
    frames = []
    for host in range(hosts):
        first = 0 if host % 3 else int(rng.integers(0, steps // 3))
        for name in ("load", "latency"):
            ts = BEGIN_MS + np.arange(first, steps) * STEP_MS + int(rng.integers(0, STEP_MS))
            value = 30 + 3 * rng.standard_normal(len(ts)) + 5 * np.sin(np.arange(len(ts)) / 40)
            for _ in range(3):
                at = int(rng.integers(len(ts) // 4, len(ts)))
                value[at : at + int(rng.integers(1, 25))] += 70
            keep = np.ones(len(ts), bool)
            gap = int(rng.integers(0, len(ts)))
            keep[gap : gap + int(rng.integers(0, 30))] = False
            labels = msgspec.json.encode({"host": f"h{host:02d}"}).decode()
            frames.append(
                pl.DataFrame({"ts": ts[keep], "value": value[keep]}).select(
                    "ts", pl.lit(name).alias("name"), pl.lit(labels).alias("labels"), "value"
                )
            )
    rows = pl.concat(frames)
    twice = rows.sample(rows.height // 50, seed=seed)
    again = twice.with_columns(pl.col("value") + rng.normal(0, 2, twice.height))
    return pl.concat([rows, again]).sort("ts", "name", "labels", "value")


def shuffled(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Put rows into another order in which none is late."""
    # A row is held up for less than the lateness, so none that is newer by that comes before it.
    return arriving(rows, rng.integers(0, LATENESS_MS, rows.height))


def arriving(rows: pl.DataFrame, held_up_ms: np.ndarray) -> pl.DataFrame:
    """Put rows into the order of their arrival."""
    return rows[np.argsort(rows["ts"].to_numpy() + held_up_ms, kind="stable")]


def write_recording(
    rows: pl.DataFrame,
    folder: Path,
    *,
    partition: Sequence[int] | np.ndarray,
    rng: np.random.Generator | None = None,
) -> Path:
    """Write rows as one file for each partition, shuffled within lateness if `rng` is given."""
    folder.mkdir(parents=True)
    number = np.asarray(partition)
    for one in np.unique(number):
        part = rows.filter(pl.Series(number == one))
        part = part if rng is None else shuffled(part, rng)
        part.with_columns(pl.from_epoch("ts", time_unit="ms")).write_parquet(
            folder / f"p{one}.parquet"
        )
    return folder


def by_host(rows: pl.DataFrame, partitions: int) -> np.ndarray:
    """The partition of each row where all of a host are on the same."""
    host = rows["labels"].str.extract(r"h(\d+)").cast(pl.Int64)
    return (host % partitions).to_numpy()


def settings(
    folder: Path,
    *,
    source: str,
    sinks: Sequence[str] = (),
    rows: int = 1000,
    shards: int = 8,
    checkpoint: str = "200ms",
    epoch: str = "50ms",
    lateness_ms: int = LATENESS_MS,
    idle_timeout: str = "1m",
    more: str = "",
) -> str:
    """Text of a configuration; without `sinks` it writes into ``folder / "out"``."""
    (folder / "rules.yaml").write_text(RULES)
    listed = list(sinks) or [f"{{folder: {{path: {folder / 'out'}}}}}"]
    return f"""
sources: [{{{source}}}]
sinks: [{", ".join(listed)}]
time: {{lateness: {lateness_ms}ms, idle_timeout: {idle_timeout}}}
rules: {{files: [rules.yaml], lookback: 2m}}
scores: {{emit: all}}
http: {{listen: ""}}
batch: {{rows: {rows}}}
state: {{dir: {folder / "state"}, checkpoint: {checkpoint}, epoch: {epoch}, shards: {shards}}}
{more}
"""


def recorded(path: Path) -> str:
    """A source that plays a recording."""
    return f"recording: {{path: {path}}}"


def config_of(text: str, folder: Path) -> Config:
    """Read a configuration's text as if it stood in the folder."""
    return parse_config(text, file="flow.yaml", environment={}, folder=folder)


def run_flow(
    config: Config,
    *,
    workers: int = 1,
    stateful: bool = False,
    stop_after: int | None = None,
    on_alerts: Callable[[list[Alert]], None] = lambda _: None,
) -> Run:
    """Run inside of this process; `stop_after` rows were played, tell it to end."""
    stop = Stop()
    played = 0

    def progress(rows: int) -> None:
        nonlocal played
        played += rows
        if stop_after is not None and played >= stop_after:
            stop.set()

    run = Run(
        config=config,
        stateful=stateful,
        workers=workers,
        stop=stop,
        on_progress=progress,
        on_alerts=on_alerts,
    )
    run.execute()
    return run


@dataclass(frozen=True)
class Said:
    """What a flow wrote into a folder: alerts by id, scores by series and time."""

    alerts: dict[str, dict]
    scores: pl.DataFrame

    def assert_equals(self, other: "Said") -> None:
        """The same events, by id and value."""
        assert self.alerts.keys() == other.alerts.keys()
        assert self.alerts == other.alerts
        assert self.scores.equals(other.scores)


def said(folder: Path) -> Said:
    """Read a folder sink's files; a torn line or one that is there twice is an error."""
    lines = (folder / "alerts.jsonl").read_bytes()
    assert lines == b"" or lines.endswith(b"\n"), "the last line is torn"
    alerts = [msgspec.json.decode(line) for line in lines.splitlines()]
    by_id = {alert["id"]: alert for alert in alerts}
    assert len(by_id) == len(alerts), "an alert's record is there twice"
    scores = pl.read_parquet(folder / "scores.parquet")
    assert not scores.select(ORDER).is_duplicated().any(), "a score is there twice"
    return Said(by_id, scores)


@contextmanager
def python(arguments: Sequence[str], *, log: Path) -> Iterator[subprocess.Popen]:
    """Run Python in a process of its own, which never outlives the context."""
    with log.open("ab") as output:
        started = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=REPOSITORY,
            stdout=output,
            stderr=output,
            env={**os.environ, **QUIET},
        )
    try:
        yield started
    finally:
        if started.poll() is None:
            started.kill()
        started.wait()


def process(config: Path, *, workers: int = 1, log: Path) -> AbstractContextManager:
    """Run a configuration's file in a process of its own."""
    return python(["-m", "engine.cli", "run", str(config), "-w", str(workers)], log=log)


def killed_after(started: subprocess.Popen, delay_s: float) -> bool:
    """Kill a process after a time; whether it was there to be killed."""
    try:
        started.wait(delay_s)
    except subprocess.TimeoutExpired:
        started.send_signal(signal.SIGKILL)
        return started.wait() == -signal.SIGKILL
    return False


def wait_until(condition: Callable[[], bool], *, timeout_s: float, what: str) -> None:
    """Wait for something to become true."""
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {timeout_s} s"
        time.sleep(0.05)


def whole_checkpoints(state: Path, shards: int) -> list[CheckpointId]:
    """Checkpoints in a state folder of which all blocks are there."""
    found = []
    for folder in sorted((state / "checkpoints").glob("*-*")):
        blocks = {path.name.removesuffix(".block") for path in folder.glob("*.block")}
        if blocks >= part_names(shards):
            found.append(CheckpointId.parse(folder.name))
    return found


def run_number(state: Path) -> int:
    """How many runs have opened the state folder."""
    path = state / "run"
    return int(path.read_text()) if path.exists() else 0
