"""Writing files so that a failure has a name and a crash leaves nothing half-written."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import polars as pl

from engine.errors import SinkError

TEMPORARY_SUFFIX = ".tmp"


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn a failure to write `path` into a `SinkError` that names it."""
    try:
        yield
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SinkError(f"{path}: can't be written: {reason}") from error


def write_parquet(rows: pl.LazyFrame, path: Path, *, compression: Literal["lz4", "zstd"]) -> None:
    """Write rows in their order; the file is there whole or not at all, and lasts.

    Raises
    ------
    SinkError
        If the disk does not take it.
    """
    temporary = path.with_name(path.name + TEMPORARY_SUFFIX)
    with writing(path):
        rows.sink_parquet(temporary, compression=compression, maintain_order=True)
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
