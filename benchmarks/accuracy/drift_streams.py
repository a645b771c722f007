"""Streams with known change points, and the score of alarms on them.

A folder holds `drift_points.json` and Parquet files; see its README. An alarm within the tolerance
after a change point that has none yet is a hit, every other alarm is false.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

BACKWARDS = "third transition runs backwards"
"""So the notes say of streams whose last transition ends with a jump of its own."""


@dataclass(frozen=True, slots=True)
class Stream:
    """A labelled stream.

    Attributes
    ----------
    name, family, kind : str
    x : float64[n, features]
    y : int64[n]
        Numbers of the classes, 0 to classes - 1.
    classes : int
    points : tuple of int
        First row of each new concept.
    tolerance : int
        Rows after a point within which an alarm is a hit.
    """

    name: str
    family: str
    kind: str
    x: NDArray[np.float64]
    y: NDArray[np.int64]
    classes: int
    points: tuple[int, ...]
    tolerance: int


@dataclass(frozen=True, slots=True)
class Score:
    """Hits, misses and false alarms over some streams, and the delays of the hits."""

    hits: int
    misses: int
    false: int
    delay_sum: int

    @property
    def f1(self) -> float:
        return 2 * self.hits / max(2 * self.hits + self.misses + self.false, 1)

    @property
    def precision(self) -> float:
        alarms = self.hits + self.false
        return self.hits / alarms if alarms else float("nan")

    @property
    def recall(self) -> float:
        return self.hits / max(self.hits + self.misses, 1)

    @property
    def delay(self) -> float:
        return self.delay_sum / self.hits if self.hits else float("nan")


def load_streams(folder: Path) -> tuple[list[Stream], list[str]]:
    """Read all streams with change points and labels; and the names of those without."""
    streams, others = [], []
    for told in json.loads((folder / "drift_points.json").read_text(encoding="utf-8")):
        if "drift_points" not in told:
            others.append(told["name"])
            continue
        table = pl.read_parquet(folder / told["file"])
        features = [as_numbers(table[name]) for name in told["features"]]
        classes, y = np.unique(table["label"].to_numpy(), return_inverse=True)
        stream = Stream(
            name=told["name"],
            family=told.get("family", ""),
            kind=told.get("kind", ""),
            x=np.ascontiguousarray(np.stack(features, axis=1)),
            y=y.astype(np.int64),
            classes=len(classes),
            points=tuple(told["drift_points"]),
            tolerance=told["tolerance"],
        )
        streams.append(stream)
        if BACKWARDS in told.get("note", ""):
            streams[-1] = replace(stream, kind=f"{stream.kind}, backwards")
    return streams, others


def as_numbers(column: pl.Series) -> NDArray[np.float64]:
    """Numbers and booleans as they are; other values by their order."""
    if column.dtype.is_numeric() or column.dtype == pl.Boolean:
        return column.cast(pl.Float64).to_numpy()
    return column.rank("dense").cast(pl.Float64).to_numpy()


def score_alarms(alarms: Sequence[int], points: Sequence[int], tolerance: int) -> Score:
    """Score the alarms of one stream, rows in ascending order."""
    delays: dict[int, int] = {}
    for alarm in alarms:
        for point in points:
            if point not in delays and point <= alarm <= point + tolerance:
                delays[point] = alarm - point
                break
    hits = len(delays)
    return Score(hits, len(points) - hits, len(alarms) - hits, sum(delays.values()))


def score_streams(
    streams: Sequence[Stream], alarms: Mapping[str, Sequence[int]], *, both_jumps: bool = False
) -> Score:
    """Add up the scores of streams.

    Parameters
    ----------
    streams : sequence of Stream
    alarms : dict of rows
        By name of the stream.
    both_jumps : bool
        Whether the end of a transition that runs backwards, where the new concept takes over at
        once, is no place for a false alarm: an alarm there may be there or not.
    """
    scores = []
    for stream in streams:
        rows = list(alarms[stream.name])
        if both_jumps and "backwards" in stream.kind:
            rows = without_second_jump(rows, stream)
        scores.append(score_alarms(rows, stream.points, stream.tolerance))
    return Score(
        sum(score.hits for score in scores),
        sum(score.misses for score in scores),
        sum(score.false for score in scores),
        sum(score.delay_sum for score in scores),
    )


def without_second_jump(rows: list[int], stream: Stream) -> list[int]:
    """Leave out what would be a second alarm within the tolerance after the last point."""
    last = stream.points[-1]
    near = [row for row in rows if last <= row <= last + stream.tolerance]
    return [row for row in rows if row not in near[1:]]
