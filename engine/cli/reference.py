"""``streamgauge reference``: a model's reference as a file, to be taken elsewhere."""

import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from engine.cli.console import Console, count_text
from engine.config.load import load_config
from engine.config.models import ModelConfig
from engine.config.schema import StateConfig
from engine.drift.reference_file import REFERENCE_SUFFIX, StoredReference, write_reference
from engine.errors import UsageError
from engine.pipeline.stored_reference import learned_reference, stored_reference

_STATE = Path(StateConfig().dir)


def reference_command(
    model: str,
    *,
    out: Path,
    version: str | None = None,
    folder: Annotated[Path, Parameter(name="--from")] = _STATE,
    rows: Path | None = None,
    config: Path | None = None,
    json: bool = False,
) -> None:
    """Write a model's reference as a file, for `reference` in another configuration.

    The file holds counts in bins, the names of categories, and some rows for reports. The state of
    a run is only read; the run may go on meanwhile.

    Parameters
    ----------
    model
        The model's name.
    out
        The file to write, FILE.json.
    version
        The model's version, where there are several.
    folder
        Folder of a run's state.
    rows
        Learn it from these rows instead: a Parquet, CSV or JSON Lines file.
    config
        Segments, kinds of features and methods, for `--rows`.
    json
        Print what the file says of itself as JSON.
    """
    if out.suffix != REFERENCE_SUFFIX:
        raise UsageError(f"--out must end in {REFERENCE_SUFFIX}, not {out.name!r}")
    if rows is None:
        if config is not None:
            raise UsageError("--config is for --rows; --from has it all")
        found = stored_reference(folder, model, version)
    else:
        settings = ModelConfig(model=model)
        if config is not None:
            settings = load_config(config, environment=os.environ).model(model)
        found = learned_reference(rows, settings, version)
    write_reference(out, found)
    console = Console(json=json)
    if json:
        console.print_json(found.about)
        return
    console.line(f"{_shown(found)}; it is in {out}")


def _shown(reference: StoredReference) -> str:
    """Say in a line what is in a reference."""
    about = reference.about
    version = f", version {about['version']}" if about["version"] else ""
    return (
        f"reference of {about['model']}{version}: {count_text(reference.rows, 'row')}, "
        f"{count_text(len(reference.kinds), 'column')}, "
        f"{count_text(len(reference.segments), 'segment')}"
    )
