"""Windows of one version of a model, and the reference that they are compared with."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.codecs.predictions import Column
from engine.config.models import ModelConfig
from engine.drift.column_blocks import ColumnBlocks
from engine.drift.findings import FeatureDrift
from engine.drift.grid import Grid
from engine.drift.model_segments import ALL, Segments
from engine.drift.multivariate import Multivariate
from engine.drift.panes import Arrays, Counted, Cutter, Pane, part
from engine.drift.row_sample import RowSample
from engine.drift.version_rows import VersionRows
from engine.drift.window_comparison import Comparison

GRID_ROWS = 5000
"""Rows from which a trailing reference learns its bins; they are its first rows, too."""

HISTORY_PARTS = 16
"""A trailing reference goes forward by such a part of its length."""

Anew = Literal["nothing", "windows", "windows and reference"]
"""What begins anew after a change of the settings."""


@dataclass(frozen=True, slots=True)
class ClosedWindow:
    """A window that is over, compared with the reference.

    Attributes
    ----------
    begin_ns, end_ns : int
    every_ns : int
        Time since the window before it: what it spends of the budget of a week.
    rows, reference_rows : int
    drifts : list of (str, FeatureDrift)
        By name of the segment; `ALL`: of all rows.
    reference_sample, window_sample : RowSample
    """

    begin_ns: int
    end_ns: int
    every_ns: int
    rows: int
    reference_rows: int
    drifts: list[tuple[str, FeatureDrift]]
    reference_sample: RowSample
    window_sample: RowSample


class VersionWindows:
    """Reference and windows of one version.

    Parameters
    ----------
    config : ModelConfig
    version : str
    comparison : Comparison
        How rows are counted and compared.
    segments : Segments
    """

    def __init__(
        self, config: ModelConfig, version: str, comparison: Comparison, segments: Segments
    ) -> None:
        self.version = version
        self._config = config
        self._comparison = comparison
        self._segments = segments
        self._cutter = Cutter(config.slide)
        self._wanted = config.reference.rows or GRID_ROWS
        self._collected: ColumnBlocks | None = ColumnBlocks()
        self._reference: Pane | None = None
        self._history: list[Pane] = []
        self._open: Pane | None = None
        self._closed: list[Pane] = []
        self._window_end_ns: int | None = None
        self._first_ns: int | None = None

    @property
    def reference_rows(self) -> int:
        """Rows of the reference, or of what has been collected for it so far."""
        if self._reference is not None:
            return self._reference.rows + sum(pane.rows for pane in self._history)
        return self._collected.rows if self._collected is not None else 0

    def take_reference(
        self,
        columns: Mapping[str, Column],
        segment: NDArray[np.int32],
        keys: NDArray[np.uint64],
    ) -> None:
        """Freeze a reference: features by name, the segment and the key of each row."""
        columns = self._comparison.learn(columns, keys)
        self._reference = Pane(self._comparison, 0, 0)
        self._reference.add(columns, np.arange(len(keys)), segment, keys)
        self._reference.together.hold_out()
        self._collected = None

    def take_frozen(
        self,
        grid: Grid,
        multivariate: Multivariate | None,
        segments: Mapping[int, Counted],
        sample: RowSample,
    ) -> None:
        """Take a reference that was frozen elsewhere: counts by number of the segment."""
        self._comparison.take(grid, multivariate)
        rows = sum(counted.rows for counted in segments.values())
        self._reference = Pane(self._comparison, 0, 0, rows, dict(segments))
        self._reference.together.sample.merge(sample)
        self._collected = None

    def add(self, rows: VersionRows, segment: NDArray[np.int32]) -> Iterator[ClosedWindow]:
        """Take rows in event-time order; yield the windows that are over with them."""
        if not len(rows):
            return
        if self._first_ns is None:
            self._first_ns = int(rows.ts[0])
        columns = rows.columns()
        keys = rows.content_keys()
        begin = self._collect(columns, segment, keys)
        while begin < len(rows):
            number, is_over = self._cutter.rows_until_end(self._open, rows.ts, begin)
            if number:
                index = np.arange(begin, begin + number)
                self._add_open(columns, index, segment, keys, rows.ts)
            begin += number
            if is_over:
                yield from self._close()

    def advance_to(self, tick_ns: int) -> Iterator[ClosedWindow]:
        """Move on to a tick; yield the windows of time that are over."""
        if self._config.slide.ns and self._open is not None and self._open.end_ns <= tick_ns:
            yield from self._close()

    def next_end_ns(self) -> int | None:
        """When the open pane of time ends; None without one."""
        return self._open.end_ns if self._open is not None and self._config.slide.ns else None

    def state(self, arrays: Arrays, prefix: str) -> dict[str, Any]:
        """Put copies of the arrays into `arrays`, and give the plain values."""
        own: Arrays = {}
        panes = {"open": self._open, "reference": self._reference}
        plain: dict[str, Any] = {
            "reference_of": _reference_identity(self._config),
            "windows_of": _windows_identity(self._config),
            "first_ns": self._first_ns,
            "window_end_ns": self._window_end_ns,
            "reference_kind": self._config.reference.kind,
            "closed": [pane.state(f"c{n}", own) for n, pane in enumerate(self._closed)],
            "history": [pane.state(f"h{n}", own) for n, pane in enumerate(self._history)],
        } | {name: pane and pane.state(name, own) for name, pane in panes.items()}
        if self._collected is not None:
            plain["collected"] = self._collected.state(own, "collected")
        else:
            own |= {f"learned|{name}": array for name, array in self._comparison.arrays().items()}
        arrays |= {f"{prefix}|{name}": array.copy() for name, array in own.items()}
        return plain

    def restore(self, arrays: Mapping[str, NDArray[Any]], plain: Mapping[str, Any]) -> Anew:
        """Take over what `state` gave, with the prefix taken off, as far as the settings allow."""
        if plain["reference_of"] != _reference_identity(self._config):
            return "windows and reference"
        self._first_ns = plain["first_ns"]
        if "collected" in plain:
            self._collected = ColumnBlocks.of_state(plain["collected"], part(arrays, "collected"))
            return "nothing"
        self._collected = None
        self._comparison.restore(part(arrays, "learned"))

        def pane(state: Any, name: str) -> Pane | None:
            return state and Pane.of_state(state, name, arrays, self._comparison)

        self._reference = pane(plain["reference"], "reference")
        self._history = [
            Pane.of_state(state, f"h{n}", arrays, self._comparison)
            for n, state in enumerate(plain["history"])
        ]
        if plain["windows_of"] != _windows_identity(self._config):
            return "windows"
        self._window_end_ns = plain["window_end_ns"]
        self._open = pane(plain["open"], "open")
        self._closed = [
            Pane.of_state(state, f"c{n}", arrays, self._comparison)
            for n, state in enumerate(plain["closed"])
        ]
        return "nothing"

    def _collect(
        self,
        columns: Mapping[str, Column],
        segment: NDArray[np.int32],
        keys: NDArray[np.uint64],
    ) -> int:
        """Collect the first rows for the reference; give how many it took."""
        if self._collected is None:
            return 0
        taken = min(self._wanted - self._collected.rows, len(keys))
        self._collected.add(columns, segment, keys, taken)
        if self._collected.rows == self._wanted:
            self.take_reference(*self._collected.joined())
        return taken

    def _add_open(
        self,
        columns: Mapping[str, Column],
        index: NDArray[np.int64],
        segment: NDArray[np.int32],
        keys: NDArray[np.uint64],
        ts: NDArray[np.int64],
    ) -> None:
        first, last = int(ts[index[0]]), int(ts[index[-1]])
        if self._open is None:
            begin_ns, end_ns = self._cutter.stretch_of(first)
            self._open = Pane(self._comparison, begin_ns, end_ns)
        if self._config.slide.rows:
            self._open.end_ns = last
        self._open.add(columns, index, segment, keys)

    def _close(self) -> Iterator[ClosedWindow]:
        """Close the open pane, and compare the window that ends with it."""
        pane, self._open = self._open, None
        if pane is None:
            return
        self._closed.append(pane)
        slide, window = self._config.slide, self._config.window
        if slide.rows:
            panes = window.rows // slide.rows
            self._expire(self._closed[:-panes])
            self._closed = self._closed[-panes:]
            is_whole = len(self._closed) == panes
            begin_ns = self._closed[0].begin_ns
            before_ns = pane.begin_ns if self._window_end_ns is None else self._window_end_ns
            every_ns = max(1, pane.end_ns - before_ns)
        else:
            begin_ns = pane.end_ns - window.ns
            self._expire([old for old in self._closed if old.end_ns <= begin_ns])
            self._closed = [old for old in self._closed if old.end_ns > begin_ns]
            is_whole, every_ns = True, slide.ns
        self._window_end_ns = pane.end_ns
        reference = self._reference_of(begin_ns)
        if reference is None or not is_whole:
            return
        joined = self._joined(self._closed)
        yield ClosedWindow(
            begin_ns,
            pane.end_ns,
            every_ns,
            joined.rows,
            reference.rows,
            list(self._compared(reference, joined)),
            reference.together.sample,
            joined.together.sample,
        )
        self._drop_used()

    def _drop_used(self) -> None:
        """Let go of panes that no later window holds."""
        panes = self._config.window.length // self._config.slide.length - 1
        begin_ns = (self._window_end_ns or 0) + self._config.slide.ns - self._config.window.ns
        kept = self._closed[-panes:] if panes else []
        if self._config.slide.ns:
            kept = [pane for pane in kept if pane.end_ns > begin_ns]
        self._expire(self._closed[: len(self._closed) - len(kept)])
        self._closed = kept

    def _joined(self, panes: list[Pane]) -> Pane:
        if len(panes) == 1:
            return panes[0]
        joined = Pane(self._comparison, panes[0].begin_ns, panes[0].end_ns)
        for pane in panes:
            joined.merge(pane)
        return joined

    def _expire(self, panes: list[Pane]) -> None:
        """Let panes that no window needs any more be part of a trailing reference."""
        if self._config.reference.kind != "trailing":
            return
        part_ns = max(1, self._config.reference.ns // HISTORY_PARTS)
        for pane in panes:
            last = self._history[-1] if self._history else None
            if last is not None and last.end_ns // part_ns == pane.end_ns // part_ns:
                last.merge(pane)
            else:
                self._history.append(pane)

    def _reference_of(self, begin_ns: int) -> Pane | None:
        """The reference of a window that begins at a time."""
        if self._config.reference.kind != "trailing" or self._reference is None:
            return self._reference
        oldest = begin_ns - self._config.reference.ns
        self._history = [pane for pane in self._history if pane.end_ns > oldest]
        # The first rows count until what followed them is as long as the reference is to be.
        is_young = self._first_ns is not None and self._first_ns > oldest
        panes = [self._reference, *self._history] if is_young else self._history
        return self._joined(panes) if panes else None

    def _compared(self, reference: Pane, window: Pane) -> Iterator[tuple[str, FeatureDrift]]:
        """Compare all segments that both have, and all rows."""
        compare = self._comparison.compare
        places = self._segments.places
        if {places[number][1] for number in window.segments} != {ALL}:
            for number, counted in sorted(window.segments.items()):
                if number in reference.segments:
                    for drift in compare(reference.segments[number], counted):
                        yield places[number][1], drift
        for drift in compare(reference.total(), window.total()):
            yield ALL, drift
        moves = self._config.reference.kind == "trailing"
        before = reference.together if moves else None
        for drift in self._comparison.compare_together(window.together, before):
            yield ALL, drift


def _reference_identity(config: ModelConfig) -> str:
    """Name all that decides which rows a reference is of, and how these are counted."""
    rows_max = config.rows_max if config.mode == "exact" else 0
    said = [config.reference, config.mode, rows_max, config.segments]
    return msgspec.json.encode(said).decode()


def _windows_identity(config: ModelConfig) -> str:
    """Name what decides where windows end."""
    return msgspec.json.encode([config.window, config.slide]).decode()
