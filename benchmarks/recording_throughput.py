"""A recording through the whole flow, without Kafka: default detector, 20 rules, one worker.

A long Parquet file of many series is replayed into a folder, each time in a process of its own.
Rates are given from the first rows read to the end of all outputs, and with the start before it
(imports, kernels from their cache, opening the file); the core's are of CPU time, the wall's also
say how busy the machine was.

Run: ``python benchmarks/recording_throughput.py --help``
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import polars as pl
from load import METRICS, columns, rules_yaml, series_labels

ROOT = Path(__file__).resolve().parent.parent
BEGIN_MS = 1_760_000_400_000  # a whole hour


def write_recording(path: Path, *, rows: int, series: int) -> None:
    """Write a long recording: ts, name, labels as JSON text, value."""
    number, ts, value = columns(rows, series, begin_ms=BEGIN_MS)
    of_row = pl.Series(number)
    pl.DataFrame(
        {
            "ts": pl.Series(ts).cast(pl.Datetime("ms", "UTC")),
            "name": pl.Series([METRICS[item % len(METRICS)] for item in range(series)])[of_row],
            "labels": pl.Series([series_labels(item) for item in range(series)])[of_row],
            "value": value,
        }
    ).write_parquet(path)


def replay_once(folder: Path) -> None:
    """Replay in this process and print rows and seconds: of wall and CPU, without and with start.

    The parent gives its clock's time of the start, so that Python's own start counts.
    """
    sys.path.insert(0, str(ROOT))
    from engine.cli.logs import configure_logs
    from engine.config.connections import RecordingSource
    from engine.config.load import load_config
    from engine.replay.player import replay

    configure_logs({"STREAMGAUGE_LOG": "warning"})
    first: list[tuple[int, float, float]] = []

    def progress(rows: int) -> None:
        if not first:
            first.append((rows, time.monotonic(), time.process_time()))

    config = load_config(folder / "config.yaml", environment={})
    source = RecordingSource(path=str(folder / "recording.parquet"))
    with tempfile.TemporaryDirectory() as out:
        summary = replay(config, source, Path(out), workers=1, on_progress=progress)
    rows, wall, cpu = first[0]
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    seen = {
        "rows": summary.samples,
        "rows_after_first": summary.samples - rows,
        "ended": time.monotonic(),
        "wall_s": time.monotonic() - wall,
        "cpu_s": time.process_time() - cpu,
        "cpu_with_start_s": time.process_time(),
        "peak_mb": peak_mb,
    }
    print(json.dumps(seen))


def measure(folder: Path) -> dict[str, float]:
    """Replay in a new process; rates in samples per second, memory in MB."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, __file__, "--replay", str(folder)],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "STREAMGAUGE_LOG": "warning"},
    )
    seen = json.loads(done.stdout.splitlines()[-1])
    return {
        "of a core": seen["rows_after_first"] / seen["cpu_s"],
        "of wall time": seen["rows_after_first"] / seen["wall_s"],
        "of a core, with start": seen["rows"] / seen["cpu_with_start_s"],
        "of wall time, with start": seen["rows"] / (seen["ended"] - began),
        "MB": seen["peak_mb"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=6_000_000)
    parser.add_argument("--series", type=int, default=50_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--replay", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.replay:
        replay_once(arguments.replay)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "rules.yaml").write_text(rules_yaml(), encoding="utf-8")
        (folder / "config.yaml").write_text("rules: {files: [rules.yaml]}\n", encoding="utf-8")
        write_recording(folder / "recording.parquet", rows=arguments.rows, series=arguments.series)
        runs = [measure(folder) for _ in range(arguments.repeat)]
    print(f"{arguments.rows:,} samples of {arguments.series:,} series")
    for name in runs[0]:
        values = [run[name] for run in runs]
        if name == "MB":
            print(f"{'peak memory':<28}{statistics.median(values):>8.0f} MB")
            continue
        each = " ".join(f"{value / 1e3:.0f}" for value in values)
        print(f"{name:<28}{statistics.median(values) / 1e3:>8.0f} k samples/s   runs {each}")


if __name__ == "__main__":
    main()
