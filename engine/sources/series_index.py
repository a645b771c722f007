"""Series of a recording's rows: each distinct (name, labels text) is looked at once, in Python."""

from collections.abc import Mapping
from typing import Any

import msgspec
import polars as pl

from engine.series.identity import Series

NO_LABELS = ""


def is_labels(dtype: pl.DataType) -> bool:
    """Whether `labels_text` can read a column of this type."""
    if isinstance(dtype, pl.List):
        return isinstance(dtype.inner, pl.Struct)
    texts = (pl.String, pl.Categorical, pl.Enum, pl.Null)
    return isinstance(dtype, pl.Struct) or dtype in texts


def labels_text(column: pl.Series) -> pl.Series:
    """Give a column of labels (JSON text, struct, or map as list of key and value) as JSON text.

    A map's text is a list of its pairs; `SeriesIndex` reads both.
    """
    if column.dtype == pl.String:
        return column.fill_null(NO_LABELS)
    if isinstance(column.dtype, pl.Struct):
        text = column.struct.json_encode()
    elif isinstance(column.dtype, pl.List):
        pairs = column.list.eval(pl.element().struct.json_encode()).list.join(",")
        text = "[" + pairs + "]"
    else:
        text = column.cast(pl.String)
    missing = column.is_null()
    return text.zip_with(~missing, text.clear(len(text))).fill_null(NO_LABELS)


class SeriesIndex:
    """Turns names and labels texts into fingerprints and remembers what it has seen.

    Grows by some bytes for each distinct text, and is as short-lived as one reading of a file.

    Parameters
    ----------
    extra_labels : mapping of str to str
        Added to every series that has no such label.
    """

    def __init__(self, extra_labels: Mapping[str, str]) -> None:
        self._extra_labels = dict(extra_labels)
        self._known = pl.DataFrame(schema={"key": pl.UInt64, "fingerprint": pl.UInt64})
        self._seen: set[int] = set()

    def resolve(self, name: pl.Series, labels: pl.Series) -> tuple[pl.Series, list[Series]]:
        """Look up the series of each row.

        Parameters
        ----------
        name, labels : polars.Series
            Text of equal length, without nulls; labels as `labels_text` makes it.

        Returns
        -------
        fingerprint : polars.Series
            UInt64; null where the labels are no JSON object of strings.
        new_series : list of Series
            Those not given back before, in order of appearance.
        """
        rows = pl.DataFrame({"name": name, "labels": labels}).with_columns(
            # Two 64-bit hashes in one: about as collision-free as the fingerprint itself.
            key=pl.col("name").hash(seed=1) * 0x9E3779B97F4A7C15 + pl.col("labels").hash(seed=2)
        )
        fresh = rows.join(self._known, on="key", how="anti").unique(
            "key", keep="first", maintain_order=True
        )
        new_series = self._learn(fresh) if fresh.height else []
        found = rows.select("key").join(self._known, on="key", how="left", maintain_order="left")
        return found["fingerprint"], new_series

    def _learn(self, fresh: pl.DataFrame) -> list[Series]:
        new_series: list[Series] = []
        fingerprints: list[int | None] = []
        for name, text in zip(fresh["name"].to_list(), fresh["labels"].to_list(), strict=True):
            series = self._series(name, text)
            fingerprints.append(None if series is None else series.fingerprint)
            if series is not None and series.fingerprint not in self._seen:
                self._seen.add(series.fingerprint)
                new_series.append(series)
        learned = fresh.select("key").with_columns(
            pl.Series("fingerprint", fingerprints, dtype=pl.UInt64)
        )
        self._known = pl.concat([self._known, learned])
        return new_series

    def _series(self, name: str, text: str) -> Series | None:
        labels = parse_labels(text)
        if labels is None:
            return None
        return Series.of(name, {**self._extra_labels, **labels})


def parse_labels(text: str) -> dict[str, str] | None:
    """Read JSON labels, an object or a list of key and value; None unless all values are text.

    A null value, as a struct column has for a label that a row lacks, is the same as no label.
    """
    if not text:
        return {}
    try:
        labels: Any = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None
    if isinstance(labels, list):
        try:
            labels = {pair["key"]: pair["value"] for pair in labels}
        except (TypeError, KeyError):
            return None
    if labels is None:
        return {}
    if not isinstance(labels, dict):
        return None
    present = {name: value for name, value in labels.items() if value is not None}
    return present if all(isinstance(v, str) for v in present.values()) else None
