"""Keeps rows of what moved, for reports: a folder for each of the newest episodes.

``<episode>/reference.parquet`` and ``window.parquet`` hold some rows of each side, a column for
each feature, ``event.json`` the record that they belong to. An episode's folder is made aside and
renamed, so that it is there whole or not at all.
"""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from threading import Lock

import msgspec
import numpy as np
import polars as pl
import structlog

from engine.codecs.predictions import Column, Kind
from engine.config.schema import Config
from engine.drift.version_monitor import Evidence
from engine.errors import SinkError
from engine.events import DriftEvent
from engine.sinks.files import TEMPORARY_SUFFIX, writing

EVIDENCE_FOLDER = "evidence"
"""Folder within the state's, or within that of a replay's results."""

REFERENCE_FILE, WINDOW_FILE, EVENT_FILE = "reference.parquet", "window.parquet", "event.json"

EPISODES_MAX = 100

_OUTDATED_SUFFIX = ".old" + TEMPORARY_SUFFIX
_EPISODE = re.compile(r"[0-9a-f]{32}")

_log = structlog.get_logger()


class EvidenceFolder:
    """Evidence of the episodes that opened last; the shards of all workers may share it.

    Which episodes are kept does not depend on the order in which they come. Of one episode the
    record that came last holds, since an episode says more only where it grew.

    Parameters
    ----------
    path : Path
        Made with the first episode.
    episodes_max : int
        Episodes kept; 0 for none.
    """

    def __init__(self, path: Path, episodes_max: int = EPISODES_MAX) -> None:
        self.path = path
        self.episodes_max = episodes_max
        self._lock = Lock()
        self._has_failed = False
        self._opened: dict[str, str] = {}
        """By episode: when it opened, as text that sorts by time."""
        for folder in _folders(path):
            if _EPISODE.fullmatch(folder.name):
                self._opened[folder.name] = _opened_of(folder)
            elif folder.name.endswith(TEMPORARY_SUFFIX):  # a crash left it behind
                shutil.rmtree(folder, ignore_errors=True)

    def clear(self) -> None:
        """Remove what an earlier run left."""
        with self._lock:
            for episode in self._opened:
                shutil.rmtree(self.path / episode, ignore_errors=True)
            self._opened.clear()

    def keep(self, evidence: Evidence) -> None:
        """Keep an episode's evidence in place of what it had; a failure is logged, once."""
        if not self.episodes_max:
            return
        with self._lock:
            try:
                self._write(evidence)
                self._forget_oldest()
            except SinkError as error:
                if not self._has_failed:
                    _log.warning("evidence of episodes is not kept", error=str(error))
                self._has_failed = True

    def _write(self, evidence: Evidence) -> None:
        event = evidence.event
        folder = self.path / event.episode
        fresh = folder.with_name(folder.name + TEMPORARY_SUFFIX)
        outdated = folder.with_name(folder.name + _OUTDATED_SUFFIX)
        with writing(folder):
            for left_over in (fresh, outdated):
                shutil.rmtree(left_over, ignore_errors=True)
            fresh.mkdir(parents=True)
            rows_of(evidence.reference).write_parquet(fresh / REFERENCE_FILE)
            rows_of(evidence.window).write_parquet(fresh / WINDOW_FILE)
            (fresh / EVENT_FILE).write_bytes(msgspec.json.encode(event))
            if folder.exists():
                folder.rename(outdated)
            fresh.rename(folder)
            shutil.rmtree(outdated, ignore_errors=True)
        self._opened[event.episode] = _sortable(event.openedAt)

    def _forget_oldest(self) -> None:
        while len(self._opened) > self.episodes_max:
            oldest = min(self._opened, key=lambda episode: (self._opened[episode], episode))
            del self._opened[oldest]
            shutil.rmtree(self.path / oldest, ignore_errors=True)


def evidence_folder(config: Config, *, stateful: bool) -> EvidenceFolder | None:
    """Give the folder where a run keeps evidence.

    That is a folder within the state's; of a run without state one within that of its first folder
    sink, which begins empty as the sink's files do. None where there is neither.
    """
    if stateful:
        return EvidenceFolder(Path(config.state.dir) / EVIDENCE_FOLDER, config.limits.episodes)
    for sink in config.sinks:
        if sink.folder is not None:
            path = Path(sink.folder.path) / EVIDENCE_FOLDER
            folder = EvidenceFolder(path, config.limits.episodes)
            folder.clear()
            return folder
    return None


def rows_of(columns: Mapping[str, Column]) -> pl.DataFrame:
    """Give rows by the features' names: categories as text, lengths of texts as numbers.

    Embeddings are left out.
    """
    return pl.DataFrame(
        [
            _series(name, column)
            for name, column in columns.items()
            if column.kind is not Kind.EMBEDDING
        ]
    )


def _series(name: str, column: Column) -> pl.Series:
    values = column.values
    if column.kind is Kind.CATEGORICAL:
        names = [None if code < 0 else column.names[code] for code in values.tolist()]
        return pl.Series(name, names, pl.String)
    if column.kind is Kind.BOOLEAN:
        flags = [None if flag < 0 else flag > 0 for flag in values.tolist()]
        return pl.Series(name, flags, pl.Boolean)
    return pl.Series(name, values.astype(np.float64, copy=False), pl.Float64).fill_nan(None)


def _folders(path: Path) -> list[Path]:
    try:
        return sorted(entry for entry in path.iterdir() if entry.is_dir())
    except OSError:  # it isn't there yet; if it can't be read, writing says so
        return []


def _opened_of(folder: Path) -> str:
    """When an episode opened; what can't be read is the first to go."""
    try:
        event = msgspec.json.decode((folder / EVENT_FILE).read_bytes(), type=DriftEvent)
    except (OSError, msgspec.DecodeError):
        return ""
    return _sortable(event.openedAt)


def _sortable(time: str) -> str:
    """Without its Z a time in UTC sorts as text, with and without a fraction."""
    return time.removesuffix("Z")
