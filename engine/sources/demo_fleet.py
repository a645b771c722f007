"""The demo fleet: a week of a small, made-up company's metrics with labelled incidents.

Everything follows from a seed. The bundled recording in ``demo/`` is what this module makes:
``python -m engine.sources.demo_fleet engine/sources/demo`` builds it again.
"""

import sys
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from engine.series.identity import Series
from engine.sources.demo_plan import (
    DAYS,
    EDGE,
    HOSTS,
    INCIDENTS,
    METRICS,
    NIGHTLY_BEGIN_DAY,
    NIGHTLY_END_DAY,
    PARTITIONS,
    RESTARTS_DAY,
    START,
    WEEKEND_DAYS,
    Incident,
    Metric,
)

SEED = 7
STEP_S = 60
STEPS_PER_DAY = 24 * 60
HOST_OFFSET_S = 3  # each host is scraped some seconds after the one before
EDGE_DELAY_MAX_S = 100  # rows of the edge gateway arrive in any order within this
SMOOTHING_STEPS = 45

DEMO_FOLDER = Path(__file__).parent / "demo"
LABELS_FILE = "labels.json"


@dataclass(frozen=True, slots=True)
class Label:
    """An incident as it is published: what happened to which series, when, and who sees it."""

    kind: str
    start: datetime
    end: datetime
    series: tuple[str, ...]
    alerts: tuple[str, ...]
    description: str


@dataclass(frozen=True, slots=True)
class Fleet:
    """Rows in arrival order by partition key, and the labelled incidents in order of time."""

    partitions: dict[str, pl.DataFrame]
    labels: tuple[Label, ...]


def generate_fleet(*, seed: int = SEED, days: int = DAYS) -> Fleet:
    """Make the recording of the fleet.

    Parameters
    ----------
    seed : int
        The same seed gives the same fleet.
    days : int
        Length, from Saturday on; incidents that would not be over by then are left out.

    Returns
    -------
    Fleet
        Frames with the columns ts (Datetime, ms, UTC), name, labels (JSON text), value (Float64).
        The rows of the partition ``edge`` are out of order by up to `EDGE_DELAY_MAX_S`.
    """
    incidents = tuple(one for one in INCIDENTS if one.end_day <= days)
    frames = [
        _series_frame(
            metric,
            host,
            [i for i in incidents if i.host == host and metric.name in i.metrics],
            rng,
            days,
        )
        for (metric, host), rng in zip(
            [(metric, host) for metric in METRICS for host in metric.hosts],
            np.random.default_rng(seed).spawn(sum(len(metric.hosts) for metric in METRICS)),
            strict=True,
        )
    ]
    rows = pl.concat(frames)
    delays = np.random.default_rng((seed, 1)).integers(0, EDGE_DELAY_MAX_S * 1000, rows.height)
    arrival = rows["ts"].to_numpy().astype(np.int64)
    rows = rows.with_columns(order=arrival, late_order=arrival + delays)
    partitions = {}
    for key, hosts in PARTITIONS.items():
        order = "late_order" if key == EDGE else "order"
        own = rows.filter(pl.col("host").is_in(hosts)).sort(order, maintain_order=True)
        partitions[key] = own.select("ts", "name", "labels", "value")
    return Fleet(partitions, tuple(_label(incident) for incident in incidents))


def series_of(metric: str, host: str) -> Series:
    """The series of a metric on a host."""
    return Series.of(metric, {"host": host, "role": host.partition("-")[0]})


def _series_frame(
    metric: Metric,
    host: str,
    incidents: list[Incident],
    rng: np.random.Generator,
    days: int,
) -> pl.DataFrame:
    day = np.arange(days * STEPS_PER_DAY) / STEPS_PER_DAY
    level = _level(metric, day, rng)
    present = np.ones(len(day), np.bool_)
    for incident in incidents:
        inside = slice(*np.searchsorted(day, (incident.begin_day, incident.end_day)))
        if incident.kind == "outage":
            present[inside] = False
        elif incident.kind != "flat":
            level[inside] += incident.size * _shape(incident.kind, len(level[inside]))
    value = _counted(level, day, host) if metric.counter else level.clip(0, metric.high)
    value = np.round(value, metric.digits)
    for incident in incidents:
        if incident.kind == "flat":
            inside = slice(*np.searchsorted(day, (incident.begin_day, incident.end_day)))
            value[inside] = value[inside.start]
    start_ms = round(START.timestamp() * 1000) + HOSTS.index(host) * HOST_OFFSET_S * 1000
    labels = msgspec.json.encode(dict(series_of(metric.name, host).labels)).decode()
    return (
        pl.DataFrame(
            {"ts": start_ms + np.arange(len(day), dtype=np.int64) * STEP_S * 1000, "value": value}
        )
        .select(
            pl.col("ts").cast(pl.Datetime("ms", "UTC")),
            pl.lit(metric.name).alias("name"),
            pl.lit(labels).alias("labels"),
            "value",
            pl.lit(host).alias("host"),
        )
        .filter(present)
    )


def _level(
    metric: Metric, day: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    rhythm = 0.5 + 0.5 * np.cos(2 * np.pi * (day - metric.peak_hour / 24))
    working = np.where(day % 7 < WEEKEND_DAYS, metric.weekend, 1.0)
    white = rng.normal(size=(2, len(day)))
    kernel = np.exp(-np.arange(4 * SMOOTHING_STEPS) / SMOOTHING_STEPS)
    slow = np.convolve(white[1], kernel / np.sqrt((kernel**2).sum()))[: len(day)]
    noise = metric.noise * (white[0] + slow) / np.sqrt(2)
    level: NDArray[np.float64] = metric.base + metric.daily * rhythm * working + noise
    hour_begin, hour_end = NIGHTLY_BEGIN_DAY, NIGHTLY_END_DAY
    nightly = (day % 1 >= hour_begin) & (day % 1 < hour_end)
    progress = (day % 1 - hour_begin) / (hour_end - hour_begin)
    return level + metric.nightly * np.where(nightly, np.sin(np.pi * progress), 0.0)


def _shape(kind: str, steps: int) -> NDArray[np.float64]:
    progress = np.arange(steps) / steps
    if kind in ("slow_leak", "ramp"):
        return progress
    if kind == "rhythm_break":
        return np.sin(np.pi * progress)
    return np.ones(steps)


def _counted(
    level: NDArray[np.float64], day: NDArray[np.float64], host: str
) -> NDArray[np.float64]:
    total = np.cumsum(np.round(level.clip(0) * STEP_S))
    restart = int(np.searchsorted(day, RESTARTS_DAY[host]))
    total[restart:] -= total[restart : restart + 1]
    return total


def _label(incident: Incident) -> Label:
    return Label(
        incident.kind,
        _minute(incident.begin_day),
        _minute(incident.end_day),
        tuple(series_of(metric, incident.host).text for metric in incident.metrics),
        incident.alerts,
        incident.description,
    )


def _minute(day: float) -> datetime:
    return START + timedelta(minutes=round(day * STEPS_PER_DAY))


def write_fleet(fleet: Fleet, folder: Path) -> None:
    """Write a fleet as a recording, one Parquet file per partition, with ``labels.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    for key, rows in fleet.partitions.items():
        rows.write_parquet(folder / f"{key}.parquet", compression="zstd", compression_level=19)
    labels = msgspec.json.encode([asdict(label) for label in fleet.labels])
    (folder / LABELS_FILE).write_bytes(msgspec.json.format(labels) + b"\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m engine.sources.demo_fleet OUT")
    write_fleet(generate_fleet(), Path(sys.argv[1]))
