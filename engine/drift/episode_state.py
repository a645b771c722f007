"""What is remembered of episodes: plain values, small, and bounded."""

import msgspec

from engine.drift.episode_onset import Run
from engine.events import DriftBudget, DriftCause, DriftSegment, DriftWindow, Group

NAMES_MAX = 1000
"""Features and segments remembered as said; further ones are no news."""


class Strongest(msgspec.Struct, frozen=True):
    """The window of an episode in which its causes ranked highest."""

    rank: float
    window: DriftWindow
    budget: DriftBudget
    causes: tuple[DriftCause, ...]
    segments: tuple[DriftSegment, ...]


class Watched(msgspec.Struct, frozen=True):
    """A place where something was significant in the last window that had such.

    `is_tested`: each window with enough data has a finding there. A detector of single values has
    none unless it raises an alarm: then any finding of the segment shows that there is data.
    """

    segment: str
    feature: str
    is_tested: bool


class OpenEpisode(msgspec.Struct, frozen=True, kw_only=True):
    """An episode that is open; times in nanoseconds since the epoch.

    Attributes
    ----------
    feature : str
        The one that opened it.
    seq : int
        Of its last record.
    said_effect : float
        The largest effect that a record has told of.
    said_end_ns, judged_end_ns, last_end_ns : int
        Ends of windows: of the last record's, of the newest that counted, and of the newest that
        was significant.
    features, segments : tuple of str
        All that records have told of.
    watched : tuple of Watched
    quiet : int
        Evaluated windows since the last significant one.
    unseen : int
        Windows since then without data where it was significant.
    """

    id: str
    feature: str
    seq: int
    opened_ns: int
    onset_ns: int
    severity: str
    said_effect: float
    said_end_ns: int
    judged_end_ns: int
    last_end_ns: int
    features: tuple[str, ...]
    segments: tuple[str, ...]
    watched: tuple[Watched, ...]
    strongest: Strongest
    quiet: int = 0
    unseen: int = 0


class EpisodesState(msgspec.Struct, frozen=True):
    """All of a model version's.

    Attributes
    ----------
    open : dict of Group to OpenEpisode
    closed_ns : dict of Group to int
        End of the last episode; the next one does not begin before it.
    runs : tuple of Run
    """

    open: dict[Group, OpenEpisode]
    closed_ns: dict[Group, int]
    runs: tuple[Run, ...]
