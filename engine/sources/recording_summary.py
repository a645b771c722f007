"""What a recording holds, at a look: for the configuration that `streamgauge init` proposes."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from engine.series.columns import Columns
from engine.sources.recording_files import CHUNK_SAMPLES, RecordingPartition, open_recording
from engine.sources.recording_layout import UNIT_AUTO
from engine.sources.recording_scan import format_of

SAMPLES_MAX = 10_000_000
NEVER = -(2**63)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingSummary:
    """A look at a recording.

    Attributes
    ----------
    formats : tuple of str
        Formats of its files: ``parquet``, ``csv``, ``jsonl``; sorted.
    wide : bool
        Whether any file has one column per metric.
    partitions : int
        Number of files.
    metrics : tuple of str
        Metric names, sorted.
    series, samples, rejects : int
        What was met.
    first_ts, last_ts : int or None
        Range of the timestamps in nanoseconds; None without samples.
    interval_ns : int or None
        Usual distance of samples in a series; None if no series has two.
    out_of_order_ns : int
        How far rows lie behind earlier rows of their file at most; a lateness above it loses
        nothing.
    complete : bool
        False if the look ended at the limit: then there is more than this.
    """

    formats: tuple[str, ...]
    wide: bool
    partitions: int
    metrics: tuple[str, ...]
    series: int
    samples: int
    rejects: int
    first_ts: int | None
    last_ts: int | None
    interval_ns: int | None
    out_of_order_ns: int
    complete: bool


def looks_like(
    path: str | Path, *, timestamp_unit: str = UNIT_AUTO, samples_max: int = SAMPLES_MAX
) -> RecordingSummary:
    """Summarise a recording.

    Parameters
    ----------
    path : str or Path
        File or folder.
    timestamp_unit : str
        As for `open_recording`.
    samples_max : int
        Samples to look at, shared evenly by the files.

    Raises
    ------
    UsageError
        If it can't be read as a recording of metrics.
    SourceError
        If a file is damaged.
    """
    recording = open_recording(path, timestamp_unit=timestamp_unit)
    share = max(1, samples_max // len(recording.partitions))
    look = _Look()
    for partition in recording.partitions:
        look.at(partition, share)
    return RecordingSummary(
        formats=tuple(sorted({format_of(one.paths[0]) for one in recording.partitions})),
        wide=any(one.layout.wide for one in recording.partitions),
        partitions=len(recording.partitions),
        metrics=tuple(sorted(set(look.names.values()))),
        series=len(look.names),
        samples=look.samples,
        rejects=look.rejects,
        first_ts=min(look.firsts, default=None),
        last_ts=max(look.lasts, default=None),
        interval_ns=int(np.median(look.intervals)) if look.intervals else None,
        out_of_order_ns=look.out_of_order_ns,
        complete=look.complete,
    )


@dataclass(slots=True)
class _Look:
    """What was met so far, file after file."""

    names: dict[int, str] = field(default_factory=dict)
    intervals: list[int] = field(default_factory=list)
    firsts: list[int] = field(default_factory=list)
    lasts: list[int] = field(default_factory=list)
    samples: int = 0
    rejects: int = 0
    out_of_order_ns: int = 0
    complete: bool = True

    def at(self, partition: RecordingPartition, samples_max: int) -> None:
        seen, newest = 0, NEVER
        for block in partition.blocks(min(samples_max, CHUNK_SAMPLES)):
            if seen >= samples_max:
                self.complete = False
                break
            self.names.update((one.fingerprint, one.name) for one in block.new_series)
            self.rejects += len(block.rejects)
            ts = block.columns.ts
            if len(ts):
                before = np.maximum(np.maximum.accumulate(ts), newest)
                newest = int(before[-1])
                self.out_of_order_ns = max(self.out_of_order_ns, int((before - ts).max()))
                self.firsts.append(int(ts.min()))
                self.lasts.append(int(ts.max()))
                self.intervals += [] if seen else _intervals_ns(block.columns)
            seen += len(ts)
        self.samples += seen


def _intervals_ns(columns: Columns) -> list[int]:
    """Median distance of a series' samples, one for the file; none without two in a series."""
    order = np.lexsort((columns.ts, columns.fingerprint))
    same = np.diff(columns.fingerprint[order]) == 0
    distances = np.diff(columns.ts[order])[same]
    distances = distances[distances > 0]
    return [int(np.median(distances))] if len(distances) else []
