"""Finds an episode of drift by its id: its records, and the rows kept of it."""

from collections.abc import Iterator
from contextlib import contextmanager
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


class _Head(msgspec.Struct, frozen=True, gc=False):
    """What tells a record of an episode from others."""

    type: str
    episode: str = ""
    openedAt: str = ""  # noqa: N815 - the JSON form's name
    group: str = ""
    model: str = ""
    version: str = ""


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
    evidence = folder / EVIDENCE_FOLDER
    heads = {head.episode: head for head in _heads(evidence, records)}
    if not heads:
        raise UsageError(
            f"{folder} has no episode: there are neither rows of one in {EVIDENCE_FOLDER} nor "
            f"records of one in {records.name}. Episodes are of models whose predictions were "
            "watched; name the folder of a run's state or of a replay's results with --from"
        )
    episode = _chosen(wanted, list(heads.values()), folder)
    found = {
        event.seq: event
        for head, line in _lines(records)
        if head.episode == episode
        for event in (_decoded(line, records),)
    }
    path = evidence / episode
    shown = _decoded(_content(path / EVENT_FILE), path) if (path / EVENT_FILE).exists() else None
    if shown is not None:
        found.setdefault(shown.seq, shown)
    ordered = [found[seq] for seq in sorted(found)]
    samples = None if shown is None else _samples(path)
    return ReportedEpisode(ordered, shown or ordered[-1], samples)


def _heads(evidence: Path, records: Path) -> Iterator[_Head]:
    """Give what tells episodes apart, of those with rows and of those with records."""
    for path in sorted(evidence.glob(f"*/{EVENT_FILE}")):
        if "." not in path.parent.name:  # one with a dot is being written
            with _reading(path):
                yield msgspec.json.decode(_content(path), type=_Head)
    yield from (head for head, _ in _lines(records))


def _lines(path: Path) -> Iterator[tuple[_Head, bytes]]:
    """Give the records of episodes in a file of records, which may be written meanwhile."""
    if not path.is_file():
        return
    with _reading(path), path.open("rb") as lines:
        for line in lines:
            if not line.endswith(b"\n"):  # only half of it is there yet
                return
            head = msgspec.json.decode(line, type=_Head)
            if head.type == "drift":
                yield head, line


def _decoded(content: bytes, path: Path) -> DriftEvent:
    with _reading(path):
        return msgspec.json.decode(content, type=DriftEvent)


def _content(path: Path) -> bytes:
    with _reading(path):
        return path.read_bytes()


def _samples(path: Path) -> Samples:
    with _reading(path):
        return Samples(pl.read_parquet(path / REFERENCE_FILE), pl.read_parquet(path / WINDOW_FILE))


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn a failure to read `path` into a `SourceError` that names it."""
    try:
        yield
    except (OSError, msgspec.DecodeError, pl.exceptions.PolarsError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SourceError(f"{path}: can't be read: {reason}") from error


def _chosen(wanted: str, heads: list[_Head], folder: Path) -> str:
    """Choose an episode, or say which there are."""
    # Without its Z a time in UTC sorts as text, with and without a fraction.
    heads.sort(key=lambda head: (head.openedAt.removesuffix("Z"), head.episode), reverse=True)
    if wanted == LATEST:
        return heads[0].episode
    meant = [head for head in heads if wanted and head.episode.startswith(wanted)]
    if len(meant) == 1:
        return meant[0].episode
    title = "more than one episode begins with" if meant else "there is no episode"
    listed = meant or heads
    lines = [f"{title} {wanted} in {folder}; newest first there are:"]
    lines += [
        f"  {head.episode}  {head.openedAt}  {head.group} of {head.model} {head.version}"
        for head in listed[:_LISTED_MAX]
    ]
    if len(listed) > _LISTED_MAX:
        lines.append(f"  and {len(listed) - _LISTED_MAX} more")
    raise UsageError("\n".join(lines))
