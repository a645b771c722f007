"""References to be taken elsewhere: out of a run's state folder, or learned from a file of rows.

A state folder is only read, and not locked: a run may go on using it meanwhile.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from engine.config.models import ModelConfig
from engine.config.scalars import ReferencePlace
from engine.drift.frozen_reference import reference_of_state, reference_of_windows
from engine.drift.model_monitor import CATEGORIES_MAX
from engine.drift.model_reference import ModelReference, reference_of
from engine.drift.model_segments import Segments
from engine.drift.panes import Arrays, part
from engine.drift.reference_file import StoredReference
from engine.drift.version_windows import VersionWindows
from engine.drift.vocabulary import Vocabulary
from engine.drift.window_comparison import Comparison
from engine.errors import StateError, UsageError
from engine.events.forms import rfc3339
from engine.pipeline.flow import part_names
from engine.series.blocks import CheckpointId, decode_block

_PARTS_FILE = "parts.json"
_TRIES = 3
"""A run that goes on may remove a checkpoint while it is read; then there is a newer one."""


def stored_reference(folder: Path, model: str, version: str | None) -> StoredReference:
    """Take a model's reference out of a state folder.

    Parameters
    ----------
    folder : Path
    model : str
    version : str or None
        None: the only one.

    Raises
    ------
    StateError
        The folder has no whole checkpoint, or it can't be read.
    UsageError
        There is no such model or version, or it has no reference that stays as it is.
    """
    for left in reversed(range(_TRIES)):
        try:
            return _read(_newest_whole(folder), model, version)
        except FileNotFoundError as error:
            if not left:
                raise StateError(f"{error.filename} can't be read: {error.strerror}") from error
        except OSError as error:
            raise StateError(f"{error.filename} can't be read: {error.strerror}") from error
    raise AssertionError


def learned_reference(path: Path, config: ModelConfig, version: str | None) -> StoredReference:
    """Learn a model's reference from a file of rows, as a run with this configuration would.

    Raises
    ------
    UsageError
        The file is missing, empty or of another form, or has no rows of the version.
    """
    config = _counting(config, path)
    rows = reference_of(path, config)
    if not isinstance(rows, ModelReference):
        raise UsageError(f"{path} is such a reference already")
    vocabulary = Vocabulary(CATEGORIES_MAX)
    segments = Segments(config.segments, config.segments_max)
    comparison = Comparison(config, vocabulary.names)
    windows = VersionWindows(config, version or "", comparison, segments)
    rows.begin(windows, segments, vocabulary)
    arrays: Arrays = {}
    plain = windows.state(arrays, "windows")
    if plain["reference"] is None:
        missing = "without a version; name one with --version"
        if version is not None:
            missing = f"of version {version!r}"
        raise UsageError(f"{path} has no rows {missing}")
    places = [name for _, name in segments.places]
    found = reference_of_windows(plain, part(arrays, "windows"), places, vocabulary.state())
    about = {"model": config.model, "version": version or "", "rows": str(found.rows)}
    return replace(found, about=about, estimator=rows.estimator, labelled_rows=rows.labelled_rows)


def _counting(config: ModelConfig, path: Path) -> ModelConfig:
    """Let rows be counted, whatever the configuration does with them."""
    place = ReferencePlace("file", path=str(path))
    return msgspec.structs.replace(config, mode="sketch", reference=place)


def _newest_whole(folder: Path) -> Path:
    """Find the newest checkpoint all of whose blocks are there."""
    found = []
    checkpoints = folder / "checkpoints"
    for path in checkpoints.iterdir() if checkpoints.is_dir() else ():
        checkpoint = CheckpointId.parse(path.name)
        if checkpoint is not None and _is_whole(path):
            found.append((checkpoint, path))
    if not found:
        raise StateError(
            f"{folder} has no whole checkpoint; name the state folder of a run with --from, or a "
            "file of rows with --rows"
        )
    return max(found)[1]


def _is_whole(folder: Path) -> bool:
    try:
        return all(_block_of(folder, name).exists() for name in _parts_of(folder))
    except FileNotFoundError:
        return False


def _parts_of(folder: Path) -> list[str]:
    return msgspec.json.decode((folder / _PARTS_FILE).read_bytes(), type=list[str])


def _block_of(folder: Path, name: str) -> Path:
    return folder / f"{name}.block"


def _read(checkpoint: Path, model: str, version: str | None) -> StoredReference:
    known = []
    for arrays, models in _model_blocks(checkpoint):
        known += list(models)
        if model in models:
            plain = models[model]
            own = part(arrays, str(list(models).index(model)))
            version = _only_version(model, list(plain["versions"]), version)
            try:
                found = reference_of_state(plain, own, version)
            except UsageError as error:
                raise UsageError(f"model {model!r}, version {version!r}: {error}") from error
            about = {"model": model, "version": version, "rows": str(found.rows)}
            if plain["tick_ns"] is not None:
                about["as_of"] = rfc3339(plain["tick_ns"])
            return replace(found, about=about)
    there = f"there are {', '.join(map(repr, sorted(known)))}" if known else "there are none"
    raise UsageError(f"the state has no model {model!r}; {there}")


def _model_blocks(checkpoint: Path) -> Iterator[tuple[Arrays, dict[str, Any]]]:
    """Yield arrays and plain values of the models of each model shard."""
    of_models = part_names(1, with_models=True) - part_names(1)
    for name in sorted(of_models.intersection(_parts_of(checkpoint))):
        path = _block_of(checkpoint, name)
        arrays, meta = decode_block(path.read_bytes(), str(path))
        yield arrays, msgspec.msgpack.decode(meta, strict=False)["models"]


def _only_version(model: str, versions: list[str], version: str | None) -> str:
    if version is not None:
        return version
    if len(versions) != 1:
        there = f"has versions {', '.join(map(repr, versions))}" if versions else "has no versions"
        raise UsageError(f"model {model!r} {there}; name one with --version")
    return versions[0]
