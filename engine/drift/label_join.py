"""Predictions meet their labels: by (model, prediction id), in event time, in any order.

Columns go in, changes come out (`label_rows.Changes`): predictions that count, pairs of prediction
and label, and retractions where a correction takes the place of what was said. What is known in
the end depends on the sets of predictions and labels only, not on the order, cuts or restarts
(rules: `label_kernels`), as long as rows come before the watermark passes them.

Rows are kept until nothing can change them any more: a label's delay after their time. The time is
cut into stretches of a `STRETCHES`-th of the delay, and what is due is closed when a stretch is
over, so that memory and disk close the same rows at the same watermark. Beyond `rows_max` rows the
oldest go to disk (`spill`) and come back when something comes for them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.drift.label_close_kernels import (
    EXPIRED,
    ORPHAN,
    are_held,
    choose_old,
    close,
    link,
    move_together,
)
from engine.drift.label_kernels import add_labels, add_predictions
from engine.drift.label_rows import (
    CHAIN_MAX,
    HOLDS_PREDICTION,
    ROW,
    Changes,
    Closed,
    Labels,
    OpenRows,
    Predictions,
    change_room,
    joined_changes,
    open_rows,
    to_disk,
)
from engine.drift.spill import Spill, SpillMeta
from engine.drift.spill_segment import Packed

STRETCHES = 16
_CAPACITY_MIN = 1024
_GROWTH = 1.25
_FULL = 0.75
_ROOM = 1 << 15
_NEVER, _LATEST = np.iinfo(np.int64).min, np.iinfo(np.int64).max
_DISK_NAMES = ROW.names or ()


@dataclass(frozen=True, slots=True)
class LabelJoinParams:
    """How predictions and labels meet.

    Attributes
    ----------
    label_delay_ns : int
        A prediction and its label are at most this far apart.
    rows_max : int
        Rows in memory; beyond it the older half goes to disk.
    """

    label_delay_ns: int
    rows_max: int = 1_000_000


class LabelJoinMeta(msgspec.Struct, frozen=True):
    """What a checkpoint holds beside the arrays."""

    label_delay_ns: int
    watermark: int
    spill: SpillMeta


class LabelJoin:
    """The join of one model's predictions and labels.

    Parameters
    ----------
    params : LabelJoinParams
    folder : Path
        For spilled rows; made when the first go there. No other join may use it.
    """

    def __init__(self, params: LabelJoinParams, folder: Path) -> None:
        self._params = params
        self._stretch_ns = max(1, -(-params.label_delay_ns // STRETCHES))
        self._spill = Spill(folder)
        self._watermark = _NEVER
        self._rows = open_rows(_CAPACITY_MIN)
        self._used = 0
        self._heads = np.full(_table_size(_CAPACITY_MIN), -1, np.int32)
        self._scratch = np.zeros((2, 2, CHAIN_MAX), np.int32)
        self._room = change_room(_ROOM)

    @property
    def rows_in_memory(self) -> int:
        """Waiting predictions and labels in memory."""
        return self._used

    @property
    def memory_bytes(self) -> int:
        """Memory of all that waits; the room for changes is not part of it."""
        arrays = sum(array.nbytes for array in self._rows)
        return arrays + self._heads.nbytes + self._spill.memory_bytes

    @property
    def spill(self) -> Spill:
        """The rows on disk."""
        return self._spill

    @property
    def watermark(self) -> int:
        """What `advance` was told last, ns; rows at or before it are late."""
        return self._watermark

    def add_predictions(self, batch: Predictions) -> tuple[Changes, NDArray[np.uint8]]:
        """Add predictions.

        Returns
        -------
        changes : Changes
        verdicts : uint8[n]
            What became of each row: `ACCEPTED`, `REPEATED`, `LATE`, `LIMIT`.
        """
        return self._add(add_predictions, batch)

    def add_labels(self, batch: Labels) -> tuple[Changes, NDArray[np.uint8]]:
        """Add labels; as `add_predictions`."""
        return self._add(add_labels, batch)

    def advance(self, watermark: int) -> Closed:
        """Move on: later rows are after `watermark`, of predictions and of labels.

        Returns
        -------
        Closed
            Predictions that expired without a label, and orphan labels.
        """
        before = self._due_stretch()
        self._watermark = max(self._watermark, watermark)
        stretch = self._due_stretch()
        if stretch == before:
            return _closed([])
        cutoff = stretch * self._stretch_ns
        over = [self._close(self._rows, self._used, self._heads, cutoff)]
        self._compact()
        for packed in self._spill.take_before(stretch):
            rows, heads = _unpacked(packed)
            over.append(self._close(rows, len(packed), heads, cutoff))
        return _closed(over)

    def snapshot(self) -> tuple[dict[str, NDArray[Any]], LabelJoinMeta]:
        """Give copies of the rows in memory, and which files hold the others."""
        arrays, spilled = self._spill.snapshot()
        for name in _DISK_NAMES:
            arrays[f"rows|{name}"] = getattr(self._rows, name)[: self._used].copy()
        delay = self._params.label_delay_ns
        return arrays, LabelJoinMeta(delay, self._watermark, spilled)

    def restore(self, arrays: Mapping[str, NDArray[Any]], meta: LabelJoinMeta) -> None:
        """Take over a checkpoint, before anything was added.

        Where the label delay is another one since, what waits goes on waiting by the new one.

        Raises
        ------
        StateError
            A file is missing or damaged.
        """
        self._watermark = meta.watermark
        self._spill.restore(arrays, meta.spill)
        count = len(arrays["rows|key"])
        packed = np.zeros(count, ROW)
        for name in _DISK_NAMES:
            packed[name] = arrays[f"rows|{name}"]
        self._used = 0
        self._heads[:] = -1
        self._bring(packed)
        if meta.label_delay_ns != self._params.label_delay_ns:
            # Files are by stretches, and these follow from the delay.
            for spilled in self._spill.take_before(_LATEST):
                self._bring(spilled)
                if self._used > self._params.rows_max:
                    self._spill_old()

    def _due_stretch(self) -> int:
        """All stretches before this one are over."""
        if self._watermark == _NEVER:
            return _NEVER
        return (self._watermark - self._params.label_delay_ns) // self._stretch_ns

    def _add(self, kernel: Any, batch: Any) -> tuple[Changes, NDArray[np.uint8]]:
        self._fetch(batch.key[batch.ts > self._watermark])
        self._reserve(len(batch.ts))
        verdicts = np.zeros(len(batch.ts), np.uint8)
        parts = []
        begin = 0
        while begin < len(batch.ts):
            numbers = np.array([self._used, 0], np.int64)
            begin = kernel(
                *(self._rows, self._heads, numbers, batch, begin),
                *(self._watermark, self._params.label_delay_ns),
                *(self._scratch, self._room, verdicts),
            )
            self._used = int(numbers[0])
            parts.append(Changes._make(column[: numbers[1]].copy() for column in self._room))
        if self._used > self._params.rows_max:
            self._spill_old()
        return parts[0] if len(parts) == 1 else joined_changes(parts), verdicts

    def _fetch(self, keys: NDArray[np.uint64]) -> None:
        """Bring rows of these keys back from disk."""
        if not len(self._spill) or not len(keys):
            return
        held = np.empty(len(keys), np.bool_)
        are_held(self._rows, self._heads, keys, held)
        self._bring(self._spill.take(keys[~held]))

    def _bring(self, packed: Packed) -> None:
        """Add rows as they are."""
        self._reserve(len(packed))
        begin, self._used = self._used, self._used + len(packed)
        for name in _DISK_NAMES:
            getattr(self._rows, name)[begin : self._used] = packed[name]
        link(self._rows, self._heads, begin, self._used)

    def _reserve(self, more: int) -> None:
        """Have room for so many more rows, and one to try."""
        wanted = self._used + more + 1
        if wanted > len(self._rows.ts):
            capacity = max(wanted, int(_GROWTH * len(self._rows.ts)))
            self._rows = self._resized(capacity)
        if wanted > _FULL * len(self._heads):
            self._heads = np.full(_table_size(wanted), -1, np.int32)
            link(self._rows, self._heads, 0, self._used)

    def _resized(self, capacity: int) -> OpenRows:
        columns: list[Any] = []
        for column in self._rows:
            larger = np.zeros(capacity, column.dtype)
            larger[: self._used] = column[: self._used]
            columns.append(larger)
        return OpenRows(*columns)

    def _close(
        self, rows: OpenRows, used: int, heads: NDArray[np.int32], cutoff: int
    ) -> tuple[OpenRows, NDArray[np.uint8]]:
        """Close what is due; gives the rows to which something happened, and what."""
        fates = np.zeros(used, np.uint8)
        close(rows, heads, cutoff, self._params.label_delay_ns, self._scratch[0], fates)
        hit = np.flatnonzero(fates)
        columns: Any = (column[hit] for column in rows)
        return OpenRows(*columns), fates[hit]

    def _compact(self) -> None:
        """Move what still waits together, and give memory back where little is left."""
        self._used = int(move_together(self._rows, self._used))
        needed = max(_CAPACITY_MIN, int(_GROWTH * self._used) + 1)
        if 2 * needed < len(self._rows.ts):
            self._rows = self._resized(needed)
            self._heads = np.full(_table_size(needed), -1, np.int32)
        self._heads[:] = -1
        link(self._rows, self._heads, 0, self._used)

    def _spill_old(self) -> None:
        """Write the older half to disk."""
        rows, used = self._rows, self._used
        is_prediction = rows.holds[:used] & HOLDS_PREDICTION != 0
        times = np.where(is_prediction, rows.ts[:used], rows.label_ts[:used])
        before = int(np.partition(times, used // 2)[used // 2]) + 1
        latest = np.full(used, _NEVER, np.int64)
        choose_old(rows, self._heads, before, latest)
        chosen = np.flatnonzero(latest != _NEVER)
        self._spill.write(to_disk(rows, chosen), latest[chosen] // self._stretch_ns)
        rows.holds[chosen] = 0
        self._compact()


def _table_size(rows: int) -> int:
    """The least power of two with room for rows, at most `_FULL` of it taken."""
    return 1 << max(10, int(np.ceil(np.log2(rows / _FULL))))


def _unpacked(packed: Packed) -> tuple[OpenRows, NDArray[np.int32]]:
    """Rows from disk and their table."""
    rows = open_rows(len(packed))
    for name in _DISK_NAMES:
        getattr(rows, name)[:] = packed[name]
    heads = np.full(_table_size(len(packed) + 1), -1, np.int32)
    link(rows, heads, 0, len(packed))
    return rows, heads


def _closed(parts: list[tuple[OpenRows, NDArray[np.uint8]]]) -> Closed:
    """Sort what was closed, wherever it was."""
    parts = [(open_rows(0), np.zeros(0, np.uint8)), *parts]
    columns: Any = zip(*(rows for rows, _ in parts), strict=True)
    rows = OpenRows(*(np.concatenate(column) for column in columns))
    fates = np.concatenate([fate for _, fate in parts])
    late = np.flatnonzero(fates & EXPIRED)
    late = late[np.lexsort((rows.key[late], rows.ts[late]))]
    lone = np.flatnonzero(fates & ORPHAN)
    lone = lone[np.lexsort((rows.label[lone], rows.key[lone], rows.label_ts[lone]))]
    return Closed(
        Predictions(
            *(rows.key[late], rows.ts[late], rows.score[late]),
            *(rows.prediction[late], rows.segment[late]),
        ),
        Labels(rows.key[lone], rows.label_ts[lone], rows.label[lone]),
    )
