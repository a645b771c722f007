"""Files of feedback as partitions: JSON Lines, CSV and Parquet with the fields of a record.

A verdict without a time of its own takes effect right after the judged sample. A file is read
whole and played by time, so it may be sorted by series, and it promises what it knows: nothing
before its next verdict. So it never holds the other sources back.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl

from engine.codecs.feedback import FeedbackCodec
from engine.codecs.samples import RejectedError, Sample, columns_of
from engine.codecs.verdicts import UNIT_NS, packed, unpacked
from engine.config.durations import MINUTE_NS
from engine.errors import UsageError
from engine.series.columns import Reject
from engine.series.identity import Series
from engine.sources.recording_blocks import Block
from engine.sources.recording_files import partition_files
from engine.sources.recording_scan import format_of
from engine.sources.timestamps import PLAIN_FROM_S, PLAIN_TO_S, UNITS_NS

FIELDS = ("ts", "series", "verdict")
"""What every record has."""

_TIMES = ("ts", "at")
_NUMBER = re.compile(r"\s*-?\d+(\.\d+)?\s*")
_BARE_MOMENT = re.compile(r"\s*(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d(?:\.\d+)?)?)?\s*")
_decode_line = msgspec.json.Decoder(float_hook=Decimal).decode


@dataclass(frozen=True, slots=True)
class FeedbackFile:
    """One file of feedback, as `RecordingPartition` is one of samples.

    Attributes
    ----------
    key : str
        Path relative to the folder of files.
    paths : tuple of Path
        The file, or its parts in order.
    unit : str
        Of timestamps that are numbers: ``s``, ``ms``, ``us``, ``ns``, or ``auto``, by their size.
    """

    key: str
    paths: tuple[Path, ...]
    unit: str
    codec: FeedbackCodec

    def blocks(self, rows: int, start_row: int = 0) -> Iterator[Block]:
        """Give the verdicts in the order in which they take effect.

        Parameters
        ----------
        rows : int
            Of a block, at most; one ends before a pause of a minute, too.
        start_row : int
            Where to begin: the `next_row` of an earlier block.

        Raises
        ------
        UsageError
            The file can't be read.
        """
        samples: list[tuple[int, Sample]] = []
        rejects: list[Reject] = []
        for number, record in enumerate(self._records()):
            try:
                if isinstance(record, RejectedError):
                    raise record
                samples.append((number, self.codec.row(_as_message(record, self.unit))))
            except RejectedError as error:
                shown = record if isinstance(record, Mapping) else {}
                row = msgspec.json.encode(shown, enc_hook=str)
                rejects.append(error.reject(number, row))
        dated = _dated(samples)
        if start_row == 0:
            yield _block([], 0, rejects, None if not dated else dated[0][1].ts - 1)
        first = start_row
        while first < len(dated):
            last = first + 1
            while (
                last < len(dated)
                and last - first < rows
                and dated[last][1].ts - dated[first][1].ts < MINUTE_NS
            ):
                last += 1
            then = dated[last][1].ts - 1 if last < len(dated) else None
            yield _block(dated[first:last], last, [], then)
            first = last

    def _records(self) -> Iterator[Mapping[str, Any] | RejectedError]:
        for path in self.paths:
            if format_of(path) == "jsonl":
                yield from _lines(path)
            else:
                yield from _table(path).iter_rows(named=True)


def open_feedback(path: Path, *, unit: str, codec: FeedbackCodec) -> list[FeedbackFile]:
    """Find the files of feedback at a path.

    Raises
    ------
    UsageError
        There are none, or one can't hold feedback.
    """
    files = [FeedbackFile(key, paths, unit, codec) for key, paths in partition_files(path).items()]
    for file in files:
        first = file.paths[0]
        if format_of(first) != "jsonl":
            missing = [field for field in FIELDS if field not in _table(first).columns]
            if missing:
                raise UsageError(
                    f"{first}: no column {' or '.join(missing)}; feedback has {', '.join(FIELDS)}"
                )
    return files


def _lines(path: Path) -> Iterator[Mapping[str, Any] | RejectedError]:
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise UsageError(f"{path}: can't be read: {error.strerror}") from error
    for line in lines:
        if not line.strip():
            continue
        try:
            record = _decode_line(line)
        except (msgspec.DecodeError, RecursionError) as error:
            yield RejectedError("decode_error", str(error))
            continue
        is_object = isinstance(record, dict)
        yield record if is_object else RejectedError("schema_error", "the line is no object")


def _table(path: Path) -> pl.DataFrame:
    try:
        if format_of(path) == "parquet":
            return pl.read_parquet(path)
        return pl.read_csv(path, infer_schema=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise UsageError(f"{path}: can't be read: {error}") from error


def _as_message(record: Mapping[str, Any], unit: str) -> dict[str, Any]:
    """Write a record's times as messages have them; a field that is empty is not there."""
    fields = {name: value for name, value in record.items() if value not in (None, "")}
    for name in _TIMES:
        if name in fields:
            fields[name] = _moment(fields[name], unit)
    return fields


def _moment(given: Any, unit: str) -> Any:
    """Give epoch milliseconds or RFC 3339 for what a file may hold; else what was given."""
    if isinstance(given, datetime):
        utc = given.isoformat()
        return utc if given.tzinfo is not None else f"{utc}Z"
    if isinstance(given, date):
        return f"{given.isoformat()}T00:00:00Z"
    if isinstance(given, str) and _NUMBER.fullmatch(given):
        given = Decimal(given.strip())
    if isinstance(given, int | float | Decimal):
        number = Decimal(given)
        return number * UNITS_NS[_unit_of(number) if unit == "auto" else unit] / 1_000_000
    bare = _BARE_MOMENT.fullmatch(given) if isinstance(given, str) else None
    if bare is not None:
        return f"{bare[1]}T{bare[2] or '00:00'}{bare[3] or ':00'}Z"
    return given


def _unit_of(number: Decimal) -> str:
    """Tell the unit of a moment from its size; milliseconds where it says nothing."""
    for unit, factor_ns in UNITS_NS.items():
        per_second = UNITS_NS["s"] // factor_ns
        if PLAIN_FROM_S * per_second <= number <= PLAIN_TO_S * per_second:
            return unit
    return "ms"


def _dated(samples: list[tuple[int, Sample]]) -> list[tuple[int, Sample]]:
    """Sort by the time of effect; of those with the same time one follows the other."""
    dated = []
    after = -1
    for number, sample in sorted(samples, key=lambda item: item[1].ts):
        verdict, detector, judged = unpacked(np.array([sample.value]), np.array([sample.ts]))
        after = max(sample.ts, after + UNIT_NS)
        value = packed(verdict, detector, judged, np.array([after]))
        dated.append((number, sample._replace(ts=after, value=float(value[0]))))
    return dated


def _block(
    dated: list[tuple[int, Sample]], next_row: int, rejects: list[Reject], then: int | None
) -> Block:
    """A block of verdicts; nothing follows at or below the time `then`."""
    samples = [sample for _, sample in dated]
    named: dict[int, Series] = {item.series.fingerprint: item.series for item in samples}
    return Block(
        columns=columns_of(samples),
        row=np.array([number for number, _ in dated], np.int64),
        next_row=next_row,
        new_series=list(named.values()),
        rejects=rejects,
        advances=[] if then is None else [(len(samples), then)],
    )
