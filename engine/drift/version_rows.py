"""Predictions and labels that wait for their tick, and how they come out: in event-time order."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from engine.codecs.prediction_rows import take_table
from engine.codecs.predictions import Column, Kind, LabelTable, PredictionTable
from engine.drift.content_hash import add_content
from engine.drift.findings import PREDICTION, SCORE
from engine.drift.label_rows import Labels
from engine.drift.vocabulary import Vocabulary

T = TypeVar("T", PredictionTable, LabelTable)

_ODD = np.uint64(0x9E3779B97F4A7C15)

TAG = "tag."
"""Goes before the names of tags, which may be those of features, in a vocabulary."""


@dataclass(frozen=True, slots=True)
class VersionRows:
    """Predictions of one version, ordered by event time, prediction id and content.

    Attributes
    ----------
    version : str
    ts : int64[n]
    key : uint64[n]
        0 without an id.
    prediction : Column or None
        Numeric or categorical.
    score : float64[n]
    tags, features : dict of str to Column
        In the model's codes; those that no row has are left out.
    """

    version: str
    ts: NDArray[np.int64]
    key: NDArray[np.uint64]
    prediction: Column | None
    score: NDArray[np.float64]
    tags: dict[str, Column]
    features: dict[str, Column]

    def __len__(self) -> int:
        return len(self.ts)

    def renamed(self, version: str) -> Self:
        """Give the rows under another version."""
        return replace(self, version=version)

    def content_keys(self) -> NDArray[np.uint64]:
        """Give what tells apart rows of the same values, uint64[n]."""
        return self.key ^ (self.ts.view(np.uint64) * _ODD)

    def taken(self, index: NDArray[np.int64]) -> Self:
        """Give rows by index, ascending."""
        return replace(
            self,
            ts=self.ts[index],
            key=self.key[index],
            prediction=None if self.prediction is None else self.prediction.take(index),
            score=self.score[index],
            tags={name: column.take(index) for name, column in self.tags.items()},
            features={name: column.take(index) for name, column in self.features.items()},
        )

    def columns(self) -> dict[str, Column]:
        """The features, and the model's outputs beside them."""
        found = dict(self.features)
        if self.prediction is not None:
            found[PREDICTION] = self.prediction
        if not np.isnan(self.score).all():
            found[SCORE] = Column(Kind.NUMERIC, self.score)
        return found


@dataclass(frozen=True, slots=True)
class LabelRows:
    """Labels of one evaluator (empty: of the model itself), ordered by time, id and value."""

    evaluator: str
    labels: Labels


class WaitingTables:
    """Tables of one model whose rows are after the last tick.

    Parameters
    ----------
    vocabulary : Vocabulary
    label_delay_ns : int or None
        Labels that come with predictions wait hardly longer than this after them, whatever their
        time is: they are too late then, and none may wait for ever.
    """

    def __init__(self, vocabulary: Vocabulary, label_delay_ns: int | None = None) -> None:
        self._vocabulary = vocabulary
        self._label_delay_ns = label_delay_ns
        # Each in order of time, with the number of rows that were taken.
        self._predictions: list[tuple[PredictionTable, int]] = []
        self._labels: list[tuple[LabelTable, int]] = []

    def __len__(self) -> int:
        waiting = sum(len(table) - begin for table, begin in self._predictions)
        return waiting + sum(len(late) - begin for late, begin in self._labels)

    def add_predictions(self, table: PredictionTable) -> None:
        """Let predictions wait, and the labels that came with them."""
        if not len(table):
            return
        self._predictions.append((_in_time(table), 0))
        if table.label_ts is not None:
            # What came with a prediction was not known before it.
            label_ts = np.maximum(table.label_ts, table.ts)
            if self._label_delay_ns is not None:
                label_ts = np.minimum(label_ts, table.ts + self._label_delay_ns + 1)
            table = replace(table, label_ts=label_ts)
        labels = table.inline_labels()
        if labels is not None:
            self.add_labels(labels)

    def add_labels(self, table: LabelTable) -> None:
        """Let labels wait."""
        if len(table):
            self._labels.append((_in_time(table), 0))

    def first_ns(self) -> int | None:
        """Least event time of what waits."""
        times = [int(table.ts[begin]) for table, begin in self._predictions]
        times += [int(late.ts[begin]) for late, begin in self._labels]
        return min(times, default=None)

    def tables(self) -> tuple[list[PredictionTable], list[LabelTable]]:
        """All that waits."""
        return (
            [_taken(table, np.arange(begin, len(table))) for table, begin in self._predictions],
            [_taken(table, np.arange(begin, len(table))) for table, begin in self._labels],
        )

    def take_through(
        self, until_ns: int, version_of: Callable[[str], str] = str
    ) -> tuple[list[VersionRows], list[LabelRows]]:
        """Give the rows up to a time, by version and by evaluator, in the order of the names.

        Whatever the times, the model's codes are given in the order of event time over all
        versions. `version_of` says what a version is called from here on; it is asked in that
        order, too.
        """
        predictions, self._predictions = _divided(self._predictions, until_ns)
        labels, self._labels = _divided(self._labels, until_ns)
        by_evaluator: dict[str, list[LabelTable]] = {}
        for late in labels:
            by_evaluator.setdefault(late.evaluator, []).append(late)
        rows = self._rows_of(predictions, version_of) if predictions else []
        return rows, [self._labels_of(name, by_evaluator[name]) for name in sorted(by_evaluator)]

    def _rows_of(
        self, tables: list[PredictionTable], version_of: Callable[[str], str]
    ) -> list[VersionRows]:
        names = sorted({table.version for table in tables})
        sizes = [len(table) for table in tables]
        version = np.repeat([names.index(table.version) for table in tables], sizes)
        ts = np.concatenate([table.ts for table in tables])
        key = np.concatenate([table.key for table in tables])
        score = np.concatenate([table.score for table in tables])
        order = _order(ts, key, lambda: (version, _contents(tables)))

        def joined(name: str, columns: list[Column | None]) -> Column | None:
            return self._vocabulary.joined(name, list(zip(sizes, columns, strict=True)), order)

        def all_of(which: str, prefix: str) -> dict[str, Column]:
            held = [getattr(table, which) for table in tables]
            names = sorted({name for columns in held for name in columns})
            found = {name: joined(prefix + name, [c.get(name) for c in held]) for name in names}
            return {name: column for name, column in found.items() if column is not None}

        version = version[order]
        whole = VersionRows(
            "",
            ts[order],
            key[order],
            joined(PREDICTION, [table.prediction for table in tables]),
            score[order],
            all_of("tags", TAG),
            all_of("features", ""),
        )
        found, first = np.unique(version, return_index=True)
        called = {
            int(found[place]): version_of(names[found[place]])
            for place in np.argsort(first).tolist()
        }
        if len(found) == 1:
            return [whole.renamed(called[int(found[0])])]
        of_name: dict[str, list[int]] = {}
        for number, name in called.items():
            of_name.setdefault(name, []).append(number)
        return [
            whole.taken(np.flatnonzero(np.isin(version, of_name[name]))).renamed(name)
            for name in sorted(of_name)
        ]

    def _labels_of(self, evaluator: str, tables: list[LabelTable]) -> LabelRows:
        ts = np.concatenate([table.ts for table in tables])
        key = np.concatenate([table.key for table in tables])
        order = _order(ts, key, lambda: (_label_contents(tables),))
        target = PREDICTION if not evaluator else f"{PREDICTION}.{evaluator}"
        column = self._vocabulary.joined(
            target, [(len(table), table.label) for table in tables], order
        )
        values = np.full(len(ts), np.nan) if column is None else as_floats(column)
        return LabelRows(evaluator, Labels(key[order], ts[order], values))


def as_floats(column: Column) -> NDArray[np.float64]:
    """A target's values, or codes, as float64[n]; NaN for null."""
    if column.kind is Kind.CATEGORICAL or column.kind is Kind.BOOLEAN:
        return np.where(column.values >= 0, column.values, np.nan)
    values: NDArray[np.float64] = column.values
    return values


def _in_time(table: T) -> T:
    """A table in order of time; rows of one time stay in theirs."""
    if (table.ts[1:] >= table.ts[:-1]).all():
        return table
    order = np.argsort(table.ts, kind="stable")
    found = _taken(table, order)
    if isinstance(table, PredictionTable) and isinstance(found, PredictionTable):
        place = np.argsort(order)
        found.features.update(
            (name, _placed(column, place))
            for name, column in table.features.items()
            if column.rows is not None
        )
    return found


def _placed(column: Column, place: NDArray[np.int64]) -> Column:
    """Vectors whose rows have other places now; `Column.take` keeps the order of rows."""
    rows = place[column.rows]
    sorting = np.argsort(rows)
    return Column(column.kind, column.values[sorting], (), rows[sorting])


def _taken(table: T, index: NDArray[np.int64]) -> T:
    found = take_table(table, index)
    assert isinstance(found, type(table))  # noqa: S101 - for the type checker
    return found


def _divided(tables: list[tuple[T, int]], tick_ns: int) -> tuple[list[T], list[tuple[T, int]]]:
    """What is due up to a tick, and what goes on waiting."""
    due, waiting = [], []
    for table, begin in tables:
        end = int(np.searchsorted(table.ts, tick_ns, side="right"))
        if end > begin:
            due.append(_taken(table, np.arange(begin, end)))
        if end < len(table):
            waiting.append((table, max(begin, end)))
    return due, waiting


def _order(
    ts: NDArray[np.int64], key: NDArray[np.uint64], rest: Callable[[], tuple[NDArray[Any], ...]]
) -> NDArray[np.int64]:
    """Rows by time and id, and by the rest, last column first, where those are the same."""
    order = np.lexsort((key, ts))
    same = (ts[order][1:] == ts[order][:-1]) & (key[order][1:] == key[order][:-1])
    if same.any():
        order = np.lexsort((*rest(), key, ts))
    return order


def _contents(tables: list[PredictionTable]) -> NDArray[np.uint64]:
    parts = []
    for table in tables:
        hashes = np.zeros(len(table), np.uint64)
        add_content(hashes, SCORE, Column(Kind.NUMERIC, table.score))
        add_content(hashes, PREDICTION, table.prediction)
        for name, column in table.features.items():
            add_content(hashes, name, column)
        for name, column in table.tags.items():
            add_content(hashes, TAG + name, column)
        parts.append(hashes)
    return np.concatenate(parts)


def _label_contents(tables: list[LabelTable]) -> NDArray[np.uint64]:
    parts = []
    for table in tables:
        hashes = np.zeros(len(table), np.uint64)
        add_content(hashes, PREDICTION, table.label)
        parts.append(hashes)
    return np.concatenate(parts)
