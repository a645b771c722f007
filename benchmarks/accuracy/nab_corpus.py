"""The Numenta Anomaly Benchmark's recordings and labelled windows."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

_TIME = "%Y-%m-%d %H:%M:%S"


@dataclass(frozen=True, slots=True)
class Recording:
    """One file: ts int64[n] ns, value float64[n], windows (first row, last row) inclusive."""

    name: str
    ts: NDArray[np.int64]
    value: NDArray[np.float64]
    windows: tuple[tuple[int, int], ...]

    @property
    def category(self) -> str:
        return self.name.split("/", maxsplit=1)[0]

    @property
    def inside(self) -> NDArray[np.bool_]:
        """Which rows lie in a window, bool[n]."""
        inside = np.zeros(len(self.ts), bool)
        for left, right in self.windows:
            inside[left : right + 1] = True
        return inside

    def timestamps(self) -> list[str]:
        """The rows' timestamps as the files write them."""
        return pl.Series(self.ts).cast(pl.Datetime("ns")).dt.to_string(_TIME).to_list()


def load_corpus(root: Path) -> list[Recording]:
    """All files under ``root/data`` with the windows of ``root/labels``, rows in file order."""
    windows = json.loads((root / "labels" / "combined_windows.json").read_text(encoding="utf-8"))
    return [_load(root / "data" / name, name, spans) for name, spans in sorted(windows.items())]


def _load(path: Path, name: str, spans: list[list[str]]) -> Recording:
    rows = pl.read_csv(path, columns=["timestamp", "value"], infer_schema=False)
    ts = _nanoseconds(rows["timestamp"])
    value = rows["value"].cast(pl.Float64).to_numpy()
    edges = [
        [int(np.flatnonzero(ts == edge)[0]) for edge in _nanoseconds(pl.Series(span))]
        for span in spans
    ]
    return Recording(name, ts, value, tuple((left, right) for left, right in edges))


def _nanoseconds(texts: pl.Series) -> NDArray[np.int64]:
    # A window's edge may have a fraction, of zeros.
    seconds = texts.str.slice(0, 19).str.to_datetime(_TIME, time_unit="ns", strict=True)
    return seconds.cast(pl.Int64).to_numpy()


def probation(rows: int) -> int:
    """The number of leading rows that are not scored."""
    return min(int(0.15 * rows), 750)


def moved_windows(recording: Recording, random: np.random.Generator) -> Recording:
    """Move the windows to random places behind probation, in random order and without overlap."""
    widths = [right - left + 1 for left, right in recording.windows]
    first = probation(len(recording.ts))
    free = len(recording.ts) - first - sum(widths)
    gaps = np.sort(random.integers(0, free, len(widths), endpoint=True))
    windows = []
    for gap, width in zip(gaps, random.permutation(widths), strict=True):
        left = first + int(gap)
        windows.append((left, left + int(width) - 1))
        first += int(width)
    return replace(recording, windows=tuple(windows))
