"""Finds an episode of drift by its id: its records, and the rows kept of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import polars as pl

from engine.errors import SourceError, UsageError
from engine.events import DriftEvent
from engine.pipeline.evidence import (
    EVENT_FILE,
    EVIDENCE_FOLDER,
    REFERENCE_FILE,
    WINDOW_FILE,
)
from engine.replay.report_samples import Samples

RECORDS_FILE = "drift.jsonl"

LATEST = "latest"
"""Stands for the episode that opened last."""

_LISTED_MAX = 10


@dataclass(frozen=True, slots=True)
class ReportedEpisode:
    """What is known of an episode.

    Attributes
    ----------
    records : list of DriftEvent
        By `seq`; at least one.
    shown : DriftEvent
        The record whose causes are shown: that of the rows kept, else the strongest one known.
    samples : Samples or None
        Rows of its window and of the reference; None where none were kept.
    """

    records: list[DriftEvent]
    shown: DriftEvent
    samples: Samples | None

    @property
    def episode(self) -> str:
        """The episode's id."""
        return self.shown.episode

    @property
    def last(self) -> DriftEvent:
        """The newest record."""
        return self.records[-1]


def find_episode(wanted: str, folder: Path, records: Path | None = None) -> ReportedEpisode:
    """Find an episode in the results of a replay, or in a state folder.

    Parameters
    ----------
    wanted : str
        The episode's id, the begin of one, or `LATEST`.
    folder : Path
        Holds ``evidence``, ``drift.jsonl`` or both.
    records : Path or None
        A ``drift.jsonl`` elsewhere.

    Raises
    ------
    UsageError
        There is no such episode, there are several, or the folder holds none at all.
    SourceError
        What is there can't be read.
    """
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}; name one with --from")
    if records is not None and not records.is_file():
        raise UsageError(f"there is no file {records}")
    records = records or folder / RECORDS_FILE
    kept = {event.episode: event for event in _kept(folder / EVIDENCE_FOLDER)}
    newest = dict(kept)
    newest.update((event.episode, event) for event in _said(records))
    if not newest:
        raise UsageError(
            f"{folder} has no episode: it holds neither {EVIDENCE_FOLDER} nor records of drift. "
            "Episodes are of models whose predictions a run or replay has watched (not with "
            "limits.episodes: 0); name its folder with --from"
        )
    episode = _chosen(wanted, newest, folder)
    found = {event.seq: event for event in _said(records) if event.episode == episode}
    shown = kept.get(episode)
    if shown is not None:
        found.setdefault(shown.seq, shown)
    ordered = [found[seq] for seq in sorted(found)]
    samples = None if shown is None else _samples(folder / EVIDENCE_FOLDER / episode)
    return ReportedEpisode(ordered, shown or ordered[-1], samples)


def _kept(evidence: Path) -> Iterator[DriftEvent]:
    """Give the records whose rows were kept."""
    for path in sorted(evidence.glob(f"*/{EVENT_FILE}")):
        if "." not in path.parent.name:  # a dot: it is being written
            with _reading(path):
                yield msgspec.json.decode(path.read_bytes(), type=DriftEvent)


def _said(path: Path) -> Iterator[DriftEvent]:
    """Give the records of episodes in a file of records; it may be written meanwhile."""
    if not path.is_file():
        return
    with _reading(path), path.open("rb") as lines:
        for line in lines:
            # Most lines are windows of quality, and the last one may be half a line yet.
            if line.startswith(b'{"type":"drift"') and line.endswith(b"\n"):
                yield msgspec.json.decode(line, type=DriftEvent)


def _samples(folder: Path) -> Samples:
    with _reading(folder):
        return Samples(
            pl.read_parquet(folder / REFERENCE_FILE), pl.read_parquet(folder / WINDOW_FILE)
        )


class _reading:
    """Turns a failure to read `path` into a `SourceError` that names it."""


def _chosen(wanted: str, newest: dict[str, DriftEvent], folder: Path) -> str:
    ordered = sorted(newest.values(), key=lambda event: (_sortable(event.openedAt), event.episode))
    ordered.reverse()
    if wanted == LATEST:
        return ordered[0].episode
    meant = [event for event in ordered if wanted and event.episode.startswith(wanted)]
    if len(meant) == 1:
        return meant[0].episode
    listed = meant or ordered
    title = "several begin with" if meant else "there is no episode"
    lines = [f"{title} {wanted} in {folder}; there are, newest first:", *map(_line, listed)]
    if len(listed) > _LISTED_MAX:
        lines[_LISTED_MAX + 1 :] = [f"  and {len(listed) - _LISTED_MAX} more"]
    raise UsageError("\n".join(lines))
