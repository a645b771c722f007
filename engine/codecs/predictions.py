"""Prediction streams as columns: what every format of predictions and labels is decoded to.

A codec reads its messages into `PredictionRow` and `LabelRow`; `prediction_columns` makes one table
per (model, version) of them, with the kinds of features that `prediction_schema` has learned.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b
from typing import Any, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.codecs.samples import Limits
from engine.series.columns import Reject

OTHER = "(other)"
"""Stands for all categories beyond `PredictionLimits.categories`."""


class Kind(StrEnum):
    """What a feature is."""

    NUMERIC = "numeric"
    BOOLEAN = "boolean"
    CATEGORICAL = "categorical"
    TEXT = "text"
    EMBEDDING = "embedding"


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionLimits:
    """What a prediction stream may hold at most, and when a string is text.

    A string feature is categorical until a value is longer than `category_characters`, or until
    more than `text_distinct` distinct values longer than `text_characters` have been met; then it
    is text for good, and only the lengths of its values are kept.

    Attributes
    ----------
    message : Limits
        Of the message's bytes; `max_label_bytes` also bounds ids and all names.
    models : int
        Rows of further models are rejected as ``limit``.
    features : int
        A row with more features is rejected as ``limit``; so are the values of a model's further
        features.
    tags : int
        The same for tags.
    categories : int
        Of each feature; further ones have the code of `OTHER`.
    dimensions : int
        Of embedding vectors; longer ones are refused as ``limit``.
    category_characters, text_characters, text_distinct : int
    refused_values : int
        Values of one batch that become dead letters; all are counted.
    waiting : int
        Requests and responses that may wait for each other.
    waiting_bytes : int
        What they may hold together, in bytes of their messages.
    """

    message: Limits = field(default_factory=Limits)
    models: int = 1000
    features: int = 2000
    tags: int = 32
    categories: int = 1000
    dimensions: int = 8192
    category_characters: int = 256
    text_characters: int = 32
    text_distinct: int = 64
    refused_values: int = 1000
    waiting: int = 10_000
    waiting_bytes: int = 67_108_864


class PredictionRow(msgspec.Struct, gc=False):
    """One prediction as its message has it; `ts` and `label_ts` in nanoseconds since the epoch."""

    message: int
    ts: int
    model: str
    version: str
    id: str
    features: dict[str, Any]
    prediction: Any = None
    score: Any = None
    label: Any = None
    label_ts: int | None = None
    tags: dict[str, Any] | None = None


class LabelRow(msgspec.Struct, gc=False):
    """One late label as its message has it; `ts` in nanoseconds since the epoch."""

    message: int
    ts: int
    model: str
    id: str
    label: Any


@dataclass(frozen=True, slots=True)
class Column:
    """The values of one feature, tag or target.

    Attributes
    ----------
    kind : Kind
    values : array
        Numeric: float64[n], NaN for null. Boolean: int8[n], -1 for null. Categorical: int32[n],
        places in `names`, -1 for null. Text: float64[n], lengths in characters, NaN for null.
        Embedding: float32[k, d], the vectors of `rows` alone, so that rows without cost nothing.
    names : sequence of str
        Of a categorical column: every category met so far, also such that no row has.
    rows : int64[k] or None
        Of an embedding: the rows that have a vector, ascending.
    """

    kind: Kind
    values: NDArray[Any]
    names: Sequence[str] = ()
    rows: NDArray[np.int64] | None = None

    def take(self, index: NDArray[np.int64]) -> Self:
        """Rows by index, ascending."""
        if self.rows is None:
            return type(self)(self.kind, self.values[index], self.names)
        place = np.searchsorted(index, self.rows)
        place[place == len(index)] = 0
        held = index[place] == self.rows if len(index) else np.zeros(len(place), np.bool_)
        return type(self)(self.kind, self.values[held], self.names, place[held])

    def vectors(self, rows: int) -> NDArray[np.float32]:
        """Give an embedding as float32[rows, d], NaN in rows without a vector."""
        dense = np.full((rows, self.values.shape[1]), np.nan, np.float32)
        dense[self.rows] = self.values
        return dense


@dataclass(frozen=True, slots=True)
class LabelTable:
    """Labels of one model, in the order in which they came.

    Attributes
    ----------
    model : str
    message : int32[n]
        For each row the index of its message.
    ts : int64[n]
        When the label was known, nanoseconds since the epoch.
    ids : list of str
        Prediction ids.
    key : uint64[n]
        Hash of model and prediction id, see `keys_of`.
    label : Column
        Numeric or categorical, with the codes of the predictions.
    evaluator : str
        Who has judged; empty for the truth. Each one's labels are joined for themselves.
    """

    model: str
    message: NDArray[np.int32]
    ts: NDArray[np.int64]
    ids: list[str]
    key: NDArray[np.uint64]
    label: Column
    evaluator: str = ""

    def __len__(self) -> int:
        return len(self.ts)


@dataclass(frozen=True, slots=True)
class PredictionTable:
    """Predictions of one version of a model, in the order in which they came.

    Attributes
    ----------
    model, version : str
    schema : int
        Version of the model's schema after these rows.
    message : int32[n]
        For each row the index of its message.
    ts : int64[n]
        Nanoseconds since the epoch.
    ids : list of str
        Prediction ids; empty where there is none.
    key : uint64[n]
        Hash of model and prediction id, see `keys_of`; 0 where there is no id.
    prediction : Column
        Numeric or categorical; true and false are 1 and 0.
    score : float64[n]
        NaN where there is none.
    label : Column or None
        Labels that came with the predictions, with the codes of the predictions.
    label_ts : int64[n] or None
        When they were known.
    tags : dict of str to Column
        Categorical.
    features : dict of str to Column
        In the order of the schema; features that none of the rows of this batch has are left out.
    """

    model: str
    version: str
    schema: int
    message: NDArray[np.int32]
    ts: NDArray[np.int64]
    ids: list[str]
    key: NDArray[np.uint64]
    prediction: Column
    score: NDArray[np.float64]
    label: Column | None
    label_ts: NDArray[np.int64] | None
    tags: dict[str, Column]
    features: dict[str, Column]

    def __len__(self) -> int:
        return len(self.ts)

    def inline_labels(self) -> LabelTable | None:
        """Give the labels that came with the predictions as late ones are; None without any."""
        if self.label is None or self.label_ts is None:
            return None
        values = self.label.values
        has = values >= 0 if self.label.kind is Kind.CATEGORICAL else ~np.isnan(values)
        rows = np.flatnonzero(has & (self.key != 0))
        return LabelTable(
            self.model,
            self.message[rows],
            self.label_ts[rows],
            [self.ids[row] for row in rows.tolist()],
            self.key[rows],
            self.label.take(rows),
        )


@dataclass(frozen=True, slots=True)
class PredictionBatch:
    """What a codec made of some messages.

    Attributes
    ----------
    tables : list of PredictionTable
        At least one per (model, version) that has rows; those of one in the order of their rows.
    labels : list of LabelTable
        Late labels, at least one table per model; those that came with predictions are in `tables`.
    rejects : list of Reject
        Messages and rows that could not be used, and values (with the row they stood in), in
        message order.
    refused : Counter of (str, str, str)
        Refused values by model, feature and reason; such a value is null in its row. The feature is
        empty where there were too many features to name one.
    """

    tables: list[PredictionTable] = field(default_factory=list)
    labels: list[LabelTable] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    refused: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def extend(self, other: Self) -> None:
        """Append the tables of the messages that follow."""
        self.tables.extend(other.tables)
        self.labels.extend(other.labels)
        self.rejects.extend(other.rejects)
        self.refused.update(other.refused)


Rows = tuple[list[PredictionRow], list[LabelRow], list[Reject]]
"""What a message holds."""

ReadRows = Callable[[bytes, int], Rows]
"""Reads one message; the number is what its rows and rejects say of its place. Never raises."""


def keys_of(model: str, ids: Iterable[str]) -> NDArray[np.uint64]:
    r"""Hash a model with each of some prediction ids.

    BLAKE2b with an 8-byte digest (RFC 7693) over ``model\xffid\xff``, read as a big-endian integer,
    as in `engine.series.identity.fingerprint_of`; 0 for an empty id.
    """
    start = blake2b(model.encode() + b"\xff", digest_size=8)
    digests: list[bytes] = []
    for text in ids:
        state = start.copy()
        state.update(text.encode() + b"\xff")
        digests.append(state.digest() if text else bytes(8))
    return np.frombuffer(b"".join(digests), ">u8").astype(np.uint64)
