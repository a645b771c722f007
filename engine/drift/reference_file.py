"""A reference as one file: its grid, its counts and its categories' names, to be taken elsewhere.

The file is a JSON object: ``format``, ``about`` (what the writer says of it), ``names`` (categories
by feature and code), ``segments`` (their names), ``labelled_rows``, ``arrays``, each with its NumPy
type, shape and bytes in base 64, and a ``checksum`` of all that is counted. What is read back is
equal to what was written, bit for bit.
"""

import os
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.codecs.predictions import Kind
from engine.drift.cbpe import Cbpe
from engine.drift.grid import Grid
from engine.drift.multivariate import Multivariate
from engine.drift.panes import Arrays, part
from engine.drift.row_sample import RowSample
from engine.drift.summary import Summary
from engine.drift.together import SAMPLE_ROWS
from engine.errors import UsageError

FORMAT = "streamgauge reference 1"

REFERENCE_SUFFIX = ".json"
"""Of such files, in the configuration and on disk."""

_GRID, _SEGMENT, _MULTIVARIATE, _SAMPLE, _ESTIMATOR = (
    *("grid", "segment", "multivariate", "sample"),
    "estimator",
)


class _Array(msgspec.Struct):
    dtype: str
    shape: tuple[int, ...]
    data: str


class _Head(msgspec.Struct):
    format: str


class _File(msgspec.Struct):
    format: str
    about: dict[str, str]
    names: dict[str, list[str]]
    segments: list[str]
    labelled_rows: int
    arrays: dict[str, _Array]
    checksum: str = ""

    def sum(self) -> str:
        """Give the checksum of what is counted: SHA-256, hexadecimal."""
        held = (self.names, self.segments, self.labelled_rows, self.arrays)
        return sha256(msgspec.json.encode(held)).hexdigest()


@dataclass(frozen=True, slots=True, eq=False)
class StoredReference:
    """What a file of `write_reference` holds.

    Attributes
    ----------
    grid : Grid
    segments : dict of str to Summary
        By name of the segment, on the grid.
    names : dict of str to tuple of str
        Categories by feature and code.
    about : dict of str to str
        Such as ``model``, ``version``, ``rows``.
    multivariate : Multivariate or None
        What compares all features together, and embeddings.
    sample : RowSample
        Some rows, for reports.
    estimator : Cbpe or None
        Estimates quality without labels.
    labelled_rows : int
        Rows that the estimator was learned from.
    """

    grid: Grid
    segments: dict[str, Summary]
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    about: dict[str, str] = field(default_factory=dict)
    multivariate: Multivariate | None = None
    sample: RowSample = field(default_factory=lambda: RowSample(SAMPLE_ROWS))
    estimator: Cbpe | None = None
    labelled_rows: int = 0

    @property
    def rows(self) -> int:
        """Rows of all segments."""
        return sum(summary.rows for summary in self.segments.values())

    @property
    def kinds(self) -> dict[str, Kind]:
        """Kinds of all features, and of the model's outputs."""
        found = {name: grid.kind for name, grid in self.grid.features.items()}
        vectors = self.multivariate.embeddings if self.multivariate is not None else ()
        return found | dict.fromkeys(vectors, Kind.EMBEDDING)

    def arrays(self) -> Arrays:
        """Give all arrays, by place."""
        parts: dict[str, Mapping[str, NDArray[Any]]] = {_GRID: self.grid.arrays()}
        for number, summary in enumerate(self.segments.values()):
            parts[f"{_SEGMENT}|{number}"] = summary.arrays()
        if self.multivariate is not None:
            parts[_MULTIVARIATE] = self.multivariate.arrays()
        parts[_SAMPLE] = self.sample.arrays()
        if self.estimator is not None:
            parts[_ESTIMATOR] = self.estimator.arrays()
        return {
            f"{place}|{name}": array for place, own in parts.items() for name, array in own.items()
        }


def write_reference(path: Path, reference: StoredReference) -> None:
    """Write a reference; a file that is there is replaced as a whole."""
    content = _File(
        FORMAT,
        reference.about,
        {name: list(known) for name, known in reference.names.items()},
        list(reference.segments),
        reference.labelled_rows,
        {name: _packed(array) for name, array in reference.arrays().items()},
    )
    content.checksum = content.sum()
    beside = path.with_name(path.name + ".part")
    try:
        with beside.open("wb") as file:
            file.write(msgspec.json.encode(content))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise UsageError(f"{path} can't be written: {error.strerror}") from error


def read_reference(path: Path) -> StoredReference:
    """Read what `write_reference` has written.

    Raises
    ------
    UsageError
        If the file is missing, empty, or no such reference.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        raise UsageError(
            f"reference {path} is missing; `streamgauge reference` writes it"
        ) from error
    except OSError as error:
        raise UsageError(f"reference {path} can't be read: {error.strerror}") from error
    if not raw:
        raise UsageError(f"reference {path} is empty")
    try:
        form = msgspec.json.decode(raw, type=_Head).format
        if form != FORMAT:
            raise UsageError(f"reference {path} is {form!r}, not {FORMAT!r}")
        content = msgspec.json.decode(raw, type=_File)
        if content.checksum != content.sum():
            raise ValueError("its checksum differs")  # noqa: TRY301 - told as all damage
        reference = _reference_of(content)
    except (msgspec.DecodeError, ValueError, LookupError, TypeError) as error:
        raise UsageError(f"reference {path} is damaged or no reference: {error}") from error
    if not reference.rows:
        raise UsageError(f"reference {path} has no rows")
    return reference


def _reference_of(content: _File) -> StoredReference:
    """Put a reference together from what its file holds."""
    arrays = {name: _unpacked(array) for name, array in content.arrays.items()}
    grid = Grid.of_arrays(part(arrays, _GRID))
    segments = {}
    for number, name in enumerate(content.segments):
        segments[name] = summary = Summary(grid)
        summary.restore(part(arrays, f"{_SEGMENT}|{number}"))
    names = {name: tuple(known) for name, known in content.names.items()}
    for name, one in grid.features.items():
        if one.kind is Kind.CATEGORICAL and len(names.get(name, ())) != one.known:
            raise ValueError(f"{name} has {one.known} categories, and names of others")
    multivariate, estimator = part(arrays, _MULTIVARIATE), part(arrays, _ESTIMATOR)
    sample = RowSample(SAMPLE_ROWS)
    sample.restore(part(arrays, _SAMPLE))
    return StoredReference(
        grid,
        segments,
        names,
        content.about,
        Multivariate.of_arrays(multivariate) if multivariate else None,
        sample,
        Cbpe.of_arrays(estimator) if estimator else None,
        content.labelled_rows,
    )


def _packed(array: NDArray[Any]) -> _Array:
    # Little-endian whatever the machine, so that files travel.
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return _Array(little.dtype.str, array.shape, b64encode(little.tobytes()).decode())


def _unpacked(packed: _Array) -> NDArray[Any]:
    dtype = np.dtype(packed.dtype)
    if dtype.hasobject:
        raise ValueError("arrays of objects aren't read")
    data = b64decode(packed.data, validate=True)  # its error is a ValueError
    array: NDArray[Any] = np.frombuffer(data, dtype).reshape(packed.shape)
    return array.astype(dtype.newbyteorder("="))
