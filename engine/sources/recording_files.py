"""Recordings: files and folders of metrics as partitions that are read in file order.

A file is a partition. So is a folder named ``<key>.parts`` with Parquet parts, as a recorder
leaves it when it is killed; beside a finished ``<key>.parquet`` it is left-over and ignored.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from engine.errors import UsageError
from engine.series.identity import Series
from engine.sources.recording_blocks import Block, cut, decode_long, decode_wide
from engine.sources.recording_layout import UNIT_AUTO, Layout, Options, layout_of
from engine.sources.recording_scan import FORMATS, frames, sample
from engine.sources.series_index import SeriesIndex

PARTS_SUFFIX = ".parts"
PART_SUFFIX = ".parquet"
FILE_LABEL = "file"

CHUNK_SAMPLES = 262_144
"""Samples decoded at once: enough to spread the cost of a call, small beside the machine."""


@dataclass(frozen=True, slots=True)
class RecordingPartition:
    """One file of a recording.

    Attributes
    ----------
    key : str
        Path relative to the recording, ``/`` between its parts.
    paths : tuple of Path
        The file, or its parts in order.
    layout : Layout
        What its columns mean.
    labels : mapping of str to str
        Added to every series that has no such label.
    """

    key: str
    paths: tuple[Path, ...]
    layout: Layout
    labels: Mapping[str, str]

    def blocks(self, rows: int, start_row: int = 0) -> Iterator[Block]:
        """Read the samples in file order, never sorted.

        Memory stays within some `CHUNK_SAMPLES` samples whatever the size of the file.

        Parameters
        ----------
        rows : int
            Samples per block, at most; a row of a wide file is never split, however.
        start_row : int
            Row of the file to begin with: the `next_row` of an earlier block.

        Raises
        ------
        SourceError
            If the file turns out damaged on the way.
        """
        width = max(1, len(self.layout.metrics))
        rows_per_block = max(1, rows // width)
        rows_per_chunk = max(1, CHUNK_SAMPLES // width // rows_per_block) * rows_per_block
        series = [Series.of(name, self.labels) for name in self.layout.metrics.values()]
        index = SeriesIndex(self.labels)
        unseen = list(series)
        for frame in frames(
            self.paths, self.layout.columns, start_row=start_row, rows=rows_per_chunk
        ):
            if self.layout.wide:
                chunk = decode_wide(frame, self.layout, series)
                chunk.new_series.extend(unseen)
                unseen = []
            else:
                chunk = decode_long(frame, self.layout, index)
            yield from cut(
                chunk,
                start_row=frame.first_row,
                end_row=frame.first_row + frame.rows.height,
                rows=rows_per_block,
            )


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording of metrics; `partitions` are in the order of their keys."""

    path: Path
    partitions: tuple[RecordingPartition, ...] = field(repr=False)


def open_recording(
    path: str | Path,
    *,
    name: str | None = None,
    labels: Mapping[str, str] | None = None,
    exclude: Sequence[str] = (),
    timestamp_unit: str = UNIT_AUTO,
    keys: Collection[str] | None = None,
) -> Recording:
    """Open a file or folder of Parquet, CSV or JSON Lines files, long or wide.

    Parameters
    ----------
    path : str or Path
        The file or folder.
    name : str or None
        Metric name where the only column of a wide file is ``value``.
    labels : mapping of str to str or None
        Added to every series that has no such label.
    exclude : sequence of str
        Columns to leave out.
    timestamp_unit : str
        Unit of numeric timestamps, ``s``, ``ms``, ``us`` or ``ns``; ``auto`` tells it from the
        magnitude of the first one.
    keys : collection of str, optional
        The partitions to open; all by default.

    Raises
    ------
    UsageError
        If there is nothing to read, or a file can't be a recording of metrics as it stands;
        names the file and says what to do.
    """
    root = Path(path)
    options = Options(
        name=name, labels=labels or {}, exclude=exclude, timestamp_unit=timestamp_unit
    )
    samples = {key: (paths, sample(paths)) for key, paths in partition_files(root, keys).items()}
    columns = {column for _, rows in samples.values() for column in rows.columns}
    unknown = [column for column in exclude if column not in columns]
    if unknown:
        raise UsageError(
            f"{root}: can't exclude {', '.join(unknown)}: the columns are "
            f"{', '.join(sorted(columns))}"
        )
    partitions = []
    for key, (paths, rows) in samples.items():
        layout = layout_of(rows, options, file=str(paths[0]))
        of_file = {FILE_LABEL: str(PurePosixPath(key).with_suffix(""))} if root.is_dir() else {}
        own = {**of_file, **options.labels} if layout.wide else options.labels
        partitions.append(RecordingPartition(key, paths, layout, own))
    return Recording(root, tuple(partitions))


def partition_files(root: Path, keys: Collection[str] | None = None) -> dict[str, tuple[Path, ...]]:
    """Find a recording's partitions: key (path relative to the recording) to file or parts.

    `keys` are the ones to give; all by default.

    Raises
    ------
    UsageError
        If there are none.
    """
    if root.is_file():
        return {root.name: (root,)}
    if not root.is_dir():
        raise UsageError(f"{root}: no such file or folder")
    found: dict[str, tuple[Path, ...]] = {}
    if root.suffix == PARTS_SUFFIX and (parts := _parts(root)):
        return {root.name: parts}
    for path in root.rglob("*"):
        relative = path.relative_to(root)
        if any(name.startswith(".") for name in relative.parts):
            continue
        if path.is_dir() and path.suffix == PARTS_SUFFIX:
            if not path.with_suffix(PART_SUFFIX).exists() and (parts := _parts(path)):
                found[relative.as_posix()] = parts
        elif path.is_file() and path.suffix.lower() in FORMATS and not _in_parts(relative):
            found[relative.as_posix()] = (path,)
    if not found:
        raise UsageError(f"{root}: holds no recording (no file ending in {', '.join(FORMATS)})")
    return {key: found[key] for key in sorted(found) if keys is None or key in keys}


def _parts(folder: Path) -> tuple[Path, ...]:
    return tuple(sorted(folder.glob(f"*{PART_SUFFIX}")))


def _in_parts(relative: Path) -> bool:
    return any(parent.suffix == PARTS_SUFFIX for parent in relative.parents)
