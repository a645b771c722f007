"""Scores as one Parquet file, gathered as parts while the flow runs."""

from collections import deque
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from engine.events import ScoreBlock
from engine.series.blocks import CheckpointId
from engine.series.identity import Series
from engine.sinks.files import writing
from engine.sinks.lane import MARKS_KEPT, Marks, Usable
from engine.sinks.score_parts import ScoreParts

ROWS_BUFFERED_MAX = 250_000

NUMBERS = ("value", "onset", "state", "expected", "lower", "upper")
SCHEMA = pl.Schema(
    {
        "ts": pl.Datetime("ns", "UTC"),
        "name": pl.String(),
        "labels": pl.String(),
        **dict.fromkeys(NUMBERS, pl.Float64()),
        "detector": pl.String(),
        "signals": pl.String(),
    }
)
"""Columns of the file; `labels` and `signals` are JSON text, `signals` of anomalous rows only."""


class ScoreFileLane:
    """Writes score blocks; its position is the number of the next part.

    Parts exist while the flow runs, the file when it has ended. A flow with checkpoints keeps its
    parts, since it may resume from one of them.

    Parameters
    ----------
    folder : Path
        Of ``scores.parquet`` and the parts.
    resume : tuple or None
        A snapshot of this lane.
    usable : callable
        See `Usable`.

    Raises
    ------
    SinkError
        If the folder can't be written or is not what the snapshot speaks of.
    """

    def __init__(self, folder: Path, resume: Any | None, usable: Usable) -> None:
        self._path = folder / "scores.parquet"
        self._marks, position = Marks.load(resume or ()).rewind(usable)
        if resume is None:
            with writing(self._path):
                self._path.unlink(missing_ok=True)
        self._parts = ScoreParts(folder / "scores.parts", position)
        # Twice what a snapshot holds: a crash may lose the newest snapshots.
        self._positions: deque[int] = deque(maxlen=2 * MARKS_KEPT)
        self._texts = _Texts()
        self._blocks: list[tuple[ScoreBlock, NDArray[np.int64]]] = []
        self._rows = 0
        self._closed = False

    def write(self, items: list[ScoreBlock]) -> None:
        """Take blocks; a part is written when there are enough rows.

        Raises
        ------
        SinkError
            If the disk does not take them.
        """
        for block in items:
            if len(block):
                self._blocks.append((block, self._texts.codes(block.series)[block.index]))
                self._rows += len(block)
            if self._rows >= ROWS_BUFFERED_MAX:
                self._flush()

    def mark(self, checkpoint: CheckpointId) -> None:
        """Write what is held as a part, and remember the position.

        Raises
        ------
        SinkError
            If the disk does not take it.
        """
        self._flush()
        self._marks = self._marks.add(checkpoint, self._parts.position)
        self._positions.append(self._parts.position)
        if len(self._positions) == self._positions.maxlen:
            self._parts.merge_small(self._positions[0])

    def snapshot(self) -> tuple[tuple[int, int, int], ...]:
        """Give the marks; what came after the last one is said again after a resume."""
        return self._marks.dump()

    def close(self) -> None:
        """Merge the parts into the file, sorted by time, name, labels and detector.

        Raises
        ------
        SinkError
            If the disk does not take it; the parts stay then.
        """
        if self._closed:
            return
        self._flush()
        self._parts.merge(self._path, pl.DataFrame(schema=SCHEMA))
        if not self._marks.positions:
            self._parts.remove()
        self._closed = True

    def _flush(self) -> None:
        if not self._blocks:
            return
        blocks = [block for block, _ in self._blocks]
        codes = np.concatenate([codes for _, codes in self._blocks])
        detectors = [pl.repeat(block.detector, len(block), eager=True) for block in blocks]
        names, labels = self._texts.columns(codes)
        rows = {
            "ts": np.concatenate([block.ts for block in blocks]),
            "name": names,
            "labels": labels,
            **{name: np.concatenate([getattr(b, name) for b in blocks]) for name in NUMBERS},
            "detector": pl.concat(detectors),
            "signals": [text for block in blocks for text in _signals(block)],
        }
        self._parts.append(pl.DataFrame(rows, schema=SCHEMA))
        self._blocks.clear()
        self._rows = 0
        self._texts.trim()


def _signals(block: ScoreBlock) -> list[str | None]:
    """What contributed to the onset of each anomalous row, as JSON text."""
    anomalous = (block.onset > 1) | (block.state > 1)
    texts: list[str | None] = [None] * len(block)
    if block.signal_names or block.drivers is not None:
        rows = np.flatnonzero(anomalous)
        for row, parts in zip(rows.tolist(), block.contributions(rows), strict=True):
            texts[row] = msgspec.json.encode(parts).decode()
    return texts


class _Texts:
    """Names and labels of series, written once and gathered for the rows."""

    def __init__(self) -> None:
        self._codes: dict[int, int] = {}
        self._names: list[str] = []
        self._labels: list[str] = []

    def codes(self, series: list[Series]) -> NDArray[np.int64]:
        """Give a code for each series."""
        known = self._codes
        for one in series:
            if one.fingerprint not in known:
                known[one.fingerprint] = len(self._names)
                self._names.append(one.name)
                self._labels.append(msgspec.json.encode(dict(one.labels)).decode())
        return np.fromiter((known[one.fingerprint] for one in series), np.int64, len(series))

    def columns(self, codes: NDArray[np.int64]) -> tuple[pl.Series, pl.Series]:
        """Give name and labels for each code."""
        index = pl.Series(codes)
        names, labels = (pl.Series(text, dtype=pl.String) for text in (self._names, self._labels))
        return names.gather(index), labels.gather(index)

    def trim(self) -> None:
        """Forget all when there are more than a part has rows; codes given so far are void."""
        if len(self._names) > ROWS_BUFFERED_MAX:
            self._codes, self._names, self._labels = {}, [], []
