"""Panes of one version's rows: what windows, which may overlap, are put together from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from engine.codecs.predictions import Column
from engine.config.scalars import WindowSize
from engine.drift.summary import ROWS_MAX
from engine.drift.together import Together

Arrays = dict[str, NDArray[Any]]


class Counted(Protocol):
    """Rows of a segment in a form that merges: a `Summary` or an `ExactWindow`."""

    @property
    def rows(self) -> int:
        """Rows that were added."""

    def add(
        self, columns: Mapping[str, Column], index: Any = None, *, rows: int | None = None
    ) -> None:
        """Count some rows of columns."""

    def merge(self, other: Any) -> None:
        """Count what another one has counted."""

    def arrays(self) -> Arrays:
        """Give what a checkpoint keeps."""

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `arrays` gave."""


class Kit(Protocol):
    """Makes what counts rows."""

    def make(self) -> Counted:
        """Make what counts the rows of a segment."""

    def make_together(self) -> Together:
        """Make what counts the rows of all segments together."""


@dataclass(slots=True)
class Pane:
    """The rows of one stretch of a version's stream.

    Attributes
    ----------
    kit : Kit
    begin_ns : int
        Where it begins: the begin of the stretch, or of windows in rows the time of its first row.
    end_ns : int
        Where it ends: the end of the stretch, or of windows in rows the time of its last row.
    rows : int
    segments : dict of int to Counted
        By number of the segment.
    together : Together
    """

    kit: Kit
    begin_ns: int
    end_ns: int
    rows: int = 0
    segments: dict[int, Counted] = field(default_factory=dict)
    together: Together = field(init=False)
    _total: Counted | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.together = self.kit.make_together()

    def add(
        self,
        columns: Mapping[str, Column],
        index: NDArray[np.int64],
        segment: NDArray[np.int32],
        keys: NDArray[np.uint64],
    ) -> None:
        """Count rows by index, ascending; `segment` int32[n] and `keys` uint64[n] are of all.

        Rows beyond `ROWS_MAX` are left out.
        """
        self._total = None
        index = index[: ROWS_MAX - self.rows]
        self.rows += len(index)
        own = segment[index]
        for number in np.unique(own).tolist():
            self._counted(number).add(columns, index[own == number], rows=len(segment))
        self.together.add(columns, index, keys)

    def merge(self, other: Self) -> None:
        """Count what another pane has counted, if there is room; that one stays as it is."""
        if self.rows + other.rows > ROWS_MAX:
            return
        self._total = None
        self.begin_ns = min(self.begin_ns, other.begin_ns)
        self.end_ns = max(self.end_ns, other.end_ns)
        self.rows += other.rows
        for number, counted in other.segments.items():
            self._counted(number).merge(counted)
        self.together.merge(other.together)

    def total(self) -> Counted:
        """All segments in one; the same one until rows are added."""
        if len(self.segments) == 1:
            return next(iter(self.segments.values()))
        if self._total is None:
            self._total = self.kit.make()
            for _, counted in sorted(self.segments.items()):
                self._total.merge(counted)
        return self._total

    def state(self, prefix: str, arrays: Arrays) -> dict[str, Any]:
        """Put the arrays into `arrays`, and give the plain values."""
        for number, counted in self.segments.items():
            _put(arrays, f"{prefix}|s{number}", counted.arrays())
        _put(arrays, f"{prefix}|t", self.together.arrays())
        return {
            "begin_ns": self.begin_ns,
            "end_ns": self.end_ns,
            "rows": self.rows,
            "segments": list(self.segments),
        }

    @classmethod
    def of_state(
        cls, plain: Mapping[str, Any], prefix: str, arrays: Mapping[str, NDArray[Any]], kit: Kit
    ) -> Self:
        """Make the pane whose `state` was kept."""
        pane = cls(kit, plain["begin_ns"], plain["end_ns"], plain["rows"])
        own = part(arrays, prefix)
        for number in plain["segments"]:
            pane._counted(number).restore(part(own, f"s{number}"))
        pane.together.restore(part(own, "t"))
        return pane

    def _counted(self, number: int) -> Counted:
        if number not in self.segments:
            self.segments[number] = self.kit.make()
        return self.segments[number]


def _put(arrays: Arrays, prefix: str, own: Mapping[str, NDArray[Any]]) -> None:
    arrays |= {f"{prefix}|{name}": array for name, array in own.items()}


def part(arrays: Mapping[str, NDArray[Any]], prefix: str) -> Arrays:
    """Give the arrays below a prefix, by the rest of their names."""
    begin = f"{prefix}|"
    return {
        name.removeprefix(begin): array for name, array in arrays.items() if name.startswith(begin)
    }


@dataclass(slots=True)
class Cutter:
    """Where panes end: at multiples of the slide, or after so many rows.

    Attributes
    ----------
    slide : WindowSize
    """

    slide: WindowSize

    def stretch_of(self, ts: int) -> tuple[int, int]:
        """Begin and end of the pane that begins with a row; it holds its begin, not its end."""
        if self.slide.rows:
            return ts, ts
        begin_ns = ts // self.slide.ns * self.slide.ns
        return begin_ns, begin_ns + self.slide.ns

    def rows_until_end(
        self, pane: Pane | None, ts: NDArray[np.int64], begin: int
    ) -> tuple[int, bool]:
        """Give how many rows from `begin` on are of the open pane, and whether it is over then."""
        if self.slide.rows:
            room = self.slide.rows - (pane.rows if pane is not None else 0)
            taken = min(room, len(ts) - begin)
            return taken, taken == room
        end_ns = self.stretch_of(int(ts[begin]))[1] if pane is None else pane.end_ns
        taken = int(np.searchsorted(ts, end_ns, side="left")) - begin
        return taken, begin + taken < len(ts)
