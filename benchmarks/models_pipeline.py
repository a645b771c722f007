"""Model monitoring from decoded rows, from JSON and from a recording to what is said of a model.

- speed: 10 numeric and 5 categorical features and 100 features, with windows of 1 h and labels a
  minute late, in sketch and exact mode, with and without segments: through a model's monitor
  alone, and through the replay of a Parquet recording; rates are rows by seconds of CPU of all
  threads, after a warm-up;
- native JSON, decoded and monitored;
- memory: of one version with 100 features, in its checkpoint and as allocated; how it changes
  over many events;
- ticks: how long a shard takes for the rows of a tick, at 50,000 events a second.

Run: ``python -m benchmarks.models_pipeline [speed|replay|json|memory|ticks|profile ...]``
"""

import argparse
import cProfile
import pstats
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.decode_predictions import messages_of, rows
from benchmarks.models_load import MODEL, Shape, block_of, later, write_recording
from engine.codecs.prediction_codec import PredictionCodec
from engine.codecs.prediction_columns import PredictionTables
from engine.codecs.prediction_json import read_native
from engine.codecs.samples import Limits
from engine.config.connections import RecordingSource
from engine.config.load import parse_config
from engine.config.schema import Config
from engine.drift.grid import Grid
from engine.drift.model_monitor import ModelMonitor
from engine.drift.summary import Summary
from engine.pipeline.build import make_plan
from engine.pipeline.model_shard import ModelPiece, ModelShard
from engine.replay.player import replay
from engine.series.pieces import Progress

BATCH_ROWS = 8_192
BLOCK_ROWS = 65_536
SMALL, WIDE = Shape(), Shape(80, 20, rows_per_s=10.0)
WARM_ROWS, WARM_ROWS_PER_S = 1 << 15, 5.0
"""So many that windows end with them."""

VARIANTS = (
    ("sketch", ""),
    ("sketch", "segments: [region], "),
    ("exact", ""),
    ("exact", "segments: [region], "),
)
NO_QUALITY = "quality: {kind: none}, "
MB = 1e6


def config_of(mode: str = "sketch", more: str = "") -> Config:
    """Windows of an hour and the default methods, where `more` says no other."""
    text = f"models: [{{model: {MODEL}, mode: {mode}, {more}}}]\nhttp: {{listen: ''}}\n"
    return parse_config(text, file="benchmark.yaml", environment={}, folder=Path.cwd())


def feed(monitor: ModelMonitor, shape: Shape, events: int, block_rows: int = BATCH_ROWS) -> None:
    """Let a monitor see so many events in batches, and all the ticks that they pass."""
    block = block_of(shape, block_rows)
    for number in range(max(1, events // block_rows)):
        table = later(block, shape, number)
        monitor.add([table], [])
        monitor.advance_to(int(table.ts[-1]) - 1)


def warm_up(mode: str, more: str, shape: Shape, folder: Path) -> None:
    """Compile all that a monitor of this kind needs, comparisons included."""
    feed(monitor_of(mode, more, folder), replace(shape, rows_per_s=WARM_ROWS_PER_S), WARM_ROWS)


def cpu_rate(work: Callable[[], object], events: int) -> float:
    """Events by seconds of CPU."""
    begin = time.process_time()
    work()
    return events / (time.process_time() - begin)


def show(what: str, features: int, rate: float) -> None:
    print(f"{what:58}{rate:12,.0f} rows/s{rate * features / 1e6:8.2f} M values/s", flush=True)


def monitor_of(mode: str, more: str, folder: Path) -> ModelMonitor:
    return ModelMonitor(config_of(mode, more).model(MODEL), folder)


def speed(events: int) -> None:
    """Through a monitor alone."""
    for shape in (SMALL, WIDE):
        for mode, more in VARIANTS:
            with tempfile.TemporaryDirectory() as folder:
                warm_up(mode, more, shape, Path(folder) / "warm")
                monitor = monitor_of(mode, more, Path(folder) / "measured")
                count = max(BATCH_ROWS, events * SMALL.features // shape.features)
                rate = cpu_rate(partial(feed, monitor, shape, count), count)
            show(f"monitor, {shape.features} features, {mode} {more}", shape.features, rate)


def replays(events: int) -> None:
    """Through the replay of a recording."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for shape in (SMALL, WIDE):
            count = max(BATCH_ROWS, events * SMALL.features // shape.features)
            sizes = {"warm": min(count, 20_000), "measured": count}
            for part, size in sizes.items():
                slow = replace(shape, rows_per_s=WARM_ROWS_PER_S) if part == "warm" else shape
                write_recording(folder / f"{part}{shape.features}.parquet", slow, size)
            for number, (mode, more) in enumerate(VARIANTS):
                play = partial(_replay, folder, shape, number, config_of(mode, more))
                play("warm")
                rate = cpu_rate(partial(play, "measured"), count)
                show(f"replay, {shape.features} features, {mode} {more}", shape.features, rate)


def _replay(folder: Path, shape: Shape, number: int, config: Config, part: str) -> None:
    recording = RecordingSource(path=str(folder / f"{part}{shape.features}.parquet"))
    replay(config, recording, folder / f"{part}-{shape.features}-{number}")


def from_json(events: int) -> None:
    """Native JSON, one row a message: decoding alone, and with all that follows."""
    for features in (15, 100):
        count = max(2_000, events // 8 * 15 // features)
        messages = messages_of(rows(count, features, 1), 1)
        batches = [messages[start : start + 4096] for start in range(0, count, 4096)]

        def run(batches: list[list[bytes]], monitor: ModelMonitor | None) -> None:
            codec = PredictionCodec(partial(read_native, limits=Limits()), PredictionTables())
            for batch in batches:
                tables = codec.decode(batch).tables
                if monitor is not None:
                    monitor.add(tables, [])
                    monitor.advance_to(int(tables[-1].ts[-1]) - 1)

        with tempfile.TemporaryDirectory() as folder:
            # Every row is a millisecond: ticks and windows are short, so that there are some.
            more = "interval: 1s, reference: first 1000 rows, window: 5s, "
            run(batches[:2], monitor_of("sketch", more, Path(folder) / "warm"))
            show(
                f"JSON decoded, {features} features",
                features,
                cpu_rate(partial(run, batches, None), count),
            )
            monitor = monitor_of("sketch", more, Path(folder) / "measured")
            show(
                f"JSON decoded and monitored, {features} features",
                features,
                cpu_rate(partial(run, batches, monitor), count),
            )


def memory(events: int) -> None:
    """Bytes of one version with 100 features, and memory over many events."""
    shape = replace(WIDE, rows_per_s=50.0, labels=False)
    with tempfile.TemporaryDirectory() as folder:
        warm_up("sketch", NO_QUALITY, shape, Path(folder) / "warm")
        for mode, more in (("sketch", ""), ("sketch", "segments: [region], "), ("exact", "")):
            tracemalloc.start()
            monitor = monitor_of(mode, more + NO_QUALITY, Path(folder) / "measured")
            feed(monitor, shape, 1 << 18)
            held, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            _show_memory(f"{mode} {more}", monitor, held)
    _summary_over(events)
    _monitor_over(events, NO_QUALITY)
    _monitor_over(events, "")


def _show_memory(what: str, monitor: ModelMonitor, held: int) -> None:
    arrays, _ = monitor.state()
    parts: dict[str, int] = {}
    for name, array in arrays.items():
        key = " ".join(name.split("|")[: 3 if name.startswith("v") else 1])
        parts[key] = parts.get(key, 0) + array.nbytes
    waiting = parts.pop("waiting", 0)
    total = sum(parts.values())
    print(
        f"a version with 100 features, {what}: {total / 1e3:,.0f} kB in its checkpoint, and "
        f"{waiting / 1e3:,.0f} kB of rows that wait for their tick; {held / 1e3:,.0f} kB allocated"
    )
    for key, size in sorted(parts.items(), key=lambda item: -item[1])[:6]:
        print(f"    {key:40}{size / 1e3:10,.0f} kB")


def _resident_mb() -> float:
    """Memory of the process that is no file's."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0]) * 1024 / MB


def _summary_over(events: int) -> None:
    block = block_of(SMALL, BLOCK_ROWS)
    summary = Summary(Grid.learn(block.features))
    sizes, resident = [summary.nbytes], []
    begin = time.process_time()
    for number in range(1, events // BLOCK_ROWS + 1):
        summary.add(block.features)
        if number % max(1, events // BLOCK_ROWS // 4) == 0:
            sizes.append(summary.nbytes)
            resident.append(_resident_mb())
    rate = events / (time.process_time() - begin)
    print(
        f"summary over {summary.rows:,} rows: {sizes[0]:,} bytes before, {sizes[-1]:,} after; "
        f"resident MB {', '.join(f'{mb:.0f}' for mb in resident)}; {rate:,.0f} rows/s"
    )


def _monitor_over(events: int, more: str) -> None:
    shape = Shape(rows_per_s=1_000.0, labels=False)
    block = block_of(shape, BLOCK_ROWS)
    with tempfile.TemporaryDirectory() as folder:
        monitor = monitor_of("sketch", more, Path(folder))
        resident, sizes = [], []
        blocks = max(4, events // BLOCK_ROWS)
        for number in range(blocks):
            table = later(block, shape, number)
            monitor.add([table], [])
            monitor.advance_to(int(table.ts[-1]) - 1)
            if (number + 1) % (blocks // 4) == 0:
                arrays, _ = monitor.state()
                sizes.append(sum(array.nbytes for array in arrays.values()) / MB)
                resident.append(_resident_mb())
    print(
        f"monitor {more}over {blocks * BLOCK_ROWS:,} rows, at each quarter: state MB "
        f"{', '.join(f'{mb:.1f}' for mb in sizes)} (with the rows that wait for their tick); "
        f"resident MB {', '.join(f'{mb:.0f}' for mb in resident)}"
    )


def ticks(rows_per_s: int) -> None:
    """A shard's time for batches between ticks, and for one that completes a tick."""
    for interval_s in (1, 10, 60):
        shape = Shape(rows_per_s=rows_per_s, labels=False)
        config = config_of("sketch", f"interval: {interval_s}s, ")
        plan = make_plan(config, ["source"], documents=["source"])
        with tempfile.TemporaryDirectory() as folder:
            shard = ModelShard(0, plan, Path(folder))
            block = block_of(shape, BATCH_ROWS)
            wall: tuple[list[float], list[float]] = ([], [])
            for number in range(4 * interval_s * rows_per_s // BATCH_ROWS + 2):
                table = later(block, shape, number)
                last = int(table.ts[-1])
                piece = ModelPiece(0, Progress(0, last - 1, last), [table], [])
                begin = time.perf_counter()
                output = shard.handle([piece])
                told = output.batch is not None and len(output.batch.columns) > 0
                wall[told].append(time.perf_counter() - begin)
        others = wall[True][1:]  # the stream's first tick comes early
        usual, longest = 1e3 * float(np.median(others)), 1e3 * max(others)
        print(
            f"{rows_per_s:,} rows/s, a tick every {interval_s} s: the batch of {BATCH_ROWS:,} rows "
            f"that completes one takes {usual:,.0f} ms ({longest:,.0f} at most), "
            f"the others "
            f"{1e3 * float(np.median(wall[False])):.1f} ms; "
            f"busy {100 * (sum(others) + sum(wall[False])) / (3 * interval_s):.0f} %",
            flush=True,
        )


def profile(events: int) -> None:
    """Where a monitor's time goes."""
    for mode, more in VARIANTS[::2]:
        with tempfile.TemporaryDirectory() as folder:
            warm_up(mode, more, SMALL, Path(folder) / "warm")
            monitor = monitor_of(mode, more, Path(folder) / "measured")
            profiler = cProfile.Profile()
            profiler.runcall(feed, monitor, SMALL, events)
        print(f"-- {mode}")
        pstats.Stats(profiler).sort_stats("tottime").print_stats(25)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parts = ("speed", "replay", "json", "memory", "ticks", "profile")
    parser.add_argument("parts", nargs="*", default=parts[:-1], help=", ".join(parts))
    parser.add_argument("--events", type=int, default=800_000, help="of each speed")
    parser.add_argument("--memory-events", type=int, default=10_000_000)
    parser.add_argument("--rows-per-s", type=int, default=50_000, help="of the ticks")
    given = parser.parse_args()
    run: dict[str, Callable[[], None]] = {
        "speed": partial(speed, given.events),
        "replay": partial(replays, given.events),
        "json": partial(from_json, given.events),
        "memory": partial(memory, given.memory_events),
        "ticks": partial(ticks, given.rows_per_s),
        "profile": partial(profile, given.events),
    }
    for part in given.parts:
        if part not in run:
            parser.error(f"there is no part {part}; there are {', '.join(run)}")
        run[part]()


if __name__ == "__main__":
    main()
