"""Blocks: a part's state as named arrays in one file, and which checkpoints are whole.

A checkpoint is a folder of blocks, one for each part of the flow (series shards and rule lanes).
A block is written under a temporary name by a background thread and renamed when it is on disk,
so a crash leaves it there in full or not at all. A checkpoint can be used when the blocks of all
parts are there that it names.
"""

import os
import re
import shutil
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.clock import elapsed_ns, sleep
from engine.errors import StateError
from engine.series.snapshot import Snapshot, SnapshotArray

Arrays = dict[str, NDArray[Any]]
ArraysOrSnapshots = Mapping[str, NDArray[Any] | SnapshotArray]

FORMAT = 1
FINAL_EPOCH = 10**9
"""Epoch number in the id of the checkpoint that a run ends with."""

_MAGIC = b"SGBLOCK1"
_SUFFIX = ".block"
_PARTS_FILE = "parts.json"
_CHECKSUM_BYTES = 4

_REST_MAX_S = 1.0
_LOOK_S = 0.2
"""A resting writer looks so often whether it may go on resting."""

_CHOICE_MAX = 64
"""Waiting blocks among which the next one is chosen."""


@dataclass(frozen=True, slots=True, order=True)
class CheckpointId:
    """Which checkpoint: the run of the program and the epoch within it.

    Every part that is told of a checkpoint takes it at the close of the same Bytewax epoch, so
    that all blocks of one id show the same moment of the stream.
    """

    run: int
    epoch: int

    def __str__(self) -> str:
        return f"{self.run:08d}-{self.epoch:010d}"

    @classmethod
    def parse(cls, text: str) -> "CheckpointId | None":
        """Read the folder name back; None if it is something else."""
        match = re.fullmatch(r"(\d{8})-(\d{10})", text)
        return cls(int(match[1]), int(match[2])) if match else None


class _ArrayHead(msgspec.Struct, frozen=True):
    name: str
    dtype: str
    shape: tuple[int, ...]


class _BlockHead(msgspec.Struct, frozen=True):
    format: int
    arrays: tuple[_ArrayHead, ...]
    meta: msgspec.Raw


def encode_block(arrays: ArraysOrSnapshots, meta: object) -> Iterator[bytes | memoryview]:
    """Yield the pieces of a block file: magic, head length, head, the arrays' bytes, checksum.

    Arrays of snapshots are read chunk by chunk, while the pieces are taken. `meta` is anything that
    msgspec's MessagePack form carries. The checksum (CRC-32) is over all that stands before it.
    """
    head = msgspec.msgpack.encode(
        _BlockHead(
            format=FORMAT,
            arrays=tuple(
                _ArrayHead(name, array.dtype.str, array.shape) for name, array in arrays.items()
            ),
            meta=msgspec.Raw(msgspec.msgpack.encode(meta)),
        )
    )
    crc32 = 0
    for piece in (_MAGIC, len(head).to_bytes(4, "little"), head):
        crc32 = zlib.crc32(piece, crc32)
        yield piece
    for array in arrays.values():
        for chunk in array.chunks() if isinstance(array, SnapshotArray) else (array,):
            body = np.ascontiguousarray(chunk).reshape(-1).view(np.uint8).data
            crc32 = zlib.crc32(body, crc32)
            yield body
    yield crc32.to_bytes(_CHECKSUM_BYTES, "little")


def decode_block(raw: bytes, file: str) -> tuple[Arrays, msgspec.Raw]:
    """Read a block back; the arrays are writable copies.

    Raises
    ------
    StateError
        Not a block of this format, or damaged.
    """
    prefix = len(_MAGIC) + 4
    if raw[: len(_MAGIC)] != _MAGIC:
        raise StateError(f"{file} is not a state block; restore it or remove the state folder")
    end = len(raw) - _CHECKSUM_BYTES
    if zlib.crc32(memoryview(raw)[:end]) != int.from_bytes(raw[end:], "little"):
        raise StateError(f"{file} is damaged (checksum differs); remove the state folder")
    try:
        size = int.from_bytes(raw[len(_MAGIC) : prefix], "little")
        head = msgspec.msgpack.decode(raw[prefix : prefix + size], type=_BlockHead)
        if head.format != FORMAT:
            raise StateError(f"{file} has block format {head.format}, this version reads {FORMAT}")
        arrays: Arrays = {}
        place = prefix + size
        for item in head.arrays:
            dtype = np.dtype(item.dtype)
            count = int(np.prod(item.shape, dtype=np.int64))
            body = memoryview(raw)[place : place + count * dtype.itemsize]
            arrays[item.name] = np.frombuffer(body, dtype, count).reshape(item.shape).copy()
            place += len(body)
    except (msgspec.DecodeError, ValueError, TypeError) as error:
        raise StateError(f"{file} is damaged ({error}); remove the state folder") from error
    return arrays, head.meta


def sync_folder(folder: Path) -> None:
    """Make renames in a folder last through a power loss."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@dataclass(frozen=True, eq=False, slots=True)
class _Block:
    """A block that waits to be written."""

    checkpoint: CheckpointId
    part: str
    arrays: ArraysOrSnapshots
    meta: object

    @property
    def snapshots(self) -> set[Snapshot]:
        """The snapshots that hold rows for this block."""
        return {a.snapshot for a in self.arrays.values() if isinstance(a, SnapshotArray)}

    @property
    def held_bytes(self) -> int:
        """Memory of rows that have changed since the checkpoint."""
        return sum(snapshot.held_bytes for snapshot in self.snapshots)


class CheckpointStore:
    """The folder of checkpoints of one flow.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    parts : frozenset of str
        Names of all parts whose blocks make a checkpoint whole.
    keep : int
        Newest whole checkpoints to keep.
    cpu_share : float
        Share of one core that writing may take; the writer rests in between.
    held_max_bytes : int
        The more memory goes to rows that have changed before they were written, the less the
        writer rests; at so much it does not rest at all.
    """

    def __init__(
        self,
        folder: Path,
        parts: frozenset[str],
        *,
        keep: int = 2,
        cpu_share: float = 0.1,
        held_max_bytes: int = 256_000_000,
    ) -> None:
        self.folder = folder
        self.parts = parts
        self.keep = keep
        self.seconds_written = 0.0
        self._cpu_share = cpu_share
        self._held_max_bytes = held_max_bytes
        # One thread: blocks are written one after the other, in the order of the checkpoints.
        self._lock = Lock()
        self._waiting: list[_Block] = []
        self._asked: CheckpointId | None = None
        self._begun: CheckpointId | None = None
        self._newest_whole: CheckpointId | None = None
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._failures: list[Future[None]] = []
        folder.mkdir(parents=True, exist_ok=True)
        self._clear_leftovers()
        self.usable = frozenset(self._whole())
        """Checkpoints that were whole when the flow was built: the ones to resume from."""

    def newest_usable(self, captured: tuple[CheckpointId, ...]) -> CheckpointId | None:
        """Newest of the checkpoints in a part's manifest that is whole on all parts.

        All parts were told of the same checkpoints before the epoch they resume from, so all
        choose the same one.
        """
        return max((item for item in captured if item in self.usable), default=None)

    def begins(self, checkpoint: CheckpointId, *, may_begin: bool = True) -> bool:
        """Whether a checkpoint is taken, decided when it is first asked about.

        One is left out while the blocks of an earlier one are still being written: on a slow disk
        checkpoints are rarer, and what waits for the disk stays bounded.
        """
        with self._lock:
            if checkpoint != self._asked:
                self._asked = checkpoint
                if may_begin and self._begun == self._newest_whole:
                    self._begun = checkpoint
            return checkpoint == self._begun

    def read(self, checkpoint: CheckpointId, part: str) -> tuple[Arrays, msgspec.Raw]:
        """Read a part's block.

        Raises
        ------
        StateError
            The block is missing or damaged.
        """
        path = self._path(checkpoint, part)
        try:
            return decode_block(path.read_bytes(), str(path))
        except OSError as error:
            raise StateError(f"{path} can't be read: {error.strerror}") from error

    def write(
        self, checkpoint: CheckpointId, part: str, arrays: ArraysOrSnapshots, meta: object
    ) -> None:
        """Write a part's block in the background.

        Arrays of snapshots may go on changing as snapshots have it, the others and `meta` not.

        Raises
        ------
        StateError
            An earlier block could not be written (disk full, folder removed, ...).
        """
        self.check()
        with self._lock:
            self._waiting.append(_Block(checkpoint, part, arrays, meta))
        self._failures.append(self._writer.submit(self._store_next))

    def check(self) -> None:
        """Raise `StateError` if a block could not be written."""
        waiting = []
        for future in self._failures:
            if not future.done():
                waiting.append(future)
                continue
            future.result()
        self._failures = waiting

    def close(self) -> None:
        """Wait until everything is on disk.

        Raises
        ------
        StateError
            A block could not be written.
        """
        self._cpu_share = 1.0
        self._writer.shutdown(wait=True)
        self.check()

    def _path(self, checkpoint: CheckpointId, part: str) -> Path:
        return self.folder / str(checkpoint) / (part.replace("/", "-") + _SUFFIX)

    def _store_next(self) -> None:
        """Write a block of the oldest checkpoint: the one whose shard changes most meanwhile."""
        with self._lock:
            choice = self._waiting[:_CHOICE_MAX]
            block = min(choice, key=lambda item: (item.checkpoint, -item.held_bytes))
            self._waiting.remove(block)
        began_ns = elapsed_ns()
        try:
            self._store(block)
        finally:
            for snapshot in block.snapshots:
                snapshot.release()
        spent_s = (elapsed_ns() - began_ns) / 1e9
        self.seconds_written += spent_s
        self._rest(spent_s)

    def _store(self, block: _Block) -> None:
        path = self._path(block.checkpoint, block.part)
        temporary = path.with_suffix(".tmp")
        try:
            self._open_folder(path.parent)
            with temporary.open("wb") as file:
                file.writelines(encode_block(block.arrays, block.meta))
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            sync_folder(path.parent)
            if self._is_whole(path.parent):
                self._remove_older(block.checkpoint)
                with self._lock:
                    self._newest_whole = block.checkpoint
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise StateError(
                f"checkpoint block {path} can't be written: {error.strerror}; "
                "what was written before stays usable"
            ) from error

    def _open_folder(self, folder: Path) -> None:
        """Make a checkpoint's folder, with the names of all parts that make it whole.

        A flow that gains models has more parts than the one that went before it.
        """
        folder.mkdir(exist_ok=True)
        names = folder / _PARTS_FILE
        if not names.exists():
            temporary = names.with_suffix(".tmp")
            try:
                temporary.write_bytes(msgspec.json.encode(sorted(self.parts)))
                temporary.replace(names)
            finally:
                temporary.unlink(missing_ok=True)

    def _rest(self, spent_s: float) -> None:
        """Keep to the share of the processor, so that checkpoints don't slow the stream."""
        rested_s = 0.0
        while rested_s < _REST_MAX_S:
            with self._lock:
                held = sum(block.held_bytes for block in self._waiting)
            share = max(self._cpu_share, held / self._held_max_bytes)
            rest_s = min(spent_s * (1 / share - 1) - rested_s, _REST_MAX_S - rested_s, _LOOK_S)
            if rest_s <= 0:
                return
            sleep(rest_s)
            rested_s += rest_s

    def _whole(self) -> list[CheckpointId]:
        found = []
        for path in self.folder.iterdir():
            checkpoint = CheckpointId.parse(path.name)
            if checkpoint is not None and self._is_whole(path):
                found.append(checkpoint)
        return sorted(found)

    def _is_whole(self, folder: Path) -> bool:
        blocks = {path.name for path in folder.glob("*" + _SUFFIX)}
        names = folder / _PARTS_FILE
        # What was written before such files were has the parts that there are now.
        needed = msgspec.json.decode(names.read_bytes()) if names.exists() else self.parts
        return blocks >= {part.replace("/", "-") + _SUFFIX for part in needed}

    def _remove_older(self, newest: CheckpointId) -> None:
        whole = [checkpoint for checkpoint in self._whole() if checkpoint <= newest]
        if len(whole) <= self.keep:
            return
        oldest_kept = whole[-self.keep]
        for path in list(self.folder.iterdir()):
            checkpoint = CheckpointId.parse(path.name)
            if checkpoint is not None and checkpoint < oldest_kept:
                shutil.rmtree(path, ignore_errors=True)

    def _clear_leftovers(self) -> None:
        for path in self.folder.glob("*/*.tmp"):
            path.unlink(missing_ok=True)
