"""Windows of event time as runs of panes.

Time is cut into panes of the slide's length; a window is a run of them. So tumbling and sliding
windows are merges of the same mergeable parts. Times are ns since the epoch; a pane holds its
begin, not its end.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from engine.errors import UsageError


@dataclass(frozen=True, slots=True)
class WindowSpec:
    """Tumbling windows (size equals slide) or sliding ones.

    Attributes
    ----------
    size_ns : int
        A multiple of the slide.
    slide_ns : int

    Raises
    ------
    UsageError
        The size is no multiple of the slide, or not positive.
    """

    size_ns: int
    slide_ns: int

    def __post_init__(self) -> None:
        if self.slide_ns <= 0 or self.size_ns <= 0 or self.size_ns % self.slide_ns:
            raise UsageError(
                f"a window of {self.size_ns} ns can't slide by {self.slide_ns} ns: "
                "its size has to be a positive multiple of the slide"
            )

    @property
    def panes_per_window(self) -> int:
        """Panes of a window."""
        return self.size_ns // self.slide_ns

    def pane(self, ts: int) -> int:
        """Pane that holds a time."""
        return ts // self.slide_ns

    def begin_ns(self, window: int) -> int:
        """Begin of the window that ends with a pane."""
        return (window + 1) * self.slide_ns - self.size_ns

    def end_ns(self, window: int) -> int:
        """End of the window that ends with a pane."""
        return (window + 1) * self.slide_ns

    def windows_with(self, panes: Iterable[int]) -> set[int]:
        """All windows that hold any of some panes; a window is called by its last pane."""
        span = range(self.panes_per_window)
        return {pane + later for pane in panes for later in span}

    def pane_range(self, window: int) -> range:
        """Panes of a window."""
        return range(window - self.panes_per_window + 1, window + 1)

    def known_range(self, tick: int) -> range:
        """Panes of the window that ends with a tick, the last one up to the tick only.

        The trailing edge moves in whole slides: the window is at most one slide too long.
        """
        return range(self.pane(tick - self.size_ns + 1), self.pane(tick) + 1)
