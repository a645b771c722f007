"""A reference as one file: its grid, its counts and its categories' names, to be taken elsewhere.

The file is a JSON object: ``format``, ``about`` (what the writer says of it), ``names`` (categories
by feature and code) and ``arrays``, each with its NumPy type, shape and bytes in base 64. What is
read back is equal to what was written, bit for bit.
"""

import os
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.codecs.predictions import Kind
from engine.drift.grid import Grid
from engine.drift.summary import Summary
from engine.errors import UsageError

FORMAT = "streamgauge reference 1"

_GRID, _SUMMARY = "grid.", "summary."


class _Array(msgspec.Struct):
    dtype: str
    shape: tuple[int, ...]
    data: str


class _File(msgspec.Struct):
    format: str
    about: dict[str, str]
    names: dict[str, list[str]]
    arrays: dict[str, _Array]


@dataclass(frozen=True, slots=True)
class StoredReference:
    """What a file of `write_reference` holds.

    Attributes
    ----------
    path : Path
    summary : Summary
        With its grid.
    names : dict of str to tuple of str
        Categories by feature and code.
    about : dict of str to str
        Such as ``model``, ``version``, ``segment``.
    """

    path: Path
    summary: Summary
    names: dict[str, tuple[str, ...]]
    about: dict[str, str]

    def check_against(self, kinds: Mapping[str, Kind]) -> None:
        """Check that the file has the features of a model; embeddings have no place in it.

        Raises
        ------
        UsageError
            If features lack, are more, or are of another kind; it names all of them.
        """
        found = {name: grid.kind for name, grid in self.summary.grid.features.items()}
        check_kinds(self.path, found, kinds)


def check_kinds(path: Path, found: Mapping[str, Kind], expected: Mapping[str, Kind]) -> None:
    """Check a file's features against a model's, apart from embeddings.

    Raises
    ------
    UsageError
        If features lack, are more, or are of another kind; it names the file and all of them.
    """
    wanted = {name: kind for name, kind in expected.items() if kind is not Kind.EMBEDDING}
    both = sorted(wanted.keys() & found.keys())
    changed = [
        f"{name} ({found[name]}, not {wanted[name]})"
        for name in both
        if found[name] is not wanted[name]
    ]
    differences = [
        f"{what}: {', '.join(names)}"
        for what, names in (
            ("missing", sorted(wanted.keys() - found.keys())),
            ("not expected", sorted(found.keys() - wanted.keys())),
            ("of another kind", changed),
        )
        if names
    ]
    if differences:
        raise UsageError(f"reference {path}: features differ; {'; '.join(differences)}")


def write_reference(
    path: Path,
    summary: Summary,
    names: Mapping[str, Sequence[str]] | None = None,
    about: Mapping[str, str] | None = None,
) -> None:
    """Write a reference; a file that is there is replaced as a whole.

    Parameters
    ----------
    path : Path
    summary : Summary
    names : mapping of str to sequence of str, optional
        Categories by feature and code.
    about : mapping of str to str, optional
        Such as ``model``, ``version``, ``segment``.
    """
    arrays = {_GRID + name: array for name, array in summary.grid.arrays().items()}
    arrays |= {_SUMMARY + name: array for name, array in summary.arrays().items()}
    content = _File(
        FORMAT,
        dict(about or {}),
        {name: list(known) for name, known in (names or {}).items()},
        {name: _packed(array) for name, array in arrays.items()},
    )
    beside = path.with_name(path.name + ".part")
    with beside.open("wb") as file:
        file.write(msgspec.json.encode(content))
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def read_reference(path: Path) -> StoredReference:
    """Read what `write_reference` has written.

    Raises
    ------
    UsageError
        If the file is missing, empty, or no such reference.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UsageError(f"reference {path} can't be read: {error.strerror}") from error
    if not raw:
        raise UsageError(f"reference {path} is empty")
    try:
        content = msgspec.json.decode(raw, type=_File)
        if content.format != FORMAT:
            raise UsageError(f"reference {path} is {content.format!r}, not {FORMAT!r}")
        arrays = {name: _unpacked(array) for name, array in content.arrays.items()}
        summary = Summary(Grid.of_arrays(_part(arrays, _GRID)))
        summary.restore(_part(arrays, _SUMMARY))
    except (msgspec.DecodeError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"reference {path} is damaged or no reference: {error}") from error
    if not summary.rows:
        raise UsageError(f"reference {path} has no rows")
    names = {name: tuple(known) for name, known in content.names.items()}
    return StoredReference(path, summary, names, content.about)


def _part(arrays: Mapping[str, NDArray[Any]], start: str) -> dict[str, NDArray[Any]]:
    return {
        name.removeprefix(start): array for name, array in arrays.items() if name.startswith(start)
    }


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
