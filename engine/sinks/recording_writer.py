"""Writes what the sources read as a recording: the same rows, in the same order, per partition.

A partition grows as parts, ``<key>.parts/part-000000.parquet`` and on, each written under a
temporary name and renamed, so that a crash leaves what was written before; closing merges them
into ``<key>.parquet``. Both read back as one partition.
"""

import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Self

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from engine.errors import SinkError, UsageError
from engine.series.columns import Columns
from engine.series.identity import Series
from engine.sources.recording_blocks import stale_flags
from engine.sources.recording_files import PART_SUFFIX, PARTS_SUFFIX

TEMPORARY_SUFFIX = ".tmp"
ROWS_BUFFERED_MAX = 1_000_000

ADVANCE = -1
"""Code of a row that is no sample but an advance of the watermark."""


@dataclass(slots=True)
class _Partition:
    """Rows not yet written: series code, ts, value and flags of each batch."""

    parts: int = 0
    flags_needed: bool = False
    codes: list[NDArray[np.int64]] = field(default_factory=list)
    ts: list[NDArray[np.int64]] = field(default_factory=list)
    values: list[NDArray[np.float64]] = field(default_factory=list)
    flags: list[NDArray[np.uint8]] = field(default_factory=list)


class RecordingWriter:
    """Appends samples and watermark advances to the partitions of a recording.

    Use as a context manager; leaving it without an exception merges the parts.

    Parameters
    ----------
    folder : Path
        Made with the first part; must not hold a recording yet.
    rows_buffered_max : int
        Rows held in memory over all partitions before they are written as parts.

    Raises
    ------
    UsageError
        If the folder holds a recording already.
    """

    def __init__(self, folder: Path, *, rows_buffered_max: int = ROWS_BUFFERED_MAX) -> None:
        self._folder = folder
        self._rows_buffered_max = rows_buffered_max
        self._rows_buffered = 0
        self._partitions: dict[str, _Partition] = {}
        self._codes: dict[int, int] = {}
        self._names: list[str] = []
        self._labels: list[str] = []
        self._fingerprints = np.empty(0, np.uint64)  # sorted, with the code of each beside
        self._sorted_codes = np.empty(0, np.int64)
        if any(folder.rglob(f"*{PART_SUFFIX}")):
            raise UsageError(f"{folder}: holds a recording already; choose another folder")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()

    def define(self, series: Iterable[Series]) -> None:
        """Make series known; once for each, before its first sample."""
        for one in series:
            if one.fingerprint not in self._codes:
                self._codes[one.fingerprint] = len(self._names)
                self._names.append(one.name)
                self._labels.append(msgspec.json.encode(dict(one.labels)).decode())

    def append(
        self,
        partition: str,
        columns: Columns,
        *,
        advances: Sequence[tuple[int, int]] = (),
    ) -> None:
        """Append samples of one partition, in the order of its log.

        Parameters
        ----------
        partition : str
            Key: a relative path, ``/`` between its parts, without extension.
        columns : Columns
            The samples; their series must be defined.
        advances : sequence of (int, int)
            Watermark advances: after the first `position` of these samples, to the time in
            nanoseconds; by position.

        Raises
        ------
        KeyError
            If a series is not defined.
        UsageError
            If the key would leave the folder.
        SinkError
            If the disk does not take it.
        """
        codes = self._codes_of(columns.fingerprint)
        state = self._partitions.get(partition) or self._open(partition)
        at = [position for position, _ in advances]
        state.codes.append(np.insert(codes, at, ADVANCE))
        state.ts.append(np.insert(columns.ts, at, [ts for _, ts in advances]))
        state.values.append(np.insert(columns.value, at, 0.0))
        state.flags.append(np.insert(columns.flags, at, 0))
        state.flags_needed |= bool((columns.flags != stale_flags(columns.value)).any())
        self._rows_buffered += max(1, len(columns) + len(advances))
        if self._rows_buffered >= self._rows_buffered_max:
            self.flush()

    def flush(self) -> None:
        """Write what is buffered as parts; afterwards it survives a crash.

        Raises
        ------
        SinkError
            If the disk does not take it.
        """
        for key, state in self._partitions.items():
            if state.codes:
                part = f"part-{state.parts:06d}{PART_SUFFIX}"
                _write(self._rows(state), self._path(key, PARTS_SUFFIX) / part)
                state.parts += 1
                for buffered in (state.codes, state.ts, state.values, state.flags):
                    buffered.clear()
        self._rows_buffered = 0

    def close(self) -> None:
        """Write what is buffered and merge the parts of each partition into its file.

        Raises
        ------
        SinkError
            If the disk does not take it; the parts stay then.
        """
        self.flush()
        for key, state in self._partitions.items():
            folder = self._path(key, PARTS_SUFFIX)
            rows = pl.scan_parquet(sorted(folder.glob(f"*{PART_SUFFIX}")), glob=False)
            # Flags say more than the value's bits only for deltas and resets.
            kept = rows if state.flags_needed else rows.drop("flags")
            _write(kept, self._path(key, PART_SUFFIX))
            shutil.rmtree(folder)
        self._partitions.clear()

    def _open(self, key: str) -> _Partition:
        relative = PurePosixPath(key)
        if not relative.name or relative.is_absolute() or ".." in relative.parts:
            raise UsageError(f"partition {key!r}: not a relative path inside the recording")
        state = self._partitions[key] = _Partition()
        return state

    def _path(self, key: str, suffix: str) -> Path:
        return self._folder / (key + suffix)

    def _codes_of(self, fingerprints: NDArray[np.uint64]) -> NDArray[np.int64]:
        if len(self._fingerprints) != len(self._codes):
            known = np.fromiter(self._codes, np.uint64, len(self._codes))
            order = np.argsort(known)
            self._fingerprints, self._sorted_codes = known[order], order
        at = np.searchsorted(self._fingerprints, fingerprints)
        undefined = at == len(self._fingerprints)
        undefined[~undefined] = self._fingerprints[at[~undefined]] != fingerprints[~undefined]
        if undefined.any():
            raise KeyError(f"series {int(fingerprints[undefined][0]):016x} is not defined")
        return self._sorted_codes[at]

    def _rows(self, state: _Partition) -> pl.LazyFrame:
        codes = np.concatenate(state.codes)
        sample = codes != ADVANCE
        index = pl.Series(codes).to_frame("code").select(pl.col("code").replace(ADVANCE, None))
        return pl.LazyFrame(
            {
                "ts": np.concatenate(state.ts),
                "name": pl.Series(self._names, dtype=pl.String).gather(index["code"]),
                "labels": pl.Series(self._labels, dtype=pl.String).gather(index["code"]),
                "value": np.concatenate(state.values),
                "flags": np.concatenate(state.flags),
                "sample": sample,
            },
            schema_overrides={"ts": pl.Datetime("ns", "UTC")},
        ).select("ts", "name", "labels", pl.when("sample").then("value").alias("value"), "flags")


def _write(rows: pl.LazyFrame, path: Path) -> None:
    """Write a file so that it is there whole or not at all."""
    temporary = path.with_name(path.name + TEMPORARY_SUFFIX)
    try:
        rows.sink_parquet(temporary, compression="zstd", maintain_order=True, mkdir=True)
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise SinkError(f"{path}: can't be written: {error}") from error
