"""Golden PromQL cases as plain Python, and the comparison with them; the format is in README.md.

It needs neither Prometheus nor the generator: a golden file holds the samples and the answers.
"""

import gzip
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

FOLDER = Path(__file__).resolve().parent / "golden"
FORMAT = 1
TOLERANCE = 1e-9
VAST = 1e15
_SPECIAL = {"NaN": math.nan, "+Inf": math.inf, "-Inf": -math.inf, "stale": math.nan}

Labels = dict[str, str]
Input = tuple[Labels, NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]
Output = tuple[Labels, NDArray[np.int64], NDArray[np.float64]]


@dataclass(frozen=True)
class GoldenCase:
    """One expression on given series, and what Prometheus answered.

    Attributes
    ----------
    series : list of (dict, int64[n], float64[n], bool[n])
        Labels with ``__name__``, timestamps in ms, values, and which samples are stale markers
        (their value is NaN here). Cases of one data set share this list.
    expression : str
        PromQL.
    start_ms, end_ms, step_ms : int
        First tick, last tick and spacing of ticks, ms; the last tick is the range's end.
    kind : str
        ``vector`` or ``scalar``.
    result : str or list of (dict, int64[n], float64[n])
        The error's text; or of each series its labels, ticks in ms and values. A scalar is one
        series without labels.
    failing_ms : tuple of int
        Where the result is an error: ticks at which the expression alone fails, ms. At the others
        Prometheus gives an answer, which isn't recorded.
    """

    series: list[Input] = field(repr=False)
    expression: str
    start_ms: int
    end_ms: int
    step_ms: int
    kind: Literal["vector", "scalar"]
    result: str | list[Output] = field(repr=False)
    failing_ms: tuple[int, ...] = ()

    @property
    def ticks_ms(self) -> NDArray[np.int64]:
        """All ticks, int64, ms."""
        return np.arange(self.start_ms, self.end_ms + 1, self.step_ms, dtype=np.int64)

    @property
    def scale(self) -> float:
        """Largest usual magnitude among the series that the expression names, else among all.

        It bounds what a difference of nearly equal inputs may lose. Magnitudes that are there to
        make sums lose and overflow don't count: they would allow anything.
        """
        words = set(re.findall(r"\w+", self.expression))
        named = [values for labels, _, values, _ in self.series if labels["__name__"] in words]
        chosen = named or [values for _, _, values, _ in self.series]
        magnitude = np.concatenate([np.abs(values) for values in chosen])
        return float(magnitude[magnitude < VAST].max(initial=0.0))


def golden_files(folder: Path = FOLDER) -> list[Path]:
    """Give the golden files, in order."""
    return sorted(folder.glob("*.jsonl.gz"))


def read_header(path: Path) -> dict[str, Any]:
    """Read how a file came about: format, Prometheus' version, flags, seeds."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        header: dict[str, Any] = json.loads(next(lines))
    if header["format"] != FORMAT:
        raise ValueError(f"{path}: format {header['format']}, expected {FORMAT}")
    return header


def read_golden(path: Path) -> Iterator[GoldenCase]:
    """Read the cases of one file, in order."""
    read_header(path)
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        next(lines)
        series: list[Input] = []
        for line in lines:
            entry = json.loads(line)
            if "series" in entry:
                series = [_input(one) for one in entry["series"]]
            else:
                yield _case(entry, series)


def read_all(folder: Path = FOLDER) -> Iterator[GoldenCase]:
    """Read the cases of all files."""
    for path in golden_files(folder):
        yield from read_golden(path)


def _number(text: float | str) -> float:
    return _SPECIAL[text] if isinstance(text, str) else float(text)


def _input(entry: dict[str, Any]) -> Input:
    values = entry["values"]
    return (
        entry["labels"],
        np.cumsum(np.array(entry["ts"], dtype=np.int64)),
        np.array([_number(value) for value in values], dtype=np.float64),
        np.array([value == "stale" for value in values], dtype=np.bool_),
    )


def _case(entry: dict[str, Any], series: list[Input]) -> GoldenCase:
    start, end, step = entry["ticks"]
    result: str | list[Output]
    if "error" in entry:
        result = entry["error"]
    else:
        result = [_output(one, start, step) for one in entry["result"]]
    failing = tuple(start + step * index for index in entry.get("failing", ()))
    return GoldenCase(series, entry["expr"], start, end, step, entry["kind"], result, failing)


def _output(entry: dict[str, Any], start_ms: int, step_ms: int) -> Output:
    there = [k for k, value in enumerate(entry["values"]) if value is not None]
    return (
        entry["labels"],
        start_ms + step_ms * np.array(there, dtype=np.int64),
        np.array([_number(entry["values"][k]) for k in there], dtype=np.float64),
    )


def same(result: str | list[Output], expected: str | list[Output], scale: float) -> bool:
    """Whether a result is the expected one; `difference` says what isn't."""
    return difference(result, expected, scale) is None


def difference(
    result: str | list[Output], expected: str | list[Output], scale: float
) -> str | None:
    """Tell the first difference between two results, None if there is none.

    Two errors are the same whatever their text. Otherwise the sets of labels must be equal, their
    ticks too, and values as `close` says. Order of series doesn't matter, labels with an empty
    value don't either.

    Parameters
    ----------
    result, expected : str or list of (dict, int64[n], float64[n])
        As `GoldenCase.result`.
    scale : float
        Magnitude of the input, as `GoldenCase.scale`.
    """
    if isinstance(result, str) or isinstance(expected, str):
        if isinstance(result, str) and isinstance(expected, str):
            return None
        return f"got {_brief(result)}, expected {_brief(expected)}"
    got, wanted = _by_labels(result), _by_labels(expected)
    if len(got) != sum(len(ts_ms) > 0 for _, ts_ms, _ in result):
        return "series with equal labels in the result"
    if got.keys() != wanted.keys():
        missing = [dict(key) for key in wanted.keys() - got.keys()]
        surplus = [dict(key) for key in got.keys() - wanted.keys()]
        return f"missing series {missing}, not expected {surplus}"
    for key, (ts_ms, values) in wanted.items():
        got_ts_ms, got_values = got[key]
        if not np.array_equal(got_ts_ms, ts_ms):
            return f"{dict(key)}: ticks {got_ts_ms.tolist()}, expected {ts_ms.tolist()}"
        if not close(got_values, values, scale).all():
            return f"{dict(key)}: values {got_values.tolist()}, expected {values.tolist()}"
    return None


def close(
    values: NDArray[np.float64], expected: NDArray[np.float64], scale: float
) -> NDArray[np.bool_]:
    """Whether ``|a - b| <= 1e-9 max(|a|, |b|, scale)``; NaN equals NaN, an infinity itself.

    Parameters
    ----------
    values, expected : float64[n]
        Values to compare.
    scale : float
        Magnitude of the input.
    """
    finite = np.isfinite(values) & np.isfinite(expected)
    a, b = np.where(finite, values, 0.0), np.where(finite, expected, 0.0)
    allowed = TOLERANCE * np.maximum(np.maximum(np.abs(a), np.abs(b)), scale)
    with np.errstate(over="ignore"):
        near = finite & (np.abs(a - b) <= allowed)
    return near | (values == expected) | (np.isnan(values) & np.isnan(expected))


def _by_labels(
    result: list[Output],
) -> dict[frozenset[tuple[str, str]], tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Give results by label set; series without any tick aren't there."""
    return {
        frozenset((name, value) for name, value in labels.items() if value): (ts_ms, values)
        for labels, ts_ms, values in result
        if len(ts_ms)
    }


def _brief(result: str | list[Output]) -> str:
    return f"error {result!r}" if isinstance(result, str) else f"{len(result)} series"
