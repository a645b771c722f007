"""The state folder: who uses it, how it is laid out, and which run this is."""

import fcntl
import os
import sqlite3
from contextlib import ExitStack, closing
from pathlib import Path
from typing import IO

import msgspec
from bytewax.recovery import RecoveryConfig, init_db_dir

from engine.errors import StateError
from engine.series.blocks import CheckpointStore

LAYOUT_VERSION = 3
SOURCE_STEP = "streamgauge.source"
"""Bytewax' name of the flow's input."""

_RECOVERY_PARTITIONS = 1
_SOURCE_PARTITIONS = "SELECT DISTINCT state_key FROM snaps WHERE step_id = ?"


class _Layout(msgspec.Struct, frozen=True):
    """What can't change while the folder holds state."""

    version: int
    shards: int
    lanes: int
    entities: str = ""


class StateFolder:
    """The folder of a flow's state, locked for one run.

    It holds Bytewax' recovery database (offsets and manifests), the blocks of checkpoints, the
    layout and the number of the last run.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    shards, lanes : int
        The layout that the configuration asks for.
    entities : str
        What decides which series live together, as text.
    parts : frozenset of str
        Parts of the flow that write blocks.

    Raises
    ------
    StateError
        Another run uses it, it is of another layout, or it can't be written.
    """

    def __init__(
        self, folder: Path, *, shards: int, lanes: int, entities: str = "", parts: frozenset[str]
    ) -> None:
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with ExitStack() as undo:
                self._lock = undo.enter_context(self._take_lock())
                self._check_layout(_Layout(LAYOUT_VERSION, shards, lanes, entities))
                self.run = self._count_run()
                self._recovery = self._recovery_database()
                self.checkpoints = CheckpointStore(folder / "checkpoints", parts)
                undo.pop_all()  # what is refused is free again; what is not stays locked
        except OSError as error:
            raise StateError(
                f"state folder {folder} can't be used: {error.strerror}; "
                "choose another with state.dir"
            ) from error

    @property
    def recovery(self) -> RecoveryConfig:
        """Bytewax' recovery settings."""
        return RecoveryConfig(self._recovery)

    @property
    def source_partitions(self) -> set[str]:
        """Keys of all partitions of which Bytewax keeps a state; it refuses to run without one."""
        found: set[str] = set()
        for path in self._recovery.glob("*.sqlite3"):
            with closing(sqlite3.connect(path)) as database:
                rows = database.execute(_SOURCE_PARTITIONS, [SOURCE_STEP]).fetchall()
            found |= {key for (key,) in rows}
        return found

    def close(self) -> None:
        """Wait for the last blocks and give the folder free."""
        try:
            self.checkpoints.close()
        finally:
            self._lock.close()

    def _recovery_database(self) -> Path:
        path = self.folder / "recovery"
        if not path.exists():
            # Made aside and renamed, so that a crash can't leave half a database.
            fresh = self.folder / "recovery.new"
            fresh.mkdir(exist_ok=True)
            for left_over in fresh.iterdir():
                left_over.unlink()
            init_db_dir(fresh, _RECOVERY_PARTITIONS)
            fresh.rename(path)
        return path

    def _take_lock(self) -> IO[str]:
        file = (self.folder / "lock").open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "another process"
            file.close()
            raise StateError(
                f"state folder {self.folder} is used by {holder}; stop it, or give this run a "
                "folder of its own with state.dir"
            ) from None
        file.truncate(0)
        file.write(f"process {os.getpid()}")
        file.flush()
        return file

    def _check_layout(self, wanted: _Layout) -> None:
        path = self.folder / "layout.json"
        if not path.exists():
            _write_whole(path, msgspec.json.encode(wanted))
            return
        try:
            found = msgspec.json.decode(path.read_bytes(), type=_Layout)
        except msgspec.DecodeError as error:
            raise StateError(f"{path} is damaged ({error}); remove the state folder") from error
        if (found.version, found.lanes) != (wanted.version, wanted.lanes):
            raise StateError(
                f"state folder {self.folder} was made by another version of streamgauge (layout "
                f"{found.version}, this one has {wanted.version}); start anew with another "
                "state.dir, or go on with that version"
            )
        if found.shards != wanted.shards:
            raise StateError(
                f"state folder {self.folder} was made with {found.shards} shards, not "
                f"{wanted.shards}; set state.shards to {found.shards}, or start anew with another "
                "state.dir"
            )

        if found.entities != wanted.entities:
            raise StateError(
                f"state folder {self.folder} was made with another `entity` in the detectors "
                f"({found.entities or 'none'}): series would have to move between shards; take it "
                "back, or start anew with another state.dir"
            )

    def _count_run(self) -> int:
        path = self.folder / "run"
        run = int(path.read_text()) + 1 if path.exists() else 1
        _write_whole(path, str(run).encode())
        return run


def _write_whole(path: Path, content: bytes) -> None:
    """Write a file so that a crash leaves the old one or the new one."""
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
